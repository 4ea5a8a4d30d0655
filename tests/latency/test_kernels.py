"""Networks as the kernels that engines run."""

from __future__ import annotations

import pytest

import resgen
from resgen.latency.kernels import runs


def test_what_is_fused_is_one_kernel() -> None:
    graph = resgen.expand(resgen.load("resnet18"))
    stem, _, first, second, again, *_ = runs(graph)
    assert [n.name for n in stem.nodes] == ["conv1", "act"]
    assert [n.name for n in second.nodes] == [
        "layer1.0.conv2", "layer1.0.add", "layer1.0.act_1",
    ]  # fmt: skip
    assert stem.kernel.stride == 4
    assert stem.kernel.window == 49
    assert first.kernel == again.kernel
    assert first.kernel != second.kernel  # nothing is added behind the first


def test_who_reads_a_result_is_known() -> None:
    """Engines convert what is not for convolutions, pools and additions alone."""
    found = {r.nodes[0].name: r for r in runs(resgen.expand(resgen.load("seresnet18")))}
    first, second = found["layer1.0.conv1"].kernel, found["layer1.0.conv2"].kernel
    assert (first.maps, first.others) == (True, False)
    assert (second.maps, second.others) == (True, True)  # a pool, and a product


def test_a_gelu_is_with_the_linear_map_before_it() -> None:
    kinds = {r.kernel.kind for r in runs(resgen.expand(resgen.load("mixer_s16_224")))}
    assert {"linear", "linear gelu"} <= kinds
    assert "act gelu" not in kinds


@pytest.mark.parametrize(
    "name",
    ["resnet18", "mobilenetv3_small_050", "densenet121", "repvgg_a0", "skresnet18"],
)
def test_kernels_are_all_of_a_network_and_each_node_once(name: str) -> None:
    graph = resgen.expand(resgen.load(name))
    found = runs(graph)
    nodes = [node.name for run in found for node in run.nodes]
    assert len(nodes) == len(set(nodes))
    counted = sum(run.kernel.macs for run in found)
    # Parallel branches become one convolution, which saves some.
    assert counted == resgen.analyse(graph).macs or name == "repvgg_a0"
    assert counted <= resgen.analyse(graph).macs
