"""Maximum over one axis."""

from __future__ import annotations

from resgen.ops.base import operator
from resgen.ops.reducing import Reduce


@operator("reduce_max")
class ReduceMax(Reduce):
    """Maximum over one axis, which is gone afterwards."""

    spelled = ("torch.amax", "ReduceMax", 18)
