"""The sizes that a kit's engine takes, checked against the ONNX file and its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resgen.errors import UsageError
from resgen.onnxfile.stored import read_stored
from resgen.runtime.base import Shape, fits
from resgen.tensorrt.profiles import Profile, Sizes
from resgen.words.numbers import shape as said


def shapes_of(onnx: Path) -> tuple[dict[str, Shape], tuple[str, ...]]:
    """The shapes of a file's inputs, open axes as None, and its outputs' names."""
    stored = read_stored(onnx)
    inputs = {
        value.name: tuple(
            axis.dim_value if axis.HasField("dim_value") else None
            for axis in value.type.tensor_type.shape.dim
        )
        for value in stored.inputs
    }
    return inputs, tuple(value.name for value in stored.model.graph.output)


def check_profiles(
    inputs: Mapping[str, Shape], profiles: Sequence[Profile], given: Mapping[str, Any]
) -> int:
    """The index of the profile that takes the test inputs (0 where sizes are fixed).

    ``given`` are the test inputs. What does not fit the file is a
    :class:`~resgen.errors.UsageError`.
    """
    if given.keys() != inputs.keys():
        raise UsageError(
            f"the network takes {', '.join(inputs)}, but the test inputs are "
            f"{', '.join(given) or 'none'}"
        )
    for name, shape in inputs.items():
        if not fits(given[name].shape, shape):
            raise UsageError(
                f'the test input "{name}" is {said(given[name].shape)}, but the '
                f"network takes {said(shape)}"
            )
    for profile in profiles:
        _check(inputs, profile)
    if not profiles:
        open_ = [name for name, shape in inputs.items() if None in shape]
        if open_:
            raise UsageError(
                f'the input "{open_[0]}" is {said(inputs[open_[0]])}: an engine '
                "needs a profile that says which sizes it takes"
            )
        return 0
    for index, profile in enumerate(profiles):
        if all(_within(given[n].shape, *sizes) for n, sizes in profile.items()):
            return index
    shown = ", ".join(said(array.shape) for array in given.values())
    raise UsageError(f"no profile takes the test inputs, which are {shown}")


def _check(inputs: Mapping[str, Shape], profile: Profile) -> None:
    for name, sizes in profile.items():
        if name not in inputs:
            raise UsageError(f'a profile names "{name}", which is not an input')
        least, best, largest = sizes
        for size in sizes:
            if not fits(size, inputs[name]):
                raise UsageError(
                    f'the profile of "{name}" says {said(size)}, but the network '
                    f"takes {said(inputs[name])}"
                )
        if not _within(best, least, best, largest):
            raise UsageError(
                f'the profile of "{name}" is not in order: {said(least)}, '
                f"{said(best)}, {said(largest)}"
            )
    for name, shape in inputs.items():
        if None in shape and name not in profile:
            raise UsageError(f'a profile does not say what sizes "{name}" has')


def _within(shape: Sizes, least: Sizes, best: Sizes, largest: Sizes) -> bool:
    return all(a <= n <= b for n, a, b in zip(shape, least, largest, strict=True))
