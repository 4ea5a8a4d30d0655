"""Names of classes, as the files of the world hold them; one reader for everybody."""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from resgen.errors import ResgenError
from resgen.files.ordinary import open_file, unreadable, why_no_json

#: Far more than names of classes take, in bytes.
MAX_BYTES: Final = 4 * 1024 * 1024
#: Marks that a text begins with, the longer of two alike first (Unicode 16, table 3.8).
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_labels(path: Path) -> tuple[str, ...]:
    """The names in a file: one a line, or JSON as :func:`labels_of` takes it.

    The text is UTF-8 unless a mark at its beginning says otherwise. A ResgenError says
    what is wrong with a file.
    """
    try:
        with open_file(path) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error) from error
    if len(data) > MAX_BYTES:
        raise ResgenError(f"{path} is larger than {MAX_BYTES // 2**20} MiB")
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ResgenError(
            f"{path} is no text: byte 0x{data[error.start]:02x} is not "
            f"{encoding.removesuffix('-sig').upper()}",
            hint="save the file as UTF-8",
        ) from error
    if path.suffix.lower() != ".json":
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    try:
        return labels_of(json.loads(text))
    except ResgenError as error:
        raise ResgenError(f"{path}: {error.message}", hint=error.hint) from error
    except (ValueError, RecursionError) as error:
        raise ResgenError(f"{path} is not JSON: {why_no_json(error)}") from error


def labels_of(value: object) -> tuple[str, ...]:
    """The names in a list or in an object from each class's number to its name.

    A name may stand in a list behind identifiers of other kinds, as in Keras's and
    torchvision's ``{"0": ["n01440764", "tench"]}``: the last is the one for people.
    """
    if isinstance(value, Mapping):
        value = _in_order(value)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ResgenError(
            "names of classes are a list, or an object from 0, 1, ... to names"
        )
    return tuple(_name(item, index) for index, item in enumerate(value))


def _in_order(names: Mapping[str, object]) -> list[object]:
    wanted = [str(index) for index in range(len(names))]
    if missing := [index for index in wanted if index not in names]:
        raise ResgenError(
            f"{len(names)} classes are numbered 0 to {len(names) - 1}, and there is no "
            f'"{missing[0]}"'
        )
    return [names[index] for index in wanted]


def _name(item: object, index: int) -> str:
    if isinstance(item, list) and item:
        item = item[-1]
    if not isinstance(item, str):
        raise ResgenError(f"the name of class {index} is not a string")
    return item
