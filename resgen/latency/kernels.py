"""A network as the kernels that an engine runs: an operator with what is fused to it.

Engines fold a batch norm into the convolution before it, and compute its activation and
the addition behind it in the same loop. What follows so is counted with the kernel that
it follows, whatever an engine makes of it, so that the same kernels are found in a
network that is only predicted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from math import prod
from typing import Final

from resgen.document.files import digest, plain
from resgen.graph.ir import Graph, Node
from resgen.graph.passes.inference import for_inference
from resgen.ops.act import Act
from resgen.ops.add import Add
from resgen.ops.avg_pool import AvgPool
from resgen.ops.base import Op, counts, is_map
from resgen.ops.conv import Conv
from resgen.ops.global_pool import GlobalPool
from resgen.ops.linear import Linear
from resgen.ops.max_pool import MaxPool
from resgen.ops.norm import Norm
from resgen.ops.types import TensorType

#: Activations that engines compute with the kernel before them: a comparison or two.
CHEAP: Final = frozenset({"relu", "relu6", "leaky_relu", "none"})
#: Between these engines keep tensors in a layout of their own.
LAID_OUT: Final = (Conv, MaxPool, AvgPool, GlobalPool, Add)


@dataclass(frozen=True, slots=True)
class Kernel:
    """What the time of a kernel depends on, for one input of its network.

    Kernels that are equal take the same time. ``kind`` is the operator, with the
    attributes that are words and whether a convolution is plain, grouped or of single
    channels. Sizes are numbers of elements; ``window`` and ``stride`` multiply those of
    all axes. ``adds`` is how many values are added behind it. ``maps`` and ``others``
    are whether what reads its result is a convolution, a pool or an addition, between
    which engines keep a layout of their own, and whether it is anything else.
    """

    kind: str
    channels: int
    out: int
    groups: int
    window: int
    stride: int
    macs: int
    reads: int
    writes: int
    weights: int
    adds: int = 0
    maps: bool = False
    others: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """A kernel at its place in a network: its nodes, in order."""

    kernel: Kernel
    nodes: tuple[Node, ...]


def runs(graph: Graph) -> tuple[Run, ...]:
    """The kernels of a network in inference, in the order in which they run."""
    return runs_of(for_inference(graph.inference))


def runs_of(graph: Graph) -> tuple[Run, ...]:
    """Those of a network that is rewritten for inference already."""
    types, users = graph.types, graph.consumers
    outputs = {value for _, value in graph.outputs}
    found: list[list[Node]] = []
    within: dict[str, int] = {}  # the kernel that makes a value, or none for inputs

    def alone(value: str) -> bool:
        return len(users[value]) == 1 and value not in outputs

    for node in graph.nodes:
        at = None
        if node.op.training_only or node.op.vanishes:
            at = within.get(node.inputs[0])
            if at is None:
                continue
        else:
            near = [within[v] for v in node.inputs if v in within and alone(v)]
            at = max(near, default=None)
            if at is not None and not _follows(node, found[at], types):
                at = None
        if at is None:
            at = len(found)
            found.append([])
        found[at].append(node)
        within[node.name] = at
    return tuple(
        Run(_kernel(nodes, types, _readers(nodes, users)), tuple(nodes))
        for nodes in found
    )


def identity(kernels: Sequence[Kernel]) -> str:
    """A hash of all that the time of a network depends on."""
    return digest({"kernels": plain(kernels)})


def _follows(node: Node, before: list[Node], types: Mapping[str, TensorType]) -> bool:
    """Whether an engine computes a node in the loop of the kernel before it."""
    op, last = node.op, before[-1]
    if types[last.name].shape != node.type.shape:
        return False
    if isinstance(op, Norm):
        return op.type == "batch" and is_map(last.op)
    if isinstance(op, Act):
        return op.type in CHEAP or (op.type == "gelu" and isinstance(last.op, Linear))
    return isinstance(op, Add)


def _readers(
    nodes: list[Node], users: Mapping[str, Sequence[Node]]
) -> tuple[bool, bool]:
    """Whether what reads a kernel's result works on maps, and whether anything else."""
    inside = {node.name for node in nodes}
    reading = [
        isinstance(user.op, LAID_OUT)
        for name in inside
        for user in users[name]
        if user.name not in inside
    ]
    return any(reading), not all(reading)


def _kernel(
    nodes: list[Node], types: Mapping[str, TensorType], readers: tuple[bool, bool]
) -> Kernel:
    node, *rest = nodes
    inputs = tuple(types[value] for value in node.inputs)
    adds = sum(isinstance(each.op, Add) for each in rest)
    bends = (each.op.type for each in rest if isinstance(each.op, Act))
    behind = tuple(bend for bend in bends if bend not in CHEAP)
    return _of(node.op, inputs, node.type, adds, behind, readers)


@cache
def _of(
    op: Op,
    inputs: tuple[TensorType, ...],
    made: TensorType,
    adds: int,
    behind: tuple[str, ...],
    readers: tuple[bool, bool],
) -> Kernel:
    x = inputs[0]
    window = op.window(x)
    groups = getattr(op, "groups", 1) if is_map(op) else 1
    return Kernel(
        kind=" ".join([_kind(op, x, groups), *behind]),
        channels=x.shape[0],
        out=made.shape[0],
        groups=groups,
        window=prod(window.extent) if window else 1,
        stride=prod(window.stride) if window else 1,
        macs=op.macs(*inputs, made) if counts(op) else 0,
        reads=sum(each.size for each in inputs),
        writes=made.size,
        weights=sum(prod(each.shape) for each in op.parameters(x)),
        adds=adds,
        maps=readers[0],
        others=readers[1],
    )


def _kind(op: Op, x: TensorType, groups: int) -> str:
    words = [op.name]
    if groups > 1:
        words.append("depthwise" if groups == x.shape[0] else "grouped")
    told = (getattr(op, field.name) for field in fields(op))
    return " ".join([*words, *(each for each in told if isinstance(each, str))])
