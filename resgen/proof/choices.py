"""Operators that choose: proven on what they are given, since nothing else bears it.

A choice hangs on comparisons. Scores that are off by their last bit may change places,
and a box that then comes first strikes out others: two right computations of one
network can give different boxes. So what a choice gives is never held against what
another computation gives. It follows from what the file itself gave to the choice,
where the rule leaves nothing open (which pair is surer is a comparison of numbers as
they are) but whether two boxes share more than they may, within what float32 rounds.
What goes into the first choice is compared as outputs are. Between them nothing is
unseen: the numbers that are chosen from are right, and the choice is right for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from resgen.ops.suppress_boxes import SuppressBoxes

if TYPE_CHECKING:
    import torch

#: How far off float32 may be in what two boxes share, as a share of it: four sides,
#: three areas, and their quotient are rounded, sums of areas to one side.
SHARED: Final = 16 * 2.0**-24


def wrongly_left(op: SuppressBoxes, given: torch.Tensor, got: torch.Tensor) -> str:
    """Why ``got`` (N, most, 6) is not what suppression leaves of ``given`` (N, K, 6).

    Empty where it is. What greedy suppression leaves is the only set of rows in which
    no row covers a surer one, and beside which every row does. Either is asked of each
    pair by itself, with room for the rounding of what the two share; so a pair on the
    edge may be taken either way, and all that follows from it has to be consistent.
    """
    return next(filter(None, map(_wrong, [op] * len(got), given, got)), "")


def _wrong(op: SuppressBoxes, given: torch.Tensor, got: torch.Tensor) -> str:
    """The same for one input."""
    import torch

    least, share = torch.tensor([op.threshold, op.overlap]).double()
    known = torch.isin(given[:, 5], torch.arange(op.classes).double())
    rows = given[known & (given[:, 4] > least)]
    rows = rows[rows[:, 4].sort(descending=True, stable=True).indices]
    count = int((got[:, 4] != 0).sum())
    if got[count:].any():
        return "rows without a score are not all zero, or not the last"
    places: list[int] = []
    for row in got[:count]:
        after = places[-1] + 1 if places else 0
        same = (rows[after:] == row).all(1).nonzero()
        if not len(same):
            return f"row {len(places)} is none that it was given, or not in its place"
        places.append(after + int(same[0]))
    # Of rows behind the last that was asked for, nothing is known.
    rows = rows[: places[-1] + 1] if count == len(got) else rows
    shares = _shares(rows, rows[places])
    earlier = torch.tensor(places)[None] < torch.arange(len(rows))[:, None]
    rivals = earlier & (rows[:, None, 5] == rows[places][None, :, 5])
    surely = (rivals & (shares > share * (1 + SHARED))).any(1)
    perhaps = (rivals & (shares > share * (1 - SHARED))).any(1)
    left = torch.zeros(len(rows), dtype=torch.bool)
    left[places] = True
    if (left & surely).any():
        return f"{int((left & surely).sum())} rows that cover a surer one are left"
    if (~left & ~perhaps).any():
        return f"{int((~left & ~perhaps).sum())} rows that cover no surer one are gone"
    return ""


def _shares(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Intersection over union of each of ``one`` with each of ``other``, or 0."""
    import torch

    a, b = one[:, None], other[None]
    low = torch.maximum(a[..., :2], b[..., :2])
    shared = (torch.minimum(a[..., 2:4], b[..., 2:4]) - low).clamp(min=0).prod(-1)
    areas = [(x[..., 2:4] - x[..., :2]).prod(-1) for x in (a, b)]
    joined = areas[0] + areas[1] - shared
    return torch.where(joined > 0, shared / joined, 0)
