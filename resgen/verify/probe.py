"""Parameters under which every fault of a file shows.

Weights as they are drawn make a blind judge. With the last norm of every residual
branch at zero, whatever the branch computes is thrown away; without that, activations
grow from block to block until they overflow. Trained weights may be blind in places,
too. Probe parameters are neither: every convolution and linear map yields values
of unit size, batch norms hold the statistics of what reaches them, every scale is away from
0 and 1, and every shift away from 0.

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
from resgen.ops.linear import Linear
from resgen.ops.norm import Norm
from resgen.runtime.base import Array
from resgen.verify.walk import Leaves, walk

if TYPE_CHECKING:
    import torch

#: Bounds of the sizes that are drawn; the sign is random where both make sense.
SCALES: Final = ((0.5, 0.9), (1.1, 1.5))
SHIFT: Final = (0.1, 0.5)
SLOPE: Final = (0.1, 0.4)
#: The least variance of a channel, as a share of its layer's mean: a channel that is
#: constant on the probe images would be divided by nearly nothing.
LEAST_VARIANCE: Final = 0.01


def draw(graph: Graph, seed: int) -> dict[str, Array]:
    """Probe parameters before they have seen an input, by name."""
    drawn: dict[str, Array] = {}
    for node in graph.nodes:
        for role, name in _owned(graph, node):
            if name not in drawn:
                parameter = graph.parameter[name]
                # Keyed by name, so that a changed layer changes no other.
                generator = np.random.default_rng([seed, crc32(name.encode())])
                drawn[name] = _draw(node, role, parameter, generator)
    return drawn


def calibrate(
    graph: Graph, module: torch.nn.Module, inputs: Mapping[str, torch.Tensor]
) -> Iterator[tuple[Node, torch.Tensor]]:
    """Settle a module's parameters on these inputs, in place and in one pass.

    ``module`` is in evaluation mode. Yields every node and its value.
    """
    leaves = Leaves(graph, module)
    settled: set[str] = set()

    def compute(node: Node, values: Sequence[torch.Tensor]) -> torch.Tensor:
        owner = node.owner or node.name
        # Parameters that several nodes share are settled where they are first used.
        fresh = bool(node.operands) and owner not in settled
        settled.add(owner)
        if fresh and isinstance(node.op, Norm) and node.op.type == "batch":
            _observe(leaves, node, values[0])
        result = leaves(node, values)
        if fresh and isinstance(node.op, Conv | Linear):
            _rescale(leaves, node, result)
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
    if role == "bias":
        return _signed(generator, SHIFT, shape)
    if len(shape) < 2:
        low, high = (_signed(generator, bounds, shape) for bounds in SCALES)
        return np.where(generator.random(shape) < 0.5, low, high).astype(np.float32)
    # Uniform with the variance 1 / fan in: a tenth of a normal's cost.
    weight = generator.random(shape, np.float32)
    weight -= np.float32(0.5)
    weight *= np.float32(np.sqrt(12 / np.prod(shape[1:])))
    return weight


def _signed(
    generator: np.random.Generator, bounds: tuple[float, float], shape: tuple[int, ...]
) -> Array:
    sign = np.where(generator.random(shape) < 0.5, -1.0, 1.0)
    signed: Array = (sign * generator.uniform(*bounds, shape)).astype(np.float32)
    return signed


def _observe(leaves: Leaves, node: Node, x: torch.Tensor) -> None:
    """Give a batch norm the statistics of its input."""
    import torch

    axes = [axis for axis in range(x.ndim) if axis != 1]
    variance, mean = torch.var_mean(x, axes, correction=0)
    floor = float(LEAST_VARIANCE * variance.mean()) or 1.0
    norm: Any = leaves.leaf(node)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance.clamp_(min=floor))


def _rescale(leaves: Leaves, node: Node, y: torch.Tensor) -> None:
    """Scale a weight so that its map has unit size, and what it yielded with it.

    The size is the root of the mean square: the variance of an attention's few
    channels, which hardly differ between images, may be nearly nothing.
    """
    if isinstance(node.op, Conv) and node.op.standardize:
        return  # its scale has no effect
    leaf: Any = leaves.leaf(node)
    shift = None if leaf.bias is None else leaf.bias.view(-1, *(1,) * (y.ndim - 2))
    if shift is not None:
        y -= shift
    size = float(y.norm()) / y.numel() ** 0.5
    if size:
        leaf.weight.div_(size)
        y.div_(size)
    if shift is not None:
        y += shift
