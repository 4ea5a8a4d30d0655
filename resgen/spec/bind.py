"""JSON values bound to what a parameter takes.

The binder turns located JSON into the typed values of :mod:`resgen.spec.model`. It is
used for the arguments of operators and blocks alike. What it cannot take it reports and
leaves out, so that one run finds all problems.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction
from itertools import islice
from typing import Any, Final, Protocol

from resgen.errors import closest, did_you_mean, listed
from resgen.spec import expr, paths
from resgen.spec.model import (
    Argument,
    Fields,
    Items,
    NotGiven,
    Scalar,
    Template,
    Text,
)
from resgen.spec.params import Param
from resgen.spec.places import describe
from resgen.spec.source import Json, Problems

#: Names that every expression may use.
POSITIONS: Final = frozenset(
    (
        *("stage", "index", "block", "blocks", "channels", "here", "input_shape"),
        *("true", "false"),
    )
)

#: Parameters that an operator may give an initialiser each.
INITIAL_ROLES: Final = ("weight", "bias", "gain")
#: Fields of an initialiser object that are numbers; ``type`` and ``fan`` are strings.
INITIAL_NUMBERS: Final[Mapping[str, Param]] = {
    "value": Param("number"),
    **dict.fromkeys(("std", "bound", "gain"), Param("number", minimum=0)),
}

_BRACES = re.compile(r"\{([^{}]*)\}")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def is_identifier(text: str) -> bool:
    """Whether it is a bare name: letters, digits and _, and no digit first."""
    return _IDENTIFIER.match(text) is not None


class Misfit(Exception):
    """A value that a parameter does not take, and the code of the problem."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def fit(value: Any, param: Param) -> Any:
    """``value`` as the parameter's type, or :class:`Misfit`."""
    kind = param.kind
    if kind == "boolean":
        if isinstance(value, bool):
            return value
    elif kind in ("integer", "channels", "axes"):
        if type(value) is int:  # nearly always; `isinstance` of a Fraction is slow
            return _in_range(value, param)
        if isinstance(value, Fraction) and value.denominator != 1:
            raise Misfit(f"expected {param}, not the fraction {value}", "RG012")
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return _in_range(int(value), param)
    elif kind == "number":
        if isinstance(value, (int, float, Fraction)) and not isinstance(value, bool):
            return _in_range(value, param)
    elif kind == "enum":
        if value in param.choices:
            return value
        if isinstance(value, str):
            near = did_you_mean(value, param.choices)
            raise Misfit(f'"{value}" is not {param}{near}', "RG013")
    elif isinstance(value, str):
        return value
    raise Misfit(f"expected {param}, not {describe(value)}", "RG012")


def _in_range(value: Any, param: Param) -> Any:
    low = 1 if param.kind == "channels" else param.minimum
    if low is not None and value < low:
        raise Misfit(f"{value} is too small: expected {param}", "RG013")
    if param.maximum is not None and value > param.maximum:
        raise Misfit(f"{value} is too large: expected {param}", "RG013")
    return value


class Bodies(Protocol):
    """Reads arguments that are bodies, for which arguments have to be bound in turn."""

    def body(self, at: Json) -> Argument: ...

    def shortcut(self, at: Json) -> Argument | None: ...


class Binder:
    """Turns JSON into arguments; ``known`` are the names that expressions may use.

    ``known`` is None where names cannot be told before the body is used.
    """

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.known: frozenset[str] | None = None
        #: Names that a definition mentions and nothing declares; each is told once.
        self.undeclared: set[str] = set()
        self.bodies: Bodies  # set by the reader that owns this binder
        self._memo: dict[tuple[int, int], tuple[Json, Param, Argument | None]] = {}

    # --- expressions ------------------------------------------------------------------

    def expression(self, text: str, at: Json, offset: int = 1) -> expr.Expr | None:
        """Parse, and check names where they are known; problems are reported."""
        self.problems.spend(1 + 3 * len(text), at.place)
        try:
            parsed = expr.parse(text)
        except expr.ExprError as error:
            start = min(at.start + offset + error.offset, max(at.start, at.end - 1))
            place = at.source.place(start, start + 1, at.pointer)
            self.problems.error("RG030", f'in "{text}": {error.message}', place)
            return None
        if self.known is not None:
            for name in sorted(parsed.names - self.known - POSITIONS):
                if name in self.undeclared:
                    self.problems.told += 1
                    continue
                self.undeclared.add(name)
                choices = sorted(self.known | POSITIONS)
                near = did_you_mean(name, choices)
                hint = None if near else "there are: " + listed(choices)
                message = f'"{name}" is not a name here{near}'
                self.problems.error("RG032", message, at.place(), hint)
        return parsed

    def scalar(self, at: Json, param: Param) -> Scalar | None:
        """A value of a numeric or boolean field."""
        value = at.value
        self.problems.spend(3, at.place)
        if isinstance(value, str):
            parsed = self.expression(value, at)
            if parsed is None:
                return None
            if not parsed.names:
                try:
                    fit(parsed.evaluate({}), param)
                except Misfit as misfit:
                    self.problems.error(misfit.code, misfit.message, at.place())
                    return None
                except expr.ExprError as error:
                    message = f'in "{value}": {error.message}'
                    self.problems.error("RG031", message, at.place())
                    return None
            return Scalar(parsed, at)
        try:
            return Scalar(expr.constant(fit(value, param)), at)
        except Misfit as misfit:
            self.problems.error(misfit.code, misfit.message, at.place())
            return None

    def constant(self, at: Json, param: Param) -> Any:
        """A value that is the same wherever it is asked for; None was reported."""
        scalar = self.scalar(at, param)
        if scalar is None:
            return None
        if scalar.expr.names:
            message = f"expected {param}, not an expression with names"
            self.problems.error("RG012", message, at.place())
            return None
        return scalar.expr.evaluate({})

    def text(self, at: Json, param: Param) -> Text | None:
        """A string, or a reference to a string parameter."""
        value = at.value
        if isinstance(value, str) and value.startswith("$"):
            return self.reference(at)
        try:
            return Text(fit(value, param), False, at)
        except Misfit as misfit:
            self.problems.error(misfit.code, misfit.message, at.place())
        return None

    def reference(self, at: Json) -> Text:
        """``"$p"``."""
        name = str(at.value)[1:]
        if self.known is not None and name not in self.known:
            near = did_you_mean(name, self.known)
            self.problems.error(
                "RG032", f'"{name}" is not a parameter here{near}', at.place()
            )
        return Text(name, True, at)

    def template(self, at: Json) -> Template | None:
        """A string with expressions in braces."""
        if not isinstance(at.value, str):
            self.problems.mistyped(at, "expected a string")
            return None
        parts: list[str | expr.Expr] = []
        end = 0
        for found in _BRACES.finditer(at.value):
            if found.start() > end:
                parts.append(at.value[end : found.start()])
            parsed = self.expression(found[1], at, offset=1 + found.start(1))
            if parsed is None:
                return None
            parts.append(parsed)
            end = found.end()
        rest = at.value[end:]
        if "{" in rest or "}" in rest:
            message = "an unmatched brace: write {expression}"
            self.problems.error("RG030", message, at.place())
            return None
        if rest:
            parts.append(rest)
        return Template(tuple(parts), at)

    def path(self, at: Json) -> Template | None:
        """A template for a part of a path; what no value can mend is reported here."""
        made = self.template(at)
        if made is None or any(isinstance(part, expr.Expr) for part in made.parts):
            return made
        why = paths.fault(str(at.value))
        if why is None:
            return made
        self.problems.error(*paths.refused(str(at.value), why, at.place()))
        return None

    def identifier(self, at: Json) -> str | None:
        """A bare name, such as a loop variable."""
        if isinstance(at.value, str) and is_identifier(at.value):
            if at.value in POSITIONS:
                message = f'"{at.value}" has a meaning of its own; choose another name'
                self.problems.error("RG013", message, at.place())
            return at.value
        self.problems.mistyped(at, "expected a name (letters, digits, _)")
        return None

    # --- arguments --------------------------------------------------------------------

    def argument(self, at: Json, param: Param) -> Argument | None:
        """Bind once; None means that a problem was reported."""
        key = (id(at), id(param))
        found = self._memo.get(key)
        if found is None:
            self.problems.spend(4, at.place)
            # Both are kept beside the result so that their ids stay their own.
            found = self._memo[key] = (at, param, self._argument(at, param))
        elif found[2] is None:
            self.problems.told += 1  # refused once more
        return found[2]

    def _argument(self, at: Json, param: Param) -> Argument | None:
        if at.value is None:
            return NotGiven(at)
        match param.kind:
            case "body":
                return self.bodies.body(at)
            case "shortcut":
                return self.bodies.shortcut(at)
            case "list":
                return self._items(at, param.item or param)
            case "axes":
                if isinstance(at.value, list):
                    return self._items(at, param)
                return self.scalar(at, param)
            case "init":
                return self._init(at)
            case "value" if not str(at.value).startswith("$"):
                return self.template(at)
            case "string" | "enum" | "value":
                return self.text(at, param)
            case _:
                return self.scalar(at, param)

    def _items(self, at: Json, param: Param) -> Argument | None:
        if isinstance(at.value, str):
            # An expression, or a reference, that yields a whole list.
            parsed = self.expression(at.value.removeprefix("$"), at)
            return None if parsed is None else Scalar(parsed, at)
        if not isinstance(at.value, list):
            self.problems.mistyped(at, f"expected a list, each {param}")
            return None
        items = [self._item(item, param) for item in at.value]
        # One that was refused is found once more when the list is evaluated.
        return Items(tuple(i or NotGiven(at) for i in items), at)

    def _item(self, at: Json, param: Param) -> Argument | None:
        if at.value is not None and not (
            param.kind == "axes" and isinstance(at.value, list)
        ):
            return self.argument(at, param)
        message = f"expected a list, each {param}, not {describe(at.value)} in it"
        if param.kind == "axes":
            message = f"expected {param}, not {describe(at.value)} in it"
        self.problems.error("RG012", message, at.place())
        return None

    def _init(self, at: Json) -> Argument | None:
        if not isinstance(at.value, dict):
            return self.scalar(at, Param("number"))
        # "gain" alone is the role; beside a type it is the initialiser's.
        if at.value.keys() & {"type", "fan", *INITIAL_NUMBERS} - {"gain"}:
            return self._one(at)
        roles: dict[str, Argument] = {}
        for role, item in at.value.items():
            if role not in INITIAL_ROLES:
                self.unknown_key(item, role, INITIAL_ROLES, "initialisers by role")
            elif (bound := self._one(item)) is not None:
                roles[role] = bound
        return Fields(roles, at)

    def _one(self, at: Json) -> Argument | None:
        """The initialiser of one role: a number, or an object with a type."""
        if not isinstance(at.value, dict):
            return self.scalar(at, Param("number"))
        if "type" not in at.value:
            message = 'an initialiser is a number or has a "type"'
            self.problems.error("RG011", message, at.place())
            return None
        fields: dict[str, Argument] = {}
        for key, item in at.value.items():
            bound: Argument | None
            if key in ("type", "fan"):
                bound = self.text(item, Param("string"))
            elif key in INITIAL_NUMBERS:
                bound = self.scalar(item, INITIAL_NUMBERS[key])
            else:
                bound, known = None, ("type", "fan", *INITIAL_NUMBERS)
                self.unknown_key(item, key, known, "an initialiser")
            if bound is not None:
                fields[key] = bound
        # Without its type, which was refused, nothing says what the rest means.
        return Fields(fields, at) if "type" in fields else None

    # --- objects ----------------------------------------------------------------------

    def unknown_key(
        self, at: Json, key: str, known: Iterable[str], of: str, taken: bool = False
    ) -> None:
        """Report a key that nothing takes."""
        choices = list(known)
        near = did_you_mean(key, choices)
        hint = None if near else "known here: " + listed(choices)
        from resgen.spec.words import EXAMPLES  # for a mistake alone

        if not near and key in EXAMPLES:
            hint = f"where it stands: {EXAMPLES[key]}; {hint}"
        if taken:
            near, hint = "", f'it is an argument: "with": {{"{key}": ...}}'
        message = f'"{key}" is not a key of {of}{near}'
        self.problems.error("RG010", message, at.place(key=True), hint)

    def lacks(self, said: Mapping[str, Json], key: str, known: Collection[str]) -> bool:
        """Whether a key is missing, and not only misspelt, which is told as such."""
        odd = islice((k for k in said if k not in known), 20)
        return key not in said and all(closest(k, known) != key for k in odd)

    def object(self, at: Json | None, what: str) -> Mapping[str, Json]:
        """The members of an object that may be absent."""
        if at is None or at.value is None:
            return {}
        if isinstance(at.value, dict):
            return at.value
        self.problems.mistyped(at, f"expected an object ({what})")
        return {}

    def members(
        self, at: Json, known: Iterable[str], of: str, taken: Collection[str] = ()
    ) -> Mapping[str, Json]:
        """The members of an object; a misspelt key is reported, and not gone into.

        What is ``taken`` belongs in its member ``with``, which the report says.
        """
        if not isinstance(at.value, dict):
            self.problems.mistyped(at, f"expected an object ({of})")
            return {}
        choices = tuple(known)
        found: dict[str, Json] = {}
        for key, item in at.value.items():
            if key in choices:
                found[key] = item
                continue
            self.unknown_key(item, key, choices, of, key in taken)
        return found
