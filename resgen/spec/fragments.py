"""Pieces of JSON Schema: what may be written for a parameter, and how they combine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from resgen.spec.bind import INITIAL_NUMBERS
from resgen.spec.keys import KEY_DOCS
from resgen.spec.params import Param, Signature

Schema: TypeAlias = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
NULL: Final[Schema] = {"type": "null"}
NUMBER: Final[Schema] = {"type": ["number", "string"]}
CONDITION: Final[Schema] = {"type": ["boolean", "string"]}
VALUE: Final[Schema] = {"type": ["number", "boolean", "string"]}
ANYTHING: Final[Schema] = {}
REFERENCE: Final[Schema] = {"type": "string", "pattern": r"^\$"}


def ref(name: str) -> Schema:
    """What stands under ``$defs``."""
    return {"$ref": f"#/$defs/{name}"}


def any_of(*choices: Schema) -> Schema:
    """One of these."""
    return {"anyOf": list(choices)}


def list_of(item: Schema) -> Schema:
    """A list, each item of which is this."""
    return {"type": "array", "items": item}


def closed(properties: Mapping[str, Schema]) -> Schema:
    """An object with no other keys."""
    return {
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
    }


def described(properties: Mapping[str, Schema]) -> dict[str, Schema]:
    """Properties with what they mean."""
    return {
        key: {"description": KEY_DOCS[key], **value} if key in KEY_DOCS else value
        for key, value in properties.items()
    }


def offered(known: Schema) -> Schema:
    """What an editor suggests, of what may be anything."""
    return any_of(known, ANYTHING)


def names(docs: Mapping[str, str]) -> Schema:
    """Names that an editor suggests, of what may be any string."""
    known = [{"const": name, "description": doc} for name, doc in docs.items()]
    return {"type": "string", **offered(any_of(*known))}


def without(keys: Iterable[str]) -> Schema:
    """An object that has none of these keys."""
    return {"type": "object", "not": any_of(*({"required": [key]} for key in keys))}


def case(key: str, then: Schema, value: str | None = None) -> Schema:
    """What holds for an object that has this key (with this value)."""
    said: Schema = {"required": [key]}
    if value is not None:
        said["properties"] = {key: {"const": value}}
    return {"if": said, "then": then}


class Spellings:
    """What may be written for a parameter of each kind, each said once.

    Most parameters of all blocks and operators are a number within bounds, a condition
    or an initialiser. Stated in full at every one of them, that alone would be half of
    the schema; so each stands once in ``definitions``, under the name of what it is.
    """

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def arguments(self, signature: Signature) -> dict[str, Schema]:
        """What may be written for each parameter."""
        return {key: self.argument(param) for key, param in signature.items()}

    def argument(self, param: Param) -> Schema:
        """What may be written for a parameter; null is "not given"."""
        made = self._shared(param) or any_of(*self._own(param), NULL)
        return {"description": param.doc, **made} if param.doc else made

    def _shared(self, param: Param) -> Schema | None:
        """The reference to a kind of which there are many, if it is one."""
        made: list[Schema]
        match param.kind:
            case "integer" | "channels" | "number" | "axes":
                kind = "number" if param.kind == "number" else "integer"
                low = 1 if param.kind == "channels" else param.minimum
                bounds = {"minimum": low, "maximum": param.maximum}
                stated = {k: v for k, v in bounds.items() if v is not None}
                words = [f"{key}-{value:g}" for key, value in stated.items()]
                name = "-".join(("axes" if param.kind == "axes" else kind, *words))
                made = [{"type": kind, **stated}, TEXT]
                if param.kind == "axes":
                    made = [list_of(any_of(*made)), *made]
            case "boolean":
                name, made = "condition", [CONDITION]
            case "init":
                name = "initialiser"
                made = [NUMBER, {"type": "object", "properties": _initialiser()}]
            case _:
                return None
        self.definitions[name] = any_of(*made, NULL)
        return ref(name)

    def _own(self, param: Param) -> list[Schema]:
        match param.kind:
            case "enum":
                return [{"enum": list(param.choices)}, REFERENCE]
            case "list":
                return [list_of(self.argument(param.item or param)), TEXT]
            case "body" | "shortcut":
                return [ref(param.kind)]
            case _:
                return [TEXT]


def _initialiser() -> dict[str, Schema]:
    numbers = {
        key: NUMBER if param.minimum is None else {**NUMBER, "minimum": param.minimum}
        for key, param in INITIAL_NUMBERS.items()
    }
    return {"type": TEXT, "fan": {"enum": ["in", "out"]}, **numbers}
