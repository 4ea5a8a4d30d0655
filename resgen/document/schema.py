"""The JSON Schema (2020-12) of a record's file, made of the record's own types."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from inspect import cleandoc
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeAlias, Union, get_args, get_origin

from resgen.document.decoding import hints, is_required
from resgen.document.files import DIGEST, Format

Schema: TypeAlias = dict[str, Any]

_SCALARS: Final = {float: "number", int: "integer", str: "string", bool: "boolean"}


def schema(of: Format[Any]) -> Schema:
    """The schema; objects are closed, and described by the types' docstrings."""
    definitions: dict[str, Schema] = {}
    whole = _object(of.kind, definitions)
    derived = {
        key: {"description": cleandoc(made.__doc__ or "")}
        for key, made in of.derived.items()
    }
    properties = {
        of.mark: {"const": of.version, "description": "The version of this format."},
        **derived,
        **{k: v for k, v in whole["properties"].items() if k != "format"},
        DIGEST: {
            "type": "string",
            "pattern": "^[0-9a-f]{64}$",
            "description": "Of the content; a file whose digest differs is refused.",
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": of.title,
        **whole,
        "properties": properties,
        "required": [of.mark, *derived, *whole["required"], DIGEST],
        "$defs": definitions,
    }


def _object(kind: Any, definitions: dict[str, Schema]) -> Schema:
    types = hints(kind)
    fields = dataclasses.fields(kind)
    return {
        "description": cleandoc(kind.__doc__ or ""),
        "type": "object",
        "properties": {f.name: _type(types[f.name], definitions) for f in fields},
        "required": [f.name for f in fields if is_required(f)],
        "additionalProperties": False,
    }


def _type(kind: Any, definitions: dict[str, Schema]) -> Schema:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return {}
    if dataclasses.is_dataclass(kind):
        name = kind.__name__  # type: ignore[union-attr]
        if name not in definitions:
            definitions[name] = _object(kind, definitions)
        return {"$ref": f"#/$defs/{name}"}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": _type(arguments[0], definitions)}
    if origin is tuple:
        return {
            "type": "array",
            "prefixItems": [_type(item, definitions) for item in arguments],
            "minItems": len(arguments),
            "maxItems": len(arguments),
        }
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, UnionType):
        inner = [choice for choice in arguments if choice is not NoneType]
        return {"anyOf": [*(_type(i, definitions) for i in inner), {"type": "null"}]}
    if origin is Mapping:
        values = _type(arguments[1], definitions)
        return {"type": "object", "additionalProperties": values}
    return {"type": _SCALARS[kind]}
