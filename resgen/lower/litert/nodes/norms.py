"""Norms, composed of reductions where no weight takes them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from resgen.lower.channels_last import Array, reshaped
from resgen.lower.emitted import Unwritable, constant, number
from resgen.lower.litert.nodes.axes import padded_by
from resgen.lower.litert.nodes.elementwise import (
    ADD,
    MUL,
    SUB,
    Write,
    binary,
    scaled,
    tensor,
    unary,
)
from resgen.lower.litert.nodes.reductions import reduced
from resgen.lower.litert.values import Tensor, Value
from resgen.lower.litert.writer import Writer


def _normed(to: Writer, x: Tensor, axes: Sequence[int], epsilon: float) -> Value:
    """With mean 0 and variance 1 over these axes."""
    mean = reduced(to, x, axes, keep=True, code="MEAN")
    centred = tensor(SUB(to, x, mean))
    square = tensor(MUL(to, centred, centred))
    variance = reduced(to, square, axes, keep=True, code="MEAN")
    root = unary("RSQRT")(to, ADD(to, variance, number(epsilon)))
    return MUL(to, centred, root)


def _layer(to: Writer, x: Value, scale: Value | None = None, shift: Value | None = None,
           *, axis: int = -1, epsilon: float = 1e-5) -> Value:  # fmt: skip
    given = tensor(x)
    at = axis % len(given.shape)
    if at != len(given.shape) - 1:
        raise Unwritable("a layer norm over several axes")
    return scaled(to, _normed(to, given, [at], epsilon), at, scale, shift)


def _instance(to: Writer, x: Value, scale: Value, shift: Value, *, epsilon: float = 1e-5
              ) -> Value:  # fmt: skip
    given = tensor(x)
    axes = range(2, len(given.shape))
    return scaled(to, _normed(to, given, axes, epsilon), 1, scale, shift)


def _batch_norm(to: Writer, x: Value, *vectors: Value, epsilon: float = 1e-5) -> Value:
    scale, shift, mean, variance = (constant(v, "statistic") for v in vectors)
    root = variance.with_(number(epsilon), _root)
    gain = scale.with_(root, np.divide)
    return scaled(to, x, 1, gain, shift.with_(mean.with_(gain, np.multiply),
                                               np.subtract))  # fmt: skip


def _root(variance: Array, epsilon: Array) -> Array:
    return np.sqrt(np.asarray(variance, np.float64) + epsilon).astype(np.float32)


def _group(to: Writer, x: Value, scale: Value, shift: Value, *, num_groups: int,
           epsilon: float = 1e-5) -> Value:  # fmt: skip
    given = tensor(x)
    rank, channels = len(given.shape), given.shape[1]
    if num_groups == 1:
        return scaled(to, _normed(to, given, range(1, rank), epsilon), 1, scale, shift)
    split = (given.shape[0], num_groups, channels // num_groups, *given.shape[2:])
    parts = reshaped(to, given, split)
    normed = tensor(_normed(to, parts, range(2, rank + 1), epsilon))
    return scaled(to, reshaped(to, normed, given.shape), 1, scale, shift)


def _local_response(to: Writer, x: Value, *, size: int, alpha: float, beta: float,
                    bias: float) -> Value:  # fmt: skip
    """By sums over windows of channels, Krizhevsky et al. 2012, in float32's digits.

    LiteRT's own operator is further off than rounding explains.
    """
    given = to.plain(tensor(x), 1)
    square = tensor(MUL(to, given, given))
    sides = [(0, 0)] * len(given.shape)
    sides[1] = ((size - 1) // 2, size // 2)
    padded = padded_by(to, square, sides, 0.0)
    total: Value = to.cut(padded, 1, range(given.shape[1]))
    for first in range(1, size):
        total = ADD(to, total, to.cut(padded, 1, range(first, first + given.shape[1])))
    scale = ADD(to, MUL(to, total, number(alpha / size)), number(bias))
    power = binary("POW", "Pow", np.power)(to, scale, number(-beta))
    return MUL(to, given, power)


NODES: Final[Mapping[str, Write]] = {
    "BatchNormalization": _batch_norm, "LayerNormalization": _layer,
    "InstanceNormalization": _instance, "GroupNormalization": _group,
    "LRN": _local_response,
}  # fmt: skip
