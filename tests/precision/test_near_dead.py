"""Channels that weight decay has killed, at every precision and for every engine."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from digits import digits as trained
from in_memory import to_model
from onnx import numpy_helper

from resgen.artifact.folder import MODEL
from resgen.calibrate.lowered import Calibrator
from resgen.graph.precision import Precision
from resgen.lower.onnx import write
from resgen.onnxfile.stored import read_stored
from resgen.proof.compare import Departure
from resgen.proof.scales import check_scales
from resgen.runtime.onnxruntime import OnnxRuntimeSession
from resgen.weights.evaluate import Weights

#: Batch-norm scales as they are found in the field, and the shift beside each.
KILLED = ((1e-7, 3.0), (1e-9, -2.0), (1e-12, 1.0), (0.0, 0.5), (1e-38, 20.0))
#: In dB, what the network without such channels has (37, 20, 50, 45), less a margin.
LEAST = {"int8": 30, "fp8": 18, "fp16": 45, "bf16": 30}
WANTED = [
    Precision("fp16", "onnxruntime"),
    Precision("int8", "onnxruntime"),
    Precision("int8", "onnxruntime", reduce_range=True),
    Precision("fp8", "onnxruntime"),
    Precision("fp16", "tensorrt"),
    Precision("bf16", "tensorrt"),
    Precision("int8", "tensorrt"),
    Precision("fp8", "tensorrt"),
]


@pytest.fixture(scope="module")
def killed() -> tuple[object, Weights]:
    """The network that knows digits, with such channels in every norm."""
    digits = trained()
    weights = {name: array.copy() for name, array in digits.weights.items()}
    for name in [n for n in weights if ".bn" in f".{n}" and n.endswith(".weight")]:
        for channel, (scale, shift) in enumerate(KILLED):
            weights[name][channel] = scale
            weights[name.replace(".weight", ".bias")][channel] = shift
    return digits, weights


def scales_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """The stored scales, by ONNX's own reader."""
    held = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    return {
        node.input[1]: held[node.input[1]]
        for node in model.graph.node
        if node.op_type in ("QuantizeLinear", "DequantizeLinear")
    }


@pytest.mark.drawn(3)
@pytest.mark.parametrize("wanted", WANTED, ids=str)
@pytest.mark.slow
def test_they_cost_nothing_and_every_scale_can_be_divided_by(killed, tmp_path, wanted):
    digits, weights = killed
    made = Calibrator(digits.graph, weights, digits.known).at(wanted)
    with np.errstate(all="raise", under="ignore"):
        model = to_model(made.shipped, made.weights)
    for name, array in scales_of(model).items():
        kind = np.finfo(array.dtype) if array.dtype.kind == "f" else None
        tiny = kind.tiny if kind else 2.0**-126  # bfloat16 has float32's exponents
        wide = array.astype(np.float64)
        assert (wide >= tiny).all(), name
        assert np.isfinite(wide).all(), name
    if wanted.name == "bf16":
        accuracy = made.measured()  # ONNX Runtime has no such convolution
    else:
        path = tmp_path / MODEL
        write(made.shipped, made.weights, path)
        check_scales(read_stored(path))
        own = wanted.consumer == "onnxruntime"
        with OnnxRuntimeSession(path, optimize=own, any_placement=True) as session:
            accuracy = made.measured(session)
    # No more than without such channels, by the output and by every block.
    assert accuracy.snr >= LEAST[wanted.name]
    assert accuracy.worst is not None
    assert accuracy.worst.snr >= LEAST[wanted.name] - 6


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-40, float("inf"), float("nan")])
@pytest.mark.slow
def test_a_stored_scale_that_cannot_be_divided_by_is_named(killed, tmp_path, value):
    digits, weights = killed
    made = Calibrator(digits.graph, weights, digits.known).at(WANTED[1])
    model = to_model(made.shipped, made.weights)
    (tensor,) = (t for t in model.graph.initializer if t.name == "fc.weight_scale")
    broken = numpy_helper.to_array(tensor).copy()
    broken[2] = value
    tensor.CopyFrom(numpy_helper.from_array(broken, tensor.name))
    onnx.save(model, tmp_path / MODEL)
    with pytest.raises(Departure, match=r"1 of 10 scales in fc\.weight_scale"):
        check_scales(read_stored(tmp_path / MODEL))
