"""The Zen score of a network: how much it can tell apart before it has learned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import inf, isfinite, log
from typing import TYPE_CHECKING, Final

from resgen.diagnosis.diagnose import threads
from resgen.diagnosis.plain import without_shortcuts
from resgen.errors import ResgenError
from resgen.expansion.network import expand
from resgen.graph.ir import OUTPUT, Graph, Node, Parameter
from resgen.ops.adaptive_avg_pool import AdaptiveAvgPool
from resgen.ops.adaptive_max_pool import AdaptiveMaxPool
from resgen.ops.base import is_map
from resgen.ops.flatten import Flatten
from resgen.ops.gem import GeM
from resgen.ops.global_pool import GlobalPool
from resgen.ops.norm import Norm
from resgen.ops.reduce_mean import ReduceMean
from resgen.ops.types import Constant, Initializer, Normal, references
from resgen.searching.scores import Score
from resgen.spec.model import Spec

if TYPE_CHECKING:
    import torch

#: How far an input moves, in its own standard deviations: the paper's alpha.
DISTANCE: Final = 0.01
#: Inputs, over which batch norms take their statistics: with fewer the score is less,
#: of a ResNet-152 427.6 by 2, 431.9 by 8 and 432.2 by 16. Chance (weights, inputs and
#: noise) moves that of a ResNet-20, 48, by 0.06 (standard deviation).
BATCH: Final = 8
#: What makes a vector of the last map.
_ENDS: Final = (
    AdaptiveAvgPool, AdaptiveMaxPool, Flatten, GeM, GlobalPool, ReduceMean,
)  # fmt: skip


def zen(spec: Spec, graph: Graph, seed: int, *, batch: int = BATCH) -> Score:
    """The Zen score of Lin et al. 2021 (Zen-NAS, Algorithm 1), in natural logarithms.

    The network without its shortcuts, all weights of its maps drawn from N(0, 1), is
    given inputs x of N(0, 1) and the same moved a little; the score is the logarithm of
    how far its last map f, which the head pools, moves by that on average, plus, for
    each batch norm, that of the standard deviation which it divided by (the root of the
    mean variance of its channels)::

        log E |f(x) - f(x + 0.01 e)| + sum log sqrt(mean var)

    Distances are sums of absolute differences: so the authors compute what they
    publish, though the paper writes the Frobenius norm. Without the sum over norms,
    these would hide the scale that depth and width bring. It says nothing of data or
    training, and grows with depth.

    Raises :class:`~resgen.errors.ResgenError` for networks that the paper does not
    define it for: those with norms other than batch norm, which hide the scale of each
    input by itself, and those whose numbers are not finite or do not move.
    """
    if any(node.origin.role == "merge" for node in graph.nodes):
        graph = replace(expand(without_shortcuts(spec)), name=spec.name)
    vanilla = _vanilla(graph.inference)
    with threads(1):  # the processes of a search share the cores
        return Score(_drawn(vanilla, seed, batch))


def _drawn(graph: Graph, seed: int, batch: int) -> float:
    """The score by one draw; in double precision where single overflows."""
    import torch

    from resgen.lower.torch import to_torch

    module = to_torch(graph, seed=seed)
    shape = (2, batch, *graph.inputs[0].type.shape)
    normal = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    for kind in (torch.float32, torch.float64):
        score = expressivity(module.to(kind), *normal.to(kind))
        if isfinite(score):
            return score
    raise ResgenError(
        f"{graph.name} has no Zen score: its last map is not finite, or does not move "
        "with the input",
        hint="score it by something else",
    )


def expressivity(
    module: torch.nn.Module, inputs: torch.Tensor, noise: torch.Tensor
) -> float:
    """The logarithm of how far the output moves, scales of batch norms put back.

    ``inputs`` and ``noise`` are N x input. The module is one whose weights are drawn
    already; it runs in training mode.
    """
    import torch

    module.train()
    with torch.no_grad(), _divided(module) as deviations:
        here = module(inputs)
        scales = sum(map(_log, deviations))
        there = module(inputs + DISTANCE * noise)
    moved = (here - there).double().abs().flatten(1).sum(1).mean()
    return _log(float(moved)) + scales


@contextmanager
def _divided(module: torch.nn.Module) -> Iterator[list[float]]:
    """The standard deviation that each batch norm divides by, as they run."""
    from torch.nn.modules.batchnorm import _BatchNorm

    found: list[float] = []

    def seen(_: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        (x,) = given
        axes = [axis for axis in range(x.ndim) if axis != 1]
        found.append(float(x.double().var(axes, unbiased=False).mean().sqrt()))

    hooks = [
        one.register_forward_pre_hook(seen)
        for one in module.modules()
        if isinstance(one, _BatchNorm)
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _log(value: float) -> float:
    return log(value) if value > 0 else -inf


def _vanilla(graph: Graph) -> Graph:
    """The graph up to the last map, and with weights that are drawn from N(0, 1)."""
    for node in graph.nodes:
        if isinstance(node.op, Norm) and node.op.type not in ("batch", "none"):
            at = node.origin.place
            raise ResgenError(
                f"{graph.name} has no Zen score: that is of networks with batch norm "
                f"or none, and {node.name} is a {node.op.type} norm "
                f"({at.file}:{at.line}:{at.column})",
                hint="score it by something else",
            )
    last = _last_map(graph)
    count = [node.name for node in graph.nodes].index(last) + 1
    drawn: dict[str, Initializer] = {}
    for node in graph.nodes:
        drawn.update(_starts(node))

    def started(one: Parameter) -> Parameter:
        return replace(one, init=drawn.get(one.name, one.init))

    return replace(
        graph,
        nodes=graph.nodes[:count],
        outputs=((OUTPUT, last),),
        parameters=tuple(map(started, graph.parameters)),
    )


def _last_map(graph: Graph) -> str:
    """What the head makes a vector of; without a head, what the network gives out."""
    for node in graph.nodes:
        if graph.sections[node.origin.section].kind == "head" and isinstance(
            node.op, _ENDS
        ):
            return node.inputs[0]
    return graph.outputs[0][1]


def _starts(node: Node) -> Iterator[tuple[str, Initializer]]:
    """What parameters of maps and norms start at, by name."""
    first: Initializer | None = None
    if is_map(node.op):
        first = Normal(1.0)
    elif isinstance(node.op, Norm):
        first = Constant(1.0)
    if first is None:
        return
    for role, operand in node.operands:
        if role in ("weight", "bias"):
            start = first if role == "weight" else Constant(0.0)
            for name in references(operand):
                yield name, start
