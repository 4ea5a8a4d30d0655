"""Models whose weights lie in files beside them, read one weight at a time."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from resgen.errors import ResgenError
from resgen.onnxfile.stored import read_stored

WEIGHT = np.arange(600, dtype=np.float32).reshape(20, 30)


@pytest.fixture
def model(tmp_path):
    """A model whose weight lies in a folder below its own."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 20])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 30])],
        [numpy_helper.from_array(WEIGHT, "w")],
    )
    path = tmp_path / "from" / "m.onnx"
    (path.parent / "data").mkdir(parents=True)
    onnx.save(
        helper.make_model(graph), path, save_as_external_data=True,
        location="data/w.bin", size_threshold=0,
    )  # fmt: skip
    return path


def renamed(path, location):
    model = onnx.load(path, load_external_data=False)
    model.graph.initializer[0].external_data[0].value = location
    path.write_bytes(model.SerializeToString())


def test_a_weight_in_a_folder_below_is_read_and_copied(model, tmp_path):
    stored = read_stored(model)
    (tensor,) = stored.tensors
    np.testing.assert_array_equal(tensor.read(), WEIGHT)
    (tmp_path / "to").mkdir()
    copy = stored.copy(tmp_path / "to", {"w": WEIGHT + 1})
    (loaded,) = onnx.load(copy).graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(loaded), WEIGHT + 1)


def test_a_weight_outside_the_folder_is_refused(model, tmp_path):
    (tmp_path / "w.bin").write_bytes(WEIGHT.tobytes())
    renamed(model, "../w.bin")
    with pytest.raises(ResgenError, match=r'"w" lies in "\.\./w\.bin"'):
        read_stored(model)
