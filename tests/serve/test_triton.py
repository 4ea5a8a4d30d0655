"""Model repositories for Triton, read back with its own schema."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import resgen
from resgen.errors import ResgenError, UsageError
from resgen.serve.config import Serving, Tensor, check_batches
from resgen.serve.textproto import quoted
from resgen.serve.triton import model_name, tensors_of, write_repository

CLASSES = 5
#: Triton's types by ONNX Runtime's.
TYPES = {
    "tensor(float)": "TYPE_FP32",
    "tensor(float16)": "TYPE_FP16",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(int64)": "TYPE_INT64",
}


@pytest.fixture(scope="session")
def schema():
    """The module that Triton's client carries; the client itself would want gRPC."""
    found = importlib.util.find_spec("tritonclient")
    if found is None:
        pytest.skip("tritonclient is not installed")
    (folder,) = found.submodule_search_locations
    path = Path(folder) / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("model_config_pb2", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def parsed(schema):
    def parse(home):
        text = (home / "config.pbtxt").read_text("utf-8")
        return text_format.Parse(text, schema.ModelConfig())

    return parse


def saved(path, *, batch="n", size=4, kind=TensorProto.FLOAT, names=("x", "y", "top")):
    """Scores of pictures, and the index of the best: two outputs, one of rank 1."""
    x, y, top = names
    weight = np.random.default_rng(0).normal(size=(3, CLASSES)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", [x], ["f"], to=TensorProto.FLOAT),
            helper.make_node("GlobalAveragePool", ["f"], ["p"]),
            helper.make_node("Flatten", ["p"], ["v"]),
            helper.make_node("MatMul", ["v", "w"], [y]),
            helper.make_node("ArgMax", [y], [top], axis=1, keepdims=0),
        ],
        "g",
        [helper.make_tensor_value_info(x, kind, [batch, 3, size, size])],
        [
            helper.make_tensor_value_info(y, TensorProto.FLOAT, [batch, CLASSES]),
            helper.make_tensor_value_info(top, TensorProto.INT64, [batch]),
        ],
        [numpy_helper.from_array(weight, "w")],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def written(model, out, *, serving=None, name="net", **options):
    inputs, outputs = tensors_of(model)
    return write_repository(
        model, out, name=name, kind=options.pop("kind", "onnx"), inputs=inputs,
        outputs=outputs, serving=serving or Serving(max_batch=8), **options,
    )  # fmt: skip


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def check_tensors(config, model):
    """What the configuration says of inputs and outputs is what ONNX Runtime says."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for told, known in [
        (config.input, session.get_inputs()),
        (config.output, session.get_outputs()),
    ]:
        assert [t.name for t in told] == [k.name for k in known]
        for t, k in zip(told, known, strict=True):
            kind = type(t).DESCRIPTOR.fields_by_name["data_type"].enum_type
            assert kind.values_by_number[t.data_type].name == TYPES[k.type]
            shape = [n if isinstance(n, int) else -1 for n in k.shape]
            dims = list(t.reshape.shape if t.HasField("reshape") else t.dims)
            assert ([-1] if config.max_batch_size else []) + dims == shape
            assert len(t.dims) >= 1


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.UINT8])
@pytest.mark.parametrize("size", [4, "s"])
def test_the_configuration_says_what_the_file_is(tmp_path, parsed, schema, kind, size):
    model = saved(tmp_path / "in" / "some.onnx", kind=kind, size=size)
    files = written(model, tmp_path / "repo")
    home = tmp_path / "repo" / "net"
    assert {*files} == {home / "config.pbtxt", home / "1" / "model.onnx"}
    assert {*tree(home)} == {"config.pbtxt", "1/model.onnx"}
    assert sha(home / "1/model.onnx") == sha(model)
    config = parsed(home)
    assert config.name == home.name
    assert (config.backend, config.platform) == ("onnxruntime", "onnxruntime_onnx")
    assert config.max_batch_size == 8
    check_tensors(config, home / "1/model.onnx")
    assert config.dynamic_batching.max_queue_delay_microseconds > 0
    assert not config.model_warmup
    (group,) = config.instance_group
    assert (group.count, group.kind) == (1, schema.ModelInstanceGroup.KIND_AUTO)


def test_a_fixed_batch_is_an_axis_like_any_other(tmp_path, parsed):
    model = saved(tmp_path / "m.onnx", batch=2)
    written(model, tmp_path / "repo", serving=Serving(warm_up=(1,)))
    config = parsed(tmp_path / "repo/net")
    assert config.max_batch_size == 0
    assert list(config.input[0].dims) == [2, 3, 4, 4]
    check_tensors(config, model)
    (sample,) = config.model_warmup
    assert sample.batch_size == 1  # what Triton asks of a model without batches
    assert list(sample.inputs["x"].dims) == [2, 3, 4, 4]
    assert not config.HasField("dynamic_batching")


def test_instances_and_warm_up(tmp_path, parsed):
    model = saved(tmp_path / "m.onnx", size="s")
    serving = Serving(
        max_batch=16,
        instances=3,
        warm_up=(1, 16),
        shapes={"x": (3, 6, 7)},
    )
    written(model, tmp_path / "repo", serving=serving)
    config = parsed(tmp_path / "repo/net")
    (group,) = config.instance_group
    assert group.count == 3
    assert [sample.batch_size for sample in config.model_warmup] == [1, 16]
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for sample in config.model_warmup:
        assert sample.name
        feed = sample.inputs["x"]
        assert feed.zero_data
        assert feed.data_type == config.input[0].data_type
        zeros = np.zeros((sample.batch_size, *feed.dims), np.float32)
        assert len(session.run(None, {"x": zeros})[0]) == sample.batch_size


# --- labels and names -----------------------------------------------------------------


def test_labels_are_lines_and_belong_to_the_scores(tmp_path, parsed):
    model = saved(tmp_path / "m.onnx")
    labels = ["tench, Tinca tinca", "a\nb", 'ho"t', "", " Käse\t"]
    written(model, tmp_path / "repo", labels=labels)
    home = tmp_path / "repo/net"
    scores, top = parsed(home).output
    assert (scores.label_filename, top.label_filename) == ("labels.txt", "")
    text = (home / "labels.txt").read_text("utf-8")
    assert text == 'tench, Tinca tinca\na b\nho"t\n\nKäse\n'


def test_labels_of_another_number_are_refused(tmp_path):
    model = saved(tmp_path / "m.onnx")
    with pytest.raises(ResgenError, match="4 labels, but no output has 4"):
        written(model, tmp_path / "repo", labels=["a"] * 4)


def test_names_of_tensors_may_hold_anything(tmp_path, parsed):
    names = ('in"put\\', "line\nend\t\x01", "größe/{x}: #1")
    model = saved(tmp_path / "m.onnx", names=names)
    written(model, tmp_path / "repo")
    config = parsed(tmp_path / "repo/net")
    assert [t.name for t in (*config.input, *config.output)] == list(names)


@given(st.text(st.characters(exclude_categories=["Cs"])))
@pytest.mark.slow
def test_any_text_survives_quoting(text):
    pytest.importorskip("google.protobuf")
    from google.protobuf.wrappers_pb2 import StringValue

    assert text_format.Parse(f"value: {quoted(text)}", StringValue()).value == text


@given(st.text())
def test_any_name_becomes_one_that_is_a_folder_and_a_part_of_an_address(text):
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,199}", model_name(text))


# --- refusals -------------------------------------------------------------------------


def test_weights_beside_the_file_come_along(tmp_path):
    model = saved(tmp_path / "m" / "m.onnx")
    (tmp_path / "m/data").mkdir()
    onnx.save(
        onnx.load(model), model, save_as_external_data=True,
        location="data/w.bin", size_threshold=0,
    )  # fmt: skip
    written(model, tmp_path / "repo")
    shutil.rmtree(tmp_path / "m")
    served = tmp_path / "repo/net/1/model.onnx"
    assert {*tree(served.parent)} == {"model.onnx", "data/w.bin"}
    assert onnxruntime.InferenceSession(served, providers=["CPUExecutionProvider"])


def test_a_file_that_points_outside_is_refused(tmp_path):
    model = saved(tmp_path / "m" / "m.onnx")
    onnx.save(
        onnx.load(model), model, save_as_external_data=True,
        location="w.bin", size_threshold=0,
    )  # fmt: skip
    (tmp_path / "m/w.bin").rename(tmp_path / "w.bin")
    (tmp_path / "m/w.bin").symlink_to(tmp_path / "w.bin")
    with pytest.raises(ResgenError, match="not inside"):
        written(model, tmp_path / "repo")


@pytest.mark.slow
def test_a_file_for_another_engine_is_named(tmp_path):
    model = saved(tmp_path / "m.onnx")
    proto = onnx.load(model)
    proto.metadata_props.add(key="resgen.for", value="tensorrt")
    onnx.save(proto, model)
    with pytest.raises(ResgenError, match="written for TensorRT"):
        written(model, tmp_path / "repo")


def test_what_the_backend_does_not_take_is_refused(tmp_path):
    model = saved(tmp_path / "m.onnx", kind=TensorProto.BFLOAT16)
    with pytest.raises(ResgenError, match=r'backend takes no bfloat16, .*"x"'):
        written(model, tmp_path / "repo")


def test_an_output_without_a_shape_is_refused(tmp_path):
    model = saved(tmp_path / "m.onnx")
    proto = onnx.load(model)
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    onnx.save(proto, model)
    with pytest.raises(ResgenError, match='does not state the shape of "y"'):
        tensors_of(model)


# --- engines --------------------------------------------------------------------------


INPUTS = (Tensor("x", "float16", (None, 3, 4, 4)),)
OUTPUTS = (Tensor("y", "bfloat16", (None, CLASSES)),)


def engine(path, out, serving=None):
    return write_repository(
        path, out, name="net", kind="tensorrt", inputs=INPUTS, outputs=OUTPUTS,
        serving=serving or Serving(max_batch=4), labels=list("abcde"),
    )  # fmt: skip


def test_an_engine_is_a_plan_on_the_gpu(tmp_path, parsed, schema):
    path = tmp_path / "model.engine"
    path.write_bytes(b"ftrt" + bytes(100))
    engine(path, tmp_path / "repo")
    home = tmp_path / "repo/net"
    assert {*tree(home)} == {"config.pbtxt", "labels.txt", "1/model.plan"}
    config = parsed(home)
    assert (config.backend, config.platform) == ("tensorrt", "tensorrt_plan")
    (group,) = config.instance_group
    assert group.kind == schema.ModelInstanceGroup.KIND_GPU
    assert list(group.profile) == []
    assert config.input[0].data_type == schema.TYPE_FP16
    assert config.output[0].data_type == schema.TYPE_BF16


def test_every_profile_of_an_engine_is_used(tmp_path, parsed):
    path = tmp_path / "model.engine"
    path.write_bytes(b"ftrt" + bytes(100))
    engine(path, tmp_path / "repo", Serving(4, profiles=3))
    (group,) = parsed(tmp_path / "repo/net").instance_group
    assert list(group.profile) == ["0", "1", "2"]


def test_the_configuration_says_who_wrote_it(tmp_path):
    written(saved(tmp_path / "m.onnx"), tmp_path / "repo")
    text = (tmp_path / "repo/net/config.pbtxt").read_text()
    assert text.startswith(f"# Written by resgen {version('resgen')}.\n")


@pytest.mark.parametrize(
    ("inputs", "outputs", "named", "mend"),
    [
        (["n"], [1], '"y0" (an output) is always 1 x 5', "update_model_dims"),
        (["n", 1], ["n"], '"x1" (an input) is always 1 x 5', 'give "x1" a batch'),
    ],
)
def test_what_cannot_be_batched_is_named_with_a_mend(inputs, outputs, named, mend):
    taken, given = (
        [
            Tensor(f"{letter}{i}", "float32", (None if n == "n" else n, 5))
            for i, n in enumerate(sizes)
        ]
        for letter, sizes in (("x", inputs), ("y", outputs))
    )
    with pytest.raises(ResgenError) as refused:
        check_batches(taken, given)
    assert named in refused.value.message
    assert mend in refused.value.hint


def test_an_output_without_a_shape_is_of_the_users_file(tmp_path):
    model = onnx.load(saved(tmp_path / "staged" / "model.onnx"))
    model.graph.output[0].type.tensor_type.ClearField("shape")
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ResgenError, match=r"^theirs does not state"):
        tensors_of(tmp_path / "model.onnx", "theirs")


def test_threads_accelerator_and_versions(tmp_path, parsed):
    serving = Serving(max_batch=8, threads=4, accelerator="tensorrt", versions=2)
    home = tmp_path / "r/net"
    written(saved(tmp_path / "a.onnx"), tmp_path / "r", serving=serving)
    config = parsed(home)
    assert config.parameters["intra_op_thread_count"].string_value == "4"
    (compiled,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert compiled.name == "tensorrt"
    assert config.version_policy.latest.num_versions == 2
    every = Serving(max_batch=8, versions=0)
    written(saved(tmp_path / "a.onnx"), tmp_path / "all", serving=every)
    assert parsed(tmp_path / "all/net").version_policy.HasField("all")


@pytest.mark.parametrize(
    ("serving", "said"),
    [
        (Serving(max_batch=8, threads=2), "threads are for an ONNX file"),
        (Serving(max_batch=8, accelerator="tensorrt"), "accelerator"),
    ],
)
def test_an_engine_has_neither_threads_nor_an_accelerator(tmp_path, serving, said):
    with pytest.raises(UsageError, match=said):
        written(saved(tmp_path / "a.onnx"), tmp_path / "r", serving=serving,
                kind="tensorrt")  # fmt: skip


def test_a_fixed_batch_of_open_sizes_is_warmed_up_whole(tmp_path, parsed):
    made = resgen.export(
        "resnet20_cifar", tmp_path / "out", to="triton", batch=2, dynamic=True,
        verify=False,
    )  # fmt: skip
    (home,) = (made.folder / "repository").iterdir()
    (sample,) = parsed(home).model_warmup
    assert list(sample.inputs["input"].dims) == [2, 3, 32, 32]
