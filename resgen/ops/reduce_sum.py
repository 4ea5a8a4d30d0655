"""Sum over axes."""

from __future__ import annotations

from resgen.ops.base import operator
from resgen.ops.reducing import Reduce


@operator("reduce_sum")
class ReduceSum(Reduce):
    """Sum over one axis or several, which are gone afterwards unless kept."""

    spelled = ("torch.sum", "ReduceSum")
