"""The gate on whole files: what it proves, and what it says of a file at fault."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from resgen.errors import ResgenError
from resgen.expansion.expand import expand
from resgen.graph.ir import Graph
from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm
from resgen.lower.onnx import write
from resgen.onnxfile.stored import read_stored
from resgen.ops import VOCABULARY
from resgen.pictures.find import photographs
from resgen.proof.compare import Departure
from resgen.proof.gate import prove
from resgen.spec.load import load
from resgen.spec.model import Preprocess
from resgen.spec.source import Problems
from resgen.weights.initialize import initialize


@dataclass
class Build:
    graph: Graph
    folded: Graph
    weights: dict[str, np.ndarray]
    preprocess: Preprocess
    file: Path
    operands: tuple

    def prove(self, file=None, **options):
        return prove(
            self.graph, self.folded, file or self.file, self.weights, self.preprocess,
            self.operands, **options,
        )  # fmt: skip


def build(folder, specs, *assignments, name="cifar/resnet20_cifar", **options):
    changes = ["/let/n=1", *assignments] if "cifar" in name else assignments
    spec = load(specs / f"{name}.json", VOCABULARY, Problems(), changes)
    graph = expand(spec)
    folded = apply(graph, fold_norm)
    weights = initialize(graph.parameters, 0)
    file = folder / "model.onnx"
    written = write(folded, weights, file, **options)
    operands = written.initializers
    return Build(graph, folded, weights, spec.preprocess, file, operands)


@pytest.fixture
def small(tmp_path, specs):
    return build(tmp_path, specs)


def edited(small, change):
    model = onnx.load(small.file)
    change(model)
    path = small.file.with_name("edited.onnx")
    onnx.save(model, path)
    return path


def test_a_healthy_file_is_proven(small):
    said = []
    proven = small.prove(say=said.append)
    assert proven.verdict == "equal"
    assert (proven.pictures, proven.random) == (3, 1)
    assert proven.batches == proven.probe.batches == (1, 3)
    assert 0 < proven.probe.relative < 1e-5
    assert proven.probe.top1 == (4, 4)
    assert proven.shipped.finite
    assert proven.tensors == len(small.folded.nodes)
    assert 0 < proven.tensor_share < 1
    assert proven.initializers == len(small.operands) > 8
    assert said
    assert json.loads(json.dumps(proven.to_json()))["probe"]["inputs"] == 4


def test_without_pictures_the_inputs_are_random(small):
    proven = small.prove(images=())
    assert (proven.pictures, proven.random) == (0, 4)


def test_more_images_and_batches_can_be_asked_for(small):
    proven = small.prove(images=photographs()[:2], batches=(2, 1, 4))
    assert (proven.pictures, proven.random) == (2, 5)
    assert proven.batches == (2, 1, 4)


def test_a_fixed_batch_is_what_is_run(tmp_path, specs):
    proven = build(tmp_path, specs, batch=2).prove()
    assert proven.batches == (2, 2)


@pytest.mark.slow
def test_the_same_seed_proves_the_same(small):
    assert small.prove(seed=3).probe == small.prove(seed=3).probe
    assert small.prove(seed=3).probe != small.prove(seed=4).probe


def test_weights_beside_the_model_are_compared_too(tmp_path, specs):
    made = build(tmp_path, specs, limit=1000)
    assert made.file.with_name("model.onnx.data").exists()
    assert made.prove(images=()).verdict == "equal"


def test_a_signal_is_verified_on_noise(tmp_path, specs):
    made = build(tmp_path, specs, "/input=[2, 64]", "/preprocess=null")
    assert made.prove().pictures == 0


def test_weights_that_overflow_are_said_and_not_failed(small):
    for name, array in small.weights.items():
        if name.endswith(".weight") and array.ndim > 1:
            array *= np.float32(1e12)
    write(small.folded, small.weights, small.file)
    proven = small.prove(images=())
    assert not proven.shipped.finite
    assert proven.to_json()["shipped"]["relative"] is None
    assert proven.probe.finite


def test_a_fault_that_fresh_weights_hide_is_named(tmp_path, specs):
    """Weights with the last norm of a branch at zero throw the branch away."""
    made = build(tmp_path, specs, "/defaults/zero_init=true")

    def stride_moved(model):
        node = next(n for n in model.graph.node if n.name == "layer1.0.conv2")
        for pad in node.attribute:
            if pad.name == "pads":
                pad.ints[:] = [0, 0, 2, 2]

    with pytest.raises(Departure) as found:
        made.prove(edited(made, stride_moved))
    assert found.value.tensor == "layer1.0.bn2"
    assert "layer1, block 0, branch" in found.value.message


def test_a_weight_that_is_not_the_graph_s_is_named(small):
    def nudged(model):
        name = "layer2.0.conv1.bias"
        tensor = next(t for t in model.graph.initializer if t.name == name)
        array = numpy_helper.to_array(tensor).copy()
        array[3] = np.nextafter(array[3], np.float32(9))
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))

    with pytest.raises(Departure, match=r"layer2\.0\.conv1\.bias .* 1 of 32 numbers"):
        small.prove(edited(small, nudged))


def test_a_weight_that_is_missing_is_named(small):
    def without(model):
        tensors = model.graph.initializer
        tensors.remove(next(t for t in tensors if t.name == "conv1.weight"))

    with pytest.raises(Departure, match="lacks the weight"):
        small.prove(edited(small, without))


def test_a_file_cut_short_is_no_model(small):
    data = small.file.read_bytes()
    for length in (0, 5, 1000, len(data) // 2, len(data) - 1):
        small.file.write_bytes(data[:length])
        with pytest.raises(ResgenError):
            small.prove(images=())


def test_a_file_is_read_as_onnx_reads_it(small):
    stored, loaded = read_stored(small.file), onnx.load(small.file)
    for tensor, expected in zip(stored.tensors, loaded.graph.initializer, strict=True):
        assert tensor.name == expected.name
        np.testing.assert_array_equal(tensor.read(), numpy_helper.to_array(expected))
    del loaded.graph.initializer[:]
    assert stored.model == loaded
