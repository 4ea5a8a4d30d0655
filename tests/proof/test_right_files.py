"""No right file is refused, and one small fault is seen at any depth."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from resgen.expansion.expand import expand
from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm
from resgen.lower.onnx import write
from resgen.ops import VOCABULARY
from resgen.proof.compare import TOLERANCE, Departure
from resgen.proof.gate import Verification, prove
from resgen.spec.load import load
from resgen.spec.source import Problems
from resgen.weights.initialize import initialize

CONV = {"op": "conv", "out": 40, "kernel": 3}
SILU = {"op": "act", "type": "silu"}
#: A gate behind means of many numbers of either sign.
LARGE_POOL = {
    "input": [3, 160, 160],
    "stem": [
        {**CONV, "as": "a"}, {"op": "norm", "as": "n"}, SILU,
        {**CONV, "as": "b", "groups": 40}, {"op": "norm", "as": "m"}, SILU,
        {"multiply": [[], [
            "global_pool", {**CONV, "as": "c", "out": 10, "kernel": 1}, SILU,
            {**CONV, "as": "d", "kernel": 1}, {"op": "act", "type": "sigmoid"},
        ]]},
    ],
}  # fmt: skip
#: Pools and norms where means are large and what varies is small.
LARGE_MEANS = {
    "input": [3, 24, 24],
    "stem": [
        {**CONV, "as": "a", "bias": True}, {"op": "act", "type": "softplus"},
        {"op": "avg_pool", "kernel": 9, "stride": 1, "padding": 4},
        {"op": "norm", "type": "group", "groups": 4, "as": "g"},
        {"op": "act", "type": "softplus"},
        {"op": "local_response_norm", "size": 9, "alpha": 1.0},
        {"op": "norm", "type": "layer", "as": "l"},
        {**CONV, "as": "b"}, {"op": "norm", "type": "instance", "as": "i"},
        {"op": "reduce_mean", "axis": 2},
    ],
}  # fmt: skip


def plain(**parts):
    return {"resgen": 1, "name": "n", "stages": [], "head": {"classes": 4}, **parts}


def zoo(name, size, **more):
    given = {"resgen": 1, "extends": name, "name": "n", **more}
    return {**given, "input": [3, size, size]}


def deep(depth):
    stages = [{"width": 8, "depth": depth}]
    return {
        "resgen": 1, "name": "n", "input": [3, 8, 8], "stem": "cifar",
        "defaults": {"block": "basic", "attention": "se"}, "stages": stages,
        "head": {"classes": 5},
    }  # fmt: skip


RIGHT = {
    "large pool": plain(**LARGE_POOL),
    "large means": plain(**LARGE_MEANS),
    "resnet18 at 8": zoo("resnet18", 8),
    "resnet18 at 1": zoo("resnet18", 1),
    "deep with gates": deep(30),
}


def proven(spec, folder: Path, seed=0, fault=None) -> Verification:
    problems = Problems()
    loaded = load(spec, VOCABULARY, problems)
    assert loaded is not None, [str(problem) for problem in problems.items]
    graph = expand(loaded)
    folded = apply(graph, fold_norm)
    weights = initialize(graph.parameters, seed)
    file = folder / "model.onnx"
    operands = write(folded, weights, file).initializers
    if fault is not None:
        model = onnx.load(file)
        fault(model)
        onnx.save(model, file)
    return prove(
        graph, folded, file, weights, loaded.preprocess, operands, images=(), seed=seed
    )


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.slow
def test_a_right_file_is_not_refused(name, tmp_path):
    found = proven(RIGHT[name], tmp_path)
    assert found.tensor_share < 1
    assert found.probe.tolerance == TOLERANCE  # probes do not amplify rounding


@pytest.mark.parametrize("block", [0, 29])
@pytest.mark.slow
def test_a_small_fault_is_named_at_any_depth(block, tmp_path):
    """A sum that is off by a thousandth, which the next layers take for rounding."""
    name = f"layer1.{block}.add"

    def off_by_little(model):
        at = next(i for i, n in enumerate(model.graph.node) if n.name == name)
        node = model.graph.node[at]
        factor = numpy_helper.from_array(np.float32(1.001), "fault")
        model.graph.initializer.append(factor)
        scaled = onnx.helper.make_node("Mul", [node.input[0], "fault"], ["scaled"])
        node.input[0] = "scaled"
        model.graph.node.insert(at, scaled)

    with pytest.raises(Departure) as found:
        proven(deep(30), tmp_path, fault=off_by_little)
    assert found.value.tensor == name


PUBLISHED = (
    "resnet18", "resnet34", "resnet50", "resnext50_32x4d", "resnet50d", "seresnet50",
    "resnetv2_50", "densenet121", "wide_resnet50_2",
)  # fmt: skip


def refusal(spec, folder, seed):
    try:
        proven(spec, folder, seed)
    except Departure as found:
        return [(spec, found.message)]
    return []


def many():
    """Published networks and combinations of parts, at small and odd sizes."""
    for name in PUBLISHED:
        smallest = 32 if name == "densenet121" else 8
        yield from (zoo(name, size) for size in (8, 16, 32, 65) if size >= smallest)
    for name in ("resnet20_cifar", "resnet110_cifar", "resnet1202_cifar"):
        yield {"resgen": 1, "extends": name, "name": "n"}
    yield from RIGHT.values()
    stages = [{"width": 16, "depth": 2}, {"width": 32, "depth": 3}]
    for block, norm, act, size in product(
        ("basic", "bottleneck", "preact_basic"),
        ({"type": "batch"}, {"type": "group", "groups": 4}, {"type": "layer"}),
        ("relu", "silu", "gelu"),
        (9, 40),
    ):
        shortcut = "preact" if block == "preact_basic" else "projection"
        yield {
            "resgen": 1, "name": "n", "input": [3, size, size], "stem": "cifar",
            "defaults": {
                "block": block, "shortcut": shortcut, "act": act, "norm": norm,
            },
            "stages": stages, "head": {"classes": 5},
        }  # fmt: skip


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
def test_none_of_many_right_files_is_refused(seed, tmp_path):
    specs = list(many())
    assert len(specs) >= 90
    assert [found for spec in specs for found in refusal(spec, tmp_path, seed)] == []
