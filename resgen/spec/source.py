"""Strict JSON in which every value knows its place.

The standard decoder forgets where a value stood, keeps the last of two equal keys and
takes ``NaN``. This one keeps places for messages, and where the meaning of a mistake is
plain (a comment, a trailing comma, single quotes) it reports the mistake and reads on,
so that one run shows them all. Grammar: RFC 8259; pointers: RFC 6901.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from resgen.errors import Place, ResgenError, SpecError
from resgen.files.ordinary import open_file
from resgen.spec.places import Enough, Json, JsonValue, Problems, Source, pointer_of
from resgen.spec.scanner import Scanner

__all__ = [
    "Json",
    "JsonValue",
    "Problems",
    "Source",
    "from_plain",
    "parse",
    "plain",
    "pointer_of",
    "read",
]

MAX_BYTES: Final = 4 * 1024 * 1024

#: How an ONNX file begins: with the version of its format.
_ONNX: Final = b"\x08"
#: How pictures begin: PNG, JPEG, GIF and WebP.
_PICTURES: Final = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")
#: How what torch.save writes begins: an archive of zip.
_TORCH: Final = b"PK\x03\x04"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def read(path: Path, problems: Problems, *, shown: str) -> Json | None:
    """Read the file at ``path``; messages call it ``shown``.

    Never reads more than :data:`MAX_BYTES`, and no device or pipe.
    """
    try:
        with open_file(path) as stream:
            data = stream.read(MAX_BYTES + 1)
    except IsADirectoryError:
        why = "is a directory; name a JSON file in it"
    except FileNotFoundError:
        why = "there is no such file"
        if path.is_symlink():
            why = f"it is a link to {path.readlink()}, which is not there"
    except (OSError, ValueError) as error:
        why = f"cannot be read: {getattr(error, 'strerror', None) or error}"
    else:
        return parse(data, shown, problems)
    problems.error("RG006", why, Place(shown, 1, 1, ""))
    return None


def parse(data: bytes | str, file: str, problems: Problems) -> Json | None:
    """The value in ``data``, or nothing when a part of it has no plain meaning.

    A value may come back although problems were found; its mistakes were then read as
    what they were meant to be, so that the caller can look for further problems.
    """
    text = _decoded(data, file, problems)
    if text is None:
        return None
    if not text.strip(" \t\r\n"):
        problems.error(
            "RG006", "the file is empty", Place(file, 1, 1, ""), "write a JSON object"
        )
        return None
    return Scanner(Source(file, text), problems).document()


def _decoded(data: bytes | str, file: str, problems: Problems) -> str | None:
    """``data`` as text; a byte-order mark of UTF-8 is dropped."""
    if isinstance(data, bytes) and data.startswith(_PICTURES):
        problems.error("RG003", "this is a picture, and no spec", Place(file, 1, 1, ""))
        return None
    if isinstance(data, bytes) and data.startswith(_ONNX) and file.endswith(".onnx"):
        message = "this is an ONNX file, and no spec"
        hint = "`resgen import FILE` makes a spec of it"
        problems.error("RG003", message, Place(file, 1, 1, ""), hint)
        return None
    if isinstance(data, bytes) and data.startswith(_TORCH):
        message = "this is a checkpoint of torch or another archive, and no spec"
        hint = "`resgen build SPEC --weights FILE` takes a checkpoint"
        problems.error("RG003", message, Place(file, 1, 1, ""), hint)
        return None
    if len(data) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 2**20} MiB"
        problems.error("RG006", message, Place(file, 1, 1, ""))
        return None
    if isinstance(data, str):
        lone = None if data.isascii() else _SURROGATE.search(data)
        if lone is None:
            return data.removeprefix("\ufeff")
        seen, at = data[: lone.start()], lone.start()
        message = f"a lone surrogate, \\u{ord(lone[0]):04x}, is not a character"
    else:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            if data.startswith((b"\xff\xfe", b"\xfe\xff")):
                seen, message = "", "the file is UTF-16"
            else:
                seen = data[: error.start].decode("utf-8", "replace")
                seen = seen.removeprefix("\ufeff")
                message = f"byte 0x{data[error.start]:02x} is not UTF-8"
            at = len(seen)
    place = Source(file, seen).place(at, at + 1, "")
    problems.error("RG003", message, place, "save the file as UTF-8")
    return None


def plain(json: Json) -> Any:
    """The value without its places; fractions become doubles."""
    value = json.value
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return float(value) if isinstance(value, Fraction) else value


def from_plain(value: Any, source_name: str) -> Json:
    """An ordinary Python value as if it had been read from a file.

    Raises ResgenError when JSON cannot say it.
    """

    def other(item: object) -> object:
        if isinstance(item, Fraction):
            return float(item)
        if isinstance(item, Path):
            return str(item)
        raise TypeError(f"JSON has no {type(item).__name__}")

    try:
        text = json.dumps(value, indent=1, ensure_ascii=False, default=other)
    except RecursionError:
        raise ResgenError(f"{source_name}: nested too deeply") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise ResgenError(f"{source_name}: {error}") from None
    problems = Problems()
    parsed = None
    with suppress(Enough):
        parsed = parse(text, source_name, problems)
    if parsed is None or problems.errors:
        raise SpecError(problems.items)
    return parsed
