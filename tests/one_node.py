"""A network of one operator, run by torch and by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
import torch
from in_memory import to_model

from resgen.errors import Place
from resgen.graph.ir import Graph, Input, Node, Origin, Parameter, Scope, Section
from resgen.lower.torch import to_torch
from resgen.ops.base import Op
from resgen.ops.types import TensorType

BATCH = 2
Array = np.ndarray[Any, Any]
Weights = Mapping[str, Array]


def one_node(op: Op, shapes: tuple[tuple[int, ...], ...]) -> Graph:
    """A network of this operator alone."""
    inputs = tuple(Input(f"x{i}", TensorType(s)) for i, s in enumerate(shapes))
    types = [i.type for i in inputs]
    specs = op.parameters(types[0])
    names = {s.role: f"node.{s.role}" if s.role else "node" for s in specs}
    place = Place("spec.json", 1, 1, "")
    node = Node(
        name="node",
        op=op,
        inputs=tuple(i.name for i in inputs),
        type=op.result(*types),
        scope=0,
        origin=Origin(0, None, "", place),
        operands=tuple(op.operands(names).items()),
        owner="node",
    )
    return Graph(
        name="one",
        inputs=inputs,
        outputs=(("output", "node"),),
        nodes=(node,),
        parameters=tuple(
            Parameter(names[s.role], s.shape, s.init, s.trainable, s.dtype)
            for s in specs
        ),
        scopes=(Scope("", None, "root", ""),),
        sections=(Section("stem", "stem", "/stem"),),
    )


def random_weights(graph: Graph) -> dict[str, Array]:
    rng = np.random.default_rng(1)
    made = {}
    for p in graph.parameters:
        if p.dtype == "int64":
            made[p.name] = np.array(3, np.int64)
        elif p.name.endswith("var"):
            made[p.name] = rng.uniform(0.5, 2, p.shape).astype("f4")
        else:
            made[p.name] = np.asarray(rng.normal(size=p.shape), "f4")
    return made


def random_inputs(shapes: tuple[tuple[int, ...], ...]) -> list[Array]:
    rng = np.random.default_rng(2)
    return [3 * rng.normal(size=(BATCH, *s)).astype("f4") for s in shapes]


def run_torch(graph: Graph, weights: Weights, arrays: Sequence[Array]) -> Array:
    model = to_torch(graph, {k: v.copy() for k, v in weights.items()}).eval()
    with torch.no_grad():
        return model(*map(torch.from_numpy, arrays)).numpy()


def run_onnx(
    graph: Graph, weights: Weights, arrays: Sequence[Array], **options: Any
) -> Array:
    model = to_model(graph, weights, **options)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    feed = {i.name: a for i, a in zip(graph.inputs, arrays, strict=True)}
    return session.run(None, feed)[0]


def assert_close(got: Array, wanted: Array, tolerance: float = 1e-6) -> None:
    assert got.shape == wanted.shape
    span = max(float(np.ptp(wanted)), float(np.abs(wanted).max()), 1e-30)
    assert float(np.abs(got - wanted).max()) <= tolerance * span
