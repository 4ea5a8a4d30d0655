"""What a parameter of a block, or an attribute of an operator, may be.

Blocks declare parameters in JSON and operators declare attributes in Python; both are
described by :class:`Param`, so one binder, one error wording and one JSON Schema serve
them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal

from resgen.errors import listed

Kind = Literal[
    "integer",  # a whole number, or an expression that yields one
    "number",  # any exact or double number, or an expression
    "boolean",
    "string",
    "channels",  # a positive integer
    "body",
    "shortcut",
    "enum",  # one of a few strings
    "list",  # of `item`
    # Of operators only:
    "axes",  # one integer for all spatial axes, or a list of one an axis
    "init",  # a number, a named initialiser, or one of these for each role
    "value",  # the name of a kept value, a further input
]

#: What a spec may write as ``"type"`` of a parameter.
DECLARABLE: Final[tuple[Kind, ...]] = (
    "integer",
    "number",
    "boolean",
    "string",
    "channels",
    "body",
    "shortcut",
)


class Required:
    """Marks a parameter that has no default."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = Required()


@dataclass(frozen=True, slots=True)
class Param:
    """Type, bounds, default and meaning of one parameter.

    ``default`` is :data:`REQUIRED`, or what the language would have written (``None``
    is "not given"); ``minimum`` and ``maximum`` are inclusive.
    """

    kind: Kind
    default: Any = REQUIRED
    doc: str = ""
    minimum: Fraction | int | None = None
    maximum: Fraction | int | None = None
    choices: tuple[str, ...] = ()
    item: Param | None = None

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    def __str__(self) -> str:
        """What was expected, for messages."""
        if self.kind == "enum":
            return "one of " + listed(f'"{c}"' for c in self.choices)
        if self.kind == "list":
            return f"a list, each {self.item}"
        noun = {
            "integer": "an integer",
            "number": "a number",
            "boolean": "true or false",
            "string": "a string",
            "channels": "a number of channels (a positive integer)",
            "body": "a body",
            "shortcut": "a shortcut (a name or an object)",
            "axes": "an integer, or a list of one for each axis",
            "init": "a number or an initialiser",
            "value": "the name of a kept value",
        }[self.kind]
        if self.minimum is not None and self.maximum is not None:
            return f"{noun} from {self.minimum} to {self.maximum}"
        if self.minimum is not None:
            return f"{noun} of at least {self.minimum}"
        if self.maximum is not None:
            return f"{noun} of at most {self.maximum}"
        return noun


#: Names to parameters, in the order of declaration.
Signature = Mapping[str, Param]


@dataclass(frozen=True, slots=True)
class OperatorEntry:
    """What the language has to know of an operator, which it never imports.

    ``shorthand`` is the attribute that a bare string sets (``"act": "silu"``).
    """

    signature: Signature
    shorthand: str | None = None
    doc: str = ""


#: Names of operators to what the language knows of them.
Vocabulary = Mapping[str, OperatorEntry]
