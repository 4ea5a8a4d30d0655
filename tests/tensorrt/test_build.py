"""Real engines, built on a machine without a GPU, and what TensorRT refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from itertools import product

import onnx
import pytest

import resgen
from resgen.artifact.ready import locate_from_graph
from resgen.errors import MissingComponent, ResgenError, UsageError
from resgen.graph.passes import apply
from resgen.graph.passes.integer_bias import integer_bias
from resgen.graph.precision import Precision, at_precision
from resgen.lower.onnx import write
from resgen.tensorrt import build as building
from resgen.tensorrt.build import build
from resgen.tensorrt.flavor import load
from resgen.tensorrt.listening import logger_of
from resgen.tensorrt.profiles import parse_profile
from resgen.tensorrt.request import EngineRequest
from resgen.tensorrt.targets import AHEAD, precision_problem
from resgen.weights.initialize import initialize

CIFAR = "resnet20_cifar"
# One network of every folder of the zoo. VGG's linear layers are made smaller; the
# others keep all their weights.
FAMILIES = {
    "resnetaa50d": (),
    "seresnet50": (),
    "wrn40_2_cifar": (),
    "convnext_tiny": (),
    "densenet121": (),
    "res2net50_26w_4s": (),
    "resnetv2_50": (),
    "resnet18": (),
    "resnext50_32x4d": (),
    "vgg16_bn": ("/input=[3, 32, 32]", "/head/with/hidden=64"),
    CIFAR: (),
}


def request(flavor, *targets, precision="fp32", profiles=(), **options):
    profiles = tuple(map(parse_profile, profiles))
    return EngineRequest(flavor, targets or ("sm_86",), precision, profiles, **options)


def maps_of(path):
    """The convolutions and linear layers of a file, by the names of their nodes."""
    model = onnx.load(path, load_external_data=False)
    maps = ("Conv", "Gemm", "MatMul")
    return {node.name for node in model.graph.node if node.op_type in maps}


@pytest.mark.drawn(2)
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.slow
def test_every_family_becomes_an_engine(name, precision, network, rtx):
    path, _ = network(name, precision, FAMILIES[name])
    built = build(path, request(rtx, "sm_86", "sm_89", precision=precision))
    assert memoryview(built.engine).nbytes > path.stat().st_size / 4
    assert built.layers["source"] == "build log"
    # What any layer does can be charged to a place of the network.
    named = {node for layer in built.layers["layers"] for node in layer["nodes"]}
    assert maps_of(path) <= named
    # The file says the types, and so it was built.
    maps = [y for y in built.layers["layers"] if y["type"] in ("correlation", "gemm")]
    assert {layer["precision"] for layer in maps} <= {precision}


@pytest.mark.slow
def test_refused_pairs_are_those_that_tensorrt_refuses(network, rtx, monkeypatch):
    monkeypatch.setattr(building, "check_precisions", lambda *_: None)
    refused, told = set(), set()
    for precision, target in product(("fp32", "fp16", "bf16", "int8", "fp8"), AHEAD):
        path, _ = network(CIFAR, precision, ("/let/n=1",))
        if precision_problem(precision, target):
            told.add((precision, target))
        try:
            built = build(path, request(rtx, target, precision=precision))
        except ResgenError:
            refused.add((precision, target))
        else:
            assert precision in built.layers["precisions"]
    # An fp32 linear layer on sm_75 is a matter of the network, not of the precision.
    assert refused - told == {("fp32", "sm_75")}
    assert told <= refused


def test_a_linear_layer_that_turing_lacks_is_named(network, rtx):
    path, locate = network(CIFAR)
    with pytest.raises(ResgenError, match="'fc' for Turing") as refused:
        build(path, request(rtx, "sm_75"), locate=locate)
    assert f"at {locate('fc')}" in str(refused.value)
    assert "fp16" in refused.value.hint


def test_a_precision_that_a_target_lacks_is_found_in_the_file(network, rtx):
    path, _ = network(CIFAR, "fp8")
    with pytest.raises(UsageError, match="sm_86 has no fp8"):
        build(path, request(rtx, "sm_89", "sm_86", precision="fp16"))


@pytest.mark.parametrize("precision", ["fp16", "int8"])
@pytest.mark.slow
def test_an_engine_takes_several_profiles(precision, network, rtx):
    path, _ = network(CIFAR, precision, dynamic=True)
    texts = ["1x3x32x32,1x3x32x32,1x3x32x32", "2x3x32x32,8x3x40x40,16x3x64x48"]
    built = build(path, request(rtx, precision=precision, profiles=texts))
    assert [p["input"] for p in built.profiles] == [parse_profile(t) for t in texts]
    # What the builder says of the engine that it made.
    text = logger_of(load(rtx, ""))[1].layers
    said = re.findall(r"MinShape: (\S+), OptShape: (\S+), MaxShape: (\S+),", text)
    shapes = [[json.loads(shape) for shape in profile] for profile in said]
    assert shapes == [[list(s) for s in p["input"]] for p in built.profiles]


@pytest.mark.slow
def test_an_open_batch_has_a_profile_and_a_fixed_one_has_none(network, rtx):
    path, _ = network(CIFAR)
    (profile,) = build(path, request(rtx)).profiles
    assert [sizes[0] for sizes in profile["input"]] == [1, 8, 32]
    path, _ = network(CIFAR, batch=2)
    assert build(path, request(rtx)).profiles == ()
    with pytest.raises(UsageError, match="does not fit"):
        build(path, request(rtx, profiles=["1,8,16"]))


@pytest.mark.slow
def test_settings_reach_the_builder(network, rtx, monkeypatch):
    trt = load(rtx, "")
    set_limit = trt.IBuilderConfig.set_memory_pool_limit
    seen = []

    def spy(config, pool, size):
        set_limit(config, pool, size)
        seen.append((pool, config.get_memory_pool_limit(pool)))

    monkeypatch.setattr(trt.IBuilderConfig, "set_memory_pool_limit", spy)
    path, _ = network(CIFAR)
    build(path, request(rtx, workspace=1 << 26, level=1))
    assert seen == [(trt.MemoryPoolType.WORKSPACE, 1 << 26)]


@pytest.mark.slow
def test_progress_is_told_to_the_end(network, rtx):
    path, _ = network(CIFAR)
    told = []
    build(path, request(rtx), progress=lambda *step: told.append(step))
    assert told[0][0] == 0
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] in (told[-1][1], told[-1][1] - 1)


@pytest.mark.slow
def test_an_interrupt_ends_the_build(network, rtx):
    path, _ = network("resnet18")
    steps = []

    def interrupt(done, total):
        if not steps:
            os.kill(os.getpid(), signal.SIGINT)
        steps.append(done)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            build(path, request(rtx), progress=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    # Nothing of it is left behind that a next build would trip over.
    assert build(path, request(rtx)).engine is not None


def resize(antialias):
    """A file of nobody's spec with one Resize, halving height and width."""
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node(
                "Resize", ["x", "", "scales"], ["y"], "halve",
                mode="linear", antialias=antialias,
            )
        ],
        "g",
        [onnx.helper.make_tensor_value_info("x", 1, ["n", 3, 8, 8])],
        [onnx.helper.make_tensor_value_info("y", 1, ["n", 3, 4, 4])],
        [onnx.helper.make_tensor("scales", 1, [4], [1.0, 1.0, 0.5, 0.5])],
    )  # fmt: skip
    opset = onnx.helper.make_opsetid("", 18)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8)


def test_a_refusal_names_the_operator(rtx, tmp_path):
    path = tmp_path / "resize.onnx"
    onnx.save(resize(antialias=0), path)
    assert build(path, request(rtx)).engine is not None
    onnx.save(resize(antialias=1), path)
    with pytest.raises(ResgenError) as refused:
        build(path, request(rtx))
    text = str(refused.value)
    assert "TensorRT for RTX refuses" in text
    assert "halve (Resize)" in text
    assert "antialias" in text
    assert "cuda" not in text.lower()


def test_attention_that_it_does_not_run_can_be_written_otherwise(rtx, tmp_path):
    size = ["n", 2, 5, 8]
    ends = [onnx.helper.make_tensor_value_info(n, 10, size) for n in "qkvy"]
    node = onnx.helper.make_node("Attention", ["q", "k", "v"], ["y"], "attend",
                                 softmax_precision=1)  # fmt: skip
    graph = onnx.helper.make_graph([node], "g", ends[:3], ends[3:])
    opset = onnx.helper.make_opsetid("", 23)
    path = tmp_path / "attention.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=10), path)
    with pytest.raises(ResgenError, match="attend ") as refused:
        build(path, request(rtx, precision="fp16"))
    assert "products of matrices" in refused.value.hint


def test_a_refusal_names_the_line_of_the_spec(rtx, network, tmp_path):
    """An int32 bias is what ONNX Runtime wants, and TensorRT does not take."""
    spec = tmp_path / "mine.json"
    spec.write_text(
        '{"resgen": 1, "name": "mine", "input": [3, 32, 32], "stem": "cifar",\n'
        ' "stages": [{"block": "basic", "width": 16, "depth": 1},\n'
        '            {"block": "basic", "width": 32, "depth": 2}],\n'
        ' "head": {"classes": 10}}\n'
    )
    graph = resgen.expand(resgen.load(spec))
    low = apply(at_precision(graph, Precision("int8", "onnxruntime")), integer_bias)
    path = tmp_path / "mine.onnx"
    write(low, initialize(low.parameters, 0), path)
    with pytest.raises(ResgenError) as refused:
        build(path, request(rtx), locate=locate_from_graph(low))
    form = r"(\S+)/bias \(DequantizeLinear\): (.*)\n  at (.*)"
    found = re.search(form, str(refused.value))
    assert found is not None
    node = next(n for n in low.nodes if n.name == found[1])
    place = node.origin.place
    assert found[3].startswith(f"{spec}:{place.line}:{place.column}, ")
    assert "Int32" in found[2]


@pytest.mark.parametrize("content", [b"", b"no model", None])
def test_a_file_that_is_no_model_is_refused(content, network, rtx, tmp_path):
    path = tmp_path / "cut.onnx"
    whole, _ = network(CIFAR)
    path.write_bytes(whole.read_bytes()[:50_000] if content is None else content)
    with pytest.raises(ResgenError, match=r"cut\.onnx"):
        build(path, request(rtx))


def test_a_target_that_the_builder_does_not_know_is_named(network, rtx):
    path, _ = network(CIFAR)
    with pytest.raises(ResgenError, match="does not build for sm_90") as refused:
        build(path, request(rtx, "sm_89", "sm_90"))
    assert "sm_121" in refused.value.hint


def test_tensorrt_that_is_not_installed_is_named(network, rtx, monkeypatch):
    path, _ = network(CIFAR)
    monkeypatch.setitem(sys.modules, rtx.module, None)
    with pytest.raises(MissingComponent) as missing:
        build(path, request(rtx))
    assert missing.value.install == 'pip install "resgen[tensorrt-rtx]"'
    assert missing.value.exit_code == 3


@pytest.mark.parametrize("refused", ["by create", "by set", "not at all"])
def test_measurements_of_another_version_are_not_used(refused):
    """Only the full flavour measures, so this is a stand-in for its configuration."""
    used = []

    class Config:
        def create_timing_cache(self, content):
            return None if content and refused == "by create" else content

        def set_timing_cache(self, cache, ignore_mismatch):
            if (cache and refused == "by set") or ignore_mismatch:
                return False
            used.append(cache)
            return True

    building._use_timings(Config(), b"old")
    assert used == [b"old" if refused == "not at all" else b""]
