"""The names of what a build's folder holds, and its JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from resgen.files import ownership

SPEC: Final = "spec.json"
GRAPH: Final = "graph.json"
WEIGHTS: Final = "weights.safetensors"
MODEL: Final = "model.onnx"
MANIFEST: Final = ownership.MANIFEST
#: What every build and export of a network holds.
NAMES: Final = (SPEC, GRAPH, WEIGHTS, MODEL, MANIFEST)


def write_json(path: Path, value: Any) -> None:
    """A JSON file for people and programs: indented, ending in a newline."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", "utf-8")
