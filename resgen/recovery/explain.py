"""Vectors explained: an expression of the language for a value of every instance.

The simplest one is taken: a name, a multiple or a part of it, a rounded one, a
difference, or one of two values by a condition. None means that only a parameter of its
own can tell the values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from resgen.spec.arithmetic import divisible

Vector = Sequence[Any]  # a value by instance; None where the instance has none

#: Shares that a rounded number of channels is taken of.
_SHARES: Final = tuple(
    Fraction(n, d)
    for n, d in ((1, 2), (1, 4), (1, 8), (1, 16), (2, 3), (1, 3), (3, 4), (1, 6),
                 (2, 1), (3, 1), (4, 1), (6, 1))
)  # fmt: skip
_ROUND_TO: Final = 8
#: What a number of channels is divided by, the rest left out.
_PARTS: Final = (2, 3, 4, 6, 8, 12, 16, 24, 32)


def same(values: Vector, other: Vector) -> bool:
    """Whether they agree wherever there is a value."""
    return all(v is None or v == o for v, o in zip(values, other, strict=True))


def constant(values: Vector) -> bool:
    """Whether all values are one."""
    return len({repr(v) for v in values if v is not None}) <= 1


def ratios(values: Vector, base: Vector) -> list[Fraction | None] | None:
    """Each value over the base's; None where a value has none."""
    made: list[Fraction | None] = []
    for value, by in zip(values, base, strict=True):
        if value is None:
            made.append(None)
        elif not _whole(value) or not _whole(by) or by <= 0:
            return None
        else:
            made.append(Fraction(value, by))
    return made


def scaled(name: str, by: Fraction) -> str:
    """A name times a fraction."""
    if by.denominator == 1:
        return name if by == 1 else f"{by} * {name}"
    if by.numerator == 1:
        return f"{name} // {by.denominator}"
    return f"{by.numerator} * {name} // {by.denominator}"


def conditions(known: Mapping[str, Vector]) -> Iterator[tuple[str, list[bool]]]:
    """What may decide, each with its opposite after it."""
    if not known:
        return
    count = len(next(iter(known.values())))
    stride, width, channels, index = (
        known.get(key, [0] * count) for key in ("stride", "width", "channels", "index")
    )
    strided = [bool(s) and s > 1 for s in stride]
    changed = [bool(w) and w != c for w, c in zip(width, channels, strict=True)]
    first = [i == 0 for i in index]
    either = [s or c for s, c in zip(strided, changed, strict=True)]
    told = {
        "stride > 1": (strided, "stride == 1"),
        "channels != width": (changed, "channels == width"),
        "index == 0": (first, "index > 0"),
        "index % 2 == 1": ([i % 2 == 1 for i in index], "index % 2 == 0"),
        "stride > 1 or channels != width": (
            either,
            "stride == 1 and channels == width",
        ),
    }
    needs = {name: name in known for name in ("stride", "width", "index", "channels")}
    for yes, (vector, no) in told.items():
        if all(there or name not in yes for name, there in needs.items()):
            yield yes, vector
            yield no, [not v for v in vector]


def condition(
    present: Sequence[bool | None], known: Mapping[str, Vector]
) -> str | None:
    """When an element is there; None of a vector is of no account."""
    for text, vector in conditions(known):
        if same(present, vector):
            return text
    return None


def expression(
    values: Vector, known: Mapping[str, Vector], sizes: Mapping[str, Vector]
) -> str | None:
    """What yields these values of known names; ``sizes`` may be divided, too."""
    for name, vector in known.items():
        if same(values, vector):
            return name
    if not all(_whole(v) for v in values if v is not None):
        return _either(values, known)
    for name, vector in sizes.items():
        found = ratios(values, vector)
        if found is not None and constant(found):
            by = next(r for r in found if r is not None)
            if 1 in (by.numerator, by.denominator) or by.numerator < 8:
                return scaled(name, by)
    for name, vector in sizes.items():
        for part in _PARTS:
            if same(values, [v // part for v in vector]):
                return f"{name} // {part}"
    for name, vector in sizes.items():
        text = _rounded(values, name, vector)
        if text is not None:
            return text
    for name, vector in sizes.items():
        for other, taken in sizes.items():
            if name != other and all(_whole(v) for v in (*vector, *taken)):
                less = [a - b for a, b in zip(vector, taken, strict=True)]
                if same(values, less):
                    return f"{name} - {other}"
    return _either(values, known)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _rounded(values: Vector, name: str, vector: Vector) -> str | None:
    if not all(_whole(v) for v in vector):
        return None
    for share in _SHARES:
        made = [divisible(0, v * share, _ROUND_TO) for v in vector]
        if same(values, made):
            inner = (
                f"{name} * {share}"
                if share.denominator == 1
                else scaled_exactly(name, share)
            )
            return f"divisible({inner}, {_ROUND_TO})"
    return None


def scaled_exactly(name: str, by: Fraction) -> str:
    """A name times a fraction, not rounded."""
    if by.numerator == 1:
        return f"{name} / {by.denominator}"
    return f"{by.numerator} * {name} / {by.denominator}"


def _either(values: Vector, known: Mapping[str, Vector]) -> str | None:
    """One of two by a condition: numbers, or a number and a name or its half."""
    if constant(values):
        return None
    for text, vector in conditions(known):
        yes = [v if c else None for v, c in zip(values, vector, strict=True)]
        no = [None if c else v for v, c in zip(values, vector, strict=True)]
        if not constant(yes) or all(v is None for v in yes):
            continue
        a, b = (_simply(part, known) for part in (yes, no))
        if a is not None and b is not None:
            return f"{a} if {text} else {b}"
    return None


def _simply(values: Vector, known: Mapping[str, Vector]) -> str | None:
    """The values as a number, a name or half of it."""
    if constant(values):
        one = next((v for v in values if v is not None), None)
        return _said(one) if isinstance(one, (int, float)) else None
    for name, vector in known.items():
        if same(values, vector):
            return name
        if all(map(_whole, vector)) and same(values, [v // 2 for v in vector]):
            return f"{name} // 2"
    return None


def _said(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- texts ----------------------------------------------------------------------------


def fit(texts: Sequence[str], known: Mapping[str, Sequence[int]]) -> str | None:
    """A template that gives these texts by known numbers; None if none does."""
    if len(set(texts)) == 1:
        return texts[0]
    split = [re.split(r"(\d+)", text) for text in texts]
    if len({len(each) for each in split}) > 1:
        return _spelled(texts, known)
    made = ""
    for at, column in enumerate(zip(*split, strict=True)):
        if len(set(column)) == 1:
            made += column[0]
            continue
        if at % 2 == 0:
            text = _first(column, known)
            if text is None:
                return _spelled(texts, known)
            made += text
            continue
        numbers = [int(c) for c in column]
        if any(str(v) != c for v, c in zip(numbers, column, strict=True)):
            return None
        found = affine(numbers, known)
        if found is None:
            return _spelled(texts, known)
        made += f"{{{found}}}"
    return made


def _first(texts: Sequence[str], known: Mapping[str, Sequence[int]]) -> str | None:
    """A template of two texts, one for where a number is 0, the other elsewhere."""
    for name, values in known.items():
        first = {text for text, v in zip(texts, values, strict=True) if v == 0}
        others = {text for text, v in zip(texts, values, strict=True) if v > 0}
        if len(first) == len(others) == 1:
            return f"{{'{others.pop()}' if {name} > 0 else '{first.pop()}'}}"
    return None


def affine(numbers: Sequence[int], known: Mapping[str, Sequence[int]]) -> str | None:
    """The numbers as a sum of multiples of one or two that are known."""
    count = len(numbers)
    terms = [("", [0] * count)]
    terms += [(name, list(values)) for name, values in known.items()]
    for factor in (1, 2, 3):
        for name, values in terms[1:]:
            for other, more in terms:
                made = [factor * a + b for a, b in zip(values, more, strict=True)]
                shift = numbers[0] - made[0]
                if name == other or any(
                    n - m != shift for n, m in zip(numbers, made, strict=True)
                ):
                    continue
                text = name if factor == 1 else f"{name} * {factor}"
                text += f" + {other}" if other else ""
                sign = "+" if shift > 0 else "-"
                return f"{text} {sign} {abs(shift)}" if shift else text
    return None


def _spelled(texts: Sequence[str], known: Mapping[str, Sequence[int]]) -> str | None:
    """A template that looks letters up by a number that is all different."""
    count = len(texts)
    for name, values in known.items():
        if list(values) != list(range(count)) or len({len(t) for t in texts}) != 1:
            continue
        made = ""
        for column in zip(*texts, strict=True):
            one = len(set(column)) == 1
            made += column[0] if one else "{'" + "".join(column) + f"'[{name}]}}"
        return made
    return None
