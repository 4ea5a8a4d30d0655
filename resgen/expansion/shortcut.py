"""Residual elements: ``post(merge(drop_path(scale * residual(pre(x))), shortcut))``.

The shortcut is what users vary, so its rules stand alone: how a preset, an object and a
block's own default come together, when the projection is taken, and what is said when
the two sides of the addition do not fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from resgen.errors import Place
from resgen.expansion.builder import Val, Value
from resgen.expansion.calls import Calls
from resgen.expansion.evaluate import Frame, ShortcutChoice, Stop, number
from resgen.expansion.lists import one
from resgen.expansion.site import Site
from resgen.ops.drop_path import DropPath
from resgen.ops.scale import Scale
from resgen.spec.model import (
    Argument,
    Body,
    Definition,
    Element,
    Residual,
    Scalar,
    ShortcutValue,
    Spec,
    Text,
)
from resgen.spec.params import Param

_NUMBER = Param("number")
_RATE = Param("number", minimum=0, maximum=1)

Offered = Mapping[str, tuple[Argument, Frame]]


@dataclass(slots=True, eq=False)
class Rules:
    """A shortcut's fields, each with the frame that it was written in."""

    name: str
    project: tuple[Body, Frame] | None = None
    when: tuple[Scalar, Frame] | str = "shape"
    merge: str = "add"
    tap: str = "input"
    scale: tuple[Scalar | Body, Frame] | None = None


class Runner(Protocol):
    """What a residual element asks of what runs bodies, which it is a part of."""

    spec: Spec
    calls: Calls

    def body(self, body: Body, x: Value, frame: Frame, site: Site) -> Value: ...

    def merged(
        self, kind: str, given: list[Value], place: Place, site: Site
    ) -> Val: ...

    def lend(
        self, frame: Frame, offered: Offered, positions: Mapping[str, Any]
    ) -> Frame: ...

    def frame(
        self,
        made: Definition,
        given: Offered,
        place: Place,
        outer: Mapping[str, Any],
        inner: Mapping[str, Any],
    ) -> Frame: ...


class ShortcutRules:
    """Resolves shortcuts and runs residual elements."""

    def __init__(self, interpreter: Runner) -> None:
        self.interpreter = interpreter

    @staticmethod
    def based(value: ShortcutChoice | None, base: ShortcutChoice) -> ShortcutChoice:
        """A shortcut argument over the block's own: an object changes its fields."""
        if value is None:
            return base
        if value.value.preset is not None or value.base is not None:
            return value
        return replace(value, base=base)

    # --- fields -----------------------------------------------------------------------

    def rules(
        self, choice: ShortcutChoice, offered: Offered, place: Place, site: Site
    ) -> Rules:
        """The fields in force."""
        value = choice.value
        if value.preset is not None:
            return self._preset(value.preset, offered, place, site)
        if choice.base is None:
            rules = Rules("custom")
        else:
            rules = self.rules(choice.base, offered, place, site)
        lent = self.interpreter.lend(choice.frame, offered, site.positions)
        return self._changed(rules, value, lent, offered, place, site)

    def _preset(self, name: str, offered: Offered, place: Place, site: Site) -> Rules:
        made = self._definition(name)
        frame = self._frame(made, offered, place, site)
        value = made.shortcut or ShortcutValue(made.at)
        return self._changed(Rules(name), value, frame, offered, place, site)

    def _definition(self, name: str) -> Definition:
        return self.interpreter.spec.shortcuts[name]

    def _frame(
        self, made: Definition, offered: Offered, place: Place, site: Site
    ) -> Frame:
        given = {name: offered[name] for name in made.params if name in offered}
        return self.interpreter.frame(
            made, given, place, site.positions, site.positions
        )

    def _changed(
        self,
        rules: Rules,
        value: ShortcutValue,
        frame: Frame,
        offered: Offered,
        place: Place,
        site: Site,
    ) -> Rules:
        """``rules`` with the fields that ``value`` states."""
        if isinstance(value.project, Text):
            rules.project = self._preset(
                value.project.text, offered, place, site
            ).project
        elif value.project is not None:
            rules.project = (value.project, frame)
        if isinstance(value.when, Text):
            rules.when = value.when.text
        elif value.when is not None:
            rules.when = (value.when, frame)
        if value.merge is not None:
            rules.merge = frame.value(value.merge, Param("string"), site.positions)
        if value.tap is not None:
            rules.tap = frame.value(value.tap, Param("string"), site.positions)
        if value.scale is not None:
            rules.scale = (value.scale, frame)
        return rules

    # --- running ----------------------------------------------------------------------

    def residual(
        self, form: Residual, element: Element, given: Value, frame: Frame, site: Site
    ) -> Value:
        """Run a residual element."""
        run, place = self.interpreter, frame.at(element.at)
        x = one(given, place, "a residual element")
        offered = {name: (a, frame) for name, a in form.arguments.items()}
        rules = self.rules(self._choice(form, frame), offered, place, site)
        entered = x
        if form.pre is not None:
            pre = run.body(form.pre, x, frame, site.with_role("pre"))
            x = one(pre, place, "a residual element")
        made = run.body(form.branch, x, frame, site.with_role("branch"))
        branch = one(made, place, "the sum of a residual element")
        branch = self._scaled(branch, rules, site.with_role("branch"))
        if rules.merge != "none":
            branch = self._met(branch, entered, x, rules, form, frame, place, site)
        if form.post is not None:
            return run.body(form.post, branch, frame, site.with_role("post"))
        return branch

    def _met(
        self,
        branch: Val,
        entered: Val,
        after_pre: Val,
        rules: Rules,
        form: Residual,
        frame: Frame,
        place: Place,
        site: Site,
    ) -> Val:
        """The branch brought together with the shortcut."""
        builder = self.interpreter.calls.builder
        before = builder.mark()
        kept = None if rules.project is None else rules.project[1].kept
        self.interpreter.calls.problems.spend(len(kept or ()) / 10, lambda: place)
        kept_before = dict(kept or {})
        dropped = self._dropped(branch, form, frame, site, place)
        shortcut = self._taken(dropped, entered, after_pre, rules, site)
        same = shortcut.type == branch.type or shortcut.spoiled or branch.spoiled
        if rules.merge == "if-same" and not same:
            # No shortcut, so neither its projection nor what drops the branch stays.
            builder.rollback(before)
            if kept is not None:
                kept.clear()
                kept.update(kept_before)
            return branch
        if rules.merge == "concat":
            both: list[Value] = [shortcut, dropped]
            return self.interpreter.merged(
                "concat", both, place, site.with_role("merge")
            )
        if not same:
            projected = shortcut is not entered
            return self._misfit(dropped, shortcut, rules, frame, site, projected)
        both = [dropped, shortcut]
        return self.interpreter.merged("add", both, place, site.with_role("merge"))

    def _choice(self, form: Residual, frame: Frame) -> ShortcutChoice:
        if isinstance(form.shortcut, ShortcutValue):
            return ShortcutChoice(form.shortcut, frame)
        choice = frame.names.get(form.shortcut.text)
        if not isinstance(choice, ShortcutChoice):
            message = f'"${form.shortcut.text}" is not a shortcut'
            raise Stop("RG012", message, frame.at(form.shortcut.at))
        return choice

    def _scaled(self, branch: Val, rules: Rules, site: Site) -> Val:
        if rules.scale is None:
            return branch
        scale, frame = rules.scale
        if isinstance(scale, Body):
            made = self.interpreter.body(scale, branch, frame, site)
            return one(made, frame.at(scale.at), "the sum of a residual element")
        factor = frame.scalar(scale, _NUMBER, site.positions)
        if factor == 1:
            return branch
        op = Scale(by=float(factor))
        return self.interpreter.calls.emit(op, [branch], None, frame.blame(scale), site)

    def _dropped(
        self, branch: Val, form: Residual, frame: Frame, site: Site, place: Place
    ) -> Val:
        """Stochastic depth, where its rate is not zero."""
        if form.drop_path is None:
            return branch
        rate = number(frame.scalar(form.drop_path, _RATE, site.positions))
        if rate == 0:
            return branch
        op = DropPath(p=float(rate))
        return self.interpreter.calls.emit(
            op, [branch], None, place, site.with_role("branch")
        )

    def _taken(
        self, branch: Val, entered: Val, after_pre: Val, rules: Rules, site: Site
    ) -> Val:
        """The other side of the merge: projected, or what entered as it is.

        ``tap`` says what a projection starts from; an identity is always what entered.
        """
        tapped = after_pre if rules.tap == "pre" else entered
        site.positions["here"] = tapped.type.shape[0]
        if rules.when == "shape":
            changes = entered.type.channels != branch.type.channels
            projects = changes or entered.stride != branch.stride
        elif isinstance(rules.when, str):
            projects = True
        else:
            condition, where = rules.when
            projects = where.truth(condition, site.positions)
        if not projects or rules.project is None:
            return entered
        body, where = rules.project
        made = self.interpreter.body(body, tapped, where, site.with_role("shortcut"))
        return one(made, where.at(body.at), "the sum of a residual element")

    def _misfit(
        self,
        branch: Val,
        shortcut: Val,
        rules: Rules,
        frame: Frame,
        site: Site,
        projected: bool,
    ) -> Val:
        """Say why the two sides cannot be added, at the line that made them differ."""
        ours, theirs = branch.type, shortcut.type
        if ours.channels != theirs.channels:
            cause, changes = "width", "the width changes"
            what = f"{ours.channels} channels to {theirs.channels}"
            hint = f'use "projection", or keep {theirs.channels}'
            mend = f"let it give out {ours.channels} channels"
        else:
            cause, changes = "stride", "the size changes"
            what = f"a map of {ours} to one of {theirs}"
            hint = 'use "projection", or a stride of 1'
            mend = (
                "give both the same strides, paddings and rounding, "
                "or the input an even size"
            )
        why = f'its shortcut is "{rules.name}" but {changes}'
        if projected:
            why = f'its shortcut "{rules.name}" does not follow the branch'
            hint = mend
        message = f"{site.label} adds {what}: {why}"
        place = frame.call
        if cause in frame.sources:
            argument, outer = frame.sources[cause]
            place = outer.blame(argument)
        self.interpreter.calls.problems.error("RG104", message, place, hint)
        # The branch has the shape that was asked for; later stages are checked with it.
        return branch
