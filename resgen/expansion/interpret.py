"""Bodies run: elements become nodes.

The one mechanism behind stems, blocks, shortcuts and heads. A problem spoils the value
that it concerns and nothing else, so that one run finds the problems of every stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from resgen.errors import Place
from resgen.expansion.builder import Builder, Many, Val, Value
from resgen.expansion.calls import Calls
from resgen.expansion.evaluate import BodyValue, Frame, Stop
from resgen.expansion.lists import item, listed, one, outputs, recalled
from resgen.expansion.shortcut import ShortcutRules
from resgen.expansion.site import Site, joined
from resgen.graph.ir import Scope
from resgen.ops import OPERATORS
from resgen.ops.base import ShapeError
from resgen.spec.model import (
    PRECISION,
    Argument,
    Body,
    Definition,
    Element,
    For,
    Item,
    Keep,
    Merge,
    OpCall,
    Outputs,
    Refused,
    Residual,
    Scalar,
    Seq,
    Spec,
    Text,
    Use,
)
from resgen.spec.params import Param
from resgen.spec.places import Enough, Problems

#: How deep elements may nest, uses of blocks included.
MAX_DEPTH: Final = 96
#: How many iterations one loop may have.
MAX_LOOP: Final = 100_000

_COUNT = Param("integer", minimum=0, maximum=MAX_LOOP)
_INDEX = Param("integer")


EMPTY: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What a body parameter stands for that no body says: the blocks of a stage."""

    run: Callable[[Value, Site], Value]


class Interpreter:
    """Runs the bodies of one spec into one builder."""

    def __init__(self, spec: Spec, builder: Builder, problems: Problems) -> None:
        self.spec = spec
        self.builder = builder
        self.problems = problems
        self.calls = Calls(builder, problems)
        self.shortcuts = ShortcutRules(self)
        self._depth = 0
        # Blamed where what follows from the size of the input does not fit.
        self._entered = (
            Text("", False, spec.members["input"]),
            Frame(spec.at.place(), own=True, problems=problems),
        )
        self._defaults: dict[int, Any] = {}

    # --- sequences --------------------------------------------------------------------

    def body(self, body: Body, x: Value, frame: Frame, site: Site) -> Value:
        """Run a sequence; what it yields."""
        for element in body.elements:
            made = self.element(element, x, frame, site)
            if made is not None:
                x = made
        return x

    def element(
        self, element: Element, x: Value, frame: Frame, site: Site
    ) -> Value | None:
        """Run an element; None if its condition leaves it out."""
        self._depth += 1
        self.problems.spend(10, lambda: frame.at(element.at))
        if self._depth > MAX_DEPTH:
            message = f"elements nest more than {MAX_DEPTH} deep: a block that uses"
            message += " itself without end?"
            self.problems.error("RG051", message, frame.at(element.at))
            raise Enough
        try:
            site.positions["here"] = x.channels
            if element.when is not None and not frame.truth(
                element.when, site.positions
            ):
                return None
            if element.start is not None:
                start = frame.template(element.start, site.positions)
                x = recalled(frame, start, element.start.at)
                site.positions["here"] = x.channels
            if element.share and not isinstance(element.form, For):
                made = self._shared(element, x, frame, site)
            else:
                made = self._form(element, x, frame, site)
            if element.name is not None:
                frame.kept[frame.template(element.name, site.positions)] = made
            return made
        except ShapeError as error:
            self.calls.report(error, element, x, frame, site)
        except Stop as stop:
            self.report(stop, x, site)
        finally:
            self._depth -= 1
        return x.spoil()

    def report(self, stop: Stop, x: Value, site: Site) -> None:
        """Report what stopped an element, unless an earlier problem explains it."""
        if not stop.code or (stop.code == "RG023" and self.problems.errors):
            return  # the argument is missing because it was refused
        if not x.spoiled or stop.code in ("RG031", "RG032"):
            message = f"{site.label}: {stop.message}"
            self.problems.error(stop.code, message, stop.place, stop.hint)

    # --- forms ------------------------------------------------------------------------

    def _shared(self, element: Element, x: Value, frame: Frame, site: Site) -> Value:
        """An element that uses the parameters of its paths again."""
        owners = self.builder.mark().owners
        made = self._form(element, x, frame, replace(site, shared=True))
        if self.builder.mark().owners > owners:
            raise Stop(
                "RG027",
                '"share" uses parameters again, and not all of these are there yet',
                frame.at(element.at),
                'give both the same "as"; the first has no "share"',
            )
        return made

    def _form(self, element: Element, x: Value, frame: Frame, site: Site) -> Value:
        form = element.form
        if isinstance(form, Refused):
            return x.spoil()
        if isinstance(form, OpCall):
            if element.precision is not None:
                site = self._precise(element.precision, frame, site)
            at = frame.at(element.at)
            return self.calls.run(form, element, one(x, at, form.op), frame, site)
        if isinstance(form, For):
            for made in self._iterations(element, form, x, frame, site, chained=True):
                x = x if made is None else made
            return x
        inner = self._scoped(element, frame, site, form)
        if isinstance(form, Use):
            return self._use(form, element, x, frame, inner)
        if isinstance(form, Seq):
            return self.body(form.body, x, frame, inner)
        if isinstance(form, Residual):
            return self.shortcuts.residual(form, element, x, frame, inner)
        if isinstance(form, Merge):
            return self._merge(form, element, x, frame, inner)
        if isinstance(form, Item):
            index = frame.scalar(form.index, _INDEX, site.positions)
            return item(x, index, frame.blame(form.index))
        if isinstance(form, Outputs):
            at = frame.at(element.at)
            given = (
                (name, self._branch(body, x, frame, inner))
                for name, body in form.bodies.items()
            )
            named = {name: made for name, made in given if made is not None}
            if not named.keys() - form.train_only:
                raise Stop("RG011", "every output of inference is left out", at)
            return outputs(named, form.train_only, at, self.problems)
        return x  # Keep

    def _scoped(self, element: Element, frame: Frame, site: Site, form: object) -> Site:
        """The site inside an element: at its `precision`, in its `as`."""
        if element.precision is not None:
            site = self._precise(element.precision, frame, site)
        if element.path is None or isinstance(form, Keep):
            return site
        component = frame.path(element.path, site.positions)
        used = form.target if isinstance(form, Use) and not form.parameter else None
        pointer = self.builder.sections[site.section].pointer
        return self.enter(site, component, "part", pointer, used)

    def _precise(self, stated: Text, frame: Frame, site: Site) -> Site:
        """The site at a precision; null is whatever holds around it."""
        value = frame.value(stated, PRECISION, site.positions)
        return site if value is None else replace(site, precision=value)

    def enter(
        self,
        site: Site,
        component: str,
        kind: str,
        pointer: str,
        definition: str | None = None,
        arguments: tuple[tuple[str, Any], ...] = (),
    ) -> Site:
        """The site in a scope below this one; an empty component is no scope."""
        path = joined(site.path, component)
        if path == site.path:
            return site
        self.problems.spend(5 + len(path) / 8, self.spec.at.place)
        parent = self._holder(site.scope, path)
        scope = Scope(path, parent, kind, pointer, definition, arguments)
        return site.within(self.builder.scope(scope), path)

    def _holder(self, scope: int, path: str) -> int:
        """The nearest scope around ``scope`` that a path lies in."""
        around = self.builder.scopes[scope]
        while around.path and not path.startswith(f"{around.path}."):
            scope = around.parent or 0
            around = self.builder.scopes[scope]
        return scope

    def _iterations(
        self,
        element: Element,
        form: For,
        x: Value,
        frame: Frame,
        site: Site,
        *,
        chained: bool,
    ) -> Iterator[Value | None]:
        """The results of a loop: each from the one before, or each from ``x``."""
        count = frame.scalar(form.count, _COUNT, site.positions)
        outer = frame.names.get(form.variable)
        for i in range(count):
            self.problems.spend(5, lambda: frame.at(element.at))
            frame.names[form.variable] = i
            inner = self._scoped(element, frame, site, form)
            if element.share and i:
                inner = replace(inner, shared=True)
            made = self._branch(form.body, x, frame, inner)
            if made is not None and chained:
                x = made
            yield made
        if outer is None:
            frame.names.pop(form.variable, None)
        else:
            frame.names[form.variable] = outer

    def _branch(self, body: Body, x: Value, frame: Frame, site: Site) -> Value | None:
        """A body as a branch: None where its one element is left out."""
        if len(body.elements) == 1:
            return self.element(body.elements[0], x, frame, site)
        return self.body(body, x, frame, site)

    # --- merges -----------------------------------------------------------------------

    def _merge(
        self, form: Merge, element: Element, x: Value, frame: Frame, site: Site
    ) -> Value:
        values: list[Value] = []
        for body in form.branches:
            only = body.elements[0] if len(body.elements) == 1 else None
            if only is not None and isinstance(only.form, For) and only.when is None:
                made = list(
                    self._iterations(only, only.form, x, frame, site, chained=False)
                )
            else:
                made = [self._branch(body, x, frame, site)]
            values.extend(v for v in made if v is not None)
        if not values:
            message = f'every branch of "{form.kind}" is left out'
            raise Stop("RG011", message, frame.at(element.at))
        if form.kind == "list":
            at = frame.at(element.at)
            return Many(tuple(listed(values, at, '"list"', self.problems)))
        given = {}
        if form.axis is not None:
            given["axis"] = frame.scalar(form.axis, _COUNT, site.positions)
        return self.merged(form.kind, values, frame.at(element.at), site, **given)

    def merged(
        self,
        kind: str,
        given: list[Value],
        place: Place,
        site: Site,
        **attributes: int,
    ) -> Val:
        """Several values brought together, those of a list too; one stays as it is."""
        values = list(listed(given, place, f'"{kind}"', self.problems))
        if not values:
            raise Stop("RG011", f'"{kind}" of a list without values', place)
        if len(values) == 1 and kind != "stack":
            return values[0]
        if any(v.spoiled for v in values):
            return values[0].spoil()
        op = OPERATORS[kind](**attributes)
        return self.calls.emit(op, values, None, place, site)

    # --- blocks -----------------------------------------------------------------------

    def _use(
        self, form: Use, element: Element, x: Value, frame: Frame, site: Site
    ) -> Value:
        if not form.parameter:
            if isinstance(x, Many) and not x.items:
                message = f"an empty list enters {form.target}"
                raise Stop("RG026", message, frame.at(element.at))
            made = self.spec.definitions[form.target]
            given = {name: (a, frame) for name, a in form.arguments.items()}
            return self.block(made, given, frame.at(element.at), x, site)
        offered = {name: (a, frame) for name, a in form.arguments.items()}
        return self._parameter(form.target, offered, element, x, frame, site)

    def _parameter(
        self,
        name: str,
        offered: Mapping[str, tuple[Argument, Frame]],
        element: Element,
        x: Value,
        frame: Frame,
        site: Site,
    ) -> Value:
        """A body given as an argument, run where it was written."""
        value = frame.parameter(name, element.at)
        if value is None:
            return x
        if isinstance(value, Run):
            return value.run(x, site)
        if not isinstance(value, BodyValue):
            message = f'"${name}" is not a body'
            raise Stop("RG012", message, frame.at(element.at))
        if not value.body.elements:
            return x
        only = value.body.elements[0] if len(value.body.elements) == 1 else None
        if only is not None and isinstance(only.form, Use) and only.when is None:
            use = only.form
            inner = self._scoped(only, value.frame, site, use)
            if use.parameter:
                return self._parameter(use.target, offered, only, x, value.frame, inner)
            made = self.spec.definitions[use.target]
            given = {k: v for k, v in offered.items() if k in made.params}
            given.update((k, (a, value.frame)) for k, a in use.arguments.items())
            return self.block(made, given, value.frame.at(only.at), x, inner)
        lent = self.lend(value.frame, offered, site.positions)
        return self.body(value.body, x, lent, site.using(x.channels))

    def lend(
        self,
        frame: Frame,
        offered: Mapping[str, tuple[Argument, Frame]],
        positions: Mapping[str, Any],
    ) -> Frame:
        """A frame that sees what is offered as well, behind its own names."""
        if not offered:
            return frame
        self.problems.spend(len(offered) + len(frame.names), lambda: frame.call)
        made = Frame(frame.call, frame.own, self.problems, kept=frame.kept)
        for name, (argument, outer) in offered.items():
            made.names[name] = outer.value(argument, ANY, positions)
        made.sources.update(offered)
        made.names.update(frame.names)
        made.sources.update(frame.sources)
        return made

    def block(
        self,
        made: Definition,
        given: Mapping[str, tuple[Argument, Frame]],
        place: Place,
        x: Value,
        site: Site,
        ready: Mapping[str, Any] = EMPTY,
    ) -> Value:
        """One use of a block; ``ready`` are values that its parameters have already."""
        inner = site.using(x.channels)
        frame = self.frame(made, given, place, site.positions, inner.positions, ready)
        if made.body is None:
            return x.spoil()  # its definition has a problem already
        return self.body(made.body, x, frame, inner)

    def _default(
        self, default: Argument, param: Param, frame: Frame, inner: Mapping[str, Any]
    ) -> Any:
        """A default's value, found once where no name has a part in it.

        Definitions outlive this object, so their defaults' ids stay their own.
        """
        known = self._defaults.get(id(default))
        if known is not None:
            return known
        value = frame.value(default, param, inner)
        if isinstance(default, Scalar) and not default.expr.names:
            self._defaults[id(default)] = value
        return value

    def frame(
        self,
        made: Definition,
        given: Mapping[str, tuple[Argument, Frame]],
        place: Place,
        outer: Mapping[str, Any],
        inner: Mapping[str, Any],
        ready: Mapping[str, Any] = EMPTY,
    ) -> Frame:
        """Parameters and local values of a definition, evaluated.

        Arguments are evaluated at the caller's positions, defaults at the block's own.
        """
        self.problems.spend(5 + 3 * (len(made.params) + len(made.let)), lambda: place)
        frame = Frame(place, not made.builtin, self.problems)
        frame.names.update(ready)
        frame.sources["input_shape"] = self._entered
        for name, param in made.params.items():
            if name in ready:
                continue
            value = None
            source = given.get(name)
            if source is not None:
                value = source[1].value(source[0], param, outer)
            default = made.defaults.get(name)
            if param.kind == "shortcut" and default is not None:
                base = frame.value(default, param, inner)
                value = self.shortcuts.based(value, base)
            elif value is None and default is not None:
                source = (default, frame)
                value = self._default(default, param, frame, inner)
            if value is None and param.required:
                hint, kind = None, "block"
                if made.shortcut is not None:
                    kind = "shortcut"
                    hint = f'say it beside the shortcut: "with": {{"{name}": ...}}'
                message = f'{kind} "{made.name}" needs "{name}", {param}'
                raise Stop("RG023", message, place, hint)
            frame.names[name] = value
            if source is not None:
                frame.sources[name] = source
        for name, argument in made.let.items():
            frame.names[name] = frame.value(argument, ANY, inner)
            frame.sources[name] = (argument, frame)
        return frame


#: A parameter that takes whatever an expression yields.
ANY: Final = Param("value")
