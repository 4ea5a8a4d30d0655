"""A record as a file: JSON that keeps every sample, and is refused once altered.

``sha256`` is of the content and not of the bytes, so a file may be indented or its
keys reordered by other tools. Any figure that was changed by hand is found.
"""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Any, Final, NoReturn

from resgen._version import __version__
from resgen.errors import ResgenError
from resgen.profile.document.decoding import Misfit, decode
from resgen.profile.document.record import FORMAT, Record

#: The key that tells a record's file from others; it holds the record's ``format``.
MARK: Final = "resgen_report"
DIGEST: Final = "sha256"


def to_json(record: Record) -> dict[str, Any]:
    """The record as plain data, with its digest.

    A number that JSON cannot hold (NaN, infinity) is a ResgenError.
    """
    content = plain(record)
    content.pop("format")
    document = {MARK: record.format, **content}
    return {**document, DIGEST: _digest(document)}


def save(record: Record, path: Path) -> None:
    """Write the record; the file appears whole or not at all.

    One line for each of the document's keys, and for each run: samples are many, and a
    number on each line would be no easier to read.
    """
    write_text(path, to_text(record))


def to_text(record: Record) -> str:
    """The text of the record's file."""
    lines = []
    for key, value in to_json(record).items():
        if key == "runs" and value:
            runs = ",\n  ".join(map(_compact, value))
            lines.append(f'"runs": [\n  {runs}\n ]')
        else:
            lines.append(f"{_compact(key)}: {_compact(value)}")
    return "{\n " + ",\n ".join(lines) + "\n}\n"


def load(path: Path) -> Record:
    """The record of a file that :func:`save` wrote.

    A file that is missing, no report, of a newer resgen or altered since is a
    ResgenError that says which.
    """
    return from_json(read_json(path), path)


def from_json(document: Any, path: Path) -> Record:
    """The record of what a file holds; ``path`` is for messages."""
    if not isinstance(document, dict) or MARK not in document:
        raise ResgenError(
            f"{path} is not a report of resgen's",
            hint="resgen profile writes report.json; resgen report also reads a kit's\n"
            "result.json and what trtexec exports",
        )
    given = document[MARK]
    if isinstance(given, int) and given > FORMAT:
        raise ResgenError(
            f"{path} was written by resgen {document.get('resgen', 'of a later date')}"
            f" in format {given}; this is resgen {__version__}, which reads formats "
            f"up to {FORMAT}",
            hint="pip install --upgrade resgen",
        )
    content = {key: document[key] for key in document if key not in (MARK, DIGEST)}
    try:
        record: Record = decode(Record, {**content, "format": given})
    except Misfit as misfit:
        where = misfit.pointer or "the whole"
        raise _altered(path, f"at {where}, {misfit}", document) from misfit
    if document.get(DIGEST) != to_json(record)[DIGEST]:
        raise _altered(path, "its content no longer has the digest in it", document)
    return record


def read_json(path: Path) -> Any:
    """What a JSON file holds; NaN and infinity are refused as JSON does."""
    try:
        return json.loads(
            path.read_text("utf-8"), parse_constant=_refuse, parse_float=_finite
        )
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ResgenError(f"cannot read {path}: {why}") from error
    except (ValueError, RecursionError) as error:
        raise ResgenError(f"{path} is not JSON: {error}") from error


def write_text(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    aside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8", "replace"))
            file.flush()
            os.fsync(file.fileno())
        aside.chmod(0o644)
        aside.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> ResgenError:
    return ResgenError(f"cannot write {path}: {(error.strerror or str(error)).lower()}")


def _altered(path: Path, what: str, document: Mapping[str, Any]) -> ResgenError:
    command = document.get("command")
    again = (
        " ".join(command)
        if isinstance(command, list) and all(isinstance(w, str) for w in command)
        else "resgen profile"
    )
    return ResgenError(
        f"{path} was altered after it was written: {what}",
        hint=f"take the file as it was written, or measure again: {again}",
    )


def plain(value: Any) -> Any:
    """Dataclasses as objects and tuples as arrays; the rest as it is."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        # Samples are many, and all of one type.
        if value and type(value[0]) is float:
            return list(value)
        return [plain(item) for item in value]
    return value


def _digest(document: Mapping[str, Any]) -> str:
    """The SHA-256 of the content: the order of keys and 1.0 for 1 change nothing."""
    try:
        text = json.dumps(
            _counted(document), sort_keys=True, separators=(",", ":"), allow_nan=False
        )
    except (TypeError, ValueError) as error:
        raise ResgenError(f"the report holds what JSON cannot: {error}") from error
    return sha256(text.encode()).hexdigest()


def _counted(value: Any) -> Any:
    """The value with whole floats as integers, since other tools write 1.0 as 1."""
    if isinstance(value, dict):
        return {key: _counted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_counted(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _compact(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _finite(text: str) -> float:
    value = float(text)
    return value if isfinite(value) else _refuse(text)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number of JSON's")
