"""Sessions whose inputs and outputs are not float32."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper

from resgen.errors import ResgenError
from resgen.runtime.onnxruntime import OnnxRuntimeSession


def passing(kind, out=None, op="Identity", **attributes):
    """A model of one node from ``kind`` to ``out``."""
    graph = helper.make_graph(
        [helper.make_node(op, ["x"], ["y"], **attributes)],
        "g",
        [helper.make_tensor_value_info("x", kind, ["batch", 3])],
        [helper.make_tensor_value_info("y", out or kind, ["batch", 3])],
    )
    opset = [helper.make_opsetid("", 21)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10)


VALUES = np.array([[0, 1, 2], [3, 96, 120]])


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (TensorProto.UINT8, np.uint8),
        (TensorProto.FLOAT16, np.float16),
        (TensorProto.DOUBLE, np.float64),
        (TensorProto.BFLOAT16, ml_dtypes.bfloat16),
        (TensorProto.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn),
    ],
)
def test_numbers_of_every_type_come_through(kind, dtype):
    given = VALUES.astype(dtype)
    with OnnxRuntimeSession(passing(kind).SerializeToString()) as session:
        assert session.dtypes == {"x": given.dtype.name, "y": given.dtype.name}
        # Every second column of a wider array: its memory is not in one piece.
        wide = np.repeat(given, 2, axis=1)
        for fed in (given, wide[:, ::2]):
            found = session.run({"x": fed})["y"]
            assert found.dtype == given.dtype
            assert found.tolist() == given.tolist()
        assert session.run({"x": given[:0]})["y"].shape == (0, 3)


def test_types_may_differ_between_inputs_and_outputs():
    model = passing(
        TensorProto.FLOAT, TensorProto.BFLOAT16, "Cast", to=TensorProto.BFLOAT16
    )
    given = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    with OnnxRuntimeSession(model.SerializeToString()) as session:
        found = session.run({"x": given})["y"]
    assert found.tolist() == given.astype(ml_dtypes.bfloat16).tolist()


def test_numbers_of_another_type_are_refused():
    given = VALUES.astype(np.float32)
    for kind, name in [
        (TensorProto.BFLOAT16, "bfloat16"),
        (TensorProto.UINT8, "uint8"),
    ]:
        with (
            OnnxRuntimeSession(passing(kind).SerializeToString()) as session,
            pytest.raises(ResgenError, match=f"float32, but the network takes {name}"),
        ):
            session.run({"x": given})


def test_what_has_no_kernel_is_named(tmp_path):
    path = tmp_path / "conv.onnx"
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.BFLOAT16, [1, 3, 4, 4]),
            helper.make_tensor_value_info("w", TensorProto.BFLOAT16, [2, 3, 1, 1]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.BFLOAT16, [1, 2, 4, 4])],
    )
    opset = [helper.make_opsetid("", 22)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ResgenError, match=r"does not load .*conv\.onnx"):
        OnnxRuntimeSession(path)
