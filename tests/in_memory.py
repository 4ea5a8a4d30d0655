"""A graph as an ONNX model in memory, for what is asked of models and not of files."""

from __future__ import annotations

from typing import Any

from onnx import ModelProto

from resgen.graph.ir import Graph
from resgen.lower.onnx import derive
from resgen.weights.evaluate import Weights, evaluate


def to_model(graph: Graph, weights: Weights, **options: Any) -> ModelProto:
    """What :func:`resgen.lower.onnx.write` writes with the same ``options``."""
    plan = derive(graph, **{"metadata": {}, **options})
    for initializer, (_, operand) in zip(plan.initializers, plan.operands, strict=True):
        tensor = initializer.proto()
        tensor.raw_data = evaluate(operand, weights).tobytes()
        plan.model.graph.initializer.append(tensor)
    return plan.model
