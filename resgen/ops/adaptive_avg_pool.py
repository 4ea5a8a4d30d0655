"""Average pooling to a given size."""

from __future__ import annotations

from collections.abc import Sequence

from resgen.ops.adaptive import AdaptivePool, Span
from resgen.ops.base import OnnxWriter, operator
from resgen.ops.reducing import write_reduce


@operator("adaptive_avg_pool")
class AdaptiveAvgPool(AdaptivePool):
    """The mean of each of ``size`` windows, whatever the size of the input."""

    spelled = ("torch.nn.AdaptiveAvgPool", "AveragePool")

    def _reduce(
        self, to: OnnxWriter, x: str, spans: Sequence[Span], axis: int, rank: int
    ) -> str:
        lengths = [end - start for start, end in spans]
        longest = max(lengths)
        if set(lengths) == {longest}:
            return write_reduce(to, "ReduceMean", x, [axis])
        shares = [1 / n if i < n else 0.0 for n in lengths for i in range(longest)]
        shape = (len(spans), longest, *(1,) * (rank - axis - 1))
        weighed = to.emit("Mul", [x, to.floats(shares, shape)])
        return write_reduce(to, "ReduceSum", weighed, [axis])
