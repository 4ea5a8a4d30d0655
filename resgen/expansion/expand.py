"""From a spec to a graph: stem, stages and head, run in order.

Stages turn their keys into arguments of blocks and entries, hand out strides, and turn
strides into dilation where they are told to; everything else is bodies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeGuard

from resgen.errors import Place, SpecError
from resgen.expansion.builder import Builder, Limits, Made, Many, Val, Value
from resgen.expansion.evaluate import Frame, Stop
from resgen.expansion.interpret import ANY, EMPTY, Interpreter, Run
from resgen.expansion.lists import given_out
from resgen.expansion.repeat import Written
from resgen.expansion.site import OperatorDefaults, Site, joined
from resgen.expansion.widths import widen
from resgen.graph.cost import FURTHEST
from resgen.graph.ir import INPUT, OUTPUT, Graph, Scope, Section
from resgen.ops.types import TensorType
from resgen.spec.expr import constant
from resgen.spec.model import (
    PRECISION,
    Argument,
    Body,
    PerBlock,
    Scalar,
    Spec,
    Stage,
    Taker,
    Template,
)
from resgen.spec.params import Param
from resgen.spec.places import LIMIT_HINT, Enough, Json, Problems
from resgen.spec.stages import WRAPPED

_DEPTH = Param("integer", minimum=0)
_STRIDE = Param("axes", minimum=1)


def expand(
    spec: Spec, *, limits: Limits | None = None, problems: Problems | None = None
) -> Graph:
    """The graph of a spec's network.

    ``problems`` collects what is found (a fresh collector unless given); raises
    :class:`SpecError` when there are errors among it.
    """
    limits = limits or Limits()
    found = Problems(limits.work) if problems is None else problems
    graph = Expansion(spec, limits, found).graph()
    if graph is None or found.errors:
        raise SpecError(found.items)
    return graph


def _alike(value: Value, other: Value) -> TypeGuard[Val]:
    """Whether both are sound single values of one type, taken at one stride."""
    return (
        isinstance(value, Val)
        and isinstance(other, Val)
        and not (value.spoiled or other.spoiled)
        and (value.type, value.stride) == (other.type, other.stride)
    )


class Expansion:
    """One run of a spec; who counts networks without keeping them has another one."""

    def __init__(
        self,
        spec: Spec,
        limits: Limits,
        problems: Problems,
        made: Made | None = None,
    ) -> None:
        self.spec = spec
        self.problems = problems
        self.builder = Builder(spec.name, limits, Made() if made is None else made)
        self.interpreter = Interpreter(spec, self.builder, problems)
        self.frame = Frame(spec.at.place(), own=True, problems=problems)
        self.depths: list[int] = []
        self.blocks = 0  # of all stages
        self.before = 0  # blocks of earlier stages
        self.dilation = 1  # what strides have turned into so far
        self.precision = ""  # of the whole network
        self.entered: Value  # the network's input
        self.last: Written | None = None  # of the stage's blocks
        self.done: list[Value] = []  # what each stage yielded

    def graph(self) -> Graph | None:
        """Run the whole network; None if nothing sensible came of it."""
        with suppress(Enough):  # its problem is reported already
            try:
                return self._graph()
            except Stop as stop:
                self._tell(stop)
        return None

    def _tell(self, stop: Stop) -> None:
        """Of what ends a part of the work, unless it is told already."""
        if stop.code:
            self.problems.error(stop.code, stop.message, stop.place, stop.hint)

    def _graph(self) -> Graph:
        for name, argument in self.spec.let.items():
            self.frame.names[name] = self.frame.value(argument, ANY, {})
            self.frame.sources[name] = (argument, self.frame)
        self.depths = [self._depth(i, s) for i, s in enumerate(self.spec.stages)]
        self.blocks = sum(self.depths)
        # A 0 that is written is meant; one that a rule comes to is not.
        depths = [stage.depth for stage in self.spec.stages if stage.depth is not None]
        ruled = any(depth.expr.names for depth in depths)
        if ruled and not self.blocks and len(depths) == len(self.spec.stages):
            message = "no stage has a block: the depth of each comes to 0"
            self.problems.error("RG013", message, self.frame.blame(depths[0]))
        self.precision = self._precision(self.spec.precision, {}, "")
        shape = TensorType(self.spec.input)
        self.builder.scope(Scope("", None, "root", ""))
        x: Value = Val(INPUT, shape, (1,) * len(shape.spatial))
        self.entered = x
        x = self._stem(x)
        for index, stage in enumerate(self.spec.stages):
            x = self._stage(index, stage, x)
            self.done.append(x)
        x = self._head(x)
        found = given_out(x, self.spec.head.at.place(), OUTPUT)
        if self.spec.widths.values and not self.problems.errors:
            inputs = {INPUT: shape}
            types = widen(self.builder, inputs, self.spec.widths, self.problems)
            found = tuple(
                (n, replace(v, type=types.get(v.name, v.type))) for n, v in found
            )
        apart = x.train_only if isinstance(x, Many) else frozenset()
        self._check_labels([value for name, value in found if name not in apart])
        return self.builder.graph(shape, tuple((n, v.name) for n, v in found), apart)

    # --- sections ---------------------------------------------------------------------

    def _site(self, section: Section, stage: int, label: str) -> Site:
        self.problems.spend(60, self.spec.at.place)
        self.builder.sections.append(section)
        return Site(
            section=len(self.builder.sections) - 1,
            block=None,
            role="",
            label=label,
            scope=0,
            path="",
            positions={
                "stage": stage,
                "index": 0,
                "block": self.before,
                "blocks": self.blocks,
                "input_shape": self.spec.input,
            },
            operators=self._operators({}),
            precision=self.precision,
        )

    def _operators(
        self, stage: Mapping[str, Mapping[str, Argument]]
    ) -> OperatorDefaults:
        """What operators have in this network, and in this stage, unless told."""
        names = {*self.spec.operators, *stage}
        return {
            name: {
                key: (argument, self.frame)
                for part in (self.spec.operators, stage)
                for key, argument in part.get(name, {}).items()
            }
            for name in names
        }

    def _trunk(self, site: Site) -> Site:
        """The site under the trunk's prefix, which is no scope of its own."""
        prefix = self._component(self.spec.names.trunk, site)
        return replace(site, path=joined("", prefix))

    def _component(self, template: Template, site: Site) -> str:
        return self.frame.path(template, site.positions)

    def _stem(self, x: Value) -> Value:
        site = self._trunk(self._site(Section("stem", "stem", "/stem"), 0, "the stem"))
        return self._body(self.spec.stem, x, site)

    def _head(self, x: Value) -> Value:
        section = Section("head", "head", "/head")
        site = self._site(section, len(self.spec.stages), "the head")
        return self._body(self.spec.head, x, site)

    def _body(self, body: Body, x: Value, site: Site) -> Value:
        """A body of the spec itself, which keeps values of its own."""
        self.problems.spend(len(self.done) / 2, body.at.place)
        kept = {"input": self.entered, "stages": Many(tuple(self.done))}
        frame = replace(self.frame, kept=kept)
        site = site.using(x.channels)
        return self.interpreter.body(body, x, frame, site)

    # --- stages -----------------------------------------------------------------------

    def _depth(self, index: int, stage: Stage) -> int:
        if stage.depth is None:
            return 0
        positions = {"stage": index, "index": 0}
        try:
            depth = int(self.frame.scalar(stage.depth, _DEPTH, positions))
        except Stop as stop:
            self._tell(stop)
            return 1  # one block shows what else is wrong with the stage
        if depth > self.builder.limits.operators:
            message = f"stage {index + 1} has {depth:,} blocks"
            place = self.frame.blame(stage.depth)
            raise Stop("RG050", message, place, LIMIT_HINT)
        return depth

    def _stage(self, index: int, stage: Stage, x: Value) -> Value:
        pointer = f"/stages/{index}"
        label = f"stage {index + 1}"
        site = self._site(
            Section("", "stage", pointer, self.depths[index]), index, label
        )
        site.operators = self._operators(stage.operators)
        site.positions["channels"] = x.channels
        each = self._precisions(stage, site)
        trunk = self._trunk(site)
        name = self._component(stage.name or self.spec.names.stage, trunk)
        self.builder.sections[-1] = replace(
            self.builder.sections[-1], name=name.lstrip("/") or f"stage{index + 1}"
        )
        site = self.interpreter.enter(trunk, name, "stage", pointer)
        stride = self._stride(index, stage, site)
        dilates = stage.dilate is not None and self.frame.truth(
            stage.dilate, site.positions
        )
        entered = self.dilation
        if dilates:
            self.dilation *= self._dilated(stage, stride)
            if self.dilation > FURTHEST:
                message = f"strides have become a dilation of more than {FURTHEST:,}"
                raise Stop("RG050", message, stage.at.place())
        first = replace(site, dilation=entered, undo=dilates)
        later = replace(site, dilation=self.dilation)
        taken, stride = self._handed(stage.entry, stride)
        x = self._end(stage, "entry", taken, x, first)
        if stage.body is not None:
            x = self._body(stage.body, x, first)
        wrapping, stride = self._handed(stage.wrap, stride)

        def blocks(x: Value, site: Site) -> Value:
            around = (
                replace(site, dilation=given.dilation, undo=given.undo)
                for given in (first, later)
            )
            return self._blocks(stage, index, stride, each, x, *around)

        if stage.wrap is None:
            x = blocks(x, first)
        else:
            first.positions["channels"] = x.channels
            held = {WRAPPED: Run(blocks)}
            x = self._use(stage, stage.wrap, 0, wrapping, x, first, held)
        self.before += self.depths[index]
        later.positions["block"] = self.before
        return self._end(stage, "exit", 1, x, later)

    def _precision(
        self, stated: Argument | None, positions: Mapping[str, Any], around: str
    ) -> str:
        """What is stated, or where that says nothing what holds around it."""
        value = None
        if stated is not None:
            value = self.frame.value(stated, PRECISION, positions)
        return around if value is None else str(value)

    def _precisions(self, stage: Stage, site: Site) -> list[str]:
        """That of each block; one value for the stage holds for all of it."""
        blocks = self.builder.sections[-1].blocks
        stated, around = stage.precision, site.precision
        if not isinstance(stated, PerBlock):
            site.precision = self._precision(stated, site.positions, around)
            return [site.precision] * blocks
        if len(stated.values) != blocks:
            self.problems.error("RG013", *self._uneven(stated))
            return [around] * blocks
        return [self._precision(v, site.positions, around) for v in stated.values]

    def _stride(self, index: int, stage: Stage, site: Site) -> Any:
        if stage.stride is None:
            return 1 if index == 0 else 2
        value = self.frame.value(stage.stride, _STRIDE, site.positions)
        return 1 if value is None else value

    def _dilated(self, stage: Stage, stride: Any) -> int:
        if isinstance(stride, int):
            return stride
        if len(set(stride)) == 1:
            return int(stride[0])
        message = "a stride that differs between axes cannot become dilation"
        raise Stop("RG013", message, self.frame.blame(stage.stride))

    def _handed(self, end: Body | Taker | None, stride: Any) -> tuple[Any, Any]:
        """The stride that this takes of the stage's, and what it leaves of it."""
        taker = end.block if isinstance(end, Taker) else None
        takes = taker and "stride" in self.spec.definitions[taker].params
        return (stride, 1) if takes else (1, stride)

    def _end(
        self, stage: Stage, which: str, stride: Any, x: Value, site: Site
    ) -> Value:
        """The entry or exit of a stage."""
        end = stage.entry if which == "entry" else stage.exit
        if end is None:
            return x
        site = replace(site, role=which, label=f"{site.label}, {which}")
        site.positions["channels"] = x.channels
        component = self._component(getattr(self.spec.names, which), site)
        at = self.builder.sections[-1].pointer + f"/{which}"
        if isinstance(end, Taker):
            site = self.interpreter.enter(site, component, which, at, end.block)
            return self._use(stage, end, 0, stride, x, site)
        return self._body(end, x, self.interpreter.enter(site, component, which, at))

    def _blocks(
        self,
        stage: Stage,
        number: int,
        stride: Any,
        each: Sequence[str],
        x: Value,
        first: Site,
        later: Site,
    ) -> Value:
        """All blocks of a stage; ``each`` is the precision of each of them."""
        for block in range(self.depths[number]):
            by, site = (1, later) if block else (stride, first)
            x = self._block(stage, block, by, each[block], x, site)
        return x

    def _block(
        self,
        stage: Stage,
        index: int,
        stride: Any,
        precision: str,
        x: Value,
        site: Site,
    ) -> Value:
        if stage.block is None:
            return x.spoil()
        positions = {
            **site.positions,
            "index": index,
            "block": self.before + index,
            "channels": x.channels,
        }
        label = f"{site.label}, block {index + 1}"
        site = replace(
            site, block=index, positions=positions, label=label, precision=precision
        )
        component = self._component(self.spec.names.block, site)
        pointer = self.builder.sections[-1].pointer
        site = self.interpreter.enter(
            site, component, "block", pointer, stage.block.block
        )
        situation = (site.section, stride, precision, site.dilation, site.undo)
        last, self.last = self.last, None
        if last is not None and last.situation == situation and _alike(x, last.x):
            again = self._again(last, x, site)
            if again is not None:
                return again
        begun, left = self.builder.mark(), self.problems.left
        self.problems.numbered.clear()
        told = self.problems.told
        made = self._use(stage, stage.block, index, stride, x, site)
        each = any(isinstance(a, PerBlock) for a in stage.block.arguments.values())
        same = told == self.problems.told and not (each or self.frame.kept)
        if same and isinstance(made, Val) and _alike(x, made):
            last = Written(
                situation,
                x,
                made,
                site,
                begun.scopes,
                self.builder.since(begun),
                left - self.problems.left,
                tuple(self.problems.numbered),
            )
            self.last = last if last.stands_alone else None
        return made

    def _again(self, last: Written, x: Val, site: Site) -> Val | None:
        """What a block makes that is the last one under another path."""
        if last.cost > self.problems.left:
            return None  # running it says where the work becomes too much
        made = last.again(self.builder, x, site)
        if made is not None:
            self.problems.spend(last.cost, self.spec.at.place)
            self.last = last
        return made

    def _use(
        self,
        stage: Stage,
        taker: Taker,
        index: int,
        stride: Any,
        x: Value,
        site: Site,
        ready: Mapping[str, Any] = EMPTY,
    ) -> Value:
        """One use of a block with the stage's keys as its arguments."""
        made = self.spec.definitions[taker.block]
        given: dict[str, tuple[Argument, Frame]] = {}
        if "stride" in made.params:
            given["stride"] = self._stride_argument(stage, stride)
        try:
            for name, argument in taker.arguments.items():
                if isinstance(argument, PerBlock):
                    argument = self._item(argument, index)
                given[name] = (argument, self.frame)
            return self.interpreter.block(
                made, given, self._place(stage, taker), x, site, ready
            )
        except Stop as stop:
            self.interpreter.report(stop, x, site)
            return x.spoil()

    def _place(self, stage: Stage, taker: Taker) -> Place:
        """Where a problem of a built-in block is shown if no argument caused it."""
        value = stage.at.value
        if isinstance(value, dict):
            for key in ("block", "entry", "exit", "wrap"):
                if key in value and value[key].value == taker.block:
                    return value[key].place()
        return stage.at.place()

    def _item(self, argument: PerBlock, index: int) -> Argument:
        blocks = self.builder.sections[-1].blocks
        if len(argument.values) != blocks or not blocks:
            raise Stop("RG013", *self._uneven(argument))
        return argument.values[index]

    def _uneven(self, argument: PerBlock) -> tuple[str, Place]:
        blocks = self.builder.sections[-1].blocks
        message = f"{len(argument.values)} values for {blocks} blocks"
        return message, argument.at.place()

    def _stride_argument(self, stage: Stage, stride: Any) -> tuple[Argument, Frame]:
        """The stride that a block gets, blamed on what the stage says."""
        at: Json = stage.at if stage.stride is None else stage.stride.at
        return Scalar(constant(stride), at), self.frame

    def _check_labels(self, outputs: Sequence[Val]) -> None:
        """Of a vector, or of a map over the whole input, which is a mask."""
        labels, over = self.spec.labels, self.spec.input[1:]
        scores = [
            x.channels for x in outputs if x.type.rank == 1 or x.type.shape[1:] == over
        ]
        if labels is None or not scores or any(x.spoiled for x in outputs):
            return
        if len(labels) not in scores:
            message = f"{len(labels)} labels for {scores[0]} outputs"
            place = self.spec.members["labels"].place()
            self.problems.error("RG013", message, place)
