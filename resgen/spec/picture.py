"""``preprocess`` and ``labels``: without them nobody can run what was exported."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from resgen.errors import ResgenError
from resgen.spec.bind import Binder, describe
from resgen.spec.labels import labels_of, read_labels
from resgen.spec.model import INTERPOLATIONS, Preprocess
from resgen.spec.params import Param
from resgen.spec.source import Json, Problems, plain

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
    channels = shape[0]
    made = Preprocess()
    if channels != 3:
        color: Any = "gray" if channels == 1 else "rgb"
        made = Preprocess(color=color, mean=(0.0,) * channels, std=(1.0,) * channels)
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
    if values["interpolation"] == "lanczos" and not values["antialias"]:
        message = '"lanczos" always smooths what it shrinks, so "antialias" is true'
        binder.problems.error("RG013", message, at.place())
    return Preprocess(**values)


def _by_channel(key: str, at: Json, channels: int, binder: Binder) -> tuple[float, ...]:
    items = at.value if isinstance(at.value, list) else []
    values = [_number(item, _NUMBER, binder) for item in items]
    if len(values) != channels:
        message = f'"{key}" is a list of {channels} numbers, one a channel'
        binder.problems.error("RG012", message, at.place())
        raise _Refused
    if key == "std" and 0 in values:
        message = '"std" divides, so none of it may be 0'
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
        message = f'"labels" is a list of strings or a file, not {describe(at.value)}'
        problems.error("RG012", message, at.place())
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
