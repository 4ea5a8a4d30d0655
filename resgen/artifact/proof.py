"""A float32 file put to the proof, and what is said and recorded of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from resgen.artifact.folder import WEIGHTS
from resgen.artifact.ready import Made
from resgen.errors import ResgenError
from resgen.pictures.find import pictures_of
from resgen.pictures.words import takes_pictures
from resgen.proof.compare import Agreement
from resgen.proof.gate import Verification
from resgen.proof.gate import prove as prove_file
from resgen.weights.safetensors import StoredWeights

Say = Callable[[str, str], None]
#: A user's pictures are compared this many at a time.
BATCH: Final = 8


def prove(made: Made, say: Say, batches: Sequence[int]) -> dict[str, Any]:
    """Prove a file; see :func:`resgen.proof.gate.prove`. What a manifest records.

    All pictures of a folder of the user's own are used, where one is named.
    """
    graph, source, images = made.graph, made.source, made.wishes.images
    preprocess = source.spec.preprocess
    own = None if images is None else pictures_of(images)
    if own and not takes_pictures(preprocess, graph.inputs[0].type.shape):
        raise ResgenError(
            f"the input of {graph.name} is no picture, so images cannot verify it",
            hint="leave out --images: random inputs are used",
        )
    if own and not batches:
        # All of them, and one input of noise, in batches that any memory holds.
        whole, rest = divmod(len(own), BATCH)
        batches = (1, *(BATCH,) * whole, *((rest,) if rest else ()))
    done = prove_file(
        graph,
        made.file_graph,
        made.model,
        StoredWeights(made.folder / WEIGHTS),
        preprocess,
        made.written.initializers,
        batches=batches,
        images=own,
        seed=source.seed or 0,
    )
    for line in _lines(done, source.said):
        say("verify", line)
    return done.to_json()


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
