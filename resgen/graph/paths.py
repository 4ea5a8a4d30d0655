"""How many ways lead through a network, and how long they are.

A residual network is a collection of paths of many lengths, of which most are short
(Veit et al., "Residual Networks Behave Like Ensembles of Relatively Shallow Networks",
2016). The length of a path is the number of convolutions and linear maps on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from math import frexp, ldexp, log10
from typing import Final

from resgen.graph.ir import Graph
from resgen.ops.base import is_map
from resgen.words.numbers import count

#: Shares this much smaller than a value's largest are dropped at both ends. Counts are
#: only ever added, so all that is lost stays far below what a double can tell apart.
NEGLIGIBLE: Final = 1e-20


@dataclass(frozen=True, slots=True)
class Paths:
    """Of the paths from any input to any output.

    ``distribution[k]`` is the share of those that cross k convolutions and linear
    maps, for k from 0 to ``longest``.
    """

    count: int
    shortest: int
    longest: int
    distribution: tuple[float, ...]

    def __str__(self) -> str:
        if self.count == 1:
            layers = count(self.longest, "weighted layer")
            return f"one path from input to output, through {layers}"
        few = self.count < 100_000
        return (
            f"{f'{self.count:,}' if few else _power(self.count)} paths from input to "
            f"output, through {self.shortest:,} to {self.longest:,} weighted layers"
        )


@dataclass(frozen=True, slots=True)
class _Lengths:
    """``shares[i] * 2**exponent`` paths of length ``start + i``; the largest about 1.

    Counts outgrow doubles after a thousand additions, hence the exponent.
    """

    start: int
    exponent: int
    shares: list[float]


def paths(graph: Graph) -> Paths:
    """Count the paths by dynamic programming over the nodes in order.

    The count is exact. The distribution is computed in doubles without the tails that
    are too small to matter, so that ten thousand layers take a fraction of a second.
    """
    counts: dict[str, int] = {}
    shortest: dict[str, int] = {}
    longest: dict[str, int] = {}
    lengths: dict[str, _Lengths] = {}
    for i in graph.inputs:
        counts[i.name], shortest[i.name], longest[i.name] = 1, 0, 0
        lengths[i.name] = _Lengths(0, 0, [1.0])
    # What an operator takes the size of alone it does not pass on.
    readers = [(n.name, n.inputs[: n.op.read], int(is_map(n.op))) for n in graph.nodes]
    # All outputs together, as if one more node read them.
    end = ""
    for name, inputs, crossed in [*readers, (end, [v for _, v in graph.outputs], 0)]:
        read = [value for value in inputs if value in counts]
        if not read:
            continue
        counts[name] = sum(counts[value] for value in read)
        shortest[name] = min(shortest[value] for value in read) + crossed
        longest[name] = max(longest[value] for value in read) + crossed
        lengths[name] = _meet([lengths[value] for value in read], crossed)
    if end not in counts:
        return Paths(0, 0, 0, ())
    shares = lengths[end].shares
    total = sum(shares)
    before = [0.0] * lengths[end].start
    after = [0.0] * (longest[end] + 1 - len(before) - len(shares))
    found = tuple(chain(before, (share / total for share in shares), after))
    return Paths(counts[end], shortest[end], longest[end], found)


def _meet(found: list[_Lengths], crossed: int) -> _Lengths:
    """The lengths of all paths together, each ``crossed`` longer."""
    if len(found) == 1:
        (one,) = found
        return _Lengths(one.start + crossed, one.exponent, one.shares)
    start = min(one.start for one in found)
    stop = max(one.start + len(one.shares) for one in found)
    exponent = max(one.exponent for one in found)
    total = [0.0] * (stop - start)
    for one in found:
        scale = ldexp(1.0, max(one.exponent - exponent, -2000))
        at = one.start - start
        upto = at + len(one.shares)
        total[at:upto] = [
            t + scale * share
            for t, share in zip(total[at:upto], one.shares, strict=True)
        ]
    largest = max(total)
    low, high = 0, len(total)
    while total[low] < largest * NEGLIGIBLE:
        low += 1
    while total[high - 1] < largest * NEGLIGIBLE:
        high -= 1
    _, shift = frexp(largest)
    scale = ldexp(1.0, -shift)
    shares = [scale * share for share in total[low:high]]
    return _Lengths(start + low + crossed, exponent + shift, shares)


def _power(number: int) -> str:
    """A number too long to read.

    >>> _power(123_456)
    '1.2 x 10^5'
    """
    exponent = int(log10(number))
    mantissa = f"{10 ** (log10(number) - exponent):.1f}"
    return (
        f"1.0 x 10^{exponent + 1}"
        if mantissa == "10.0"
        else f"{mantissa} x 10^{exponent}"
    )
