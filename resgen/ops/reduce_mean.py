"""Mean over one axis."""

from __future__ import annotations

from resgen.ops.base import operator
from resgen.ops.reducing import Reduce


@operator("reduce_mean")
class ReduceMean(Reduce):
    """Mean over one axis, which is gone afterwards."""

    spelled = ("torch.mean", "ReduceMean", 18)
