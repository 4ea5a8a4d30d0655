"""What a quantised engine is held against: its network in fp16."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from resgen.tensorrt.build import build
from resgen.tensorrt.profiles import parse_profile
from resgen.tensorrt.request import EngineRequest
from resgen.tensorrt.twin import half_layers, more_work, without_quantisers

CIFAR = "resnet20_cifar"


@pytest.mark.slow
def test_without_its_quantisers_a_file_computes_the_same_network(network):
    path, _ = network(CIFAR, "int8")
    twin = without_quantisers(onnx.load(path))
    onnx.checker.check_model(twin, full_check=True)
    kinds = {node.op_type for node in twin.graph.node}
    assert not kinds & {"QuantizeLinear", "DequantizeLinear"}
    x = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    fresh, _ = network(CIFAR, "fp16")
    given = [file.SerializeToString() for file in (twin, onnx.load(fresh))]
    ours, theirs = (
        onnxruntime.InferenceSession(file).run(None, {"input": x})[0] for file in given
    )
    # Weights were rounded to 8 bits.
    assert np.abs(ours - theirs).max() < 0.1 * np.ptp(theirs)


def test_a_file_without_quantisers_has_no_twin(network):
    path, _ = network(CIFAR, "fp16")
    assert without_quantisers(onnx.load(path)) is None


@pytest.mark.slow
def test_every_target_is_described_and_held_against_fp16(network, rtx):
    path, _ = network(CIFAR, "int8")
    span = (parse_profile("1,8,16"),)

    def request(*targets, precision="int8"):
        return EngineRequest(rtx, targets, precision, span)

    both = build(path, request("sm_89", "sm_75")).layers
    (other,) = both["others"]
    for part, target in ((both, "sm_75"), (other, "sm_89")):
        alone = build(path, request(target)).layers
        assert (part["target"], part["precisions"], part["kernels"]) == (
            target, alone["precisions"], alone["kernels"],
        )  # fmt: skip
        assert part["bytes"] == alone["bytes"] > 0
    assert both["precisions"] != other["precisions"]

    half = half_layers(path, request("sm_89", "sm_75"))
    real, _ = network(CIFAR, "fp16")
    told = build(real, request("sm_75", precision="fp16")).layers
    assert (half["kernels"], half["bytes"]) == (told["kernels"], told["bytes"])
    sentences = more_work(both, half)
    for part, sentence in zip((both, other), sentences, strict=True):
        assert sentence.startswith(f"for {part['target']} it has {part['kernels']} k")
    assert more_work(half, both) == []
