"""Optimisation profiles: the sizes that an engine takes, and those it is best at.

A file whose sizes are fixed needs none. ``--profile`` gives three sizes, the least, the
best and the largest: of the batch (``1,8,32``), or whole shapes where height and width
are open too (``1x3x192x192,8x3x224x224,8x3x512x512``). Several profiles may be given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from resgen.errors import UsageError
from resgen.words.numbers import shape as said

Sizes: TypeAlias = tuple[int, ...]
#: The least, the best and the largest; of a batch alone they have one number.
Span: TypeAlias = tuple[Sizes, Sizes, Sizes]
#: What an engine takes of every input.
Profile: TypeAlias = Mapping[str, Span]
#: Sizes of all axes; None is open.
Open: TypeAlias = Sequence[int | None]

#: What is meant where only the batch is open and nobody says how large it is.
DEFAULT: Final[Span] = ((1,), (8,), (32,))

_SIZES: Final = re.compile(r"[1-9]\d{0,8}(x[1-9]\d{0,8})*")


def parse_profile(text: str) -> Span:
    """The three sizes of a profile as it is written on the command line.

    >>> parse_profile("1,8,32")
    ((1,), (8,), (32,))
    """
    words = [word.strip().lower() for word in text.split(",")]
    if len(words) != 3 or not all(_SIZES.fullmatch(word) for word in words):
        raise UsageError(
            f'"{text}" is not a profile: it takes the least, the best and the largest '
            "size",
            hint="as in 1,8,32 or 1x3x192x192,8x3x224x224,8x3x512x512",
        )
    least, best, largest = (tuple(map(int, word.split("x"))) for word in words)
    if not len(least) == len(best) == len(largest):
        raise UsageError(f'the sizes of the profile "{text}" have different ranks')
    _check_order("the batch" if len(least) == 1 else "an input", (least, best, largest))
    return least, best, largest


def format_profile(span: Span) -> str:
    """The text that :func:`parse_profile` reads.

    >>> format_profile(((1,), (8,), (32,)))
    '1,8,32'
    """
    return ",".join("x".join(map(str, sizes)) for sizes in span)


def resolve(spans: Sequence[Span], inputs: Mapping[str, Open]) -> tuple[Profile, ...]:
    """The profiles for a file with these ``inputs``; none where all sizes are fixed.

    A batch holds for every input. A whole shape is of the inputs that have more than
    the batch open; others take its batch. What does not fit is a
    :class:`~resgen.errors.UsageError`.
    """
    free = {name: shape for name, shape in inputs.items() if None in shape}
    if not spans:
        if not free:
            return ()
        for name, shape in free.items():
            if None in shape[1:]:
                raise UsageError(
                    f'the input "{name}" is {said(shape)}: an engine has to know its '
                    "sizes",
                    hint=f"as in the profile {_example(shape)}",
                )
        spans = (DEFAULT,)
    if not free:
        for span in spans:
            for name, shape in inputs.items():
                _fit(name, shape, span)
        return ()
    wide = {name for name, shape in free.items() if None in shape[1:]}

    def of(name: str, span: Span) -> Span:
        least, best, largest = span
        told = name in wide or not wide
        return span if told else (least[:1], best[:1], largest[:1])

    one = "leave sizes open in one input, and only the batch in the others"
    hint = one if len(wide) > 1 else None
    return tuple(
        {name: _fit(name, shape, of(name, span), hint) for name, shape in free.items()}
        for span in spans
    )


def _fit(name: str, shape: Open, span: Span, hint: str | None = None) -> Span:
    """The profile's three shapes for one input."""
    whole = tuple(_complete(name, shape, sizes) for sizes in span)
    for sizes in whole:
        if len(sizes) != len(shape) or any(
            fixed not in (None, size) for size, fixed in zip(sizes, shape, strict=True)
        ):
            raise UsageError(
                f"the profile {format_profile(span)} does not fit the input "
                f'"{name}", which is {said(shape)}',
                hint=hint,
            )
    least, best, largest = whole
    _check_order(f'the input "{name}"', (least, best, largest))
    return least, best, largest


def _complete(name: str, shape: Open, sizes: Sizes) -> Sizes:
    """A whole shape of a batch alone."""
    if len(sizes) != 1 or len(shape) == 1:
        return sizes
    rest = tuple(size for size in shape[1:] if size is not None)
    if len(rest) != len(shape) - 1:
        raise UsageError(
            f'a batch does not say what sizes the input "{name}" has, which is '
            f"{said(shape)}",
            hint=f"as in the profile {_example(shape)}",
        )
    return (*sizes, *rest)


def _check_order(what: str, span: Span) -> None:
    for sizes in zip(*span, strict=True):
        if list(sizes) != sorted(sizes):
            raise UsageError(
                f"the profile of {what} is not in order: {format_profile(span)}",
                hint="write the least, the best and the largest size",
            )


def _example(shape: Open) -> str:
    """A profile that such an input could have."""
    names = [1, 8, 8], [192, 224, 512]
    axes = [
        (names[0] if axis == 0 else names[1]) if size is None else [size] * 3
        for axis, size in enumerate(shape)
    ]
    return ",".join("x".join(map(str, sizes)) for sizes in zip(*axes, strict=True))
