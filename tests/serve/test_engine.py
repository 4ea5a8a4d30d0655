"""Engines for Triton: what its backend makes of their profiles.

The engine is a stand-in, which nothing here loads; what TensorRT would refuse is what
its profiles exclude. The configuration is read with Triton's own schema.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import onnx
import pytest
from google.protobuf import text_format
from onnx import TensorProto, helper

import resgen
from resgen.errors import ResgenError, UsageError
from resgen.files.hashed import Entry
from resgen.onnxfile.fingerprint import Fingerprint
from resgen.tensorrt.manifest import EngineManifest, spans_of, write_manifest
from resgen.tensorrt.profiles import parse_profile, resolve

LABELS = ["tench", "goldfish"]


@pytest.fixture(scope="session")
def parse():
    """Reads a configuration as Triton does."""
    found = importlib.util.find_spec("tritonclient")
    if found is None:
        pytest.skip("tritonclient is not installed")
    (folder,) = found.submodule_search_locations
    path = Path(folder) / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("model_config_pb2", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda text: text_format.Parse(text, module.ModelConfig())


@pytest.fixture
def engine(tmp_path):
    """Writes an engine with these profiles beside the file that it was built of."""

    def made(*profiles, shape=("n", 3, 4, 4), labels=LABELS, flavor="tensorrt"):
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], 2])
        graph = helper.make_graph(
            [helper.make_node("Anything", ["x"], ["y"])], "g", [x], [y]
        )
        model = helper.make_model(graph)
        if labels:
            entry = model.metadata_props.add()
            entry.key, entry.value = "resgen.labels", str(labels).replace("'", '"')
        home = tmp_path / "net"
        home.mkdir(exist_ok=True)
        onnx.save(model, home / "model.onnx")
        content = b"ftrt: native code"
        (home / "model.engine").write_bytes(content)
        given = {"x": [None if isinstance(n, str) else n for n in shape]}
        resolved = resolve(tuple(map(parse_profile, profiles)), given)
        write_manifest(
            home / "model.engine",
            EngineManifest(
                "0", flavor, "11.0", ("sm_89",), None,
                Entry(len(content), hashlib.sha256(content).hexdigest()),
                Fingerprint("0" * 64, {}), None, {},
                spans_of(resolved),
                {}, None, "resgen export",
            ),
        )  # fmt: skip
        return home / "model.engine"

    return made


@pytest.fixture
def served(tmp_path, parse):
    """Serves an engine; what Triton is told of it, and the model's folder."""

    def serve(engine, said=None, **options):
        out = tmp_path / "out"
        heard = None if said is None else said.append
        resgen.export(engine, out, to="triton", progress=heard, **options)
        home = out / "repository" / "net"
        return parse((home / "config.pbtxt").read_text("utf-8")), home

    return serve


def batches(config):
    return [sample.batch_size for sample in config.model_warmup]


@pytest.mark.parametrize(
    ("profiles", "wishes", "least", "largest"),
    [
        (["1,8,32"], {}, 1, 32),
        (["1,8,32"], {"max_batch": 4}, 1, 4),
        # The backend takes the largest of all profiles.
        (["1,1,1", "2,8,8"], {}, 1, 8),
        (["8,8,16", "1,4,7"], {}, 1, 16),
        (["1,1,1", "8,8,8"], {"max_batch": 1}, 1, 1),
        # A warm-up that no profile takes keeps a model from loading.
        (["4,8,32"], {}, 4, 32),
    ],
)
def test_what_triton_may_send_is_what_the_profiles_take(
    engine, served, profiles, wishes, least, largest
):
    said = []
    config, _ = served(engine(*profiles), said, **wishes)
    assert config.max_batch_size == largest
    assert batches(config) == sorted({least, largest})
    told = list(config.instance_group[0].profile)
    expected = [str(i) for i in range(len(profiles))] if len(profiles) > 1 else []
    assert told == expected
    small = [line for line in said if "fewer than" in line]
    assert small == ([] if least == 1 else [said[-1]])


@pytest.mark.parametrize(
    ("profiles", "wishes", "error", "message", "hint"),
    [
        (["1,1,1", "8,8,8"], {}, ResgenError, "takes a batch of 2", "let 1 be"),
        (["1,2,4", "7,8,8"], {}, ResgenError, "takes a batch of 5", "let 4 be"),
        (["1,8,16"], {"max_batch": 17}, UsageError, "up to 16, not 17", "16"),
        (
            ["4,8,16"],
            {"max_batch": 2},
            UsageError,
            "from 4 on, not 2",
            "a larger batch",
        ),
    ],
)
def test_batches_that_no_profile_takes_are_refused(
    engine, served, tmp_path, profiles, wishes, error, message, hint
):
    with pytest.raises(error, match=message) as refused:
        served(engine(*profiles), **wishes)
    assert hint in refused.value.hint
    assert not (tmp_path / "out").exists()


def test_open_height_and_width_are_warmed_up_at_the_best_sizes(engine, served):
    span = "1x3x32x32,2x3x48x64,4x3x64x64"
    config, _ = served(engine(span, shape=("n", 3, "h", "w")))
    assert list(config.input[0].dims) == [3, -1, -1]
    for sample in config.model_warmup:
        assert list(sample.inputs["x"].dims) == [3, 48, 64]
        assert sample.inputs["x"].zero_data  # random data may be no numbers
    assert batches(config) == [1, 4]


def test_sizes_of_a_sample_fit_one_profile(engine, served):
    spans = "1x3x8x8,1x3x8x8,1x3x8x8", "2x3x16x16,4x3x16x16,4x3x16x16"
    config, _ = served(engine(*spans, shape=("n", 3, "h", "w")))
    (sample,) = config.model_warmup  # no profile takes one input of 16 x 16
    assert (sample.batch_size, list(sample.inputs["x"].dims)) == (4, [3, 16, 16])


def test_a_fixed_batch_is_served_as_it_is(engine, served):
    config, _ = served(engine(shape=(2, 3, 4, 4)))
    assert config.max_batch_size == 0
    assert list(config.input[0].dims) == [2, 3, 4, 4]


def test_a_fixed_batch_is_served_as_it_is_where_sizes_are_open(engine, served):
    spans = "2x3x32x32,2x3x48x64,2x3x64x64", "2x3x72x72,2x3x72x72,2x3x96x96"
    config, _ = served(engine(*spans, shape=(2, 3, "h", "w")))
    assert config.max_batch_size == 0  # one request is one whole batch
    assert list(config.input[0].dims) == [2, 3, -1, -1]
    (sample,) = config.model_warmup
    assert list(sample.inputs["x"].dims) == [2, 3, 48, 64]
    assert list(config.instance_group[0].profile) == ["0", "1"]


def test_classes_have_their_names(engine, served):
    config, home = served(engine("1,8,8"))
    assert config.output[0].label_filename == "labels.txt"
    assert (home / "labels.txt").read_text("utf-8").split() == LABELS


def test_an_engine_that_triton_cannot_load_is_refused(engine, served, tmp_path):
    path = engine("1,8,8", flavor="rtx")
    with pytest.raises(ResgenError, match="TensorRT for RTX, which Triton cannot load"):
        served(path)
    assert not (tmp_path / "out").exists()
