"""Can these arrays be the inputs of this network, as its spec prepares pictures?

What is prepared otherwise (bytes, or not normalised) gives ranges and figures that hold
for no picture, and nothing after this would notice.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

from resgen.errors import ResgenError
from resgen.pictures.words import takes_pictures
from resgen.runtime.base import Array
from resgen.spec.model import Preprocess

#: How far beyond what a picture can give numbers may reach without a word, in spans.
SLACK: Final = 0.01
#: From so many spans beyond on they are refused: bytes lie 25 and more beyond.
FAR: Final = 20.0
#: Inputs of a smaller part of the possible range were prepared twice, more likely than
#: that all pictures are so dull.
NARROW: Final = 0.1
#: Neighbouring pixels of photographs correlate by 0.8 and more, those of noise by 0.
UNRELATED: Final = 0.2
#: How many inputs are looked at for that, and pictures for being of one colour.
LOOKED_AT: Final = 16


def check_inputs(
    array: Array, path: Path, preprocess: Preprocess, shape: tuple[int, ...]
) -> tuple[str, ...]:
    """What is to be said of inputs of a file, (N, *shape).

    Raises :class:`~resgen.errors.ResgenError` for those that cannot be meant.
    """
    if np.ptp(array) == 0:
        raise ResgenError(
            f"{path} holds {array.flat[0]:g} throughout, which tells nothing of a "
            "network",
            hint="inputs as the network will see them are wanted",
        )
    if not takes_pictures(preprocess, shape):
        return ()
    least, greatest = possible(preprocess)
    prepared = (
        f"pictures prepared as the spec says lie from {least:.3g} to {greatest:.3g} "
        "(value x scale - mean) / std"
    )
    if array.dtype.kind != "f":
        raise ResgenError(
            f"{path} holds {array.dtype} numbers, but the network takes float32: "
            f"{prepared}",
            hint="prepare them so, or give a folder of pictures",
        )
    low, high = float(array.min()), float(array.max())
    span = greatest - least
    if high - low < span / 255:
        raise ResgenError(
            f"{path} holds numbers from {low:.3g} to {high:.3g}: less than one step of "
            f"a picture apart; {prepared}",
            hint="prepare them so, or give a folder of pictures",
        )
    beyond = max(least - low, high - greatest) / span
    said = f"{path} holds numbers from {low:.3g} to {high:.3g}"
    if beyond > FAR:
        raise ResgenError(
            f"{said}, but {prepared}",
            hint="prepare them so, or give a folder of pictures",
        )
    notes = []
    if high - low < NARROW * span:
        notes.append(f"{said}, a narrow band of what is possible; {prepared}")
    if beyond > SLACK:
        notes.append(f"{said}, but {prepared}")
    elif low >= 0 and high <= 1 and least < -SLACK * span:
        notes.append(f"{said}, as before mean and std; {prepared}")
    if abs(_neighbours(array[:LOOKED_AT])) < UNRELATED:
        notes.append(
            f"{path} looks like noise (neighbouring pixels are unrelated): figures "
            "from it say little of pictures"
        )
    return tuple(notes)


def check_pictures(pictures: Iterable[Array], folder: Path) -> tuple[str, ...]:
    """What is to be said of pictures of a folder, each (C, H, W) and prepared.

    They lie where pictures can; but one of a single colour tells nothing of a network.
    """
    plain = [not np.ptp(picture, axis=(-2, -1)).any() for picture in pictures]
    if not any(plain):
        return ()
    return (
        f"{sum(plain)} of {len(plain)} pictures looked at in {folder} have one colour "
        "throughout, which tells nothing of a network",
    )


def possible(preprocess: Preprocess) -> tuple[float, float]:
    """The least and the greatest number that a picture can become."""
    mean, std = np.array(preprocess.mean), np.array(preprocess.std)
    ends = [(255 * preprocess.scale - mean) / std, (0 - mean) / std]
    return float(np.min(ends)), float(np.max(ends))


def _neighbours(array: Array) -> float:
    """The correlation of pixels with those to their right; 1 where there are none."""
    if array.shape[-1] < 2:
        return 1.0
    centred = array - array.mean(axis=(-2, -1), keepdims=True)
    left, right = centred[..., :-1], centred[..., 1:]
    power = float(np.square(left).mean() * np.square(right).mean()) ** 0.5
    return float((left * right).mean()) / power if power else 1.0
