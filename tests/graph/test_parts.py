"""Sections and blocks: one tree, by which everything is told."""

from __future__ import annotations

from types import ModuleType

import pytest

from resgen.expansion.network import expand, load
from resgen.graph.parts import homes, parts, sections
from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "resnetv2_50"])
def test_every_operator_lies_in_one_section_and_at_most_one_block(name: str) -> None:
    graph = expand(load(name))
    whole = sections(graph)
    assert [part.section for part in whole] == list(graph.sections)
    names = [node.name for part in whole for node in part.nodes]
    assert sorted(names) == sorted(node.name for node in graph.nodes)
    for section in whole:
        inside = [node.name for block in section.blocks for node in block.nodes]
        assert len(inside) == len(set(inside))
        assert set(inside) <= {node.name for node in section.nodes}
        assert len(section.blocks) == section.section.blocks


@pytest.mark.peers
def test_names_are_those_of_torchvisions_modules(peers: ModuleType) -> None:
    """``layer1.0`` of torchvision's ResNet-50 holds conv1, conv2, conv3 and so on."""
    graph = expand(load("resnet50"))
    theirs = {
        path
        for path, module in peers.torchvision.models.resnet50().named_modules()
        if type(module).__name__ == "Bottleneck"
    }
    blocks = [part for part in parts(graph) if part.block is not None]
    assert {part.path for part in blocks} == theirs
    assert {part.definition for part in blocks} == {"bottleneck"}
    at = homes(graph)
    assert all(at[f"{path}.conv2"].path == path for path in theirs)
    assert at["layer3.1.conv2"].spoken == "stage layer3, block 1"
    assert [(part.spoken, part.label) for part in sections(graph)] == [
        ("stem", "stem"), ("stage layer1", "3 x bottleneck"),
        ("stage layer2", "4 x bottleneck"), ("stage layer3", "6 x bottleneck"),
        ("stage layer4", "3 x bottleneck"), ("head", "head"),
    ]  # fmt: skip


def test_blocks_whose_name_is_empty_lie_in_their_stage() -> None:
    """As VGG's, whose layers torchvision numbers through (``features.0``)."""
    first = next(part for part in sections(expand(load("vgg16"))) if part.blocks)
    assert (first.name, first.label) == ("stage1", "2 blocks")
    assert [block.name for block in first.blocks] == ["stage1.0", "stage1.1"]
    assert [block.path for block in first.blocks] == ["stage1", "stage1"]
    assert [block.nodes[0].name for block in first.blocks] == [
        "features.0", "features.2"
    ]  # fmt: skip


def test_a_pass_moves_no_operator() -> None:
    graph = expand(load("resnet20_cifar"))
    before, after = homes(graph), homes(apply(graph, fold_norm))
    assert {name: part.name for name, part in after.items()} == {
        name: before[name].name for name in after
    }
