"""Every operator, on every sample: torch and ONNX Runtime compute the same function."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from resgen.errors import Place
from resgen.graph.ir import Graph, Input, Node, Origin, Parameter, Scope, Section
from resgen.lower.onnx import NEWEST_OPSET, OLDEST_OPSET, to_model
from resgen.lower.torch import to_torch
from resgen.ops import OPERATORS, SIGNATURES
from resgen.ops.base import Case, Op
from resgen.ops.types import TensorType

BATCH = 2
NEWEST = min(NEWEST_OPSET, onnx.defs.onnx_opset_version())
CASES = [
    pytest.param(case, id=f"{name}-{index}")
    for name, op in OPERATORS.items()
    for index, case in enumerate(op.samples())
]


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
        type=op.infer(*types),
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


def random_weights(graph: Graph) -> dict[str, np.ndarray]:
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


def random_inputs(shapes: tuple[tuple[int, ...], ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    return [3 * rng.normal(size=(BATCH, *s)).astype("f4") for s in shapes]


def run_torch(graph: Graph, weights, arrays) -> np.ndarray:
    model = to_torch(graph, {k: v.copy() for k, v in weights.items()}).eval()
    with torch.no_grad():
        return model(*map(torch.from_numpy, arrays)).numpy()


def run_onnx(graph: Graph, weights, arrays, **options) -> np.ndarray:
    model = to_model(graph, weights, **options)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    feed = {i.name: a for i, a in zip(graph.inputs, arrays, strict=True)}
    return session.run(None, feed)[0]


def assert_close(got: np.ndarray, wanted: np.ndarray, tolerance: float = 1e-6) -> None:
    assert got.shape == wanted.shape
    span = max(float(np.ptp(wanted)), float(np.abs(wanted).max()), 1e-30)
    assert float(np.abs(got - wanted).max()) <= tolerance * span


@pytest.mark.parametrize("case", CASES)
def test_torch_gives_the_inferred_shape(case: Case) -> None:
    graph = one_node(case.op, case.inputs)
    y = run_torch(graph, random_weights(graph), random_inputs(case.inputs))
    assert y.shape == (BATCH, *graph.nodes[0].type.shape)


@pytest.mark.parametrize("opset", [OLDEST_OPSET, NEWEST])
@pytest.mark.parametrize("case", CASES)
def test_onnxruntime_agrees_with_torch(case: Case, opset: int) -> None:
    graph = one_node(case.op, case.inputs)
    weights, arrays = random_weights(graph), random_inputs(case.inputs)
    wanted = run_torch(graph, weights, arrays)
    assert_close(run_onnx(graph, weights, arrays, opset=opset), wanted)


#: Shapes that say their sizes, which are then not open.
FIXED = ("reshape", "flatten", "linear", "slice", "concat", "unflatten", "multiply")


@pytest.mark.parametrize("opset", [OLDEST_OPSET, NEWEST])
@pytest.mark.parametrize(
    "case",
    [c for c in CASES if c.values[0].op.name not in FIXED and len(c.values[0].inputs[0]) in (2, 3, 4)],
)
def test_open_sizes_compute_the_same(case: Case, opset: int) -> None:
    graph = one_node(case.op, case.inputs)
    weights, arrays = random_weights(graph), random_inputs(case.inputs)
    wanted = run_torch(graph, weights, arrays)
    assert_close(run_onnx(graph, weights, arrays, opset=opset, dynamic=True), wanted)


def test_every_attribute_is_described() -> None:
    assert SIGNATURES["conv"]["out"].required
    assert not SIGNATURES["max_pool"]["stride"].required
    for name, op in OPERATORS.items():
        assert op.summary(), name
        for attribute in SIGNATURES[name].values():
            assert attribute.doc, name


def test_operators_need_no_framework() -> None:
    code = (
        "import sys, resgen.ops\n"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'numpy'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
