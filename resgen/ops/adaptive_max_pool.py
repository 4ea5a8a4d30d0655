"""Max pooling to a given size."""

from __future__ import annotations

from collections.abc import Sequence

from resgen.ops.adaptive import AdaptivePool, Span
from resgen.ops.base import OnnxWriter, operator
from resgen.ops.reducing import write_reduce


@operator("adaptive_max_pool")
class AdaptiveMaxPool(AdaptivePool):
    """The largest value of each of ``size`` windows, whatever the input's size."""

    spelled = ("torch.nn.AdaptiveMaxPool", "MaxPool")

    def _reduce(
        self, to: OnnxWriter, x: str, spans: Sequence[Span], axis: int, rank: int
    ) -> str:
        return write_reduce(to, "ReduceMax", x, [axis])
