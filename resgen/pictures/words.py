"""What is done to a picture, in one line, wherever it is told."""

from __future__ import annotations

from collections.abc import Sequence
from math import isclose
from typing import Final

from resgen.spec.model import Preprocess
from resgen.words.numbers import shape as said

#: Channels that a picture has in each order of colours.
CHANNELS: Final = {"rgb": 3, "bgr": 3, "gray": 1}
_COLOURS: Final = {"rgb": "RGB", "bgr": "BGR", "gray": "gray"}


def takes_pictures(preprocess: Preprocess, shape: Sequence[int]) -> bool:
    """Whether an input of this shape (without the batch) can be a picture."""
    return len(shape) == 3 and shape[0] == CHANNELS[preprocess.color]


def told(how: Preprocess, shape: Sequence[int]) -> str:
    """The steps in their order, of a picture that becomes an input of this shape.

    >>> told(Preprocess(), (3, 224, 224))[:54]
    'resize to 256 (shorter side, bilinear), crop 224 x 224'
    """
    if not takes_pictures(how, shape):
        return f"none: an input of {said(shape)} is no picture"
    height, width = shape[1:]
    size = f"{height} x {width}"
    smoothed = "" if how.antialias else ", not smoothed"
    filtered = f"{how.interpolation}{smoothed}"
    steps = []
    if how.resize is not None:
        steps.append(f"resize to {how.resize} (shorter side, {filtered})")
    if how.crop is not None:
        steps.append(f"crop {how.crop} x {how.crop}")
        if (how.crop, how.crop) != (height, width):
            steps.append(f"resize to {size} ({filtered})")
    elif how.resize is not None:
        steps.append(f"crop {size}")
    else:
        steps.append(f"resize to {size} ({filtered})")
    steps.append(_COLOURS[how.color])
    if isclose(how.scale, 1 / 255):
        steps.append("/ 255")
    elif how.scale != 1:
        steps.append(f"x {how.scale:g}")
    steps += [f"mean {_numbers(how.mean)}", f"std {_numbers(how.std)}"]
    return ", ".join(steps)


def _numbers(values: Sequence[float]) -> str:
    each = values[:1] if len(set(values)) == 1 else values
    return " ".join(f"{value:g}" for value in each)
