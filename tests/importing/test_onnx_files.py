"""Files that other packages ship come back as the designs that their papers give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from in_memory import to_model
from onnx import TensorProto, helper, numpy_helper

from resgen.importing.flat import Flat
from resgen.importing.onnx.read import read
from resgen.recovery import imported as importing
from resgen.recovery.imported import Imported, imported

Array = np.ndarray[Any, Any]
LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"


def with_numbers(name: str, folder: Path) -> Path:
    """A file of the wheel, whose weights are all one number, with drawn ones.

    The softmax at its end is taken away: it would hide differences.
    """
    model = onnx.load(LIGHT / f"{name}.onnx")
    graph, drawn = model.graph, np.random.default_rng(1)
    shapes = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    variances = {
        n.input[4]: True for n in graph.node if n.op_type == "BatchNormalization"
    }
    kept = []
    for node in graph.node:
        (given, made) = (node.input[0], node.output[0])
        if node.op_type == "Softmax":
            graph.output[0].name = given
        elif node.op_type == "ConstantOfShape":
            shape = tuple(shapes[given])
            array = drawn.normal(size=shape) / np.sqrt(max(np.prod(shape[1:]), 1) / 2)
            if made in variances:
                array = np.abs(array) + 0.5
            graph.initializer.append(numpy_helper.from_array(array.astype("f4"), made))
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)
    path = folder / f"{name}.onnx"
    onnx.save(model, path)
    return path


def run(model: bytes, x: Array) -> Array:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def depths(found: Imported) -> list[int]:
    return [each.blocks for each in found.graph.sections if each.kind == "stage"]


@pytest.mark.drawn(2)
@pytest.mark.parametrize(
    ("name", "published", "block"),
    [
        ("light_squeezenet", [2, 2, 2, 2], None),
        pytest.param(
            "light_inception_v1", [2, 5, 2], None, marks=pytest.mark.slow
        ),  # GoogLeNet
        pytest.param(
            "light_resnet50", [3, 4, 6, 3], "bottleneck", marks=pytest.mark.slow
        ),
        pytest.param(
            "light_densenet121", [6, 12, 24, 16], None, marks=pytest.mark.slow
        ),
    ],
)
def test_a_file_of_the_wheel_is_its_paper_s_network(
    name: str, published: Sequence[int], block: str | None, tmp_path: Path
) -> None:
    path = with_numbers(name, tmp_path)
    found = imported(read(path))
    assert depths(found) == published
    if block is not None:
        assert found.document["defaults"]["block"] == block
        assert "blocks" not in found.document
    x = np.random.default_rng(2).normal(size=(1, 3, 224, 224)).astype("f4")
    ours = run(to_model(found.graph, found.weights).SerializeToString(), x)
    wanted = run(path.read_bytes(), x)
    np.testing.assert_allclose(
        ours.reshape(-1), wanted.reshape(-1), rtol=1e-3, atol=1e-4 * np.ptp(wanted)
    )


def file(
    path: Path, nodes: Sequence[onnx.NodeProto], weights: Mapping[str, Array]
) -> Path:
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 8, 8, 8))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def test_equal_numbers_that_a_file_has_once_are_each_module_s_own(
    tmp_path: Path,
) -> None:
    """Torch's exporters store one array where two modules have equal ones."""
    weights = {"blocks.0.scale": np.full((8, 1, 1), 0.5, "f4")}
    nodes = []
    at = "x"
    for index in range(3):
        weights[f"blocks.{index}.conv.weight"] = (
            np.random.default_rng(index).normal(size=(8, 8, 3, 3)).astype("f4")
        )
        here = f"/blocks/blocks.{index}"
        to = "y" if index == 2 else f"sum_{index}"
        nodes += [
            helper.make_node(
                "Conv",
                [at, f"blocks.{index}.conv.weight"],
                [f"conv_{index}"],
                f"{here}/conv/Conv",
                pads=[1, 1, 1, 1],
            ),
            helper.make_node(
                "Mul",
                [f"conv_{index}", "blocks.0.scale"],
                [f"mul_{index}"],
                f"{here}/Mul",
            ),
            helper.make_node("Add", [at, f"mul_{index}"], [to], f"{here}/Add"),
        ]
        at = to
    found = imported(read(file(tmp_path / "net.onnx", nodes, weights)))
    assert sorted(found.weights) == sorted(
        f"blocks.{index}.{name}"
        for index in range(3)
        for name in ("conv.weight", "scale")
    )


def test_a_path_beneath_an_operator_s_is_written_apart(tmp_path: Path) -> None:
    """GoogLeNet's norms are called ``conv1/7x7/bn``, beneath their convolutions."""
    of = np.random.default_rng(0)
    weights = {
        "conv1/7x7_w_0": of.normal(size=(8, 8, 1, 1)).astype("f4"),
        "conv1/7x7/bn_scale_0": np.ones(8, "f4"),
        "conv1/7x7/bn_bias_0": np.zeros(8, "f4"),
        "conv1/7x7/bn_mean_0": np.zeros(8, "f4"),
        "conv1/7x7/bn_var_0": np.ones(8, "f4"),
    }
    conv, *norm = weights
    nodes = [
        helper.make_node("Conv", ["x", conv], ["c"]),
        helper.make_node("BatchNormalization", ["c", *norm], ["y"]),
    ]
    flat = read(file(tmp_path / "net.onnx", nodes, weights))
    assert {node.owner for node in flat.graph.nodes} == {"conv1.7x7", "conv1.7x7_bn"}
    imported(flat)


def test_a_design_that_cannot_be_recovered_is_a_plain_list_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(flat: Flat) -> None:
        raise IndexError("of a search")

    monkeypatch.setattr(importing, "design", fails)
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    found = imported(read(file(tmp_path / "net.onnx", nodes, {})))
    assert found.document["stem"] == ["act"]
    assert all("IndexError" in note.why for note in found.flat.notes)
    assert [note.kind for note in found.flat.notes] == ["read", "read"]


def test_the_path_of_a_module_s_numbers_is_that_of_their_operator(
    tmp_path: Path,
) -> None:
    """What a module does beside (here a change of shape) takes no name from it."""
    weights = {
        "fc.weight": np.ones((4, 512), "f4"),
        "fc.bias": np.zeros(4, "f4"),
        "shape": np.array([-1, 512]),
    }
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["flat"], "/fc/Reshape"),
        helper.make_node(
            "Gemm", ["flat", "fc.weight", "fc.bias"], ["y"], "/fc/Gemm", transB=1
        ),
    ]
    found = imported(read(file(tmp_path / "net.onnx", nodes, weights)))
    assert sorted(found.weights) == ["fc.bias", "fc.weight"]
