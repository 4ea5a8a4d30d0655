"""``preprocess`` and ``labels``: without them nobody can run what was exported."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

from resgen.errors import ResgenError
from resgen.spec.bind import Binder
from resgen.spec.labels import labels_of, read_labels
from resgen.spec.model import INTERPOLATIONS, Preprocess
from resgen.spec.params import Param
from resgen.spec.source import Json, Problems, plain

#: What pictures become is below 255 in every preprocessing of the field, Caffe's (whose
#: numbers are not scaled) included. Beyond these no network computes with it.
USUAL: Final = 300.0
GREATEST: Final = 1e6
#: And a step of a pixel below this is nothing beside the sums that it enters.
LEAST: Final = 1e-7
#: How far black and white lie apart at least: 1 where they are only scaled.
APART: Final = 0.1
_ONE_UNIT: Final = 'divide mean and std by 255, or say "scale": 1'
#: Largest size that a picture is resized to, in pixels.
MAX_SIZE: Final = 1 << 16

_SIZE = Param("integer", minimum=1, maximum=MAX_SIZE)
_NUMBER = Param("number")
#: Fields with one value each; `mean` and `std` have one a channel.
PARAMS: Final = {
    "resize": _SIZE,
    "crop": _SIZE,
    "interpolation": Param("enum", choices=INTERPOLATIONS),
    "antialias": Param("boolean"),
    "color": Param("enum", choices=("rgb", "bgr", "gray")),
    "scale": _NUMBER,
}


class _Refused(Exception):
    """A value that was reported, so the default stays."""


def preprocess(at: Json | None, shape: tuple[int, ...], binder: Binder) -> Preprocess:
    """How pictures become the input of this shape; ImageNet's usual values unless said.

    ImageNet's statistics speak of three colours; for another number of channels the
    default leaves values between 0 and 1.
    """
    channels, size = shape[0], min(shape[1:])
    made = Preprocess(resize=around(size))
    if channels != 3:
        color: Any = "gray" if channels == 1 else "rgb"
        zeros, ones = (0.0,) * channels, (1.0,) * channels
        made = replace(made, color=color, mean=zeros, std=ones)
    if at is None or at.value is None:
        return made
    keys = [f.name for f in fields(Preprocess)]
    values = {key: getattr(made, key) for key in keys}
    for key, item in binder.members(at, keys, '"preprocess"').items():
        with suppress(_Refused):
            if key in ("mean", "std"):
                values[key] = _by_channel(key, item, channels, binder)
            else:
                values[key] = _value(key, item, binder)
    _consistent(values, shape, at, binder)
    if values["interpolation"] == "lanczos" and not values["antialias"]:
        message = '"lanczos" always smooths what it shrinks, so "antialias" is true'
        binder.problems.error("RG013", message, at.place())
    return Preprocess(**values)


def around(size: int) -> int:
    """The shorter side of a picture from which a square of this size is cut.

    In proportion to what ImageNet's networks are tested with, 224 of 256, and rounded
    as timm rounds its ``crop_pct`` of 0.875.
    """
    return size * 8 // 7


def _consistent(
    values: dict[str, Any], shape: tuple[int, ...], at: Json, binder: Binder
) -> None:
    """What is said against what else is said, and against the input."""
    said = at.value if isinstance(at.value, dict) else {}
    crop, problems = values["crop"], binder.problems
    if crop is not None and "resize" not in said:
        values["resize"] = around(crop)
    resize = values["resize"]
    if "crop" in said and crop is not None and resize is not None and crop > resize:
        message = f"a square of {crop} cannot be cut from a picture of {resize}"
        hint = f'"resize": {around(crop)}, say'
        problems.error("RG013", message, said["crop"].place(), hint)
    elif "resize" in said and crop is None and resize and resize < max(shape[1:]):
        message = (
            f"pictures of {resize} are smaller than the input, so its rim is black"
        )
        hint = f'"resize": {around(min(shape[1:]))}, or leave it out'
        problems.warning("RG016", message, said["resize"].place(), hint)
    _reached(values, said, problems)
    # What holds unless said may always be said, as the canonical form does.
    usual = "gray" if shape[0] == 1 else "rgb"
    if "color" in said and len(shape) == 3 and values["color"] != usual:
        wanted = 1 if values["color"] == "gray" else 3
        if shape[0] != wanted:
            message = f"a {values['color']} picture has {wanted} channels, "
            message += f"the input has {shape[0]}"
            problems.error("RG013", message, said["color"].place())


def _reached(values: dict[str, Any], said: Any, problems: Problems) -> None:
    """What a picture becomes has to be numbers, that differ, of a size to compute with.

    The least and the greatest of (value x scale - mean) / std, value from 0 to 255.
    """
    written = [said[key] for key in ("scale", "std", "mean") if key in said]
    if not written:
        return
    place = written[0].place()
    ends = [
        (value * values["scale"] - mean) / std
        for value in (0, 255)
        for mean, std in zip(values["mean"], values["std"], strict=True)
    ]
    largest = max(map(abs, ends))
    steps = [abs(values["scale"]) / std for std in values["std"]]
    if not largest < GREATEST or min(steps) < LEAST:
        message = f"pictures would become numbers from {min(ends):.3g} to "
        message += f"{max(ends):.3g}, which tell nothing of them"
        hint = '"scale", "mean" and "std" of (value x scale - mean) / std, value to 255'
        problems.error("RG013", message, place, hint)
    elif "mean" in said and values["scale"] < 0.1 and max(values["mean"]) > 1:
        message = "a mean above 1 where values are scaled to 0 ... 1"
        problems.warning("RG016", message, said["mean"].place(), _ONE_UNIT)
    elif 255 * max(steps) < APART:
        message = f"black and white become numbers {255 * max(steps):.2g} apart"
        problems.warning("RG016", message, place, _ONE_UNIT)
    elif largest > USUAL:
        message = f"pictures become numbers up to {largest:,.0f}, and networks are "
        message += "trained on some units"
        hint = 'is "scale" the one that goes with "mean" and "std"?'
        problems.warning("RG016", message, place, hint)


def _by_channel(key: str, at: Json, channels: int, binder: Binder) -> tuple[float, ...]:
    items = at.value if isinstance(at.value, list) else []
    values = [_number(item, _NUMBER, binder) for item in items]
    if len(values) != channels:
        message = f'"{key}" is a list of {channels} numbers, one a channel'
        binder.problems.error("RG012", message, at.place())
        raise _Refused
    if key == "std" and min(values) <= 0:
        message = '"std" divides, so all of it is above 0'
        binder.problems.error("RG013", message, at.place())
        raise _Refused
    return tuple(float(value) for value in values)


def _value(key: str, at: Json, binder: Binder) -> Any:
    if at.value is None and key in ("resize", "crop"):
        return None
    param = PARAMS[key]
    if param.kind == "enum":
        text = binder.text(at, param)
        if text is None:
            raise _Refused
        return text.text
    value = _number(at, param, binder)
    return float(value) if key == "scale" else value


def _number(at: Json, param: Param, binder: Binder) -> Any:
    value = binder.constant(at, param)
    if value is None:
        raise _Refused
    return value


def labels(
    at: Json | None, folder: Path | None, problems: Problems
) -> tuple[str, ...] | None:
    """Names of the classes: a list, an object by number, or a file beside the spec."""
    if at is None or at.value is None:
        return None
    if isinstance(at.value, str):
        return _file(at, at.value, folder or Path.cwd(), problems)
    if not isinstance(at.value, list | dict):
        problems.mistyped(at, '"labels" is a list of strings or a file')
        return None
    try:
        return labels_of(plain(at))
    except ResgenError as error:
        problems.error("RG012", f'"labels": {error.message}', at.place())
        return None


def _file(
    at: Json, name: str, folder: Path, problems: Problems
) -> tuple[str, ...] | None:
    try:
        path = (folder / name).resolve()
        within = path.is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError) as error:  # NUL, a loop of links
        problems.error("RG040", f"labels cannot be read: {error}", at.place())
        return None
    if not within:
        message = f'"{name}" lies outside the folder of the spec'
        problems.error("RG043", message, at.place())
        return None
    try:
        return read_labels(folder / name)
    except ResgenError as error:
        message = f"labels cannot be read: {error.message}"
        problems.error("RG040", message, at.place(), error.hint)
        return None
