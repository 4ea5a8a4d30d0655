"""Maximum over axes."""

from __future__ import annotations

from resgen.ops.base import operator
from resgen.ops.reducing import Reduce


@operator("reduce_max")
class ReduceMax(Reduce):
    """Maximum over one axis or several, which are gone afterwards unless kept."""

    spelled = ("torch.amax", "ReduceMax")
