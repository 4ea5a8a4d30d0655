"""Parts of a network that are counted once, and graphs in which they are one node.

A network is a handful of parts, so its costs are a handful of sums: those that
:mod:`resgen.graph.cost` and :mod:`resgen.latency.table` come to over all operators.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final, TypeAlias

from resgen.expansion.evaluate import Numbered
from resgen.graph.analysis import BYTES
from resgen.graph.cost import alive_bytes
from resgen.graph.ir import Graph
from resgen.graph.passes.inference import for_inference
from resgen.latency.kernels import LAID_OUT, Kernel, runs_of
from resgen.latency.table import Table
from resgen.ops.act import Act
from resgen.ops.add import Add
from resgen.ops.base import Op, counts
from resgen.ops.norm import Norm
from resgen.ops.types import TensorType

#: Whether what reads a value works on maps, and whether anything else reads it.
Readers: TypeAlias = tuple[bool, bool]
UNREAD: Final[Readers] = (False, False)


@dataclass(slots=True)
class Times:
    """What the kernels of a part take, asked for when a network is whole: all at once.

    The ``last`` one takes what its readers ask for, and these are known then; ``rest``
    are all others. ``reads`` is what the part is to the kernel before it. ``told`` are
    the seconds of the part by its readers, as far as they were asked for.
    """

    rest: tuple[Kernel, ...]
    last: Kernel
    reads: Readers
    told: dict[Readers, float] = field(default_factory=dict)
    _least: float | None = None

    def least(self, table: Table) -> float:
        """Seconds of all but the last kernel."""
        if self._least is None:
            self._least = sum(table.seconds_of(self.rest))
        return self._least

    def kernels(self, by: Readers) -> tuple[Kernel, ...]:
        """All of them, where so much reads the last one."""
        maps, others = self.last.maps or by[0], self.last.others or by[1]
        return (*self.rest, replace(self.last, maps=maps, others=others))


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


def summed(graph: Graph) -> tuple[int, int, int]:
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


def _bytes(of: TensorType) -> int:
    return of.size * BYTES["float32"]


def times_of(graph: Graph) -> Times | None:
    """What the kernels of a part take; None where they are not its own."""
    if not _begins(graph):
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


def seconds(graph: Graph, table: Table) -> float | None:
    """What a graph of parts takes; None where one of its nodes has no times."""
    readers: dict[str, Readers] = {}
    ran: list[tuple[Times, Readers, int]] = []
    for node in reversed(graph.nodes):
        times = node.op.part.times if isinstance(node.op, Whole) else None
        if not isinstance(node.op, Whole) or times is None:
            return None
        ran.append((times, readers.get(node.name, UNREAD), 1))
        if node.op.times > 1:
            ran.append((times, times.reads, node.op.times - 1))
        maps, others = readers.get(node.inputs[0], UNREAD)
        readers[node.inputs[0]] = maps or times.reads[0], others or times.reads[1]
    _ask([(times, by) for times, by, _ in ran if by not in times.told], table)
    return table.whole(sum(times.told[by] * number for times, by, number in ran))


def _ask(missing: Sequence[tuple[Times, Readers]], table: Table) -> None:
    """Have parts told, all by one question."""
    kernels = [times.kernels(by) for times, by in missing]
    told = iter(table.seconds_of([kernel for each in kernels for kernel in each]))
    for (times, by), each in zip(missing, kernels, strict=True):
        times.told[by] = sum(islice(told, len(each)))


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
