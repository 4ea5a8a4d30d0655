"""Parameters under which every fault of a file shows.

Weights as they are drawn make a blind judge. With the last norm of every residual
branch at zero, whatever the branch computes is thrown away; without that, activations
grow from block to block until they overflow. Trained weights may be blind in places,
too. Probe parameters are neither: every convolution and linear map yields values of
about unit size, batch norms hold the statistics of what reaches them, every scale is
away from 0 and 1, and every shift away from 0.

The rescaling is that of Mishkin and Matas 2016 (All you need is a good init), done for
all layers in one forward pass, since each is settled before the next is run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import numpy as np

from resgen.graph.ir import Graph, Node, Parameter
from resgen.ops.act import Act
from resgen.ops.conv import Conv
from resgen.ops.gem import GeM
from resgen.ops.linear import Linear
from resgen.ops.norm import Norm
from resgen.ops.types import references
from resgen.proof.walk import Leaves, walk
from resgen.runtime.base import Array

if TYPE_CHECKING:
    import torch

#: Bounds of the sizes that are drawn; the sign of scales is random.
SCALES: Final = ((0.5, 0.9), (1.1, 1.5))
SHIFT: Final = (0.1, 0.5)
SLOPE: Final = (0.1, 0.4)
#: How far the shifts of one norm are spread about their centre, in units of its scale.
SPREAD: Final = 0.6
#: At this many activations the centre is about 1.2; see :func:`_centre`.
SHALLOW: Final = 20
#: The least variance that a map is divided by, as a share of its mean square. Channels
#: that hardly vary on the probe images would be divided by nearly nothing, which
#: magnifies rounding.
LEAST_VARIANCE: Final = 0.1
#: A channel with fewer values than this is neither centred by them nor divided by how
#: little they vary: a norm would make large differences of small ones.
POSITIONS: Final = 64
#: Weights are cut from one sequence of this many numbers, a prime, so that rows of
#: different layers never line up; drawing each of them anew costs a tenth of a second
#: for 25 million.
POOL: Final = 1_048_573


def draw(graph: Graph, seed: int) -> dict[str, Array]:
    """Probe parameters before they have seen an input, by name."""
    centre = _centre(graph)
    pool = np.random.default_rng(seed).random(POOL, np.float32)
    pool -= np.float32(0.5)
    drawn: dict[str, Array] = {}
    for node in graph.nodes:
        for role, name in _owned(graph, node):
            if name in drawn:
                continue
            parameter = graph.parameter[name]
            # Keyed by name, so that a changed layer changes no other.
            generator = np.random.default_rng([seed, crc32(name.encode())])
            if role == "weight" and len(parameter.shape) > 1:
                drawn[name] = _cut(pool, parameter.shape, generator)
            elif role == "bias" and isinstance(node.op, Norm):
                size = np.abs(drawn[name.removesuffix("bias") + "weight"])
                if _bent(graph, node):
                    spread = generator.uniform(-SPREAD, SPREAD, parameter.shape)
                    drawn[name] = (size * (centre + spread)).astype(np.float32)
                else:  # many branches are added up: shifts of one sign would pile up
                    drawn[name] = size * _signed(generator, SHIFT, parameter.shape)
            else:
                drawn[name] = _draw(node, role, parameter, generator)
    return drawn


def _centre(graph: Graph) -> float:
    """Where the shifts of norms lie, in units of their scales.

    A network that centres and bends its values over and over is chaotic: rounding
    grows by a factor with each layer (Poole et al. 2016; 1.2 for batch norm and ReLU
    without a shift), and after a thousand layers nothing can be compared. The further
    the shift moves values into the straight part of an activation, the smaller the
    factor is; this keeps its product small at any depth, and bends enough of them.
    """
    bends = sum(isinstance(node.op, Act) for node in graph.nodes)
    return float(np.sqrt(2 * np.log1p(bends / SHALLOW)))


def _cut(pool: Array, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """A weight with the variance 1 / fan in."""
    weight = np.empty(shape, np.float32)
    flat = weight.reshape(-1)
    start, done = int(generator.integers(POOL)), 0
    while done < flat.size:
        part = pool[start : start + flat.size - done]
        flat[done : done + part.size] = part
        done, start = done + part.size, 0
    weight *= np.float32(np.sqrt(12 / np.prod(shape[1:])))
    return weight


def calibrate(
    graph: Graph, module: torch.nn.Module, inputs: Mapping[str, torch.Tensor]
) -> Iterator[tuple[Node, torch.Tensor]]:
    """Settle a module's parameters on these inputs, in place and in one pass.

    ``module`` is in evaluation mode. Yields every node and its value.
    """
    leaves = Leaves(graph, module)
    settled: set[str] = set()
    centre = _centre(graph)

    def compute(node: Node, values: Sequence[torch.Tensor]) -> torch.Tensor:
        owner = node.owner or node.name
        # Parameters that several nodes share are settled where they are first used.
        fresh = bool(node.operands) and owner not in settled
        settled.add(owner)
        if fresh and isinstance(node.op, Norm) and node.op.type == "batch":
            _observe(leaves, node, values[0])
        result = leaves(node, values)
        if fresh and isinstance(node.op, Conv | Linear) and not _normed(graph, node):
            _rescale(leaves, node, result, centre)
        return result

    yield from walk(graph, inputs, compute)


def _owned(graph: Graph, node: Node) -> Iterator[tuple[str, str]]:
    """Roles and names of the parameters of a node."""
    owner = node.owner or node.name
    for spec in node.op.parameters(graph.types[node.inputs[0]]):
        yield spec.role, f"{owner}.{spec.role}" if spec.role else owner


def _draw(
    node: Node, role: str, parameter: Parameter, generator: np.random.Generator
) -> Array:
    shape = parameter.shape
    if parameter.dtype != "float32":
        return np.zeros(shape, parameter.dtype)
    if role == "running_var":
        return np.ones(shape, np.float32)
    if role == "running_mean":
        return np.zeros(shape, np.float32)
    if isinstance(node.op, Act):
        return generator.uniform(*SLOPE, shape).astype(np.float32)
    if isinstance(node.op, GeM):  # where it starts, and about
        return generator.uniform(2, 4, shape).astype(np.float32)
    if role == "bias":
        return _signed(generator, SHIFT, shape)
    low, high = (_signed(generator, bounds, shape) for bounds in SCALES)
    return np.where(generator.random(shape) < 0.5, low, high).astype(np.float32)


def _signed(
    generator: np.random.Generator, bounds: tuple[float, float], shape: tuple[int, ...]
) -> Array:
    sign = np.where(generator.random(shape) < 0.5, -1.0, 1.0)
    signed: Array = (sign * generator.uniform(*bounds, shape)).astype(np.float32)
    return signed


def _observe(leaves: Leaves, node: Node, x: torch.Tensor) -> None:
    """Give a batch norm the statistics of its input."""
    norm: Any = leaves.leaf(node)
    mean, variance, least = _statistics(x)
    if x[:, 0].numel() < POSITIONS:
        least /= LEAST_VARIANCE
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance.clamp_(min=least or 1.0))


def _rescale(leaves: Leaves, node: Node, y: torch.Tensor, shift: float) -> None:
    """Scale a weight so that its map varies by 1, and what it yielded with it.

    A bias takes each channel's mean to ``shift`` (give or take), as a norm would, where
    there are positions to average over.
    """
    if isinstance(node.op, Conv) and node.op.standardize:
        return  # its scale has no effect
    held = {
        role: leaves.parameter(n) for role, o in node.operands for n in references(o)
    }
    shape = (-1, *(1,) * (y.ndim - 2))
    bias = held.get("bias")
    if bias is not None:
        y -= bias.view(shape)
    mean, variance, least = _statistics(y)
    many = y[:, 0].numel() >= POSITIONS
    spread = float(variance.mean()) if many else 0.0
    size = max(spread, least, 0.0 if many else least / LEAST_VARIANCE) ** 0.5
    if size:
        held["weight"].div_(size)
        y.div_(size)
    if bias is not None:
        if many and size:
            bias += shift - mean / size
        y += bias.view(shape)


def _bent(graph: Graph, node: Node) -> bool:
    """Whether an activation reads what a node yields."""
    return any(isinstance(user.op, Act) for user in graph.consumers[node.name])


def _normed(graph: Graph, node: Node) -> bool:
    """Whether what a node yields is only read by norms, which scale it themselves."""
    consumers = graph.consumers[node.name]
    return bool(consumers) and all(isinstance(user.op, Norm) for user in consumers)


def _statistics(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Mean and variance by channel, and the least variance to divide by."""
    axes = [axis for axis in range(x.ndim) if axis != 1]
    # torch's var_mean over several axes takes many times as long.
    mean, square = x.mean(axes), x.square().mean(axes)
    variance = (square - mean.square()).clamp_(min=0)
    return mean, variance, LEAST_VARIANCE * float(square.mean())
