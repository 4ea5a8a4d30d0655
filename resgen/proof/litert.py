"""The proof of a LiteRT file: every operator by itself, and two sets of kernels.

What the reference kernels yield for each operator, on probe parameters and given the
very numbers that it reads in the file, is held against PyTorch's float64, as an ONNX
file's nodes are (:mod:`resgen.proof.local`). Then the whole is run with the reference
kernels and with XNNPACK's, on probe parameters and on those that ship, and both have to
give PyTorch's outputs.

Of a low precision the operators are those of the graph that the file was written of,
with the numbers that it holds. An integer kernel rounds by a multiplier of 31 bits, so
it may take the step beside the nearest; both sets of kernels then differ by as much, in
every operator, and their outputs by less than the precision may cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from resgen.files.aside import temporary_folder
from resgen.graph.ir import Graph, Node
from resgen.lower.emitted import Constant
from resgen.lower.litert.values import Tensor
from resgen.lower.litert.write import Plan
from resgen.ops.dequantize import Dequantize
from resgen.proof.accuracy import Tally
from resgen.proof.compare import Agreement, Departure, Recorded, compare_outputs
from resgen.proof.gate import exactly, probed, sigmoids_of
from resgen.proof.local import Judge, by_operands, exact_operand
from resgen.proof.probe import draw
from resgen.proof.tolerance import LEAST_SNR
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
        copy = folder / file.name
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


def prove_low(
    plan: Plan, file: Path, weights: Weights, batch: Array, precision: str
) -> tuple[int, float]:
    """Prove that ``file``, of these weights, computes its graph in a low precision.

    ``weights`` hold the scales. Returns how many operators were compared, and how far
    what both sets of kernels give out exceeds its difference, in dB.
    """
    import torch

    graph = plan.walk.graph

    made = {o.output: o.code for o in plan.walk.operations}

    halved = {
        stored.constant.root
        for stored in plan.walk.tensors
        if stored.constant is not None and stored.dtype == "float16"
    }

    def slack(node: Node) -> int:
        value = plan.walk.values[node.name]
        # What no operator makes is an input in whole numbers.
        own = isinstance(value, Tensor) and made.get(value.index, "QUANTIZE")
        return 0 if own == "QUANTIZE" else 1

    def operand(node: Node, role: str) -> Array | None:
        found = dict(node.operands).get(role)
        if found is None:
            return None
        exact = exact_operand(found, weights)
        return exact.astype(np.float16) if found in halved else exact

    with torch.no_grad():
        judge = Judge(
            graph, by_operands(graph, operand), operand, lambda _: 0.0,
            file="LiteRT file", slack=slack,
        )  # fmt: skip
        values = _values(graph, plan, file, weights, batch)
        judge.all({name: name for name in plan.walk.values}, values, batch)
    apart = Tally({})
    feeds = {graph.inputs[0].name: batch}
    with LiteRtSession(file, reference=True) as plain, LiteRtSession(file) as fast:
        outputs = fast.run(feeds)
        for name, value in plain.run(feeds).items():
            apart.add_output(name, value, outputs[name])
    found = apart.accuracy("XNNPACK")
    if not found.snr >= LEAST_SNR[precision]:
        raise Departure(
            found.output,
            f"the reference kernels and XNNPACK differ by noise {found.snr:.1f} dB "
            f'below "{found.output}"; {LEAST_SNR[precision]:.0f} dB are wanted',
        )
    return len(judge.shares), found.snr


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
    exact, sigmoids = exactly(graph, lambda: module), sigmoids_of(graph)
    found = []
    for plain in (True, False):
        with LiteRtSession(file, reference=plain) as session:
            found.append(compare_outputs(reference, session, exact, sigmoids))
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
    absorbed = {node.name: node.absorbed for node in folded.nodes}
    found = _values(leaves.graph, plan, file, weights, batch)
    values = {(absorbed.get(name) or (name,))[-1]: v for name, v in found.items()}

    def operand(node: Node, role: str) -> Array | None:
        found = dict(node.operands).get(role)
        return None if found is None else evaluate(found, weights)

    judge = Judge(
        leaves.graph, leaves.exact, operand, lambda _: 0.0, file="LiteRT file"
    )
    judge.all({name: name for name in values}, values, batch)
    return judge.shares


def _values(
    graph: Graph, plan: Plan, file: Path, weights: Weights, batch: Array
) -> dict[str, Array]:
    """What the reference kernels yield, by operator, and the outputs."""
    walk = plan.walk
    values: dict[str, Array] = {}
    with LiteRtSession(file, reference=True, kept=True) as session:
        session.run({graph.inputs[0].name: batch})
        for name, value in (*walk.values.items(), *walk.outputs.items()):
            if isinstance(value, Constant):
                values[name] = value.make(weights)
                continue
            node = graph.node.get(name)
            whole = node is not None and not isinstance(node.op, Dequantize)
            held = (session.value if whole else session.numbers)(value.index)
            values[name] = value.logical(held)
    return values
