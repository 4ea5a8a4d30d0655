"""Mean over axes."""

from __future__ import annotations

from resgen.ops.base import operator
from resgen.ops.reducing import Reduce


@operator("reduce_mean")
class ReduceMean(Reduce):
    """Mean over one axis or several, which are gone afterwards unless kept."""

    spelled = ("torch.mean", "ReduceMean")
