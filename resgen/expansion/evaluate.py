"""Arguments evaluated: the lexical frames of a network that is being expanded.

A frame holds the names that a definition sees: its parameters, its local values, loop
variables. Positions (``stage``, ``index``, ...) and ``channels`` are those of the place
where a body is used, so they are laid under the frame's names when it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from resgen.errors import Place, did_you_mean
from resgen.ops.initial import NAMES, Init, Initial
from resgen.spec import paths
from resgen.spec.bind import INITIAL_NUMBERS, Misfit, fit
from resgen.spec.expr import Expr, ExprError
from resgen.spec.model import (
    Argument,
    Body,
    Fields,
    Items,
    NotGiven,
    PerBlock,
    Scalar,
    ShortcutValue,
    Template,
    Text,
    Use,
)
from resgen.spec.params import Param
from resgen.spec.places import describe
from resgen.spec.source import Json, Problems

_NUMBER = Param("number")
#: Where one value enters what takes a list.
LIST_HINT: Final = 'a list of maps is to enter here, such as {"from": "stages"}'
#: Positions that differ between blocks that are the same: those of a stage, and those
#: of networks of other depths.
NUMBERED: Final = frozenset({"index", "block", "blocks"})
#: What it costs to word why an expression has no value, told again or not.
_REFUSAL: Final = 50


class Stop(Exception):
    """A problem after which this element cannot go on; ``place`` is the user's.

    One without a code has been reported already.
    """

    def __init__(
        self, code: str, message: str, place: Place, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.place = place
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Numbered:
    """The value of an expression that has asked for the number of its block."""

    expr: Expr
    names: Mapping[str, Any]
    varies: frozenset[str]
    value: Any

    def holds(self, positions: Mapping[str, Any]) -> bool:
        """Whether it has this value at the number of another block too."""
        there = {**self.names, **{name: positions[name] for name in self.varies}}
        try:
            return bool(self.expr.evaluate(there) == self.value)
        except ExprError:
            return False


class Names(dict[str, Any]):
    """A frame's names, with positions of the place of use behind them."""

    __slots__ = ("positions",)

    def __init__(self) -> None:
        super().__init__()
        self.positions: Mapping[str, Any] = {}

    def __missing__(self, name: str) -> Any:
        return self.positions[name]


@dataclass(slots=True, eq=False)
class Frame:
    """What one use of a definition sees.

    ``sources`` remember the argument (and its frame) behind a name, so that a problem
    can be reported at the line of the spec that gave the value. ``call`` is where the
    definition was used, ``own`` whether its text is the user's.
    """

    call: Place
    own: bool
    problems: Problems
    names: Names = field(default_factory=Names)
    sources: dict[str, tuple[Argument, Frame]] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)

    # --- blame ------------------------------------------------------------------------

    def blame(self, argument: Argument | None) -> Place:
        """The place in the user's files that a value comes from."""
        return self._blame(argument) or self.call

    def _blame(self, argument: Argument | None) -> Place | None:
        if argument is None:
            return None
        if self.own:
            return argument.at.place()
        for name in _names_of(argument):
            if name in self.sources:
                source, frame = self.sources[name]
                found = frame._blame(source)
                if found is not None:
                    return found
        return None

    def at(self, json: Json) -> Place:
        """The place of a piece of the text, or of the use if the text is built in."""
        return json.place() if self.own else self.call

    def recall(self, name: str, at: Json) -> Any:
        """The value kept under a name."""
        found = self.kept.get(name)
        if found is None:
            cost = _REFUSAL + len(self.kept)
            self.problems.spend(cost, lambda: self.at(at))
            near = did_you_mean(name, self.kept)
            message = f'no value was kept under the name "{name}"{near}'
            raise Stop("RG024", message, self.at(at))
        return found

    def parameter(self, name: str, at: Json) -> Any:
        """The value of ``"$name"``; None if it was not given."""
        if name not in self.names:
            cost = _REFUSAL + len(self.names)
            self.problems.spend(cost, lambda: self.at(at))
            near = did_you_mean(name, self.names)
            message = f'"{name}" is not a parameter here{near}'
            raise Stop("RG032", message, self.at(at))
        return self.names[name]

    # --- values -----------------------------------------------------------------------

    def expression(
        self, expr: Expr, argument: Argument, positions: Mapping[str, Any]
    ) -> Any:
        """The value of an expression."""
        if not expr.names:
            return expr.evaluate({})
        self.names.positions = positions
        cost = self._cost(expr, positions)
        self.problems.spend(cost, lambda: self.blame(argument))
        try:
            value = expr.evaluate(self.names)
        except ExprError as error:
            self.problems.spend(_REFUSAL, lambda: self.blame(argument))
            code = "RG032" if error.message.startswith("there is no") else "RG031"
            if code == "RG032":
                missing = expr.names - self.names.keys() - positions.keys()
                if missing & self.problems.valueless:
                    code = ""
                self.problems.valueless |= missing
            message = f'in "{expr.text}": {error.message}'
            hint = None
            if "channels" in expr.names and "takes a list" in error.message:
                # Sizes of lists are asked of `channels` alone.
                hint = LIST_HINT
            raise Stop(code, message, self.blame(argument), hint) from None
        if not NUMBERED.isdisjoint(expr.names):
            known = {**positions, **self.names}
            names = {name: known[name] for name in expr.names & known.keys()}
            varies = NUMBERED & expr.names - self.names.keys()
            self.problems.numbered.append(Numbered(expr, names, varies, value))
        return value

    def _cost(self, expr: Expr, positions: Mapping[str, Any]) -> float:
        """What evaluation may take: by the length of the text, and of what it names."""
        cost = 1 + len(expr.text) / 8
        for name in expr.names:
            value = self.names.get(name, positions.get(name))
            if isinstance(value, tuple | str):
                cost *= 1 + _length(value) / 16
        return cost

    def scalar(self, scalar: Scalar, param: Param, positions: Mapping[str, Any]) -> Any:
        """A number or truth value that the parameter takes."""
        value = self.expression(scalar.expr, scalar, positions)
        return self.fitted(value, param, scalar)

    def fitted(self, value: Any, param: Param, argument: Argument) -> Any:
        """``value`` checked against the parameter."""
        try:
            return fit(value, param)
        except Misfit as misfit:
            raise Stop(misfit.code, misfit.message, self.blame(argument)) from None

    def truth(self, scalar: Scalar, positions: Mapping[str, Any]) -> bool:
        """A condition: any value, as a person would read it."""
        return bool(self.expression(scalar.expr, scalar, positions))

    def template(self, template: Template, positions: Mapping[str, Any]) -> str:
        """A string with its expressions filled in."""
        parts = []
        for part in template.parts:
            if isinstance(part, str):
                parts.append(part)
            else:
                argument = Scalar(part, template.at)
                parts.append(str(self.expression(part, argument, positions)))
        text = "".join(parts)
        self.problems.spend(len(text) / 16, lambda: self.at(template.at))
        return text

    def path(self, template: Template, positions: Mapping[str, Any]) -> str:
        """A template's text as part of a path."""
        text = self.template(template, positions)
        why = paths.fault(text)
        if why is not None:
            raise Stop(*paths.refused(text, why, self.at(template.at)))
        return text

    def value(
        self, argument: Argument, param: Param, positions: Mapping[str, Any]
    ) -> Any:
        """An argument's value; None is "not given"."""
        match argument:
            case Scalar():
                return self._scalar_value(argument, param, positions)
            case NotGiven():
                return None
            case Text(text=text, reference=False):
                return text
            case Text(text=text):
                value = self.parameter(text, argument.at)
                if param.kind in ("shortcut", "body", "list", "init") or value is None:
                    return value
                return self.fitted(value, param, argument)
            case Template():
                return self.template(argument, positions)
            case Items(items=items):
                self.problems.spend(len(items), lambda: self.blame(argument))
                item = param if param.kind == "axes" else (param.item or param)
                values = tuple(self.value(i, item, positions) for i in items)
                if None in values:  # refused, or not given where it is used
                    message = f"expected {param}, but one of it has no value"
                    raise Stop("RG023", message, self.blame(argument))
                return values
            case Fields():
                return self._init(argument, positions)
            case Body():
                return BodyValue(argument, self)
            case ShortcutValue():
                return ShortcutChoice(argument, self)

    def _scalar_value(
        self, argument: Scalar, param: Param, positions: Mapping[str, Any]
    ) -> Any:
        value = self.expression(argument.expr, argument, positions)
        if value is None or param.kind == "value":
            return value
        if param.kind == "init":
            return (("", float(self.fitted(value, _NUMBER, argument))),)
        if param.kind in ("list", "axes") and isinstance(value, tuple):
            item = param if param.kind == "axes" else (param.item or param)
            return tuple(self.fitted(v, item, argument) for v in value)
        if param.kind == "list":
            message = f"expected {param}, not {describe(value)}"
            raise Stop("RG012", message, self.blame(argument))
        return self.fitted(value, param, argument)

    def _init(self, argument: Fields, positions: Mapping[str, Any]) -> Init:
        self.problems.spend(3 * len(argument.fields), lambda: self.blame(argument))
        if "type" not in argument.fields:
            made: list[tuple[str, float | Initial]] = []
            for role, item in argument.fields.items():
                found = self.value(item, Param("init"), positions)
                made.extend((role, choice) for _, choice in found or ())
            return tuple(sorted(made, key=lambda choice: choice[0]))
        values: dict[str, Any] = {}
        for key, item in argument.fields.items():
            if isinstance(item, Scalar):
                number = INITIAL_NUMBERS[key]
                values[key] = float(self.scalar(item, number, positions))
            else:
                values[key] = self.value(item, Param("string"), positions)
        if values.get("type") not in NAMES:
            message = f'"{values.get("type")}" is not an initialiser'
            hint = "there are: " + ", ".join(NAMES)
            raise Stop("RG013", message, self.blame(argument), hint)
        if values.get("fan", "in") not in ("in", "out"):
            raise Stop("RG013", '"fan" is "in" or "out"', self.blame(argument))
        return (("", Initial(**values)),)


def _length(value: tuple[Any, ...] | str) -> int:
    """Numbers and characters of a value; a stage may yield a list, in that of all."""
    inner = sum(_length(v) for v in value if isinstance(v, tuple))
    return len(value) + inner


def _names_of(argument: Argument | PerBlock) -> list[str]:
    match argument:
        case Scalar(expr=expr):
            return sorted(expr.names)
        case Text(text=text, reference=True):
            return [text]
        case Items(items=items):
            return [name for item in items for name in _names_of(item)]
        case Body(elements=(element,)) if isinstance(element.form, Use):
            return [element.form.target] if element.form.parameter else []
        case _:
            return []


@dataclass(frozen=True, slots=True, eq=False)
class BodyValue:
    """A body given as an argument, and the frame that it was written in."""

    body: Body
    frame: Frame

    def __bool__(self) -> bool:
        """Whether it is more than the identity."""
        elements = self.body.elements
        if len(elements) == 1 and isinstance(elements[0].form, Use):
            use = elements[0].form
            if use.parameter and elements[0].when is None:
                return bool(self.frame.names.get(use.target))
        return bool(elements)


@dataclass(frozen=True, slots=True, eq=False)
class ShortcutChoice:
    """A shortcut given as an argument, and the frame that it was written in.

    ``base`` is the block's own, whose fields an object changes.
    """

    value: ShortcutValue
    frame: Frame
    base: ShortcutChoice | None = None


def number(value: Any) -> Any:
    """An exact number as Python's, or each of a list, for attributes of operators."""
    # Not `isinstance`: a Fraction's asks an abstract class, which is slow.
    if type(value) is tuple:
        return tuple(number(item) for item in value)
    return float(value) if type(value) is Fraction else value
