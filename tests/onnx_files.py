"""ONNX files that torch writes, and whether a reading of one computes the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from in_memory import to_model
from torch import nn

from resgen.graph.ir import INPUT
from resgen.importing.flat import Flat

Array = np.ndarray[Any, Any]


def run(model: bytes, x: Array) -> Array:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def assert_equal(path: Path, flat: Flat, batches: Sequence[int] = (1, 2)) -> None:
    """The file and what was read of it give one output, on inputs of ours."""
    ours = to_model(flat.graph, flat.weights).SerializeToString()
    axes = flat.tensors[INPUT].axes
    for batch in batches:
        shape = (batch, *flat.graph.inputs[0].type.shape)
        x = np.random.default_rng(batch).normal(size=shape).astype("f4")
        given = x.transpose(0, *(axis + 1 for axis in axes))
        wanted = run(path.read_bytes(), np.ascontiguousarray(given))
        np.testing.assert_allclose(run(ours, x), wanted, rtol=1e-4, atol=1e-5)


def exported(module: nn.Module, path: Path, *shape: int) -> Path:
    """By torch's first exporter, which needs nothing that the suite lacks."""
    torch.onnx.export(
        module.eval(),
        (torch.zeros(1, *shape),),
        path,
        dynamo=False,
        input_names=["x"],
        dynamic_axes={"x": {0: "batch"}},
        opset_version=17,
    )
    return path
