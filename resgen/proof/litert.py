"""The proof of a LiteRT file: every operator by itself, and two sets of kernels.

What the reference kernels yield for each operator, on probe parameters and given the
very numbers that it reads in the file, is held against PyTorch's float64, as an ONNX
file's nodes are (:mod:`resgen.proof.local`). Then the whole is run with the reference
kernels and with XNNPACK's, on probe parameters and on those that ship, and both have to
give PyTorch's outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resgen.files.aside import temporary_folder
from resgen.graph.ir import Graph, Node
from resgen.lower.litert.values import Tensor
from resgen.lower.litert.write import Plan
from resgen.proof.compare import Agreement, Recorded, compare_outputs
from resgen.proof.gate import exactly, probed
from resgen.proof.local import Judge
from resgen.proof.probe import draw
from resgen.proof.walk import Leaves
from resgen.runtime.base import Array
from resgen.runtime.litert import LiteRtSession
from resgen.runtime.torch import TorchSession
from resgen.weights.evaluate import Weights, evaluate

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Proven:
    """What was compared: operators, and outputs of both kernels, the farther ones."""

    operators: int
    share: float
    outputs: tuple[Agreement, ...]

    @property
    def relative(self) -> float:
        """The largest difference of an output, as a share of its range."""
        return max(found.relative for found in self.outputs)


def prove_litert(
    graph: Graph, folded: Graph, plan: Plan, file: Path, weights: Weights, batch: Array
) -> Proven:
    """Prove that ``file`` computes ``graph`` under ``weights``, or raise.

    ``plan`` is what the file was written of, the graph ``folded``. The first operator
    that is off is a :class:`~resgen.proof.compare.Departure`.
    """
    import torch

    from resgen.lower.torch import to_torch

    graph = graph.inference
    drawn = draw(graph, 0)
    module = probed(graph, drawn, batch)
    fixed = plan.walk.batch
    feeds = [
        {graph.inputs[0].name: batch[:size]} for size in ([fixed] if fixed else (1, 2))
    ]
    with temporary_folder() as folder, torch.no_grad():
        copy = Path(folder) / file.name
        with copy.open("wb") as out:
            out.writelines(plan.pieces(drawn))
        leaves = Leaves(graph, module)
        shares = _operators(
            leaves, folded, plan, copy, drawn, batch[: plan.walk.batch or 1]
        )
        agreed = [_both(graph, copy, module, feeds)]
        shipped = to_torch(graph, weights).eval()
        agreed.append(_both(graph, file, shipped, feeds))
    return Proven(len(shares), max(shares, default=0.0), tuple(agreed))


# --- parts ----------------------------------------------------------------------------


def _both(
    graph: Graph,
    file: Path,
    module: torch.nn.Module,
    feeds: Sequence[Mapping[str, Array]],
) -> Agreement:
    """Of the reference kernels and XNNPACK's those that agree less with PyTorch."""
    with TorchSession(graph, module) as session:
        reference = Recorded.of(session, feeds)
    found = []
    for plain in (True, False):
        with LiteRtSession(file, reference=plain) as session:
            exact = exactly(graph, lambda: module)
            found.append(compare_outputs(reference, session, exact))
    return max(found, key=lambda agreement: agreement.relative)


def _operators(
    leaves: Leaves,
    folded: Graph,
    plan: Plan,
    file: Path,
    weights: Weights,
    batch: Array,
) -> list[float]:
    """What each operator used of what rounding explains."""
    graph = leaves.graph
    values: dict[str, Array] = {}
    tensors: dict[str, str] = {}
    walk = plan.walk
    with LiteRtSession(file, reference=True, kept=True) as session:
        session.run({graph.inputs[0].name: batch})
        for name, end in walk.outputs.items():
            values[name] = end.logical(session.value(end.index))
        absorbed = {node.name: node.absorbed for node in folded.nodes}
        for name, value in walk.values.items():
            known = (absorbed[name] or (name,))[-1]
            tensors[known] = f"/{known}"
            values[f"/{known}"] = (
                value.logical(session.value(value.index))
                if isinstance(value, Tensor)
                else value.make(weights)
            )

    def operand(node: Node, role: str) -> Array | None:
        found = dict(node.operands).get(role)
        return None if found is None else evaluate(found, weights)

    judge = Judge(graph, leaves.exact, operand, lambda _: 0.0, file="LiteRT file")
    judge.all(tensors, values, batch)
    return judge.shares
