"""A second opinion: the ONNX file as ``torch.onnx.export`` writes it.

Slower by far than writing the graph itself, and with names of its own; it is there to
be compared with, and for those who want torch's file.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path

import onnx
import torch

from resgen.errors import MissingComponent, ResgenError, UsageError
from resgen.graph.ir import INPUT, OUTPUT, Graph
from resgen.lower.onnx import Written
from resgen.lower.torch import to_torch
from resgen.onnxfile.write import File
from resgen.weights.evaluate import Weights

#: The oldest operator set that torch's exporter writes.
OLDEST = 18


def export(
    graph: Graph,
    weights: Weights,
    path: Path,
    *,
    opset: int | None = None,
    batch: int | None = None,
    dynamic: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> Written:
    """Write the network to ``path``; options as :func:`resgen.lower.onnx.write` has."""
    if dynamic:
        raise UsageError("--exporter torch writes fixed heights and widths only")
    chosen = OLDEST if opset is None else opset
    if chosen < OLDEST:
        raise UsageError(f"--exporter torch writes opset {OLDEST} or newer")
    module = to_torch(graph, weights).eval()
    sample = torch.zeros(batch or 2, *graph.inputs[0].type.shape)
    axes = None if batch else ({0: torch.export.Dim("batch")},)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module,
                (sample,),
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=chosen,
                dynamic_shapes=axes,
                dynamo=True,
                verbose=False,
            )
    except ModuleNotFoundError as error:
        raise MissingComponent(
            str(error.name),
            "torch's exporter cannot run",
            f"pip install {error.name}",
        ) from None
    if program is None:  # torch's own contract allows it
        raise ResgenError("torch.onnx.export returned nothing")
    model = program.model_proto
    onnx.helper.set_model_props(model, dict(metadata or {}))
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString()
    path.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    return Written(
        opset=next(
            o.version for o in model.opset_import if o.domain in ("", "ai.onnx")
        ),
        ir_version=model.ir_version,
        bytes=len(data),
        initializers=(),
        sha256=sha256,
        files=(File(path.name, len(data), sha256),),
    )
