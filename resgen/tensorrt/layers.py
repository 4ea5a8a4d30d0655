"""What became of a network's layers: TensorRT's description of an engine, read.

The engine inspector needs a GPU. The builder prints the same text when it is asked to
log everything, and so tells on a machine without one which layers were fused and in
what types they compute. TensorRT joins the names of the ONNX nodes in a layer by
control characters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

#: How the text begins.
HEAD: Final = "Layers:\n"

_LAYER: Final = re.compile(
    r"Name: (?P<name>.*?), LayerType: (?P<type>[^,]+), Inputs: \[(?P<inputs>.*?)\]?, "
    r"(?:Constants: .*?)?Outputs: \[(?P<outputs>.*)"
)
_TYPE: Final = re.compile(r"Datatype: ([^,}]+)")
_NODE: Final = re.compile(r"\[ONNX Layer: ([^\x1e\x1f\]]+)")

#: TensorRT's words for element types; before 11 they stand within a phrase.
_TYPES: Final[Mapping[str, str]] = {
    "bfloat16": "bf16",
    "bf16": "bf16",
    "half": "fp16",
    "fp16": "fp16",
    "fp8": "fp8",
    "fp4": "fp4",
    "float": "fp32",
    "fp32": "fp32",
    "uint8": "uint8",
    "int8": "int8",
    "int32": "int32",
    "int64": "int64",
    "bool": "bool",
}


def describe(text: str, source: str) -> dict[str, Any]:
    """The layers that a description tells of, for a manifest.

    ``source`` is where it comes from. ``precision`` is the type that a layer reads,
    which its kernel computes in; ``nodes`` are the ONNX nodes that it stands for.
    ``precisions`` counts the layers of each. Helpers that read nothing are left out.
    """
    layers = []
    for line in text.split("\n"):  # not splitlines, to which \x1e is an end too
        found = _LAYER.match(line)
        if found is None:
            continue
        reads = [_plain(t) for t in _TYPE.findall(found["inputs"])]
        gives = [_plain(t) for t in _TYPE.findall(found["outputs"])]
        if not reads:
            continue
        layers.append(
            {
                "name": found["name"],
                "type": found["type"],
                "precision": reads[0],
                "outputs": gives,
                "nodes": _NODE.findall(line),
            }
        )
    counts = Counter(str(layer["precision"]) for layer in layers)
    return {"source": source, "precisions": dict(counts), "layers": layers}


def _plain(words: str) -> str:
    lowered = words.lower()
    return next((ours for theirs, ours in _TYPES.items() if theirs in lowered), lowered)
