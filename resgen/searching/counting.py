"""An expansion of a network that counts, and keeps none of its graph.

Candidates of a space are made of the same blocks again and again. A block is expanded
when it is first met; what it costs is kept, and stands for it wherever a block of the
same words meets a value of the same type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from resgen.expansion.builder import Added, Limits, Mark, Val, Value
from resgen.expansion.evaluate import (
    BodyValue,
    Frame,
    Numbered,
    ShortcutChoice,
    Stop,
)
from resgen.expansion.expand import Expansion
from resgen.expansion.site import Site
from resgen.graph.cost import alive_bytes
from resgen.graph.ir import OUTPUT, Graph, Input, Node
from resgen.latency.table import Table
from resgen.searching.known import WORD, Known, moving, text
from resgen.searching.parts import Part, Whole, seconds, summed, times_of
from resgen.searching.price import Bounds, Price
from resgen.spec.model import (
    Argument,
    PerBlock,
    Scalar,
    Spec,
    Stage,
)
from resgen.spec.places import Enough, Problems


class Broken(Exception):
    """A bound breaks already, so the rest of the network need not be looked at."""

    def __init__(self, bound: str) -> None:
        super().__init__(bound)
        self.bound = bound


@dataclass(frozen=True, slots=True)
class _Words:
    """What is no value, by its text."""

    text: str


def _plain(value: Any) -> Any:
    """A value of a frame that tells it from others."""
    if isinstance(value, BodyValue):
        return _Words(text(value.body.at))
    if isinstance(value, ShortcutChoice):
        based = "" if value.base is None else _plain(value.base).text
        return _Words(f"{text(value.value.at)} {based}")
    return value


class Counting(Expansion):
    """An expansion in which one node stands for each part that is known."""

    def __init__(
        self,
        spec: Spec,
        problems: Problems,
        known: Known,
        bounds: Bounds,
        table: Table | None,
    ) -> None:
        super().__init__(spec, Limits(), problems, known.made)
        self.known, self.bounds, self.table = known, bounds, table
        self.bounded = bounds != Bounds()
        self.common = known.common(spec.members, ("stages", "stem", "head"))
        self.words: dict[int, tuple[str, bool, bool]] = {}
        #: Of each stage the last of its blocks that may stand for the next.
        self.repeated: dict[int, tuple[tuple[Any, ...], Part, list[Numbered]]] = {}
        #: Of each stage what the bodies of all of its blocks see.
        self.seen: dict[int, tuple[Any, ...]] = {}
        self.apart = known.common(
            spec.members, ("stages", "stem", "head", "let", "defaults")
        )
        defaults = spec.members.get("defaults")
        stated = defaults.value if defaults and isinstance(defaults.value, dict) else {}
        #: What operators have unless they are told, in all of the network.
        self.operators_said = "".join(
            f"{name}: {text(at)}; "
            for name, at in stated.items()
            if name in spec.operators
        )
        self.params = self.macs = 0
        self.seconds = 0.0  # that they take at the least

    def price(self) -> Price | None:
        """What it comes to; None where it is no network.

        Without a latency where some of its kernels reach across parts.
        """
        graph = self.graph()
        if graph is None:
            return None
        latency = None if self.table is None else seconds(graph, self.table)
        return Price(*summed(graph), latency)

    def _stem(self, x: Value) -> Value:
        return self._section("stem", super()._stem, x, 0)

    def _head(self, x: Value) -> Value:
        return self._section("head", super()._head, x, len(self.spec.stages))

    def _section(
        self, name: str, run: Callable[[Value], Value], x: Value, stage: int
    ) -> Value:
        """The stem or the head."""
        positions = {"index": 0, "block": self.before, "blocks": self.blocks}
        said = self.known.text(self.spec.members[name])
        common = (
            self.common if self._names_let(said + self.operators_said) else self.apart
        )
        key = (name, common, self.operators_said, said, stage)
        return self._counted(key, positions, x, lambda: run(x))

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
        block, depth = 0, self.depths[number]
        while block < depth:
            by, site = (1, later) if block else (stride, first)
            x = self._block(stage, block, by, each[block], x, site)
            block += 1
            more = self._more(number, block, each, x, later)
            if more:
                self._repeat(more)
                block += more
        return x

    def _more(
        self, number: int, block: int, each: Sequence[str], x: Value, site: Site
    ) -> int:
        """How many blocks from this one on are what the last one was."""
        last, node = self.repeated.get(number), self.builder.nodes[-1:]
        if last is None or not isinstance(x, Val) or x.name != node[0].name:
            return 0
        (*situation, precision), part, asked = last
        where = 1, number, site.dilation, site.undo, x.type, x.stride
        if where != tuple(situation):
            return 0
        more, asked = 0, [*asked, *part.numbered]
        for at in range(block, self.depths[number]):
            positions = self._positions(at)
            if each[at] != precision or not all(one.holds(positions) for one in asked):
                break
            more += 1
        return more

    def _repeat(self, more: int) -> None:
        """The last part so many times more."""
        node = self.builder.nodes[-1]
        if isinstance(node.op, Whole):
            op = replace(node.op, times=node.op.times + more)
            self.builder.nodes[-1] = replace(node, op=op)
            self._spend(op.part, more)

    def _positions(self, index: int) -> dict[str, int]:
        """What tells a block from those that are the same."""
        return {"index": index, "block": self.before + index, "blocks": self.blocks}

    def _block(
        self,
        stage: Stage,
        index: int,
        stride: Any,
        precision: str,
        x: Value,
        site: Site,
    ) -> Value:
        number = site.positions["stage"]
        if number not in self.words:
            self.words[number] = self._said(stage)
        said, each, named = self.words[number]
        positions = self._positions(index)
        where = stride, number, site.dilation, site.undo
        self.problems.numbered.clear()
        seen = self._seen(stage, index, stride, x, site) if named else None
        asked = [*self.problems.numbered]
        key: tuple[Any, ...] = (self.common, said, index if each else 0)
        if seen is not None:
            key = (self.apart, *seen)

        def run() -> Value:
            # One that was moved here has not asked where it stands.
            self.last = None
            return super(Counting, self)._block(
                stage, index, stride, precision, x, site
            )

        made = self._counted((*key, *where, precision), positions, x, run)
        node = self.builder.nodes[-1] if self.builder.nodes else None
        if not each and isinstance(x, Val) and node and isinstance(node.op, Whole):
            situation = (*where, x.type, x.stride, precision)
            self.repeated[number] = situation, node.op.part, asked
        return made

    def _said(self, stage: Stage) -> tuple[str, bool, bool]:
        """The words of a stage.

        And whether they have a value for each block, and whether they name what `let`
        does.
        """
        bound = stage.block.arguments.values() if stage.block else ()
        names = [each.expr.names for each in bound if isinstance(each, Scalar)]
        return (
            self.known.of_blocks(stage.at),
            any(isinstance(each, PerBlock) for each in bound),
            not self.spec.let.keys().isdisjoint(chain.from_iterable(names)),
        )

    def _seen(
        self, stage: Stage, index: int, stride: Any, x: Value, site: Site
    ) -> tuple[Any, ...] | None:
        """What the body of a block sees, so that other words of the same are known.

        A rule comes to the same width by other numbers, again and again. None where
        what it sees is no value, and names what `let` does.
        """
        if stage.block is None or not isinstance(x, Val):
            return None
        number = site.positions["stage"]
        if number in self.seen:
            return self.seen[number]
        made, arguments = (
            self.spec.definitions[stage.block.block],
            stage.block.arguments,
        )
        positions = {
            **site.positions, **self._positions(index), "channels": x.channels
        }  # fmt: skip
        given: dict[str, tuple[Argument, Frame]] = {}
        if "stride" in made.params:
            given["stride"] = self._stride_argument(stage, stride)
        try:
            for name, argument in arguments.items():
                if isinstance(argument, PerBlock):
                    argument = self._item(argument, index)
                given[name] = (argument, self.frame)
            place = stage.at.place()
            frame = self.interpreter.frame(made, given, place, positions, positions)
        except Stop:
            return None  # running it tells what is wrong
        # Whoever asks tells blocks apart by their stride.
        names = self.known.mentioned(made.at) & frame.names.keys() - {"stride"}
        values = [(name, _plain(frame.names[name])) for name in sorted(names)]
        own = stage.at.value if isinstance(stage.at.value, dict) else {}
        said = self.operators_said + "".join(
            f"{name}: {text(own[name])}; " for name in stage.operators
        )
        texts = [value.text for _, value in values if isinstance(value, _Words)]
        if self._names_let(" ".join([said, *texts])):
            return None
        seen = made.name, said, tuple(values)
        if not (self.known.moves(made) or moving(arguments.values())):
            self.seen[number] = seen
        return seen

    def _names_let(self, said: str) -> bool:
        """Whether words, or what operators are told, name what `let` does."""
        let = self.spec.let.keys()
        return bool(let) and not let.isdisjoint(WORD.findall(said))

    def _counted(
        self,
        key: tuple[Any, ...],
        positions: Mapping[str, Any],
        x: Value,
        run: Callable[[], Value],
    ) -> Value:
        """What ``run`` makes of ``x``, as one node if it reads nothing else."""
        if not isinstance(x, Val) or x.spoiled:
            return run()
        key = (*key, x.type, x.stride)
        part = self.known.part(key, positions)
        if part is None:
            begun, told = self.builder.mark(), self.problems.told
            self.problems.numbered.clear()
            made = run()
            if self.problems.told != told:
                raise Enough  # it is no network, whatever follows
            part = self._part(x, made, begun)
            if part is None:
                return made
            self.builder.rollback(begun)
            self.known.keep(key, part)
        return self._placed(part, x)

    def _part(self, x: Val, made: Value, begun: Mark) -> Part | None:
        """What was added costs; None where it reads more than ``x``, or makes nothing.

        What is made may be one of several values, where nobody else can ask for them.
        """
        added = self.builder.since(begun)
        names = {node.name for node in added.nodes}
        read = {name for node in added.nodes for name in node.inputs} - names
        used = {name for node in added.nodes for name in node.references()}
        if (
            not isinstance(made, Val)
            or made.name not in names
            or read != {x.name}
            or not used <= added.parameters.keys()
        ):
            return None
        graph = self._apart(added, x, made)
        later = replace(graph, outputs=((OUTPUT, made.name), ("input", x.name)))
        params, macs, alone = summed(graph)
        return Part(
            params, macs, alone,
            max(alive_bytes(later, later.types)),
            None if self.table is None else times_of(graph),
            made.type, made.stride, tuple(self.problems.numbered),
        )  # fmt: skip

    def _apart(self, added: Added, x: Val, made: Val) -> Graph:
        return Graph(
            name=self.spec.name,
            inputs=(Input(x.name, x.type),),
            outputs=((OUTPUT, made.name),),
            nodes=tuple(added.nodes),
            parameters=tuple(added.parameters.values()),
            scopes=tuple(self.builder.scopes),
            sections=tuple(self.builder.sections),
        )

    def _placed(self, part: Part, x: Val) -> Val:
        """The node of a part; Broken where it is one too many."""
        self._spend(part)
        name = f"part {len(self.builder.nodes)}"
        origin = self.builder.origin(0, None, "", self.spec.at.place())
        self.builder.nodes.append(
            Node(name, Whole(part), (x.name,), part.type, 0, origin)
        )
        return Val(name, part.type, part.stride)

    def _spend(self, part: Part, times: int = 1) -> None:
        """Count a part; Broken where a bound breaks by it."""
        self.params += part.params * times
        self.macs += part.macs * times
        if self.bounds.latency is not None and self.table and part.times:
            self.seconds += part.times.least(self.table) * times
        if self.bounded:
            spent = self.table.whole(self.seconds) if self.table else self.seconds
            so_far = Price(self.params, self.macs, part.alone, spent)
            bound = so_far.over(self.bounds)
            if bound is not None:
                raise Broken(bound)
