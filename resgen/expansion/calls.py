"""Operator elements run: arguments become an operator, the operator a node."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from resgen.errors import Place
from resgen.expansion.builder import Builder, LimitExceeded, Val, Value
from resgen.expansion.evaluate import Frame, Stop, number
from resgen.expansion.lists import one, recalled
from resgen.expansion.site import OperatorDefaults, Site, joined
from resgen.ops import OPERATORS, VOCABULARY
from resgen.ops.base import Op, ShapeError
from resgen.spec.model import Argument, Element, Items, OpCall, Scalar, Template, Text
from resgen.spec.places import LIMIT_HINT, Enough, Problems


@dataclass(slots=True)
class _Known:
    """Of an operator element under certain defaults: what is the same at every use.

    ``open`` are the arguments with names in them, each with the frame that it was
    written in (None: the frame of the use). Both ``call`` and ``operators`` are kept
    so that their ids stay their own.
    """

    call: OpCall
    operators: OperatorDefaults
    values: dict[str, Any] = field(default_factory=dict)
    open: list[tuple[str, Argument, Frame | None]] = field(default_factory=list)
    op: Op | None = None


class Calls:
    """Runs operators into a builder."""

    def __init__(self, builder: Builder, problems: Problems) -> None:
        self.builder = builder
        self.problems = problems
        self._known: dict[tuple[int, int], _Known] = {}
        self._instances = builder.made.operators

    def run(
        self, call: OpCall, element: Element, x: Val, frame: Frame, site: Site
    ) -> Val:
        """The value that an operator element makes of ``x``."""
        op = self._instance(call, element, frame, site)
        if op.vanishes:
            return x
        inputs = [x]
        if type(op).arity != 1:
            inputs.extend(self._further(op, call, element, frame))
        owner = None
        if element.path is not None:
            component = frame.path(element.path, site.positions)
            owner = joined(site.path, component) or None
        stated = call.arguments.get("out")
        place = frame.at(element.at) if stated is None else frame.blame(stated)
        ops: tuple[Op, ...] = (op,)
        if site.undo or site.dilation > 1:
            ops = op.unstrided(site.dilation, undo=site.undo)
        for part in ops[:-1]:
            inputs[0] = self.emit(part, inputs[:1], None, place, site)
        try:
            return self.emit(ops[-1], inputs, owner, place, site)
        except ShapeError as error:
            ungrouped = _ungrouped(ops[-1], error)
            if ungrouped is None:
                raise
            self.report(error, element, x, frame, site)
            return self.builder.preview(ungrouped, inputs, x.name)

    def _further(
        self, op: Op, call: OpCall, element: Element, frame: Frame
    ) -> list[Val]:
        """Inputs beside the value under way: kept values, by name."""
        return [
            one(
                recalled(frame, str(getattr(op, key)), element.at),
                frame.at(element.at),
                f'"{key}" of {call.op}',
            )
            for key, param in VOCABULARY[call.op].signature.items()
            if param.kind == "value" and getattr(op, key) is not None
        ]

    def emit(
        self, op: Op, inputs: list[Val], owner: str | None, place: Place, site: Site
    ) -> Val:
        """Add a node; what it makes of spoiled values is spoiled."""
        builder = self.builder
        # Names are copied into nodes, parameters and whatever is made of them.
        length = len(site.path) + len(owner or "")
        self.problems.spend(20 + length / 4 + len(inputs), lambda: place)
        twice = owner is not None and builder.taken(owner) and not site.shared
        if twice and builder.infer(op, inputs).parameters:
            message = f'{site.label}: two operators have the path "{owner}"'
            hint = 'give each its own "as", or say "share": true of the loop'
            self.problems.error("RG108", message, place, hint)
        if site.shared and owner is None and builder.infer(op, inputs).parameters:
            message = f"{site.label}: {op.name} has parameters that are to be shared"
            hint = 'give it an "as": by its path they are found again'
            self.problems.error("RG027", message, place, hint)
        origin = builder.origin(site.section, site.block, site.role, place)
        try:
            made = builder.emit(
                op, inputs, site.scope, origin, site.path, owner, site.precision
            )
        except LimitExceeded as error:
            message = f"{site.label}: the network has {error}"
            self.problems.error("RG050", message, place, LIMIT_HINT)
            raise Enough from None
        made.spoiled = any(v.spoiled for v in inputs)
        return made

    def report(
        self, error: ShapeError, element: Element, x: Value, frame: Frame, site: Site
    ) -> None:
        """Report what an operator cannot take, at the argument that is at fault."""
        if x.spoiled:
            return
        place = frame.at(element.at)
        if isinstance(element.form, OpCall) and error.attribute is not None:
            defaults = site.operators.get(element.form.op, {})
            argument = element.form.arguments.get(error.attribute)
            if argument is not None:
                place = frame.blame(argument)
            elif error.attribute in defaults:
                stated, outer = defaults[error.attribute]
                place = outer.blame(stated)
        message = f"{site.label}: {error.message}"
        self.problems.error(error.code, message, place, error.hint)

    def _instance(self, call: OpCall, element: Element, frame: Frame, site: Site) -> Op:
        """The operator that an element means here, made once for equal arguments."""
        key = (id(call), id(site.operators))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._constants(call, frame, site)
        if known.op is not None:
            return known.op
        params = VOCABULARY[call.op].signature
        values = dict(known.values)
        for name, argument, where in known.open:
            value = (where or frame).value(argument, params[name], site.positions)
            if value is not None:
                values[name] = number(value)
        for name, param in params.items():
            if param.required and name not in values:
                message = f'operator "{call.op}" needs "{name}", {param}'
                raise Stop("RG023", message, frame.at(element.at))
        same = (call.op, *values.items())
        op = self._instances.get(same)
        if op is None:
            op = self._instances[same] = OPERATORS[call.op](**values)
        if not known.open:
            known.op = op
        return op

    def _constants(self, call: OpCall, frame: Frame, site: Site) -> _Known:
        """What of an operator element is the same whenever it runs under a site."""
        stated: dict[str, tuple[Argument, Frame | None]] = {
            **site.operators.get(call.op, {}),
            **{name: (argument, None) for name, argument in call.arguments.items()},
        }
        params = VOCABULARY[call.op].signature
        known = _Known(call, site.operators)
        for name, (argument, where) in stated.items():
            if not _is_constant(argument):
                known.open.append((name, argument, where))
                continue
            value = (where or frame).value(argument, params[name], site.positions)
            if value is not None:
                known.values[name] = number(value)
        return known


def _ungrouped(op: Op, error: ShapeError) -> Op | None:
    """``op`` without the groups that its channels do not divide into.

    Groups do not show in the type of the result, so what follows can be checked with
    it as if they had been right.
    """
    if error.code != "RG105" or error.attribute is None:
        return None
    return replace(op, **{error.attribute: 1})


def _is_constant(argument: Argument) -> bool:
    match argument:
        case Scalar(expr=expr):
            return not expr.names
        case Text(reference=reference):
            return not reference
        case Template(parts=parts):
            return all(isinstance(part, str) for part in parts)
        case Items(items=items):
            return all(_is_constant(item) for item in items)
        case _:
            return False
