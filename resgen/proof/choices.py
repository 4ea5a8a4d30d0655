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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from resgen.graph.choices import after_choices, before_choices, read_by_choices
from resgen.graph.ir import Graph, Node
from resgen.ops.suppress_boxes import SuppressBoxes
from resgen.proof.compare import TOLERANCE, Departure
from resgen.proof.reach import apart
from resgen.proof.walk import spelled
from resgen.runtime.base import Array
from resgen.weights.evaluate import Weights, evaluate

if TYPE_CHECKING:
    import torch

#: How far off float32 may be in what two boxes share, as a share of it: four sides,
#: three areas, and their quotient are rounded, sums of areas to one side.
SHARED: Final = 16 * 2.0**-24


@dataclass(frozen=True)
class Choices:
    """What a graph chooses, by a file with these ``tensors`` for its operators."""

    graph: Graph
    tensors: Mapping[str, str]

    @cached_property
    def named(self) -> dict[str, str]:
        """The file's tensor for every value."""
        found = {given.name: given.name for given in self.graph.inputs}
        for node in self.graph.nodes:
            skipped = node.op.training_only
            found[node.name] = (
                found[node.inputs[0]] if skipped else self.tensors.get(node.name, "")
            )
        return found

    @cached_property
    def before(self) -> Graph:
        """The network up to its choices, outputs by the names of the file's tensors."""
        cut = before_choices(self.graph)
        if cut is self.graph:
            return cut
        outputs = {self.named[value]: value for _, value in cut.outputs}
        kept = {name: v for name, v in self.graph.outputs if v in cut.types}
        return replace(cut, outputs=tuple({**outputs, **kept}.items()))

    @cached_property
    def after(self) -> list[Node]:
        """The operators that choose, and all that follow."""
        values = after_choices(self.graph)
        return [node for node in self.graph.nodes if node.name in values]

    @property
    def shown(self) -> list[str]:
        """Tensors that the file has to give out as well, so that it can be judged."""
        chosen = [self.named[node.name] for node in self.after if node.op.chooses]
        own = {name for name, _ in self.graph.outputs}
        read = [name for name, _ in self.before.outputs]
        return [name for name in dict.fromkeys((*read, *chosen)) if name not in own]

    def prove(self, found: Mapping[str, Array], weights: Weights) -> None:
        """Raise where a file has chosen otherwise than its own numbers demand.

        ``found`` is what it read and gave out, by tensor. Operators that follow compute
        from what the file chose, and may be off as outputs may be.
        """
        import torch

        known = {
            value: torch.from_numpy(np.asarray(found[self.named[value]], np.float64))
            for value in read_by_choices(self.graph)
        }
        for node in self.after:
            given = [known[value] for value in node.inputs]
            made = given[0]
            if not node.op.training_only:
                made = self._exactly(node, given, weights)
            known[node.name] = made
            if node.op.chooses:
                array = found[self.named[node.name]]
                got = torch.from_numpy(np.asarray(array, np.float64))
                known[node.name] = got
                wrong = wrongly_chosen(node, given[0], got, made)
                if wrong:
                    raise Departure(
                        node.name,
                        f"the ONNX file, as it is deployed, departs from PyTorch at "
                        f"{node.name} ({node.op.name}): {wrong}",
                    )
        for name, value in self.graph.outputs:
            if value not in self.before.types and not (
                apart(found[name], known[value].numpy())[1] <= TOLERANCE
            ):
                raise Departure(name, f'the output "{name}" is not what was chosen')

    def _exactly(
        self, node: Node, given: Sequence[torch.Tensor], weights: Weights
    ) -> torch.Tensor:
        """What an operator makes of these in PyTorch's float64."""
        import torch

        spelling = node.op.torch(self.graph.types[node.inputs[0]])
        values = {
            role: torch.from_numpy(evaluate(operand, weights).astype(np.float64))
            for role, operand in node.operands
        }
        return spelled(spelling, given, values).double()


def wrongly_chosen(
    node: Node, given: torch.Tensor, got: torch.Tensor, exact: torch.Tensor
) -> str:
    """Why ``got`` is not what an operator chooses of ``given``; empty where it is."""
    if got.equal(exact):
        return ""
    if isinstance(node.op, SuppressBoxes) and got.shape == exact.shape:
        return wrongly_left(node.op, given, got)
    return "it has chosen others"


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
