"""The names of what a folder holds."""

from __future__ import annotations

from typing import Final

from resgen.files import ownership

SPEC: Final = "spec.json"
GRAPH: Final = "graph.json"
WEIGHTS: Final = "weights.safetensors"
MODEL: Final = "model.onnx"
MANIFEST: Final = ownership.MANIFEST
#: What every build and export of a network holds.
NAMES: Final = (SPEC, GRAPH, WEIGHTS, MODEL, MANIFEST)
