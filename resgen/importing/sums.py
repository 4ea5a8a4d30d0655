"""Sums of products by the names of axes, as both sources write them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from resgen.importing.calls import Calls
from resgen.importing.views import BATCH, Const, Seen, Unread, View


def summed(r: Calls, equation: str, tensors: Sequence[Seen]) -> Seen:
    """Of two tensors what they share is multiplied, and what is not kept is summed."""
    sides, arrow, result = equation.replace(" ", "").partition("->")
    if not arrow:
        raise Unread(f"the sum {equation}, which leaves open what is kept")
    names = sides.split(",")
    if len(names) == 1 and sides.isalpha() and len({*sides}) == len(sides):
        gone = [at for at, name in enumerate(sides) if name not in result]
        kept = r.reduce("sum", tensors[0], gone, False) if gone else tensors[0]
        rest = [name for name in sides if name in result]
        return r.permute(kept, [rest.index(name) for name in result])
    if len(names) != 2 or "." in equation:
        raise Unread(f"the sum {equation}")
    a, b = names
    first, second = tensors
    merged = next(
        (
            n
            for n, axes in zip(a, getattr(first, "axes", ()), strict=False)
            if BATCH in axes and len(axes) > 1 and n not in b and n in result
        ),
        None,
    )
    if merged is not None and isinstance(second, Const):
        # What is merged with the batch meets the constant as rows do, and is no reason
        # to repeat it.
        at, shape = a.index(merged), r.shape(first)
        split = (*shape[:at], r.batch, shape[at] // r.batch, *shape[at + 1 :])
        parted = [side.replace(merged, f"{merged}*") for side in (a, result)]
        made = summed(
            r, f"{parted[0]},{b}->{parted[1]}", [r.reshape(first, split), second]
        )
        at, shape = result.index(merged), r.shape(made)
        joined = (*shape[:at], shape[at] * shape[at + 1], *shape[at + 2 :])
        return r.reshape(made, joined)
    both = [n for n in a if n in b and n in result]
    rows = [n for n in a if n not in b]
    columns = [n for n in b if n not in a]
    over = [n for n in a if n in b and n not in result]
    if any(n not in result for n in (*rows, *columns)):
        raise Unread(f"the sum {equation}")
    sizes = {
        n: size
        for side, x in zip(names, tensors, strict=True)
        for n, size in zip(side, r.shape(x), strict=True)
    }
    # The batch of one side alone is no row of a matrix: all of it meets the other.
    lone = [
        n for n in rows if isinstance(first, View) and BATCH in first.axes[a.index(n)]
    ]
    rows = [n for n in rows if n not in lone]
    shared = [sizes[n] for n in both]
    m, k, n_ = (prod(sizes[n] for n in part) for part in (rows, over, columns))
    left = r.permute(first, [a.index(n) for n in (*lone, *both, *rows, *over)])
    right = r.permute(second, [b.index(n) for n in (*both, *over, *columns)])
    made = r.matmul(
        r.reshape(left, (*(sizes[n] for n in lone), *shared, m, k)),
        r.reshape(right, (*(1 for _ in lone), *shared, k, n_)),
    )
    order = [*lone, *both, *rows, *columns]
    whole = r.reshape(made, [sizes[n] for n in order])
    return r.permute(whole, [order.index(n) for n in result])
