"""Which values are never negative, as the operators before them say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from resgen.importing.unspoken import Padded, Spread, Take
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
from resgen.ops.pad import Pad
from resgen.ops.pad_same import PadSame
from resgen.ops.pixel_shuffle import PixelShuffle
from resgen.ops.pixel_unshuffle import PixelUnshuffle
from resgen.ops.reshape import Reshape
from resgen.ops.resize import Resize
from resgen.ops.slice import Slice
from resgen.ops.softmax import Softmax
from resgen.ops.stack import Stack
from resgen.ops.transpose import Transpose
from resgen.ops.unflatten import Unflatten
from resgen.ops.upsample import Upsample

#: Activations whose values are zero or more, and operators that leave them so.
_NEVER_NEGATIVE: Final = ("relu", "relu6", "sigmoid", "hardsigmoid", "softplus", "exp")
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
    """Whether activations before a value say so, through what keeps it so.

    ``made`` has the operator of a value and what it reads; None of what has none.
    """
    stack, seen = [value], {value}
    while stack:
        found = made(stack.pop())
        if found is None:
            return False
        op, inputs = found
        if not _makes(op):
            if not _keeps(op):
                return False
            stack += [v for v in inputs if v not in seen]
            seen.update(inputs)
    return True


def _makes(op: Op) -> bool:
    """Whether what it yields is never negative, whatever it is given."""
    if isinstance(op, Act):
        return op.type in _NEVER_NEGATIVE
    if isinstance(op, Clip):
        return op.min is not None and op.min >= 0
    return isinstance(op, Softmax) and not op.log


def _keeps(op: Op) -> bool:
    """Whether what it yields of what is never negative is not either."""
    if isinstance(op, Resize | Upsample):
        return op.mode != "bicubic"
    if isinstance(op, Padded):
        return op.mode != "constant" or op.value >= 0
    return isinstance(op, _KEEPING)
