"""A build's model put to the proof, and what is said and recorded of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from resgen.errors import ResgenError
from resgen.graph.ir import Graph
from resgen.pictures.find import pictures_of
from resgen.pictures.words import takes_pictures
from resgen.proof.compare import Agreement
from resgen.proof.gate import Verification
from resgen.proof.gate import prove as prove_file
from resgen.proof.initializers import Operands
from resgen.spec.model import Preprocess
from resgen.weights.evaluate import Weights

#: A user's pictures are compared this many at a time.
BATCH: Final = 8


@dataclass(frozen=True, slots=True)
class Proof:
    """What a manifest records, and the lines that a person reads."""

    record: dict[str, Any]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is proven: a model, the graph that it was written from, and how.

    ``lowered`` is the graph after its passes, ``operands`` what its initialisers are
    computed from. ``source`` says where the weights are from. ``exact`` tells that all
    files are byte for byte what they are derived to.
    """

    graph: Graph
    lowered: Graph
    model: Path
    weights: Weights
    preprocess: Preprocess
    operands: Operands
    source: str
    exact: bool = True


def prove(
    subject: Subject,
    *,
    batches: Sequence[int] | None = None,
    images: Path | None = None,
    seed: int = 0,
) -> Proof:
    """Prove a model; see :func:`resgen.proof.gate.prove`.

    ``images`` is a folder of the user's own, all of which are used.
    """
    graph = subject.graph
    own = None if images is None else pictures_of(images)
    if own and not takes_pictures(subject.preprocess, graph.inputs[0].type.shape):
        raise ResgenError(
            f"the input of {graph.name} is no picture, so images cannot verify it",
            hint="leave out --images: random inputs are used",
        )
    if own and batches is None:
        # All of them, and one input of noise, in batches that any memory holds.
        whole, rest = divmod(len(own), BATCH)
        batches = (1, *(BATCH,) * whole, *((rest,) if rest else ()))
    done = prove_file(
        graph,
        subject.lowered,
        subject.model,
        subject.weights,
        subject.preprocess,
        subject.operands,
        batches=batches,
        images=own,
        seed=seed,
    )
    return Proof(done.to_json(), tuple(_lines(done, subject.source)))


def _lines(done: Verification, source: str) -> list[str]:
    total = done.pictures + done.random
    kinds = [f"{done.pictures} photographs"] if done.pictures else []
    kinds.append(f"{done.random} random")
    batches = ", ".join(map(str, dict.fromkeys(done.batches)))
    lines = [
        f"PyTorch = ONNX Runtime on probe parameters, {total} inputs "
        f"({' and '.join(kinds)}; batches {batches})",
        f"largest difference {done.probe.relative:.1e} of the output's range "
        f"(allowed {done.probe.tolerance:.0e}){_same(done.probe)}",
    ]
    if done.tensors:
        lines.append(
            f"{done.tensors} tensors within rounding, {done.initializers} initialisers "
            f"as the graph says"
        )
    shipped = done.shipped
    if not shipped.finite:
        lines.append(f"these weights ({source}) overflow, so only probes were compared")
        return lines
    lines.append(f"on these weights ({source}) {shipped.relative:.1e}")
    if source.startswith("fresh"):
        lines.append("fresh weights know no classes: --weights FILE brings real ones")
    return lines


def _same(outputs: Agreement) -> str:
    if outputs.top1 is None:
        return ""
    return ", the same class for {} of {}".format(*outputs.top1)
