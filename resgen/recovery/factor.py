"""What a spec says several times, said once: blocks of its own, and loops.

This works on the text. Elements of one shape become a block whose parameters are the
numbers that differ; elements in a row that differ by a number become a loop. Each is
taken where the text gets shorter by it.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from resgen.recovery.explain import expression, same
from resgen.recovery.known import unused

#: Keys of an element that stay where a block is used instead.
_OUTER: Final = ("as", "when", "name", "from")
#: Keys whose values are part of an element's shape.
_SHAPE: Final = ("op", "as", "use", "name", "from", "type", "merge", "axis", "for",
                 "by", "like", "keys", "values")  # fmt: skip
_MERGES: Final = ("add", "multiply", "concat", "maximum", "minimum", "stack")
FORMS: Final = ("seq", "residual", *_MERGES)
#: Keys whose values may name a kept value.
_SURE: Final = ("from", "like", "keys", "values", "scores")
_REFERS: Final = (*_SURE, "by", "bias")
#: The least that a block has to save, in bytes; what it costs to read.
_WORTH: Final = 40
_ROUNDS: Final = 16


def size(value: Any) -> int:
    """Bytes of the minified JSON."""
    return len(json.dumps(value, separators=(",", ":")))


Place = tuple[Any, Any]  # what holds an element, and under which key


def elements(value: Any, at: Place | None = None) -> Iterator[tuple[Place, Any]]:
    """Every element that is an object, with where it stands; the outer ones first."""
    if isinstance(value, dict):
        if at is not None and any(key in value for key in FORMS):
            yield at, value
        for key, inner in value.items():
            yield from elements(inner, (value, key))
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            yield from elements(inner, (value, n))


Hole = tuple[tuple[Any, ...], Any]  # the way to a number, and the number


def holes(value: Any, way: tuple[Any, ...] = ()) -> Iterator[Hole]:
    """The numbers and expressions of an element."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not way and key in _OUTER:
                continue
            if isinstance(inner, (dict, list)):
                yield from holes(inner, (*way, key))
            elif key not in _SHAPE:
                yield (*way, key), inner
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            if isinstance(inner, (dict, list)):
                yield from holes(inner, (*way, n))
            elif not isinstance(inner, str):
                yield (*way, n), inner


def shape(value: Any, *, outer: bool = True) -> Any:
    """Equal for elements that differ in numbers alone."""
    if isinstance(value, dict):
        return tuple(
            (key, inner if key in _SHAPE and not isinstance(inner, (dict, list)) else
             shape(inner, outer=False))
            for key, inner in sorted(value.items())
            if not (outer and key in _OUTER)
        )  # fmt: skip
    if isinstance(value, list):
        items = (i if isinstance(i, str) else shape(i, outer=False) for i in value)
        return ("list", *items)
    return None


def _literal(value: Any) -> bool:
    """Whether it means the same wherever it is written."""
    if isinstance(value, str):
        names = set(re.findall(r"[a-z_]\w*", value))
        return names <= {"divisible", "here", "if", "else"} and "$" not in value
    return True


#: What a block calls the values that it keeps.
_KEPT: Final = "xyzuvw"
#: The parameter for values that are kept outside of a block.
_BEFORE: Final = "before"


Usual = Mapping[str, Mapping[str, Any]]  # of blocks, what they are given unless said


def closed(element: dict[str, Any], usual: Usual) -> tuple[Any, list[Any]] | None:
    """An element as a block could hold it, and the values that it takes from outside.

    What it gives to blocks is all said, so that it is of one shape with its like.

    Values that it keeps have the names that all others of its kind have. Branches that
    are values kept outside, in a row in one merge, are one parameter. None where it
    takes others: a block does not see them.
    """
    own: dict[str, str] = {}
    for each in _objects(element):
        if each is not element and "name" in each and each["name"] not in own:
            at = len(own)
            own[each["name"]] = _KEPT[at % 6] * (at // 6 + 1)
    outer: list[Any] = []
    runs = 0

    def outside(value: Any) -> bool:
        free = isinstance(value, dict) and value.get("from", "") not in ("", *own)
        return free and not {"as", "name", "seq", "use"} & set(value)

    def change(value: Any, top: bool = False) -> Any:
        nonlocal runs
        if isinstance(value, list):
            return [change(each) for each in value]
        if not isinstance(value, dict):
            return value
        made: dict[str, Any] = {}
        if value.get("use") in usual:
            given = {**usual[value["use"]], **value.get("with", {})}
            value = {**value, "with": given} if given else value
        for key, inner in value.items():
            if key in _MERGES and isinstance(inner, list):
                made[key] = []
                for is_outer, run in groupby(inner, outside):
                    if not is_outer:
                        made[key].extend(map(change, run))
                        continue
                    outer.extend(run)
                    runs += 1
                    made[key].append({"use": f"${_BEFORE}"})
            elif top and key in _OUTER:
                made[key] = inner
            elif key == "name" or (key in _REFERS and inner in own):
                made[key] = own[inner]
            elif key in _SURE and isinstance(inner, str):
                raise LookupError(inner)
            else:
                made[key] = change(inner)
        return made

    try:
        made = change(element, top=True)
    except LookupError:
        return None
    return (made, outer) if runs <= 1 else None


def _trimmed(value: Any, usual: Usual) -> Any:
    """Without what blocks are given unless said."""
    if isinstance(value, list):
        return [_trimmed(each, usual) for each in value]
    if not isinstance(value, dict):
        return value
    made = {key: _trimmed(inner, usual) for key, inner in value.items()}
    if made.get("use") in usual and "with" in made:
        known = usual[made["use"]]
        said = made.pop("with").items()
        given = {k: v for k, v in said if k not in known or known[k] != v}
        made = {**made, "with": given} if given else made
        if list(made) == ["use"]:
            return made["use"]
    return made


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _objects(inner)


@dataclass(slots=True)
class _Block:
    """A block made of elements of one shape, with what each use gives it."""

    body: Any
    params: dict[str, dict[str, Any]] = field(default_factory=dict)
    given: list[dict[str, Any]] = field(default_factory=list)

    @property
    def definition(self) -> dict[str, Any]:
        """As it is written in a spec."""
        made: dict[str, Any] = {"params": self.params} if self.params else {}
        return {**made, "body": self.body}


_KINDS: Final = {
    "out": "channels",
    "to": "channels",
    "when": "boolean",
    "bias": "boolean",
    "active": "boolean",
    "reduction": "number",
}
_CALLED: Final = {"to": "width", "when": "present"}


def block(found: Sequence[Any]) -> _Block | None:
    """One block of these elements; None where it cannot see what they are made of."""
    body = json.loads(
        json.dumps({k: v for k, v in found[0].items() if k not in _OUTER})
    )
    ways = [dict(holes(element)) for element in found]
    made = _Block(body, given=[{} for _ in found])
    known: dict[str, list[Any]] = {}
    for way in ways[0]:
        values = [each[way] for each in ways]
        if all(repr(v) == repr(values[0]) for v in values) and _literal(values[0]):
            continue
        texts = [v for v in values if isinstance(v, str)]
        if any("$" in text or "here" in text for text in texts):
            return None
        name = None
        sizes = {k: v for k, v in known.items() if all(type(x) is int for x in v)}
        if texts:
            name = next((k for k, v in known.items() if same(values, v)), None)
        elif all(type(v) is int for v in values):
            name = expression(values, known, sizes)
        else:
            name = next((k for k, v in known.items() if same(values, v)), None)
        if name is None:
            key = next(k for k in reversed(way) if isinstance(k, str))
            name = _unique(_CALLED.get(key, key), known)
            known[name] = values
            kind = _KINDS.get(key, "integer")
            if any(isinstance(v, float) for v in values):
                kind = "number"
            elif any(isinstance(v, bool) for v in values):
                kind = "boolean"
            made.params[name] = {"type": kind}
        _put(body, way, name)
    for name, values in known.items():
        usual = _most(values)
        literal = _literal(usual) and not isinstance(usual, str)
        if literal and values.count(usual) > 1:
            made.params[name]["default"] = usual
        for given, value in zip(made.given, values, strict=True):
            if "default" not in made.params[name] or value != usual:
                given[name] = value
    made.body = _unwrapped(body)
    return made


def _unwrapped(body: Any) -> Any:
    """A sequence without a path as the list that it is."""
    if isinstance(body, dict) and list(body) == ["seq"]:
        return body["seq"]
    return body


def _most(values: Sequence[Any]) -> Any:
    return max(values, key=lambda v: sum(repr(v) == repr(w) for w in values))


def _unique(name: str, known: Mapping[str, Any]) -> str:
    for prefix in ("", "second_", "third_", "fourth_", "fifth_", "sixth_"):
        if prefix + name not in known:
            return prefix + name
    return f"last_{name}"


def _put(body: Any, way: Sequence[Any], value: Any) -> None:
    for key in way[:-1]:
        body = body[key]
    body[way[-1]] = value


def factored(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec with blocks of its own for what it says more than once."""
    spec = json.loads(json.dumps(spec))
    usual: dict[str, dict[str, Any]] = {}
    for _ in range(_ROUNDS):
        groups: defaultdict[Any, list[tuple[Place, Any, Any]]] = defaultdict(list)
        for at, element in elements(spec):
            own = None if at[1] == "shortcut" else closed(element, usual)
            if own is not None:
                groups[shape(own[0])].append((at, element, own))
        best = 0
        chosen = None
        for places in groups.values():
            if len(places) < 2:
                continue
            made = block([own for _, _, (own, _) in places])
            if made is None:
                continue
            for given, (_, _, (_, outer)) in zip(made.given, places, strict=True):
                if outer:
                    made.params[_BEFORE] = {"type": "body"}
                    given[_BEFORE] = outer[0] if len(outer) == 1 else {"list": outer}
            made.body = _trimmed(made.body, usual)
            name = _name(made, spec)
            texts = [
                _use(element, name, given)
                for (_, element, _), given in zip(places, made.given, strict=True)
            ]
            saved = sum(size(e) for _, e, _ in places) - sum(map(size, texts))
            saved -= size({name: made.definition})
            if saved > max(best, _WORTH):
                best, chosen = saved, (name, made, places, texts)
        if chosen is None:
            break
        name, made, places, texts = chosen
        for ((holder, key), _, _), text in zip(places, texts, strict=True):
            holder[key] = text
        spec.setdefault("blocks", {})[name] = made.definition
        usual[name] = {
            key: param["default"]
            for key, param in made.params.items()
            if "default" in param
        }
    return spec


def _use(element: Mapping[str, Any], name: str, given: Mapping[str, Any]) -> Any:
    outer = {key: element[key] for key in _OUTER if key in element}
    if not outer and not given:
        return name
    made = {**outer, "use": name}
    return {**made, "with": dict(given)} if given else made


def _name(made: _Block, spec: Mapping[str, Any]) -> str:
    text = json.dumps(made.body)
    if '"residual"' in text:
        wanted = "unit"
    elif '"multiply"' in text:
        wanted = "gate"
    elif '"op": "conv"' in text:
        wanted = "convolution"
    else:
        wanted = "piece"
    return unused(wanted, spec.get("blocks", {}))


# --- conditions -----------------------------------------------------------------------


def gathered(value: Any) -> Any:
    """The text with elements in a row that are there under one condition as one.

    A branch of a merge is one of several, and its condition stays its own.
    """
    if isinstance(value, dict):
        return {
            key: [gathered(each) for each in inner]
            if key in (*_MERGES, "list") and isinstance(inner, list)
            else gathered(inner)
            for key, inner in value.items()
        }
    if not isinstance(value, list):
        return value
    made: list[Any] = []
    for when, run in groupby(map(gathered, value), _condition):
        items = list(run)
        if when is None or len(items) == 1:
            made += items
            continue
        inner = [{k: v for k, v in item.items() if k != "when"} for item in items]
        bare = [i["op"] if list(i) == ["op"] else i for i in inner]
        made.append({"when": when, "seq": bare})
    return made


def _condition(element: Any) -> str | None:
    return element.get("when") if isinstance(element, dict) else None


# --- loops ----------------------------------------------------------------------------


def looped(value: Any) -> Any:
    """The text with elements in a row that differ by a number as loops."""
    if isinstance(value, dict):
        return {key: looped(inner) for key, inner in value.items()}
    if not isinstance(value, list):
        return value
    items = [looped(item) for item in value]
    made: list[Any] = []
    at = 0
    while at < len(items):
        loop, count = _loop(items, at)
        made.append(loop)
        at += count
    return made


def _loop(items: Sequence[Any], at: int) -> tuple[Any, int]:
    """The longest loop that begins here, and how many elements it stands for."""
    first = items[at]
    if not isinstance(first, dict) or "as" not in first or "name" in first:
        return first, 1
    head, number = _numbered(first["as"])
    if number is None:
        return first, 1
    rest = {key: v for key, v in first.items() if key != "as"}
    end = at + 1
    while end < len(items):
        item = items[end]
        if not isinstance(item, dict) or item.get("as") != f"{head}{number + end - at}":
            break
        if {key: v for key, v in item.items() if key != "as"} != rest:
            break
        end += 1
    count = end - at
    if count < 2 or not {"use", "seq", "residual"} & set(rest) or "from" in rest:
        return first, 1
    shift = f"i + {number}" if number else "i"
    only = list(rest) == ["use"]
    body = rest["use"] if only else rest["seq"] if list(rest) == ["seq"] else rest
    loop = {"for": "i", "in": count, "as": f"{head}{{{shift}}}", "body": body}
    return (loop, count) if size(loop) < size(items[at:end]) else (first, 1)


def _numbered(path: Any) -> tuple[str, int | None]:
    found = re.fullmatch(r"(.*?)(\d+)", path) if isinstance(path, str) else None
    if found is None or "{" in found[1]:
        return "", None
    return found[1], int(found[2])
