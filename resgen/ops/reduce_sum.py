"""Sum over one axis."""

from __future__ import annotations

from resgen.ops.base import operator
from resgen.ops.reducing import Reduce


@operator("reduce_sum")
class ReduceSum(Reduce):
    """Sum over one axis, which is gone afterwards."""

    spelled = ("torch.sum", "ReduceSum", 13)
