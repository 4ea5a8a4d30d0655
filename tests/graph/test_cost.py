"""Costs, against torch, torchvision, published numbers and a count by definition."""

from __future__ import annotations

import pytest
from hand_graph import Builder
from hypothesis import given
from hypothesis import strategies as st

from resgen.graph.cost import analyse, node_costs, receptive_fields
from resgen.ops.conv import Conv


def test_resnet50(network) -> None:
    found = analyse(network("resnet50"))
    # torchvision's metadata: num_params 25557032, _ops 4.089
    assert (found.params, found.macs) == (25_557_032, 4_089_184_256)
    assert found.nodes == 175
    assert found.outputs == (("output", (1000,)),)
    assert [s.output for s in found.sections] == [
        (64, 56, 56), (256, 56, 56), (512, 28, 28),
        (1024, 14, 14), (2048, 7, 7), (1000,),
    ]  # fmt: skip
    assert [s.kind for s in found.sections] == ["stem", *["stage"] * 4, "head"]


def test_nodes_add_up(network) -> None:
    graph = network("densenet121")
    whole, nodes = analyse(graph), node_costs(graph)
    assert sum(n.params for n in nodes) == whole.params
    assert sum(n.macs for n in nodes) == whole.macs
    assert [n.name for n in nodes] == [n.name for n in graph.nodes]


@pytest.mark.peers
def test_sections_are_torchvisions_layers(network, peers) -> None:
    model = peers.torchvision.models.resnet50()
    ours = {s.name: s.params for s in analyse(network("resnet50")).sections}
    for name in ("layer1", "layer2", "layer3", "layer4"):
        layer = getattr(model, name)
        assert ours[name] == sum(p.numel() for p in layer.parameters())
    stored = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    assert analyse(network("resnet50")).weight_bytes == stored


def test_a_shared_parameter_is_counted_once_and_its_macs_at_every_use() -> None:
    build = Builder((8, 6, 6))
    conv = Conv(out=8, kernel=3)
    build.add("first", conv)
    build.add("second", conv, owner="first")
    found = analyse(build.graph())
    assert found.params == 8 * 8 * 9
    assert found.macs == 2 * 8 * 8 * 9 * 36


@pytest.mark.parametrize("name", ["resnet20_cifar", "densenet121", "skresnet50"])
def test_peak_activations_by_definition(network, name: str) -> None:
    graph = network(name)
    made = {i.name: -1 for i in graph.inputs}
    made |= {node.name: at for at, node in enumerate(graph.nodes)}
    last = dict(made)
    for at, node in enumerate(graph.nodes):
        last |= dict.fromkeys(node.inputs, at)
    last |= {value: len(graph.nodes) for _, value in graph.outputs}
    peak = max(
        sum(4 * graph.types[v].size for v in made if made[v] <= at <= last[v])
        for at in range(len(graph.nodes))
    )
    assert analyse(graph).peak_activation_bytes == peak


def test_vgg16_sees_212_pixels(network) -> None:
    # Araujo et al., "Computing Receptive Fields", Distill 2019: vgg_16, after pool5.
    found = analyse(network("vgg16")).sections[-2]
    assert (found.output, found.receptive_field) == ((512, 7, 7), (212, 212))


def test_stacked_branches_are_maps_still(described) -> None:
    """Whatever stands after a stack of them sees more than one branch does."""
    conv = {"op": "conv", "out": 8, "kernel": 3}
    branches = {"stack": [conv | {"as": "a"}, conv | {"as": "b", "dilation": 2}]}
    body = [branches, {"op": "reduce_sum", "axis": 0}, conv | {"as": "c"}]
    stages = [{"body": body}]
    stage = analyse(described(stem="cifar", stages=stages, defaults={})).sections[1]
    assert stage.receptive_field == (
        9,
        9,
    )  # 3, 4 more by the dilated branch, 2 by the last


WINDOWS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 2), st.integers(1, 2)),
    min_size=1,
    max_size=4,
)


@given(WINDOWS, WINDOWS)
def test_receptive_fields_are_where_torch_has_a_gradient(trunk, side) -> None:
    """Two branches of random windows over a signal, their last positions joined."""
    torch = pytest.importorskip("torch")
    size = 200
    x = torch.zeros(1, 1, size, requires_grad=True)
    build = Builder((1, size))

    def branch(windows, name: str):
        y, value = x, "input"
        for at, (k, s, d) in enumerate(windows):
            conv = Conv(out=1, kernel=k, stride=s, dilation=d, padding=0)
            value = build.add(f"{name}{at}", conv, value)
            y = torch.conv1d(y, torch.ones(1, 1, k), stride=s, dilation=d)
        return value, y

    for name, windows in (("trunk", trunk), ("side", side)):
        value, y = branch(windows, name)
        (gradient,) = torch.autograd.grad(y[0, 0, 0], x)
        seen = int(gradient[0, 0].nonzero().max()) + 1
        assert receptive_fields(build.graph())[value] == (seen,)
