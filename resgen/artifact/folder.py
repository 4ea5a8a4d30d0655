"""The names of what a folder holds, and how an ONNX file comes into one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from resgen.files import names
from resgen.onnxfile.external import named_files

SPEC: Final = "spec.json"
GRAPH: Final = "graph.json"
WEIGHTS: Final = "weights.safetensors"
MODEL: Final = "model.onnx"
MANIFEST: Final = names.MANIFEST
#: What every build and export of a network holds.
NAMES: Final = (SPEC, GRAPH, WEIGHTS, MODEL, MANIFEST)


def copied(model: Path, folder: Path) -> tuple[str, ...]:
    """Copy an ONNX file with what it keeps beside it; their names, its own first."""
    names = {MODEL: model, **named_files(model)}
    for name, path in names.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    return tuple(names)
