"""What each part of a graph holds and does: the bodies of the classes to come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from keyword import iskeyword
from typing import Any, Final

from resgen.errors import ResgenError
from resgen.graph.ir import Graph, Node
from resgen.lower.scopes import Scoped, home, partition
from resgen.lower.source.expressions import (
    Call,
    Chain,
    Expr,
    New,
    skeleton,
)
from resgen.lower.source.spelling import initial, spelled
from resgen.ops.types import Function, Module
from resgen.spec import paths

#: What ``nn.Sequential`` has by these names.
_KEPT: Final = {"append", "extend", "insert", "pop"}


#: Of how many names the name of a class may be made.
_LONGEST: Final = 3


@dataclass(frozen=True, slots=True)
class Step:
    """A module that is called, or a function with constants and parameters.

    ``path`` is where the module lives as its class sees it; ``plain`` tells that it has
    no parameters. ``expr`` makes the module (None where an earlier step did), or has
    the constants of the function. ``parameters`` are paths and shapes to view them in.
    ``inputs`` and ``outputs`` are values by number. ``apart`` is for training alone.
    """

    module: bool
    path: str
    plain: bool
    expr: Expr | None
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    parameters: tuple[tuple[str, tuple[int, ...] | None], ...] = ()
    apart: bool = False

    @property
    def kind(self) -> Any:
        """What must agree for two steps to be one line of code."""
        path = "" if self.plain else self.path
        shape = None if self.expr is None else skeleton(self.expr)
        ports = len(self.inputs), len(self.outputs)
        return self.module, path, shape, self.parameters, ports, self.apart

    @property
    def passes(self) -> bool:
        """Whether a body can do without it, and go on with its first input."""
        if self.module:
            return len(self.inputs) == len(self.outputs) == 1
        added = isinstance(self.expr, Call) and self.expr.target == "add"
        return added and len(self.inputs) == 2 and not self.apart


@dataclass(slots=True)
class Body:
    """A part of a graph. ``attributes`` are its own parameters by path.

    ``results`` are names of the outputs, of inference and of training, where it is the
    whole network. ``loose`` is what makes it where it is too rare to be a class.
    """

    name: str
    path: str
    block: bool
    inputs: int
    steps: list[Step] = field(default_factory=list)
    attributes: dict[str, tuple[bool, Expr]] = field(default_factory=dict)
    outputs: tuple[int, ...] = ()
    results: tuple[tuple[tuple[str, int], ...], ...] = ()
    loose: Chain | None = None


def bodies(graph: Graph) -> list[Body]:
    """The bodies of all parts of a graph, each after those that it holds."""
    whole = graph.training or graph
    made = _Bodies(graph, whole)
    made.body(partition(whole, made.apart))
    lost = whole.parameter.keys() - made.bound
    if lost:
        raise ResgenError(f"{min(lost)} belongs to no operator")
    return made.bodies


class _Bodies:
    """One walk over the parts of a graph."""

    def __init__(self, graph: Graph, whole: Graph) -> None:
        self.graph, self.whole = graph, whole
        self.apart = whole.types.keys() - graph.types.keys()
        self.bodies: list[Body] = []
        self.bound: set[str] = set()
        self.modules: dict[str, Module] = {}

    def body(self, part: Scoped) -> Expr:
        """Add the body of a part, and give what makes an instance of it."""
        scope = part.scope
        root = not part.path
        names = [g.name for g in self.whole.inputs] if root else part.inputs
        values = {name: at for at, name in enumerate(names)}
        label = self.graph.name if root else scope.definition or _last_word(part.path)
        body = Body(label, part.path, scope.definition is not None, len(names))
        for step in part.steps:
            if isinstance(step, Scoped):
                inner = self.body(step)
                outputs = tuple(range(len(values), len(values) + len(step.outputs)))
                inputs = tuple(values[name] for name in step.inputs)
                values.update(zip(step.outputs, outputs, strict=True))
                path = self.within(part, step.path)
                apart = root and next(_nodes(step)).name in self.apart
                body.steps.append(
                    Step(True, path, False, inner, inputs, outputs, apart=apart)
                )
            else:
                body.steps.append(self.step(body, part, step, values))
                values[step.name] = len(values)
        if root:
            more = self.whole is not self.graph
            graphs = (self.graph, self.whole) if more else (self.graph,)
            body.results = tuple(
                tuple((name, values[value]) for name, value in each.outputs)
                for each in graphs
            )
            ends = body.results[-1]
            body.outputs = tuple(value for _, value in ends)
        else:
            body.outputs = tuple(values[name] for name in part.outputs)
        uses = Counter(value for step in body.steps for value in step.inputs)
        uses.update(body.outputs)
        held = [path for step in body.steps for path, _ in step.parameters]
        (body.steps,) = _grouped([body.steps], uses, held)
        if not (root or body.block or body.attributes) and body.inputs == 1:
            entered = body.steps and body.steps[0].inputs == (0,)
            if entered and linear(body.steps, body.outputs):
                made = _chain(body.steps)
                if made is not None and made.children[0][0] == "0":
                    return made
                body.loose = made
                body.name = _kinds(body.steps)
        self.bodies.append(body)
        return New(len(self.bodies) - 1)

    def step(
        self, body: Body, part: Scoped, node: Node, values: dict[str, int]
    ) -> Step:
        """One operator."""
        x = self.whole.types[node.inputs[0]]
        place = home(node)
        specs = {s.role: s for s in node.op.parameters(x)}
        own = {role: f"{place}.{role}" if role else place for role in specs}
        if dict(node.operands) != node.op.operands(own):
            raise ResgenError(
                f"the numbers of {node.name} are computed of the network's parameters, "
                "which a Python file of its own does not hold",
                hint="such a file is written of a network as its spec states it",
            )
        spelling = node.op.torch(x)
        call: Expr | None = spelled(spelling)
        path = self.within(part, place)
        parameters: list[tuple[str, tuple[int, ...] | None]] = []
        if isinstance(spelling, Function):
            for role, shape in spelling.parameters:
                name = own[role]
                held = self.whole.parameter[name]
                if name not in self.bound:
                    fresh = initial(held.shape, held.init)
                    body.attributes[self.within(part, name)] = (held.trainable, fresh)
                view = None if shape == held.shape else _free(shape)
                parameters.append((self.within(part, name), view))
        elif specs:
            known = self.modules.setdefault(place, spelling)
            if known != spelling:
                raise ResgenError(
                    f"{node.name} shares the parameters of {place} but is another "
                    "operator",
                    hint="operators that share parameters take the same attributes",
                )
            if own.keys() and next(iter(own.values())) in self.bound:
                call = None
        self.bound.update(own.values())
        return Step(
            isinstance(spelling, Module) and not _inline(call),
            path,
            not specs,
            call,
            tuple(values[name] for name in node.inputs),
            (len(values),),
            tuple(parameters),
            not part.path and node.name in self.apart,
        )

    def within(self, part: Scoped, path: str) -> str:
        """A path as seen from a part; what is no path is refused."""
        found = path[len(part.path) + 1 :] if part.path else path
        wrong = paths.fault(found)
        if wrong is not None or not found or found.startswith("/"):
            raise ResgenError(f'"{found}" cannot be a name in PyTorch', hint=paths.HINT)
        return found


def _inline(call: Expr | None) -> bool:
    """Whether a module of torch's is written as a function."""
    return isinstance(call, Call) and call.target == "reshape"


def _nodes(part: Scoped) -> Iterator[Node]:
    for step in part.steps:
        if isinstance(step, Scoped):
            yield from _nodes(step)
        else:
            yield step


def _free(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape whose one size above 1 is left open, so that it fits any width."""
    wide = [n for n in shape if n != 1]
    return tuple(n if n == 1 else -1 for n in shape) if len(wide) == 1 else shape


def _last_word(path: str) -> str:
    """What a part is called: the last component that is no number."""
    words = [w for w in path.split(".") if w.isidentifier() and not iskeyword(w)]
    return words[-1].rstrip("0123456789_") or "part" if words else "part"


def _kinds(steps: Sequence[Step]) -> str:
    """What a chain that has no name is called: what it consists of."""
    words = []
    for step in steps:
        made = step.expr.target if isinstance(step.expr, Call) else ""
        kind = made.rpartition(".")[2].rstrip("123d") or "part"
        words.append(step.path if step.path.isidentifier() else kind)
    return "_".join(words) if len(words) <= _LONGEST else "chain"


# --- chains ---------------------------------------------------------------------------


def linear(steps: Sequence[Step], outputs: Sequence[int]) -> bool:
    """Whether steps are modules one after another, and give out the last's value."""
    if not steps or len(steps[0].inputs) != 1:
        return False
    (value,) = steps[0].inputs
    for step in steps:
        plain = "." not in step.path and step.path not in _KEPT
        passes = step.module and step.passes and step.inputs == (value,)
        if not (plain and passes and step.apart == steps[0].apart):
            return False
        (value,) = step.outputs
    return list(outputs) == [value]


def _chain(steps: Sequence[Step]) -> Chain | None:
    """What makes modules one after another, where each is there once."""
    names = chain_names(steps)
    found = [(n, s.expr) for n, s in zip(names, steps, strict=True) if s.expr]
    if len({name for name, _ in found}) < len(steps):
        return None
    if names == [str(at) for at in range(1, len(names) + 1)]:
        found.insert(0, ("0", Call("nn.Identity")))  # one that is left out
    return Chain(tuple(found))


def chain_names(steps: Sequence[Step]) -> list[str]:
    """Names of modules in a chain: numbers, where those with parameters have them.

    What has no parameters is in no ``state_dict``, so any name does.
    """
    if all(step.plain or step.path == str(at) for at, step in enumerate(steps)):
        return [str(at) for at in range(len(steps))]
    return [step.path for step in steps]


def _grouped(
    runs: list[list[Step]], uses: Counter[int], held: Collection[str]
) -> list[list[Step]]:
    """Runs of steps, with one step for all below a name that are a chain.

    A chain may be gone through several times, if it is the same each time. ``uses`` is
    how often each value is read, ``held`` are the paths of parameters, which no chain
    has.
    """
    pieces = [_pieces(run) for run in runs]
    below: dict[str, list[list[Step]]] = {}
    for head, piece in chain.from_iterable(pieces):
        below.setdefault(head, []).append(piece)
    for head, each in below.items():
        if all("." in step.path for step in chain.from_iterable(each)):
            each[:] = _group(head, each, uses, held)
    return [[s for head, _ in run for s in below[head].pop(0)] for run in pieces]


def _group(
    head: str, pieces: list[list[Step]], uses: Counter[int], held: Collection[str]
) -> list[list[Step]]:
    """All pieces below one name, each as one step if they are a chain."""
    inside = [path.partition(".")[2] for path in held if _head(path) == head]
    stripped = [
        [replace(step, path=step.path.partition(".")[2]) for step in piece]
        for piece in pieces
    ]
    inner = _grouped(stripped, uses, inside)
    first, *others = inner
    alike = all(
        linear(piece, piece[-1].outputs)
        and all(uses[value] == 1 for step in piece[:-1] for value in step.outputs)
        for piece in inner
    )
    again = all(_repeats(first, piece) for piece in others)
    made = _chain(first) if alike and again and not inside else None
    if made is None:
        return [[replace(s, path=f"{head}.{s.path}") for s in piece] for piece in inner]
    return [
        [
            Step(
                True, head, False, None if at else made,
                piece[0].inputs, piece[-1].outputs, apart=piece[0].apart,
            )
        ]
        for at, piece in enumerate(inner)
    ]  # fmt: skip


def _pieces(run: list[Step]) -> list[tuple[str, list[Step]]]:
    """The steps in stretches below one name, none of which goes through a module twice.

    A module without parameters goes with those that it is between, whatever its name.
    """
    found: list[tuple[str, list[Step]]] = []
    seen: set[str] = set()
    for at, step in enumerate(run):
        head = _head(step.path)
        if found and step.plain and step.module:
            around, past = found[-1][0], at
            while past + 1 < len(run) and run[past].plain:
                if run[past - 1].outputs != run[past].inputs:
                    break
                past += 1
            linked = run[past - 1].outputs == run[past].inputs
            if linked and not run[past].plain and _head(run[past].path) == around:
                head = around
                step = replace(step, path=f"{head}.{step.path.rpartition('.')[2]}")
        if found and found[-1][0] == head and (step.plain or step.path not in seen):
            found[-1][1].append(step)
        else:
            found.append((head, [step]))
            seen.clear()
        seen.add(step.path)
    return found


def _repeats(first: Sequence[Step], other: Sequence[Step]) -> bool:
    """Whether steps go through the modules of the first ones again."""
    return len(first) == len(other) and all(
        a.expr == b.expr if a.plain else b.expr is None and a.path == b.path
        for a, b in zip(first, other, strict=True)
    )


def _head(path: str) -> str:
    return path.partition(".")[0]
