"""A record as a file: JSON that keeps every number, and is refused once altered.

``sha256`` is of the content and not of the bytes, so a file may be indented or its
keys reordered by other tools. Any figure that was changed by hand is found.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Any, Final, Generic, NoReturn, TypeVar

from resgen._version import __version__
from resgen.document.decoding import Misfit, decode
from resgen.errors import ResgenError
from resgen.files.ordinary import read_text, unreadable, why_no_json
from resgen.files.whole import write_text

T = TypeVar("T")

DIGEST: Final = "sha256"


@dataclass(frozen=True, slots=True)
class Format(Generic[T]):
    """How records of one type lie in files.

    ``mark`` is the key that tells such a file from others; it holds the record's
    ``format``, which ``version`` is the newest of. ``name`` is what messages call the
    file, ``made_by`` the command that writes it and ``hint`` what helps whoever gave
    another. ``derived`` are keys beside the record's fields that follow from it, for
    readers who know no more than these; nothing is read from them.
    """

    mark: str
    version: int
    kind: type[T]
    name: str
    title: str
    made_by: str
    hint: str
    derived: Mapping[str, Callable[[T], Any]] = field(default_factory=dict)

    def to_json(self, record: T) -> dict[str, Any]:
        """The record as plain data, with its digest.

        A number that JSON cannot hold (NaN, infinity) is a ResgenError.
        """
        content = plain(record)
        document = {self.mark: content.pop("format")}
        for key, made in self.derived.items():
            document[key] = plain(made(record))
        document.update(content)
        try:
            return {**document, DIGEST: digest(document)}
        except (TypeError, ValueError) as error:
            raise ResgenError(
                f"the {self.name} holds what JSON cannot: {error}"
            ) from error

    def to_text(self, record: T) -> str:
        """The text of the record's file.

        One line for each of the document's keys, and for each of several objects:
        numbers are many, and a line for each would be no easier to read.
        """
        lines = []
        for key, value in self.to_json(record).items():
            if isinstance(value, list) and value and isinstance(value[0], dict):
                items = ",\n  ".join(map(_compact, value))
                lines.append(f"{_compact(key)}: [\n  {items}\n ]")
            elif isinstance(value, dict) and any(
                isinstance(item, dict) for item in value.values()
            ):
                items = ",\n  ".join(
                    f"{_compact(k)}: {_compact(item)}" for k, item in value.items()
                )
                lines.append(f"{_compact(key)}: {{\n  {items}\n }}")
            else:
                lines.append(f"{_compact(key)}: {_compact(value)}")
        return "{\n " + ",\n ".join(lines) + "\n}\n"

    def save(self, record: T, path: Path) -> None:
        """Write the record; the file appears whole or not at all."""
        write_text(path, self.to_text(record))

    def load(self, path: Path) -> T:
        """The record of a file that :meth:`save` wrote.

        A file that is missing, of another kind, of a newer resgen or altered since is
        a ResgenError that says which.
        """
        return self.from_json(read_json(path), path)

    def marks(self, document: Any) -> bool:
        """Whether a JSON document says that it is of this format."""
        return isinstance(document, dict) and self.mark in document

    def from_json(self, document: Any, path: Path) -> T:
        """The record of what a file holds; ``path`` is for messages."""
        if not self.marks(document):
            raise ResgenError(
                f"{path} is not a {self.name} of resgen's", hint=self.hint
            )
        given = document[self.mark]
        if isinstance(given, int) and given > self.version:
            raise ResgenError(
                f"{path} was written by resgen "
                f"{document.get('resgen', 'of a later date')} in format {given}; this "
                f"is resgen {__version__}, which reads formats up to {self.version}",
                hint="pip install --upgrade resgen",
            )
        beside = {self.mark, DIGEST, *self.derived}
        content = {key: document[key] for key in document if key not in beside}
        told = {key: document[key] for key in document if key != DIGEST}
        try:
            intact = document.get(DIGEST) == digest(told)
            record: T = decode(self.kind, {**content, "format": given})
            if not 1 <= record.format <= self.version:  # type: ignore[attr-defined]
                raise Misfit(f"/{self.mark}", f"there is no format {given}")
        except Misfit as misfit:
            what = f"at {misfit.pointer or 'the whole'}, {misfit}"
            if intact:  # as it was written, and so by a resgen that wrote otherwise
                raise ResgenError(
                    f"{path} is of another resgen, whose {self.name} has other "
                    f"fields: {what}",
                    hint=f"make it again: {self._again(document)}",
                ) from misfit
            raise self._altered(path, what, document) from misfit
        except RecursionError:
            raise self._altered(path, "it is nested too deep", document) from None
        if not intact:
            what = "its content no longer has the digest in it"
            raise self._altered(path, what, document)
        return record

    def _altered(
        self, path: Path, what: str, document: Mapping[str, Any]
    ) -> ResgenError:
        again = f"make it again: {self._again(document)}"
        return ResgenError(
            f"{path} was altered after it was written: {what}",
            hint=f"take the file as it was written, or {again}",
        )

    def _again(self, document: Mapping[str, Any]) -> str:
        """The command that made a document, or what makes one of its kind."""
        command = document.get("command")
        if isinstance(command, list) and all(isinstance(w, str) for w in command):
            return " ".join(command)
        return self.made_by


def read_json(path: Path) -> Any:
    """What a JSON file holds; NaN and infinity are refused as JSON does."""
    try:
        text = read_text(path)
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise ResgenError(f"{path} is not JSON: {why_no_json(error)}") from error


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


def digest(document: Mapping[str, Any]) -> str:
    """The SHA-256 of the content: the order of keys and 1.0 for 1 change nothing."""
    text = json.dumps(
        _counted(document), sort_keys=True, separators=(",", ":"), allow_nan=False
    )
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
