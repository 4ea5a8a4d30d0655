"""Where a tensor of an ONNX file keeps its numbers, by the rules of the format.

Readers differ in what they make of a key that is repeated or unknown: one takes the
first, another the last. So neither is taken at all, and every engine is given only
what all of them read alike (https://onnx.ai/onnx/repo-docs/ExternalData.html).
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Final

from resgen.errors import ResgenError

if TYPE_CHECKING:
    from onnx import TensorProto

#: What the format knows of a tensor outside its file.
_KEYS: Final = ("location", "offset", "length", "checksum")
#: Digits of the largest size that a file can have (2^63 - 1).
_DIGITS: Final = 19


def place_of(path: Path, tensor: TensorProto) -> tuple[Path, int, int | None]:
    """The data file of an external tensor, where it starts, and its bytes if given.

    Whether the file exists is not asked. Entries that readers could take in two ways
    are a :class:`~resgen.errors.ResgenError`.
    """
    entries: dict[str, str] = {}
    for entry in tensor.external_data:
        if entry.key in entries or entry.key not in _KEYS:
            what = "twice" if entry.key in entries else "which the format does not know"
            raise ResgenError(
                f'{path}: the weight "{tensor.name}" says where it lies by '
                f'"{entry.key[:40]}", {what}: engines would read different files',
                hint="save it anew with onnx.save(..., save_as_external_data=True)",
            )
        entries[entry.key] = entry.value
    found = locate(path, entries.get("location", ""), tensor.name)
    offset = _number(path, tensor, "offset", entries.get("offset", "0"))
    length = entries.get("length")
    return (
        found,
        offset,
        (None if length is None else _number(path, tensor, "length", length)),
    )


def locate(path: Path, location: str, tensor: str) -> Path:
    """The data file that ``tensor`` of the model at ``path`` names as ``location``.

    It must be a plain relative path and lie, links followed, inside the model's
    folder; whether it exists is not asked.
    """
    posix, windows = PurePosixPath(location), PureWindowsPath(location)
    plain = (
        posix.name
        and "\0" not in location
        and not (posix.is_absolute() or windows.is_absolute() or windows.anchor)
        and ".." not in (*posix.parts, *windows.parts)
    )
    found = path.parent / location if plain else path
    try:
        inside = found.resolve().is_relative_to(path.parent.resolve())
    except (OSError, RuntimeError):  # links that lead to themselves
        inside = False
    if not plain or not inside:
        raise ResgenError(
            f'{path}: the weight "{tensor}" lies in "{location}", which is not inside '
            "the model's folder",
            hint=f"put the data file into {path.parent} and name it by a relative path",
        )
    return found


def _number(path: Path, tensor: TensorProto, key: str, text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= _DIGITS:
        return int(text)
    shown = text if len(text) <= _DIGITS else f"{text[:_DIGITS]}..."
    raise ResgenError(
        f'{path}: the weight "{tensor.name}" has the {key} "{shown}", which is no '
        "number of bytes"
    )
