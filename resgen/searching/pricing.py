"""What candidates cost, counted without keeping their graphs.

Candidates of a space are made of the same blocks again and again. A block is expanded
when it is first met; what it costs is kept, and stands for it wherever a block of the
same words meets a value of the same type. So a network is a handful of sums, which are
those that :mod:`resgen.graph.cost` comes to over all of its operators.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any, Final, TypeAlias

from resgen.errors import Problem
from resgen.expansion.builder import Added, Limits, Made, Mark, Val, Value
from resgen.expansion.evaluate import (
    NUMBERED,
    BodyValue,
    Frame,
    Numbered,
    ShortcutChoice,
    Stop,
)
from resgen.expansion.expand import Expansion
from resgen.expansion.network import examine
from resgen.expansion.site import Site
from resgen.graph.analysis import BYTES
from resgen.graph.cost import alive_bytes, analyse
from resgen.graph.ir import OUTPUT, Graph, Input, Node
from resgen.graph.passes.inference import for_inference
from resgen.latency.kernels import LAID_OUT, Kernel, runs_of
from resgen.latency.table import Table
from resgen.ops import VOCABULARY
from resgen.ops.act import Act
from resgen.ops.add import Add
from resgen.ops.base import Op, counts
from resgen.ops.norm import Norm
from resgen.ops.types import TensorType
from resgen.spec.decode import decode, with_values
from resgen.spec.model import (
    Argument,
    Definition,
    Fields,
    Items,
    PerBlock,
    Scalar,
    Spec,
    Stage,
    Template,
    Text,
)
from resgen.spec.places import Enough, Json, Problems
from resgen.spec.source import plain

#: Whether what reads a value works on maps, and whether anything else reads it.
Readers: TypeAlias = tuple[bool, bool]
#: Members that say nothing of what a network costs.
SILENT: Final = frozenset(("resgen", "name", "doc", "$schema", "preprocess", "labels"))
#: Parts of one key that are told apart by the number of their block: more are not kept.
MOST_ALIKE: Final = 8
#: Members of a spec that say nothing of how the others are read.
VALUES: Final = frozenset(("name", "let"))
#: What blocks of one stage do not have in common.
PLACED: Final = NUMBERED | {"channels", "here", "stride"}
UNREAD: Final[Readers] = (False, False)
#: A name in a text of expressions, and other words.
WORD: Final = re.compile(r"[A-Za-z_]\w*")
#: Keys of parts that are kept, which take some 2 kB each.
MOST_PARTS: Final = 200_000
#: What operators make that is kept, by operator and types.
MOST_MADE: Final = 100_000
#: Pieces of specs whose text is kept.
MOST_TEXTS: Final = 4096
#: Problems of a part whose parameters are shared with one that was not expanded.
SHARED: Final = "RG027"


@dataclass(frozen=True, slots=True)
class Price:
    """What a network costs for one input, in float32, as :func:`resgen.analyse` has it.

    ``memory`` is the peak of bytes of activations alive at once, ``latency`` the
    predicted seconds of a batch (None without a table).
    """

    params: int
    macs: int
    memory: int
    latency: float | None = None

    def over(self, bounds: Price | Bounds) -> str | None:
        """What of it breaks a bound first, by name."""
        for field in fields(Bounds):
            mine, most = getattr(self, field.name), getattr(bounds, field.name)
            if most is not None and mine is not None and mine > most:
                return field.name
        return None


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that a network may cost; None is no bound."""

    params: float | None = None
    macs: float | None = None
    memory: float | None = None
    latency: float | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a candidate is none: the ``bound`` that breaks, or its problems."""

    bound: str | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def reason(self) -> str:
        """In a word or two, for counting."""
        if self.bound is not None:
            return self.bound
        return self.problems[0].code if self.problems else "no network"


class Broken(Exception):
    """A bound breaks already, so the rest of the network need not be looked at."""

    def __init__(self, bound: str) -> None:
        super().__init__(bound)
        self.bound = bound


@dataclass(slots=True)
class Times:
    """What the kernels of a part take, asked for when a network is whole: all at once.

    The last one takes what its readers ask for, so what ``last`` takes is told when
    they are known; ``rest`` are all others, and ``seconds`` theirs once they are known.
    ``reads`` is what the part is to the kernel before it.
    """

    rest: tuple[Kernel, ...]
    last: Kernel
    reads: Readers
    seconds: float | None = None

    def told(self, table: Table) -> float:
        """What all but the last kernel take."""
        if self.seconds is None:
            self.seconds = sum(table.seconds_of(self.rest))
        return self.seconds


@dataclass(frozen=True, slots=True)
class Part:
    """What a part of a network costs that reads one value and makes one.

    ``alone`` is its peak of memory if nobody reads its input later, ``beside`` if
    somebody does. ``times`` is None where its kernels depend on what stands before.
    ``numbered`` are the expressions that have asked where it stands.
    """

    params: int
    macs: int
    alone: int
    beside: int
    times: Times | None
    type: TensorType
    stride: tuple[int, ...]
    numbered: tuple[Numbered, ...]


@dataclass(frozen=True)
class Whole(Op):
    """Stands for all operators of a part, so many times in a row."""

    part: Part
    times: int = 1
    name = "part"


class Pricer:
    """Counts candidates; remembers what it has counted, so each process has its own."""

    def __init__(self, bounds: Bounds, table: Table | None = None) -> None:
        self.bounds = bounds
        self.bounded = bounds != Bounds()
        self.table = table
        self.parts: dict[tuple[Any, ...], list[Part]] = {}
        self._texts: dict[int, tuple[Json, str]] = {}
        self._mentioned: dict[str, frozenset[str]] = {}
        self._commons: dict[tuple[tuple[str, str], ...], int] = {}
        self._stages: dict[int, tuple[Json, str]] = {}
        self._moving: dict[int, tuple[Definition, bool]] = {}
        self._last: Spec | None = None
        self.made = Made()

    def price(self, tree: Json) -> Price | Refusal:
        """What a resolved spec costs, or why it is no candidate.

        A price is exact, but not all that :func:`resgen.examine` finds is looked for.
        """
        if isinstance(tree.value, dict) and "widths" in tree.value:
            return self.whole(tree)  # which says of paths what blocks do not know
        problems = Problems()
        if len(self.made) >= MOST_MADE:
            self.made = Made()
        with suppress(Enough):
            spec = self._read(tree, problems)
            if spec is not None and not problems.errors:
                try:
                    found = _Counting(spec, problems, self).price()
                except Broken as broken:
                    return Refusal(broken.bound)
                if found is not None and not problems.errors:
                    bound = found.over(self.bounds)
                    return found if bound is None else Refusal(bound)
        errors = tuple(p for p in problems.items if p.severity == "error")
        if any(problem.code == SHARED for problem in errors):
            return self.whole(tree)
        return Refusal(problems=errors)

    def _read(self, tree: Json, problems: Problems) -> Spec | None:
        """A tree as a spec; what it has in common with the last one is not read again.

        Candidates have what does not vary as the same objects.
        """
        last = self._last
        if last is not None and isinstance(tree.value, dict):
            own, known = tree.value, last.members
            if own.keys() == known.keys() and all(
                at is known[key] or key in VALUES for key, at in own.items()
            ):
                return with_values(last, tree, VOCABULARY, problems)
        spec = decode(tree, VOCABULARY, problems)
        self._last = None if problems.items else spec
        return spec

    def whole(self, tree: Json) -> Price | Refusal:
        """As :meth:`price`, by all of the graph and with every problem."""
        found = examine(plain(tree))
        if found.graph is None:
            return Refusal(problems=found.errors)
        cost = analyse(found.graph)
        latency = None if self.table is None else self.table.seconds(found.graph)
        price = Price(cost.params, cost.macs, cost.peak_activation_bytes, latency)
        bound = price.over(self.bounds)
        return price if bound is None else Refusal(bound)

    def known(self, key: tuple[Any, ...], positions: Mapping[str, Any]) -> Part | None:
        """The part of a key that is the same at these positions."""
        for part in self.parts.get(key, ()):
            if all(each.holds(positions) for each in part.numbered):
                return part
        return None

    def keep(self, key: tuple[Any, ...], part: Part) -> None:
        """Remember a part, unless there are many of its words already."""
        if len(self.parts) >= MOST_PARTS:
            self.parts.clear()
        alike = self.parts.setdefault(key, [])
        if len(alike) < MOST_ALIKE:
            alike.append(part)

    def common(self, members: Mapping[str, Json], apart: tuple[str, ...]) -> int:
        """A number for what a spec says outside of ``apart``: equal if that is."""
        key = tuple(
            (name, self.text(at))
            for name, at in sorted(members.items())
            if name not in SILENT and name not in apart
        )
        return self._commons.setdefault(key, len(self._commons))

    def times(self, graph: Graph) -> Times | None:
        """What the kernels of a part take; None where they are not its own."""
        if self.table is None or not _begins(graph):
            return None
        inferred = for_inference(graph)
        ((_, end),) = inferred.outputs
        ran = runs_of(inferred)
        ends = [run for run in ran if any(node.name == end for node in run.nodes)]
        if len(ends) != 1:
            return None
        rest = tuple(run.kernel for run in ran if run is not ends[0])
        reading = [
            isinstance(node.op, LAID_OUT)
            for node in inferred.consumers[inferred.inputs[0].name]
        ]
        return Times(rest, ends[0].kernel, (any(reading), not all(reading)))

    def latency(self, graph: Graph) -> float | None:
        """Seconds of a graph of parts; None where one of its nodes has no times."""
        if self.table is None:
            return None
        readers: dict[str, Readers] = {}
        parts: list[tuple[Times, int]] = []
        asked: list[Kernel] = []
        for node in reversed(graph.nodes):
            times = node.op.part.times if isinstance(node.op, Whole) else None
            if not isinstance(node.op, Whole) or times is None:
                return None
            parts.append((times, node.op.times))
            asked.append(_read(times.last, readers.get(node.name, UNREAD)))
            asked += [_read(times.last, times.reads)] * (node.op.times - 1)
            maps, others = readers.get(node.inputs[0], UNREAD)
            readers[node.inputs[0]] = maps or times.reads[0], others or times.reads[1]
        ends = len(asked)
        for times, _ in parts:
            asked += times.rest if times.seconds is None else ()
        total = sum(self.table.seconds_of(asked)[:ends])
        return total + sum(times.told(self.table) * number for times, number in parts)

    def moves(self, made: Definition) -> bool:
        """Whether what a block comes to before its body runs is told by its place."""
        known = self._moving.get(id(made))
        if known is None:
            known = made, moving((*made.defaults.values(), *made.let.values()))
            self._moving[id(made)] = known
        return known[1]

    def mentioned(self, at: Json) -> frozenset[str]:
        """The names that the body of a definition mentions."""
        whole = self.text(at)
        if whole not in self._mentioned:
            members = at.value if isinstance(at.value, dict) else {}
            apart = ("params", "let", "doc")
            body = [text(v) for k, v in members.items() if k not in apart]
            self._mentioned[whole] = frozenset(WORD.findall(" ".join(body)))
        return self._mentioned[whole]

    def of_blocks(self, stage: Json) -> str:
        """What a stage says of its blocks: all but their number."""
        known = self._stages.get(id(stage))
        if known is None:
            own = stage.value if isinstance(stage.value, dict) else {}
            said = {key: at for key, at in own.items() if key != "depth"}
            if len(self._stages) >= MOST_TEXTS:
                self._stages.clear()
            known = stage, text(replace(stage, value=said))
            self._stages[id(stage)] = known
        return known[1]

    def text(self, at: Json) -> str:
        """A piece of a spec; those that candidates have in common are written once."""
        known = self._texts.get(id(at))
        if known is None:
            if len(self._texts) >= MOST_TEXTS:
                self._texts.clear()
            known = self._texts[id(at)] = (at, text(at))
        return known[1]


def text(at: Json) -> str:
    """A piece of a spec, alike for pieces that say the same."""
    return json.dumps(plain(at), sort_keys=True)


def moving(values: Iterable[Argument | PerBlock]) -> bool:
    """Whether any of them may be another one in another block of its stage."""
    for each in values:
        match each:
            case Scalar(expr=expr):
                moves = not PLACED.isdisjoint(expr.names)
            case Text(reference=reference):
                moves = reference
            case Items(items=items):
                moves = moving(items)
            case PerBlock() | Template() | Fields():
                moves = True
            case _:  # a body is told by its text
                moves = False
        if moves:
            return True
    return False


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


class _Counting(Expansion):
    """An expansion in which one node stands for each part that is known."""

    def __init__(self, spec: Spec, problems: Problems, pricer: Pricer) -> None:
        super().__init__(spec, Limits(), problems, pricer.made)
        self.pricer = pricer
        self.common = pricer.common(spec.members, ("stages", "stem", "head"))
        self.words: dict[int, tuple[str, bool, bool]] = {}
        #: Of each stage the last of its blocks that may stand for the next.
        self.repeated: dict[int, tuple[tuple[Any, ...], Part, list[Numbered]]] = {}
        #: Of each stage what the bodies of all of its blocks see.
        self.seen: dict[int, tuple[Any, ...]] = {}
        self.apart = pricer.common(
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
        """What it comes to; None where it is no network."""
        graph = self.graph()
        if graph is None:
            return None
        found = _summed(graph)
        if self.pricer.table is None:
            return Price(*found)
        latency = self.pricer.latency(graph)
        return self._whole() if latency is None else Price(*found, latency)

    def _whole(self) -> Price | None:
        """With the kernels of all operators: some reach across parts."""
        found = Pricer(Bounds(), self.pricer.table).whole(self.spec.at)
        return found if isinstance(found, Price) else None

    def _stem(self, x: Value) -> Value:
        return self._section("stem", super()._stem, x, 0)

    def _head(self, x: Value) -> Value:
        return self._section("head", super()._head, x, len(self.spec.stages))

    def _section(
        self, name: str, run: Callable[[Value], Value], x: Value, stage: int
    ) -> Value:
        """The stem or the head."""
        positions = {"index": 0, "block": self.before, "blocks": self.blocks}
        said = self.pricer.text(self.spec.members[name])
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
            return super(_Counting, self)._block(
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
            self.pricer.of_blocks(stage.at),
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
        names = self.pricer.mentioned(made.at) & frame.names.keys() - {"stride"}
        values = [(name, _plain(frame.names[name])) for name in sorted(names)]
        own = stage.at.value if isinstance(stage.at.value, dict) else {}
        said = self.operators_said + "".join(
            f"{name}: {text(own[name])}; " for name in stage.operators
        )
        texts = [value.text for _, value in values if isinstance(value, _Words)]
        if self._names_let(" ".join([said, *texts])):
            return None
        seen = made.name, said, tuple(values)
        if not (self.pricer.moves(made) or moving(arguments.values())):
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
        part = self.pricer.known(key, positions)
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
            self.pricer.keep(key, part)
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
        params, macs, alone = _summed(graph)
        return Part(
            params, macs, alone,
            max(alive_bytes(later, later.types)),
            self.pricer.times(graph),
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
        table, bounds = self.pricer.table, self.pricer.bounds
        if part.times is not None and table is not None and bounds.latency is not None:
            self.seconds += part.times.told(table) * times
        if self.pricer.bounded:
            so_far = Price(self.params, self.macs, part.alone, self.seconds)
            bound = so_far.over(self.pricer.bounds)
            if bound is not None:
                raise Broken(bound)


def _summed(graph: Graph) -> tuple[int, int, int]:
    """Parameters, multiply-adds and the peak of memory of a graph with parts in it."""
    params, macs = graph.params, 0
    for node in graph.nodes:
        if isinstance(node.op, Whole):
            params += node.op.part.params * node.op.times
            macs += node.op.part.macs * node.op.times
        elif counts(node.op):
            macs += node.op.macs(*graph.input_types(node), node.type)
    return params, macs, max(_alive(graph), default=0)


def _alive(graph: Graph) -> list[int]:
    """As :func:`~resgen.graph.cost.alive_bytes`, of parts what is alive within."""
    found = alive_bytes(graph, graph.types)
    read: dict[str, int] = {value: len(graph.nodes) for _, value in graph.outputs}
    for at in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[at]
        if isinstance(node.op, Whole):
            part, x = node.op.part, node.inputs[0]
            kept = _bytes(graph.types[x])
            around, peak = found[at] - kept - _bytes(part.type), part.alone
            if x in read:
                later = kept + part.alone if node.op.times > 1 else 0
                peak = max(part.beside, later)
            found[at] = around + peak
        for value in node.inputs:
            read.setdefault(value, at)
    return found


def _read(kernel: Kernel, by: Readers) -> Kernel:
    """A kernel that is read by these as well."""
    maps, others = by
    return replace(kernel, maps=kernel.maps or maps, others=kernel.others or others)


def _bytes(of: TensorType) -> int:
    return of.size * BYTES["float32"]


def _begins(graph: Graph) -> bool:
    """Whether no kernel before a part computes any of it in its own loop.

    Engines append activations, norms and additions to the kernel whose value nobody
    else reads.
    """
    x = graph.inputs[0].name
    readers = graph.consumers[x]
    return len(readers) > 1 or not any(
        isinstance(node.op, Act | Norm | Add) or node.op.training_only
        for node in readers
    )
