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
from math import prod
from typing import Any, Final

#: How the text begins.
HEAD: Final = "Layers:\n"

_LAYER: Final = re.compile(
    r"Name: (?P<name>.*?), LayerType: (?P<type>[^,]+), Inputs: \[(?P<inputs>.*?)\]?, "
    r"(?:Constants: (?P<constants>.*?))?Outputs: \[(?P<outputs>.*)"
)
_TENSOR: Final = re.compile(r"Dimensions: \[([-\d,]*)\].*?Datatype: ([^,}]+)")
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
_BITS: Final[Mapping[str, int]] = {
    "bf16": 16, "fp16": 16, "fp8": 8, "fp4": 4, "fp32": 32, "uint8": 8, "int8": 8,
    "int32": 32, "int64": 64, "bool": 8,
}  # fmt: skip


def describe(text: str, source: str, target: str, batch: int = 1) -> dict[str, Any]:
    """The layers that a description tells of, for a manifest.

    ``source`` is where it comes from, ``target`` the compute capability that it holds
    for. ``precision`` is the type that a layer reads, which its kernel computes in;
    ``nodes`` are the ONNX nodes that it stands for. ``precisions`` counts the layers of
    each, ``kernels`` all of them, and ``bytes`` is what they read and write, weights
    included, for a ``batch`` where that is open (None where other sizes are open, too).
    """
    layers = []
    moved: int | None = 0
    for line in text.split("\n"):  # not splitlines, to which \x1e is an end too
        found = _LAYER.match(line)
        if found is None:
            continue
        reads, held, gives = (
            [(sizes, _plain(kind)) for sizes, kind in _TENSOR.findall(part or "")]
            for part in found.group("inputs", "constants", "outputs")
        )
        tensors = (*reads, *held, *gives)
        if not tensors:  # works out sizes on the host
            continue
        layers.append(
            {
                "name": found["name"],
                "type": found["type"],
                "precision": tensors[0][1],
                "outputs": [kind for _, kind in gives],
                "nodes": _NODE.findall(line),
            }
        )
        for sizes, kind in tensors:
            size = _bytes(sizes, kind, batch)
            moved = None if moved is None or size is None else moved + size
    counts = Counter(str(layer["precision"]) for layer in layers)
    return {
        "source": source,
        "target": target,
        "precisions": dict(counts),
        "kernels": len(layers),
        "bytes": moved,
        "layers": layers,
    }


def _bytes(sizes: str, kind: str, batch: int) -> int | None:
    """What a tensor takes; None where more than its batch is open."""
    first, *rest = map(int, sizes.split(",")) if sizes else (1,)
    if kind not in _BITS or min(rest, default=0) < 0:
        return None
    return prod((batch if first < 0 else first, *rest)) * _BITS[kind] // 8


def _plain(words: str) -> str:
    lowered = words.lower()
    return next((ours for theirs, ours in _TYPES.items() if theirs in lowered), lowered)
