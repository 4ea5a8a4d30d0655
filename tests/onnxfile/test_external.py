"""Data files of ONNX models: inside the model's folder and whole, or refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from resgen.attribution.foreign import read_onnx
from resgen.cli import main
from resgen.errors import ResgenError
from resgen.onnxfile.ends import ends_of
from resgen.onnxfile.external import check_external
from resgen.onnxfile.stored import read_stored

SHAPE = (6, 5)
BYTES = 4 * 6 * 5


def external(name, location, *, kind=TensorProto.FLOAT, shape=SHAPE, **entries):
    tensor = TensorProto(name=name, data_type=kind, dims=shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def saved(path, *tensors, nodes=()):
    """A model of these initialisers at ``path``."""
    graph = helper.make_graph(
        nodes or [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        list(tensors),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


@pytest.fixture
def folder(tmp_path):
    """The model's folder, beside a file that is none of its business."""
    (tmp_path / "secret").write_bytes(bytes(1000))
    inside = tmp_path / "model"
    inside.mkdir()
    (inside / "w.bin").write_bytes(bytes(BYTES))
    return inside


def test_a_file_without_others_needs_none(folder):
    whole = numpy_helper.from_array(np.zeros(SHAPE, np.float32), "w")
    assert check_external(saved(folder / "m.onnx", whole)) == ()


def test_what_onnx_itself_writes_is_taken(folder):
    path = folder / "m.onnx"
    arrays = [np.full(SHAPE, i, np.float32) for i in range(3)]
    model = onnx.load(
        saved(
            path, *(numpy_helper.from_array(a, f"w{i}") for i, a in enumerate(arrays))
        )
    )
    onnx.save(
        model, path, save_as_external_data=True, location="all.data", size_threshold=0
    )
    assert check_external(path) == (folder / "all.data",)


def test_data_may_lie_in_a_folder_below_and_each_file_is_named_once(folder):
    (folder / "data").mkdir()
    (folder / "data" / "v.bin").write_bytes(bytes(BYTES))
    model = saved(
        folder / "m.onnx",
        external("a", "data/v.bin"),
        external("b", "w.bin", offset=0, length=BYTES),
        external("c", "./data/v.bin"),
    )
    assert check_external(model) == (folder / "data/v.bin", folder / "w.bin")


@pytest.mark.parametrize(
    "location",
    ["../secret", "data/../../secret", "..\\secret", "C:\\secret", "C:secret", "", "."],
)
def test_a_location_outside_the_folder_is_refused(folder, location):
    model = saved(folder / "m.onnx", external("bad.weight", location))
    with pytest.raises(ResgenError, match=r'm\.onnx: .*"bad\.weight".*not inside'):
        check_external(model)


def test_an_absolute_location_is_refused_even_of_the_folder_itself(folder):
    model = saved(folder / "m.onnx", external("w", str(folder / "w.bin")))
    with pytest.raises(ResgenError, match="not inside"):
        check_external(model)


def test_a_link_must_stay_inside(folder):
    (folder / "out.bin").symlink_to(folder.parent / "secret")
    (folder / "in.bin").symlink_to(folder / "w.bin")
    inside = saved(folder / "m.onnx", external("w", "in.bin"))
    assert check_external(inside) == (folder / "in.bin",)
    outside = saved(folder / "m.onnx", external("w", "out.bin"))
    with pytest.raises(ResgenError, match="not inside"):
        check_external(outside)


def test_the_folder_itself_may_be_reached_through_a_link(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    saved(folder / "m.onnx", external("w", "w.bin"))
    assert check_external(tmp_path / "link" / "m.onnx") == (tmp_path / "link/w.bin",)


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"offset": 0, "length": BYTES + 1}, "byte 121, but the file has 120"),
        ({"offset": 1, "length": BYTES}, "byte 121, but the file has 120"),
        ({"offset": 8}, "byte 128, but the file has 120"),
        ({"length": 8, "offset": 4}, "byte 124, but the file has 120"),
        ({"offset": "many"}, 'the offset "many"'),
        ({"length": -4}, 'the length "-4"'),
    ],
)
def test_data_that_are_not_all_there_are_refused(folder, entries, says):
    model = saved(folder / "m.onnx", external("bad", "w.bin", **entries))
    with pytest.raises(ResgenError, match=says) as found:
        check_external(model)
    assert '"bad"' in str(found.value)


def test_packed_types_take_less(folder):
    fits = external("w", "w.bin", kind=TensorProto.INT4, shape=(2 * BYTES - 1,))
    assert check_external(saved(folder / "m.onnx", fits))
    more = external("w", "w.bin", kind=TensorProto.INT4, shape=(2 * BYTES + 1,))
    with pytest.raises(ResgenError, match="cut short"):
        check_external(saved(folder / "m.onnx", more))


def test_a_missing_data_file_is_named(folder):
    model = saved(folder / "m.onnx", external("w", "gone.bin"))
    with pytest.raises(ResgenError, match=r"gone\.bin, which is not there"):
        check_external(model)


def test_tensors_of_subgraphs_are_seen(folder):
    constant = helper.make_node("Constant", [], ["c"])
    constant.attribute.append(
        helper.make_attribute("value", external("c", "../secret"))
    )
    body = helper.make_graph(
        [constant],
        "b",
        [],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, None)],
    )
    node = helper.make_node("If", ["x"], ["y"], then_branch=body, else_branch=body)
    with pytest.raises(ResgenError, match='"c"'):
        check_external(saved(folder / "m.onnx", nodes=[node]))


@pytest.mark.parametrize("content", [None, b"", b"no model at all", "half"])
def test_what_is_no_whole_model_is_named(folder, content):
    path = folder / "m.onnx"
    if content == "half":
        saved(path, numpy_helper.from_array(np.zeros(SHAPE, np.float32), "w"))
        content = path.read_bytes()[:-20]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ResgenError, match=r"cannot read .*m\.onnx|not a whole ONNX"):
        check_external(path)


def entries(folder, *pairs):
    tensor = external("w", "w.bin", length=BYTES)
    for key, value in pairs:
        tensor.external_data.add(key=key, value=value)
    return saved(folder / "m.onnx", tensor)


@pytest.mark.parametrize("reader", [check_external, read_stored, ends_of, read_onnx])
@pytest.mark.parametrize(
    "pair",
    [("location", "w.bin"), ("location", "../secret"), ("length", "1"), ("base", "..")],
)
def test_what_engines_could_read_in_two_ways_is_read_by_none(folder, pair, reader):
    """OpenCV takes the first of two locations, OpenVINO and TensorRT the last."""
    with pytest.raises(ResgenError, match=f'"{pair[0]}"'):
        reader(entries(folder, pair))


@pytest.mark.parametrize("reader", [check_external, read_stored])
@pytest.mark.parametrize("text", ["9" * 5000, "-1", "1e3", "\u0661"])
def test_what_is_no_number_of_bytes_is_said_in_short(folder, text, reader):
    with pytest.raises(ResgenError, match="no number of bytes") as refused:
        reader(entries(folder, ("offset", text)))
    assert len(refused.value.message) < 300


def test_a_link_that_leads_to_itself_is_no_data_file(folder):
    (folder / "loop").symlink_to("loop")
    with pytest.raises(ResgenError, match="loop"):
        check_external(saved(folder / "m.onnx", external("w", "loop")))


@pytest.mark.parametrize("calls", [{"f": "f"}, {"f": "g", "g": "h", "h": "f"}])
def test_functions_that_call_themselves_are_refused(folder, calls):
    """An engine that unfolds them never ends; TensorRT's parser crashes."""
    path = saved(folder / "m.onnx", nodes=[helper.make_node("f", ["x"], ["y"])])
    model = onnx.load(path)
    model.graph.node[0].domain = "own"
    for name, called in calls.items():
        node = helper.make_node(called, ["a"], ["b"], domain="own")
        made = helper.make_function("own", name, ["a"], ["b"], [node], [])
        model.functions.append(made)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ResgenError, match="calls itself"):
        check_external(path)


@pytest.mark.parametrize(
    ("command", "way"),
    [
        ("inspect", "resgen import"),
        ("check", "resgen import"),
        ("build", "resgen import"),
        ("verify", "resgen profile"),
        ("predict", "resgen profile"),
    ],
)
def test_an_onnx_file_is_named_as_what_it_is(folder, command, way):
    path = saved(folder / "m.onnx", external("w", "w.bin"))
    more = [str(path)] if command == "predict" else []
    done = CliRunner().invoke(main, [command, str(path), *more])
    assert done.exit_code == 1
    assert "ONNX file" in done.output
    assert way in done.output
