"""What networks are made of: built-in definitions and operators, with parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from resgen.ops import VOCABULARY
from resgen.spec.library import builtin, builtin_files
from resgen.spec.params import Param
from resgen.spec.words import words


@dataclass(frozen=True, slots=True)
class Entry:
    """A definition, an operator or a word; ``kind`` is in the singular.

    A word of the language has an example in place of parameters.
    """

    name: str
    kind: str
    doc: str
    params: Mapping[str, Param]
    example: str = ""


def entries() -> list[Entry]:
    """All of them, definitions first."""
    library = builtin(VOCABULARY)
    found = []
    for kind, files in builtin_files().items():
        for name, path in files.items():
            made = library.block(name) if kind == "block" else library.shortcut(name)
            if made is not None:
                folder = path.parent.name.removesuffix("s")
                found.append(Entry(name, folder, made.doc, made.params))
    for name, operator in VOCABULARY.items():
        found.append(Entry(name, "operator", operator.doc, operator.signature))
    found += [Entry(w.name, "word", w.doc, {}, w.example) for w in words()]
    return found


def record(entry: Entry) -> dict[str, Any]:
    """An entry as ``list --json`` prints it."""
    example = {"example": entry.example} if entry.example else {}
    return {
        "name": entry.name,
        "kind": entry.kind,
        "doc": entry.doc,
        **example,
        "parameters": [_parameter(name, p) for name, p in entry.params.items()],
    }


def _parameter(name: str, param: Param) -> dict[str, Any]:
    return {
        "name": name,
        "type": str(param),
        "required": param.required,
        "default": None if param.required else plain(param.default),
        "doc": param.doc,
    }


def plain(value: Any) -> Any:
    """A default as JSON has it."""
    if isinstance(value, Fraction):
        return value.numerator if value.denominator == 1 else str(value)
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return value
