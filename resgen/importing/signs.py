"""Which values are never negative, as the operators before them say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Final

from resgen.importing.unspoken import Curve, Padded, Spread, Take
from resgen.ops.act import Act
from resgen.ops.adaptive_avg_pool import AdaptiveAvgPool
from resgen.ops.adaptive_max_pool import AdaptiveMaxPool
from resgen.ops.add import Add
from resgen.ops.avg_pool import AvgPool
from resgen.ops.base import Op
from resgen.ops.blur_pool import BlurPool
from resgen.ops.clip import Clip
from resgen.ops.concat import Concat
from resgen.ops.dropout import Dropout
from resgen.ops.flatten import Flatten
from resgen.ops.global_pool import GlobalPool
from resgen.ops.max_pool import MaxPool
from resgen.ops.maximum import Maximum
from resgen.ops.multiply import Multiply
from resgen.ops.offset import Offset
from resgen.ops.pad import Pad
from resgen.ops.pad_same import PadSame
from resgen.ops.pixel_shuffle import PixelShuffle
from resgen.ops.pixel_unshuffle import PixelUnshuffle
from resgen.ops.power import Power
from resgen.ops.reduce_max import ReduceMax
from resgen.ops.reduce_mean import ReduceMean
from resgen.ops.reduce_sum import ReduceSum
from resgen.ops.reshape import Reshape
from resgen.ops.resize import Resize
from resgen.ops.scale import Scale
from resgen.ops.slice import Slice
from resgen.ops.softmax import Softmax
from resgen.ops.stack import Stack
from resgen.ops.transpose import Transpose
from resgen.ops.unflatten import Unflatten
from resgen.ops.upsample import Upsample

#: The least values of activations, and of functions as ONNX calls them.
_LEAST: Final = {
    **dict.fromkeys(("tanh", "hardtanh", "Cos", "Erf", "Sign", "Sin"), -1.0),
    **dict.fromkeys(("relu", "relu6", "softplus", "exp"), 0.0),
    **dict.fromkeys(("sigmoid", "hardsigmoid"), 0.0),
}
#: Operators whose values are zero or more where those are that they read.
_KEEPING: Final = (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Add,
    AvgPool,
    BlurPool,
    Concat,
    Dropout,
    Flatten,
    GlobalPool,
    MaxPool,
    Maximum,
    Multiply,
    Pad,
    PadSame,
    PixelShuffle,
    PixelUnshuffle,
    Power,
    ReduceMax,
    ReduceMean,
    ReduceSum,
    Reshape,
    Slice,
    Spread,
    Stack,
    Take,
    Transpose,
    Unflatten,
)


def never_negative(
    value: str, made: Callable[[str], tuple[Op, Sequence[str]] | None]
) -> bool:
    """Whether the operators before a value say so: activations, or even powers.

    ``made`` has the operator of a value and what it reads; None of what has none.
    """
    stack, seen = [(value, 0.0)], {(value, 0.0)}  # what is to be so much or more
    while stack:
        at, least = stack.pop()
        found = made(at)
        if found is None:
            return False
        op, inputs = found
        if _least(op, inputs) >= least:
            continue
        if isinstance(op, Offset):
            least -= op.by
        elif isinstance(op, Scale) and op.by > 0:
            least /= op.by
        elif least or not _keeps(op):
            return False
        more = [(v, least) for v in inputs if (v, least) not in seen]
        stack += more
        seen.update(more)
    return True


def _least(op: Op, inputs: Sequence[str]) -> float:
    """The least that it yields, whatever it is given."""
    if isinstance(op, Act):
        return _LEAST.get(op.type, -inf)
    if isinstance(op, Curve):
        return _LEAST.get(op.of, -inf)
    if isinstance(op, Clip):
        return -inf if op.min is None else op.min
    if isinstance(op, Power):
        return 0.0 if op.exponent % 2 == 0 else -inf
    if isinstance(op, Multiply):
        return 0.0 if len(inputs) == 2 and len(set(inputs)) == 1 else -inf
    return 0.0 if isinstance(op, Softmax) and not op.log else -inf


def _keeps(op: Op) -> bool:
    """Whether what it yields of what is never negative is not either."""
    if isinstance(op, Resize | Upsample):
        return op.mode != "bicubic"
    if isinstance(op, Padded):
        return op.mode != "constant" or op.value >= 0
    return isinstance(op, _KEEPING)
