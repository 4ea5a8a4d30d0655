"""Which engine an ONNX file was written for, as the file itself says.

Where quantisers stand best differs between engines, so a file for one is slow in
another, or not taken at all. The engine's name travels in the file's metadata and is
read before anything is parsed.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

from resgen.errors import ResgenError
from resgen.files.ordinary import open_file
from resgen.onnxfile.protobuf import Damaged, fields, part

#: The key of the metadata under which the engine's name stands.
FOR: Final = "resgen.for"
#: Engines as a person knows them, by the name that ``--for`` takes.
ENGINES: Final[Mapping[str, str]] = {
    "onnxruntime": "ONNX Runtime",
    "tensorrt": "TensorRT",
}
# Field numbers of onnx.proto3.
_METADATA: Final = 14
_KEY: Final = 1
_VALUE: Final = 2


def placed_for(model: Path | bytes) -> str | None:
    """The engine that a file was written for; None where any may run it.

    A file that cannot be read is for none: who opens it says what is wrong.
    """
    try:
        if isinstance(model, bytes):
            return _metadata(BytesIO(model)).get(FOR)
        with open_file(model) as file:
            return _metadata(file).get(FOR)
    except (OSError, Damaged, UnicodeDecodeError):
        return None


def check_placed(model: Path | bytes, engine: str) -> None:
    """Refuse a file that was written for another engine than this one."""
    other = placed_for(model)
    if other is None or other == engine:
        return
    name = ENGINES.get(other, other)
    label = str(model) if isinstance(model, Path) else "the ONNX model"
    raise ResgenError(
        f"{label} was written for {name}: {ENGINES[engine]} would run it slowly or "
        "not at all",
        hint=f"export it for {engine}: that writes one for {ENGINES[engine]}",
    )


def _metadata(file: BinaryIO) -> dict[str, str]:
    found = {}
    for number, start, stop, _ in fields(file, 0, file.seek(0, 2)):
        if number == _METADATA:
            entry = {
                inner: part(file, first, last).decode()
                for inner, first, last, _ in fields(file, start, stop)
            }
            found[entry.get(_KEY, "")] = entry.get(_VALUE, "")
    return found
