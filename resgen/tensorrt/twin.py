"""The same network without its quantisers, which a quantised engine is to beat.

TensorRT for RTX builds whatever a file asks for, also where it has no fused kernels for
it: then a quantised convolution writes floating-point numbers, and a kernel more
quantises them. Its log says so, next to that of the same network in fp16.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from resgen.files.aside import temporary_folder
from resgen.tensorrt.build import build
from resgen.tensorrt.request import EngineRequest
from resgen.words.numbers import size

if TYPE_CHECKING:
    from onnx import ModelProto

#: Files that are larger are not compared: the twin is made in memory.
LARGEST: Final = 1 << 30


def half_layers(onnx: Path, request: EngineRequest) -> Mapping[str, Any] | None:
    """The layers of the file's network in fp16; None where it is no quantised fp16."""
    if onnx.stat().st_size > LARGEST:
        return None
    import onnx as package

    twin = without_quantisers(package.load(str(onnx)))
    if twin is None:
        return None
    with temporary_folder() as folder:
        path = folder / "model.onnx"
        package.save(twin, str(path))
        return build(path, replace(request, precision="fp16")).layers


def more_work(layers: Mapping[str, Any], twin: Mapping[str, Any]) -> list[str]:
    """Sentences for the targets where there are more kernels or bytes than in fp16."""
    found = []
    halves = {part["target"]: part for part in (twin, *twin.get("others", ()))}
    for part in (layers, *layers.get("others", ())):
        half = halves.get(part["target"])
        if half is None or not (
            part["kernels"] > half["kernels"]
            or (part["bytes"] or 0) > (half["bytes"] or float("inf"))
        ):
            continue
        found.append(
            f"for {part['target']} it has {_work(part)}, in fp16 {_work(half)}"
        )
    return found


def _work(part: Mapping[str, Any]) -> str:
    moved = "" if part["bytes"] is None else f" that move {size(part['bytes'])}"
    return f"{part['kernels']} kernels{moved}"


def without_quantisers(model: ModelProto) -> ModelProto | None:
    """The network with every quantiser taken out, which is written over.

    None where there are none, or where numbers between them are not float16.
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    kept = []
    found = False
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            continue
        if node.op_type != "DequantizeLinear":
            kept.append(node)
            continue
        found = True
        scale = stored.get(node.input[1])
        if scale is None or scale.data_type != TensorProto.FLOAT16:
            return None
        (out,) = node.output
        maker = makers.get(node.input[0])
        if maker is not None and maker.op_type == "QuantizeLinear":
            half = helper.make_node(
                "Cast", [maker.input[0]], [out], to=TensorProto.FLOAT16
            )
            kept.append(half)
            continue
        held = stored.get(node.input[0])
        if held is None:
            return None
        numbers = numpy_helper.to_array(held).astype(np.float32)
        factors = numpy_helper.to_array(scale).astype(np.float32)
        axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
        if factors.ndim:
            shape = [1] * numbers.ndim
            shape[axis] = -1
            factors = factors.reshape(shape)
        weight = (numbers * factors).astype(np.float16)
        stored[out] = numpy_helper.from_array(weight, out)
    if not found:
        return None
    read = {name for node in kept for name in node.input}
    del graph.node[:], graph.initializer[:]
    graph.node.extend(kept)
    graph.initializer.extend(t for name, t in stored.items() if name in read)
    return model
