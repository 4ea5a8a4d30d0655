"""``resgen verify``: the proof of a build, done again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from resgen.artifact.opened import open_folder
from resgen.artifact.proof import prove
from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm
from resgen.lower.onnx import operands_of
from resgen.lower.safetensors import StoredWeights
from resgen.verify.gate import Operands


def verify(
    folder: Path,
    *,
    images: Path | None = None,
    batches: Sequence[int] | None = None,
    seed: int = 0,
    say: Callable[[str, str], None] = lambda label, text: None,
) -> dict[str, Any]:
    """Check the manifest's hashes, then prove the model on these inputs.

    ``images`` is a folder of pictures, ``batches`` the batch sizes, ``seed`` draws the
    noise and the probe parameters. Returns what was proven; raises ResgenError where
    the folder is not what was built.
    """
    artifact = open_folder(folder)
    count = artifact.check_hashes()
    say("files", f"{count} files have the SHA-256 of the manifest")
    graph, spec = artifact.graph, artifact.spec
    written = artifact.manifest["onnx"]
    operands: Operands = ()
    folded = apply(graph, fold_norm) if "fold_norm" in written["passes"] else graph
    if written["exporter"] == "resgen":
        operands = operands_of(
            folded, opset=written["opset"], dynamic=written["dynamic"]
        )
    proof = prove(
        graph,
        folded,
        artifact.model,
        StoredWeights(artifact.weights),
        spec.preprocess,
        operands,
        source=_source(artifact.manifest),
        batches=batches,
        images=images,
        seed=seed,
    )
    for line in proof.lines:
        say("verify", line)
    return proof.record


def _source(manifest: Any) -> str:
    if manifest["weights"] == "fresh":
        return f"fresh, seed {manifest['seed']}"
    return str(manifest["weights"])
