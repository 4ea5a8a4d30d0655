"""Path statistics, against networkx's enumeration and the binomial law."""

from __future__ import annotations

from collections import Counter
from math import comb, fsum

import networkx as nx
import pytest

from resgen.expansion.builder import Limits
from resgen.graph.ir import Graph
from resgen.graph.paths import paths
from resgen.graph.views import view
from resgen.ops.base import is_map


def enumerated(graph: Graph) -> Counter[int]:
    """Lengths of all paths, one by one."""
    maps = {node.name for node in graph.nodes if is_map(node.op)}
    seen = view(graph)
    return Counter(
        sum(edge[1] in maps for edge in path)
        for source in (i.name for i in graph.inputs)
        for name, _ in graph.outputs
        for path in nx.all_simple_edge_paths(seen, source, ("output", name))
    )


@pytest.mark.parametrize("name", ["resnet18", "resnet20_cifar", "vgg16"])
def test_the_paths_are_those_that_can_be_walked(network, name: str) -> None:
    graph = network(name)
    found, lengths = paths(graph), enumerated(graph)
    assert found.count == lengths.total()
    assert (found.shortest, found.longest) == (min(lengths), max(lengths))
    shares = [lengths[k] / lengths.total() for k in range(max(lengths) + 1)]
    assert found.distribution == pytest.approx(shares, rel=1e-12)


def test_two_edges_to_one_operator_are_two_paths(described) -> None:
    graph = described(head=[{"add": [[], []]}, "global_pool", "flatten"])
    once = described(head=["global_pool", "flatten"])
    assert paths(graph).count == 2 * paths(once).count
    assert paths(graph).count == enumerated(graph).total()


def test_resnet50_as_published(network) -> None:
    # 16 blocks, each taken or passed by; four shortcuts project.
    found = paths(network("resnet50"))
    assert (found.count, found.shortest, found.longest) == (2**16, 6, 50)


def deep(described, blocks: int) -> Graph:
    stages = [{"width": 16, "depth": blocks}]
    return described(
        stages=stages,
        defaults={"block": "basic", "shortcut": "identity"},
        limits=Limits(operators=100_000),
    )


@pytest.mark.slow
def test_what_gives_its_size_alone_begins_no_path(network) -> None:
    """Its head enlarges the map to the size of the input: 16 blocks, 2**16 paths."""
    found = paths(network("fcn_resnet50"))
    assert (found.count, found.shortest) == (2**16, 7)


def test_identity_blocks_follow_the_binomial_law(described) -> None:
    # Veit et al. 2016: n blocks make 2^n paths, binomially distributed.
    blocks = 1200
    found = paths(deep(described, blocks))
    assert found.count == 2**blocks
    # Stem and classifier are crossed by all, two convolutions by each block taken.
    for taken in range(480, 721, 40):
        share = comb(blocks, taken) / 2**blocks
        assert found.distribution[2 + 2 * taken] == pytest.approx(share, rel=1e-9)
        assert found.distribution[3 + 2 * taken] == 0
    assert fsum(found.distribution) == pytest.approx(1, abs=1e-12)
    assert len(found.distribution) == found.longest + 1 == 2 * blocks + 3


@pytest.mark.slow
def test_what_is_kept_grows_with_the_spread_and_not_with_the_depth(described) -> None:
    # A binomial law is sqrt(n) / 2 wide: all but 1e-20 of its largest share lies within
    # ten of that on either side. This bounds the work that ten thousand layers are.
    blocks = 1500
    found = paths(deep(described, blocks))
    assert found.longest == 2 * blocks + 2
    assert 5 * blocks**0.5 < sum(share > 0 for share in found.distribution)
    assert sum(share > 0 for share in found.distribution) < 11 * blocks**0.5
