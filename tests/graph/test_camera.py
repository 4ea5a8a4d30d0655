"""A network with a camera before it, against the Python pipeline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import onnxruntime
import pytest
import torch
from in_memory import to_model
from PIL import Image
from small_subject import SPEC

from resgen.errors import UsageError
from resgen.graph.ir import Graph
from resgen.graph.passes.camera import READY, camera
from resgen.graph.precision import Precision, at_precision
from resgen.lower.torch import to_torch
from resgen.pictures.find import photographs
from resgen.pictures.preprocess import prepare, read
from resgen.spec.model import Preprocess
from resgen.weights.initialize import initialize

Network = Callable[..., Graph]

#: The network's input.
SIZE = (48, 40)
GRAY = {"color": "gray", "mean": (0.5,), "std": (0.25,)}
#: Ways to prepare a picture, and the share of pixels that may be a step off.
WAYS = {
    "usual": ({"resize": 57}, 0),
    "as it comes": ({"resize": None}, 0),
    "small crop": ({"resize": 57, "crop": 32}, 0),
    "crop alone": ({"resize": None, "crop": 32}, 0),
    "on black": ({"resize": 24}, 0),
    "odd black": ({"resize": None, "crop": 131}, 0),
    "bicubic": ({"resize": 57, "interpolation": "bicubic"}, 0),
    "lanczos": ({"resize": 57, "interpolation": "lanczos"}, 0),
    "nearest": ({"resize": 57, "interpolation": "nearest"}, 0),
    "sampled": ({"resize": 57, "antialias": False}, 0.02),
    "sampled bicubic": (
        {"resize": 57, "antialias": False, "interpolation": "bicubic"},
        0.02,
    ),
    "bgr": ({"resize": 57, "color": "bgr"}, 0),
    "gray": ({"resize": 57, **GRAY}, 0),
    "other numbers": (
        {"resize": 57, "scale": 1.0, "mean": (104.0, 117.0, 123.0), "std": (1.0,) * 3},
        0,
    ),
}


@cache
def pictures(height: int, width: int) -> np.ndarray:
    """Photographs of this size, and noise."""
    found = [
        np.asarray(read(path).convert("RGB").resize((width, height)))
        for path in photographs()[:2]
    ]
    generator = np.random.default_rng(0)
    found.append(generator.integers(0, 256, (height, width, 3), np.uint8))
    return np.stack(found)


def prepared(x: np.ndarray, preprocess: Preprocess, channels: int = 3) -> np.ndarray:
    shape = (channels, *SIZE)
    return np.stack([prepare(Image.fromarray(p), preprocess, shape) for p in x])


def in_onnxruntime(graph: Graph, x: np.ndarray) -> np.ndarray:
    model = to_model(graph, initialize(graph.parameters, 0))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {"input": x})
    return found


def in_torch(graph: Graph, x: np.ndarray) -> np.ndarray:
    module = to_torch(graph, initialize(graph.parameters, 0)).eval()
    with torch.no_grad():
        return module(torch.from_numpy(x)).float().numpy()


def front(graph: Graph) -> Graph:
    """The part of a graph that makes pictures ready."""
    end = next(i for i, n in enumerate(graph.nodes, start=1) if n.name == READY)
    outputs = (("output", READY),)
    return replace(graph, nodes=graph.nodes[:end], outputs=outputs, parameters=())


@pytest.fixture
def network(described: Network) -> Network:
    def make(channels: int = 3) -> Graph:
        return described(input=[channels, *SIZE], stages=SPEC["stages"])

    return make


@pytest.mark.parametrize("size", [(96, 128), (333, 250), (40, 30), SIZE])
@pytest.mark.parametrize("way", WAYS)
def test_pixels_are_those_of_the_python_pipeline(network, way, size):
    options, share = WAYS[way]
    preprocess = Preprocess(**options)
    channels = len(preprocess.mean)
    graph = front(camera(network(channels), preprocess, size))
    x = pictures(*size)
    wanted = prepared(x, preprocess, channels)
    std = np.array(preprocess.std, np.float32).reshape(-1, 1, 1)
    for run in (in_onnxruntime, in_torch):
        steps = np.abs(run(graph, x) - wanted) * std / np.float32(preprocess.scale)
        assert steps.max() < (1.01 if share else 0.01)
        assert (steps > 0.5).mean() <= share


def test_every_way_takes_its_own_operators(network):
    def names(way: str) -> list[str]:
        preprocess = Preprocess(**WAYS[way][0])
        graph = camera(network(len(preprocess.mean)), preprocess, (96, 128))
        return [n.name.removeprefix("input.") for n in front(graph).nodes]

    start = ["cast", "transpose"]
    assert names("usual") == [*start, "resample", "normalize"]
    assert names("sampled") == [*start, "resample", "truncate", "normalize"]
    assert names("bgr") == [*start, "resample", "reverse", "normalize"]
    assert names("gray") == [*start, "luma", "resample", "normalize"]
    assert names("on black") == [*start, "resample", "pad", "normalize"]
    cropped = [*start, "rows", "columns", "fit.resample", "normalize"]
    assert names("crop alone") == cropped


def test_a_whole_network_gives_the_same_scores(network):
    preprocess, plain = Preprocess(resize=57), network()
    graph = camera(plain, preprocess, (96, 128))
    assert graph.passes[-1] == "camera"
    assert graph.parameters == plain.parameters
    (given,) = graph.inputs
    assert (given.name, given.type.shape) == ("input", (96, 128, 3))
    assert given.type.dtype == "uint8"
    x = pictures(96, 128)
    wanted = in_torch(plain, prepared(x, preprocess))
    for run in (in_onnxruntime, in_torch):
        found = run(graph, x)
        np.testing.assert_allclose(found, wanted, atol=1e-5 * np.ptp(wanted))
        assert (found.argmax(1) == wanted.argmax(1)).all()


@pytest.mark.parametrize("low_ends", [False, True])
@pytest.mark.parametrize("name", ["fp16", "bf16", "int8", "fp8"])
@pytest.mark.parametrize("consumer", ["onnxruntime", "tensorrt"])
def test_pictures_stay_exact_at_every_precision(network, name, consumer, low_ends):
    preprocess, plain = Preprocess(resize=57), network()
    precision = Precision(
        name=name, consumer=consumer, low_ends=low_ends, keep=("stem",)
    )
    x = pictures(96, 128)
    before = at_precision(camera(plain, preprocess, (96, 128)), precision)
    after = camera(at_precision(plain, precision), preprocess, (96, 128))
    results = []
    for graph in (before, after):
        assert graph.inputs[0].type.dtype == "uint8"
        assert graph.types["input.resample"].dtype == "float32"
        to_model(graph, initialize(graph.parameters, 0))  # checks every type
        results.append(in_torch(graph, x))
    apart = np.abs(results[0] - results[1]).max()
    assert apart <= 0.02 * np.ptp(results[1])


@pytest.mark.parametrize("target", ["SM75", "SM89"])
def test_tensorrt_builds_it(network, target):
    trt = pytest.importorskip("tensorrt_rtx")
    precision = Precision(name="fp16", consumer="tensorrt")
    graph = at_precision(network(), precision)
    graph = camera(graph, Preprocess(resize=57), (96, 128))
    model = to_model(graph, initialize(graph.parameters, 0))
    logger = trt.Logger(trt.Logger.INTERNAL_ERROR)
    builder = trt.Builder(logger)
    definition = builder.create_network(0)
    parser = trt.OnnxParser(definition, logger)
    parsed = parser.parse(model.SerializeToString())
    assert parsed, [parser.get_error(i).desc() for i in range(parser.num_errors)]
    assert definition.get_input(0).dtype == trt.uint8
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(trt.ComputeCapability, target), 0)
    profile = builder.create_optimization_profile()
    profile.set_shape("input", *((batch, 96, 128, 3) for batch in (1, 4, 8)))
    config.add_optimization_profile(profile)
    assert builder.build_serialized_network(definition, config) is not None


@pytest.mark.parametrize(
    ("channels", "options", "size", "says"),
    [
        (3, GRAY, (96, 128), "no gray picture"),
        (1, {}, (96, 128), "no rgb picture"),
        (3, {}, (0, 128), "0 x 128"),
        (3, {}, (96, 1 << 20), "96 x 1048576"),
        (3, {"resize": 256}, (2, 1000), "resized to 256 x 128000"),
    ],
)
def test_what_cannot_be_is_refused(network, channels, options, size, says):
    with pytest.raises(UsageError, match=says):
        camera(network(channels), Preprocess(**options), size)


def test_a_camera_before_a_camera_is_refused(network):
    once = camera(network(), Preprocess(), (96, 128))
    with pytest.raises(UsageError, match="96 x 128 x 3"):
        camera(once, Preprocess(), (96, 128))


def test_a_name_that_is_taken_is_told(described):
    stem = [{"seq": [{"op": "act", "type": "relu", "as": "cast"}], "as": "input"}]
    with pytest.raises(UsageError, match=r"input\.cast of its own"):
        camera(described(stem=stem), Preprocess(), (96, 128))


def test_its_constants_are_no_parameters(network):
    graph = camera(network(), Preprocess(resize=57), (96, 128))
    module = to_torch(graph)
    assert set(module.state_dict()) == {p.name for p in graph.parameters}
