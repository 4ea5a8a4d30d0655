"""Every operator at every precision and for each engine: spelled, built and proven."""

from __future__ import annotations

import numpy as np
import pytest
from hand_graph import Builder

from resgen.artifact.judged import probe_weights
from resgen.calibrate.lowered import Calibrator
from resgen.calibrate.samples import Samples
from resgen.errors import ResgenError
from resgen.graph.precision import Precision
from resgen.lower.onnx import write
from resgen.onnxfile.stored import read_stored
from resgen.ops import OPERATORS
from resgen.ops.conv import Conv
from resgen.ops.conv_transpose import ConvTranspose
from resgen.ops.linear import Linear
from resgen.ops.parameter import Parameter
from resgen.ops.transpose import Transpose
from resgen.proof.local import prove_locally
from resgen.weights.initialize import initialize

pytestmark = pytest.mark.slow

#: Engines run no newer opset; bfloat16 needs 22, formats of 8 bits up to 21.
NEWEST = 22
PRECISIONS = [
    Precision(name, engine)
    for name in ("fp32", "fp16", "bf16", "int8", "fp8")
    for engine in ("onnxruntime", "tensorrt")
]


#: Operators whose other inputs, of shapes of their own, are learned here.
LEARNED = ("attention", "unwindows", "window_mask")


def network(op, shapes):
    """The operator between two maps, which are quantised where any is."""
    net = Builder(shapes[0])
    first, *others = shapes
    map_ = Conv(out=first[0], kernel=1) if len(first) > 1 else Linear(out=first[0])
    net.add("before", map_, "input")
    values = ["before"]
    for at, shape in enumerate(others):
        learned = op.name in LEARNED and shape != first
        made = Parameter(shape=shape) if learned else map_
        values.append(net.add(f"other{at}", made, "before"))
    if op.name == "resize":
        values[1] = net.add(
            "larger", ConvTranspose(out=2, kernel=3, stride=2), "before"
        )
    if op.name == "matmul" and op.transpose == op.transpose_by:
        axes = (*range(len(first) - 2), len(first) - 1, len(first) - 2)
        values[1] = net.add("turned", Transpose(axes=axes), "other0")
    net.add("node", op, *values)
    rank = len(net.nodes[-1].type.shape)
    after = Linear(out=8) if rank != 3 else Conv(out=8, kernel=1)
    net.add("after", after)
    return net.graph()


def lowered_to(calibrator, wanted):
    """None where it is said beforehand that nothing in the network can be quantised."""
    try:
        return calibrator.at(wanted)
    except ResgenError as refused:
        if "has no operator that" not in refused.message:
            raise
        return None


CASES = [
    pytest.param(op.samples()[at], id=f"{name}-{at}")
    for name, op in OPERATORS.items()
    if not op.placed
    for at in range(len(op.samples()))
    if len(op.samples()[at].inputs[0]) <= 4  # as many axes as maps have
]


@pytest.mark.drawn(64)
@pytest.mark.parametrize("case", CASES)
def test_it_is_spelled_built_and_proven(case, tmp_path):
    graph = network(case.op, case.inputs)
    rng = np.random.default_rng(0)
    shape = graph.inputs[0].type.shape
    x = rng.standard_normal((2, *shape)).astype(np.float32)
    weights = initialize(graph.parameters, 0)
    calibrator = Calibrator(graph, weights, Samples(2, "noise", False, lambda i: x[i]))
    for wanted in PRECISIONS:
        lowered = lowered_to(calibrator, wanted)
        if lowered is None:
            continue
        file = tmp_path / "model.onnx"
        operands = write(lowered.graph, lowered.weights, file).initializers
        stored = read_stored(file)
        assert stored.model.opset_import[0].version <= NEWEST
        probes = probe_weights(lowered)
        proven = prove_locally(lowered.graph, stored, operands, probes, x)
        assert proven >= 2  # a norm is part of the map before it
