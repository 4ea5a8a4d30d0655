"""``resgen verify``: the proof of a build, done again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from resgen.artifact.derived import Derivation, check_derived, check_weights
from resgen.artifact.opened import Artifact
from resgen.artifact.proof import Subject, prove
from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm


def verify(
    artifact: Artifact,
    *,
    images: Path | None = None,
    batches: Sequence[int] | None = None,
    seed: int = 0,
    say: Callable[[str, str], None] = lambda label, text: None,
) -> dict[str, Any]:
    """Prove the model of a folder whose hashes have been checked.

    ``images`` is a folder of pictures, ``batches`` the batch sizes, ``seed`` draws the
    noise and the probe parameters. Returns what was proven; raises ResgenError where
    the model is not what the graph says.
    """
    subject = derived(artifact, say)
    if subject.exact:
        say("derived", "every file is byte for byte what its spec and options make")
    proof = prove(subject, batches=batches, images=images, seed=seed)
    for line in proof.lines:
        say("verify", line)
    return {**proof.record, "derived": subject.exact}


def derived(
    artifact: Artifact, say: Callable[[str, str], None] = lambda label, text: None
) -> Subject:
    """What the model of a build is proven against, once its files are what it makes.

    Errors as those of :func:`resgen.artifact.derived.check_derived`.
    """
    graph, spec = artifact.graph, artifact.spec
    written = artifact.manifest.onnx
    passes = [fold_norm] if "fold_norm" in written.passes else []
    folded = apply(graph, *passes)
    weights = check_weights(artifact, graph, say)
    operands, exact = check_derived(artifact, Derivation(folded, weights), say)
    return Subject(
        graph,
        folded,
        artifact.model,
        weights,
        spec.preprocess,
        operands,
        artifact.manifest.origin,
        exact,
    )
