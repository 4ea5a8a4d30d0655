"""Spaces as a JSON Schema (2020-12), for editors.

It is made of the keys that the reader goes by. What a pointer meets, and whether its
values fit there, is told by ``resgen search`` before it looks at anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from resgen.searching.reading import KEYS, RANGE, VALUES
from resgen.spec.fragments import TEXT, Schema, any_of, closed, list_of, ref

#: What keys of a space, and of its values, mean.
DOCS: Final[Mapping[str, str]] = {
    "base": "What varies: a file, a network of the zoo, or a spec.",
    "vary": "Values by JSON Pointer; of a * each match has a value of its own.",
    "zip": "Objects like vary, whose values go in step.",
    "where": "Expressions that have to hold of a candidate.",
    "name": "What files of candidates are called by; the base's name unless said.",
    "doc": "For readers.",
    "$schema": "For editors.",
    "values": "The values.",
    "from": "The first number.",
    "to": "The last number, which is included.",
    "step": "How far apart they are; 1 for whole numbers unless said.",
    "sample": "How many of the range are taken.",
    "log": "They are spread by ratio, and not by difference.",
    "together": "All places that are met take the same value.",
}
_FLAG: Final[Schema] = {"type": "boolean"}
_ABOVE: Final[Schema] = {"type": "number", "exclusiveMinimum": 0}
_NUMBER: Final[Schema] = {"type": "number"}
#: What each key takes.
TAKES: Final[Mapping[str, Schema]] = {
    "base": any_of(TEXT, {"type": "object"}),
    "vary": ref("varied"),
    "zip": list_of(ref("varied")),
    "where": list_of(TEXT),
    "name": TEXT,
    "doc": TEXT,
    "$schema": TEXT,
    "values": {"type": "array", "minItems": 1},
    "from": _NUMBER,
    "to": _NUMBER,
    "step": _ABOVE,
    "sample": {"type": "integer", "minimum": 1},
    "log": _FLAG,
    "together": _FLAG,
}


def schema() -> Schema:
    """The schema of a space."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A space of networks that resgen search looks at",
        **_object(KEYS, ("base",)),
        "anyOf": [{"required": ["vary"]}, {"required": ["zip"]}],
        "$defs": {
            "varied": {
                "type": "object",
                "propertyNames": {"pattern": "^/"},
                "additionalProperties": any_of(
                    TAKES["values"],
                    _object(RANGE, ("from", "to")),
                    _object(VALUES, ("values",)),
                ),
            }
        },
    }


def _object(keys: Collection[str], required: Collection[str]) -> Schema:
    said = {key: {"description": DOCS[key], **TAKES[key]} for key in keys}
    return {**closed(said), "required": list(required)}
