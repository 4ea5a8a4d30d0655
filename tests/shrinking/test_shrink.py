"""A network made smaller: which channels go together, and what is left of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from digits import SPEC, digits
from torch import nn
from torch_pruning_groups import groups as groups_of_torch_pruning

import resgen
import resgen.latency.table
from resgen.api import paced, timed, tuned
from resgen.api.asked.shrink import Shrinking
from resgen.artifact.shrunk import Latency, Pace
from resgen.cli import main
from resgen.errors import UsageError
from resgen.latency.kernels import identity, runs
from resgen.latency.measure import conditions, job
from resgen.ops.conv import Conv
from resgen.proof.same_cut import prove_cut
from resgen.recovery.imported import imported
from resgen.shrinking.choose import choose, magnitude
from resgen.shrinking.cut import cut, size_without
from resgen.shrinking.depth import branches
from resgen.shrinking.groups import groups
from resgen.shrinking.labels import labelled
from resgen.shrinking.seen import loss, sensitivity
from resgen.spec import zoo
from resgen.weights.initialize import initialize
from resgen.words.progress import SILENT, Progress
from tests.zoo.test_zoo import smallest

SMALL = {
    "resgen": 1,
    "name": "small",
    "input": [3, 32, 32],
    "stem": {"op": "conv", "out": 16, "kernel": 3},
    "stages": [
        {"block": "bottleneck", "width": 128, "depth": 2},
        {"block": "bottleneck", "width": 256, "depth": 2, "stride": 2},
    ],
    "head": {"classes": 10},
}
#: Networks whose maps, gates, shuffles and concatenations differ in kind.
KINDS = [
    "resnet20_cifar",
    "densenet40_k12_bc_cifar",
    "shufflenet_v2_x0_5",
    "lcnet_050",
    "mobilenetv3_small_050",
    "preact_resnet110_cifar",
    "resnet_signal",
    "squeezenet1_1",
]


def graph_of(source: Any) -> Any:
    return resgen.expand(resgen.load(source)).inference


#: Operators whose groups Torch-Pruning has otherwise: it shuffles no channels, has no
#: new ones where zeros are, takes from attention, leaves what runs over channels,
#: splits selective kernels, and crashes on dual paths, which are slices.
OTHERWISE = {
    "attention",
    "channel_shuffle",
    "pad_channels",
    "reshape",
    "slice",
    "stack",
}


@pytest.mark.parametrize(
    "name", ["resnet18", "mobilenetv2_050", "densenet121", "vgg11"]
)
@pytest.mark.slow
def test_the_groups_are_those_of_torch_pruning(name: str) -> None:
    same_groups(small(name))


@pytest.mark.parametrize("name", sorted(zoo.names()))
@pytest.mark.soak
def test_the_groups_of_the_zoo_are_those_of_torch_pruning(name: str) -> None:
    graph = small(name)
    kinds = {node.op.name for node in graph.nodes}
    if OTHERWISE & kinds or len(graph.outputs) > 1 or graph.inputs[0].type.rank != 3:
        pytest.skip("Torch-Pruning has other groups there, or goes through none")
    same_groups(graph)


def small(name: str) -> Any:
    """A network of the zoo at the smallest size that it takes."""
    return resgen.expand(resgen.load(name, [smallest(name)])).inference


def same_groups(graph: Any) -> None:
    wanted = groups_of_torch_pruning(
        resgen.to_torch(graph).eval(), graph.inputs[0].type.shape
    )
    found = {
        frozenset(
            (name, axis)
            for name, axis in group.axes
            if name.endswith(".weight") and len(graph.parameter[name].shape) > 1
        )
        for group in groups(labelled(graph))
    }
    # It counts what the head gives out among them, which is not to be taken away.
    (last,) = (n for n in wanted - found)
    assert found < wanted
    assert last == {(last_map(graph), 0)}


def test_a_stream_of_tokens_loses_channels_and_no_tokens() -> None:
    """Its learned tokens and positions lose what the maps around them do."""
    graph = small("deit_tiny_patch16_224")
    found = labelled(graph)
    free = [group for group in groups(found) if group.classes.size > 1]
    (stream,) = (group for group in free if group.classes.size == 192)
    assert {("cls_token", 2), ("pos_embed", 2), ("head.weight", 1)} < {*stream.axes}
    evens = [np.ones(group.classes.size) for group in free]
    half = 0.5 * resgen.analyse(graph).macs
    choice = choose(found, free, evens, lambda choice: choice.size.macs <= half)
    made = imported(cut(found, initialize(graph.parameters, 0), choice.gone)).graph
    assert resgen.analyse(made).macs <= half
    positions = made.parameter["pos_embed"].shape
    assert positions[:2] == graph.parameter["pos_embed"].shape[:2]
    assert positions[2] == made.parameter["cls_token"].shape[2] < 192


def last_map(graph: Any) -> str:
    return next(p.name for p in reversed(graph.parameters) if len(p.shape) > 1)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.slow
@pytest.mark.drawn(4)
def test_what_is_left_computes_the_whole_without_the_rest(name: str) -> None:
    graph = graph_of(name)
    found = labelled(graph)
    draw = np.random.default_rng(7)
    gone = np.concatenate(
        [
            draw.permutation(group.classes)[: int(draw.random() * group.classes.size)]
            for group in groups(found)
        ]
    )
    made = imported(cut(found, initialize(graph.parameters, 0), gone))
    names = {k: made.flat.sources[v][0] for k, v in made.parameters.items()}
    assert prove_cut(found, gone, made.graph, names)["verdict"] == "equal"
    size = size_without(found, gone)
    assert size.macs == resgen.analyse(made.graph).macs
    assert size.params == made.graph.params
    assert size.memory == resgen.analyse(made.graph).peak_activation_bytes


@pytest.mark.parametrize("name", sorted(zoo.names()))
@pytest.mark.soak
def test_half_of_a_network_is_proven_in_onnx(name: str, tmp_path: Path) -> None:
    """By chance which half; of what cannot be halved that is said."""
    halved(name, graph_of(name), tmp_path)


@pytest.mark.parametrize("name", ["lcnet_050", "resnet20_cifar", "squeezenet1_1"])
@pytest.mark.slow
@pytest.mark.drawn(1)
def test_half_of_a_small_network_is_proven_in_onnx(name: str, tmp_path: Path) -> None:
    halved(name, graph_of(name), tmp_path)


def halved(name: str, graph: Any, folder: Path) -> None:
    found = labelled(graph)
    free = [group for group in groups(found) if group.classes.size > 1]
    evens = [np.ones(group.classes.size) for group in free]
    least = choose(found, free, evens, lambda choice: False).size
    half = 0.5 * resgen.analyse(graph).macs
    if least.macs > half:
        with pytest.raises(resgen.ResgenError, match="cannot be made as small"):
            resgen.shrink(name, folder / "a", macs=0.5, importance="random")
        return
    made = resgen.shrink(name, folder / "a", macs=0.5, importance="random")
    assert made.analysis.macs <= half
    built = resgen.build(folder / "a", folder / "b")
    assert built.manifest.verified is not None
    assert built.manifest.verified["verdict"] == "equal"


def test_the_least_channels_go_and_the_best_stay() -> None:
    graph = graph_of(SMALL)
    weights = dict(initialize(graph.parameters, 0))
    name = "layer2.1.conv1.weight"
    weights[name] = weights[name].copy()
    weights[name][:24] *= 1e-3
    found = labelled(graph)
    every = groups(found)
    whole = size_without(found, np.empty(0, np.int64))
    choice = choose(
        found,
        every,
        [magnitude(found, group, weights) for group in every],
        lambda choice: choice.size.macs <= 0.99 * whole.macs,
    )
    labels = found.axes[name, 0]
    went = np.flatnonzero(np.isin(labels, choice.gone))
    assert went.size in (8, 16, 24)
    assert {*went} <= {*range(24)}


@pytest.mark.parametrize(("width", "left"), [(6, 3), (16, 8), (64, 8), (200, 20)])
def test_a_layer_keeps_enough_channels_to_tell_anything(width: int, left: int) -> None:
    graph = graph_of({**ONE, "stem": {"op": "conv", "out": width, "kernel": 3}})
    found = labelled(graph)
    every = groups(found)
    evens = [np.ones(group.classes.size) for group in every]
    least = choose(found, every, evens, lambda choice: False, step=1)
    assert width - least.gone.size == left


@pytest.mark.parametrize("share", [0.7, 0.4])
def test_no_more_goes_than_was_asked(share: float) -> None:
    """The scales of fresh norms are all 1: nothing tells one channel from another."""
    graph = graph_of(SMALL)
    made = resgen.shrink(graph, macs=share, importance="norm", verify=False)
    before, after = made.record.before.macs, made.record.after.macs
    assert 0.95 * share * before < after <= share * before


def test_steps_come_back_where_channels_are_worth_most_by_then() -> None:
    """Where one group goes at once and costs too much to come back, to others alike."""
    convs = [{"op": "conv", "out": 64, "kernel": 3}] * 3
    found = labelled(graph_of({**ONE, "stem": convs}))
    every = groups(found)
    costs = np.zeros(found.labels)
    for group, cost in zip(every, (1, 4, 1), strict=True):
        costs[group.classes] = cost
    ramp = np.linspace(0, 1, 64)
    scores = [ramp, np.full(64, 0.52), ramp]
    choice = choose(found, every, scores, lambda c: costs[c.gone].sum() >= 224)
    left = [int((~np.isin(group.classes, choice.gone)).sum()) for group in every]
    assert left == [48, 16, 48]


def test_channels_stay_in_multiples_that_are_asked_for() -> None:
    graph = graph_of(SMALL)
    made = resgen.shrink(graph, macs=0.4, round=4, verify=False)
    widths = [n.op.out for n in made.graph.nodes if isinstance(n.op, Conv)]
    assert all(width % 4 == 0 for width in widths)
    assert any(width % 8 for width in widths)


def test_what_takes_long_for_its_multiply_adds_goes_first() -> None:
    """Maps of 7 x 7 wait for their weights, and fresh channels are worth the same."""
    graph = graph_of("resnet18")
    made = resgen.shrink(graph, macs=0.5, importance="norm", verify=False)
    before, after = (
        {node.name: node.op.out for node in each.nodes if isinstance(node.op, Conv)}
        for each in (graph, made.graph)
    )
    left = {name: after[name] / before[name] for name in before}
    assert left["layer4.1.conv1"] < left["layer3.1.conv1"]
    assert all(width % 16 == 0 for width in after.values() if width >= 128)


def test_a_smaller_network_is_a_spec_with_weights_that_loads_and_builds(
    tmp_path: Path,
) -> None:
    made = resgen.shrink(SMALL, tmp_path / "a", macs="0.5x", name="half")
    whole = resgen.analyse(graph_of(SMALL))
    assert 0.3 * whole.macs < made.analysis.macs <= 0.5 * whole.macs
    assert made.folder.record.proven is not None
    assert made.folder.record.proven["verdict"] == "equal"
    graph = graph_of(tmp_path / "a" / "half.json")
    model = resgen.to_torch(graph)
    model.load_state_dict(
        {name: torch.from_numpy(array) for name, array in made.weights.items()},
        strict=True,
    )
    built = resgen.build(tmp_path / "a", tmp_path / "b")
    assert built.manifest.name == "half"
    for stage in json.loads((tmp_path / "a" / "half.json").read_text())["stages"]:
        assert stage["width"] % 8 == 0


def test_what_no_list_of_widths_tells_is_the_whole_with_a_map_of_widths(
    tmp_path: Path,
) -> None:
    """By fire modules a list of values would be longer than the zoo's name and a map.

    A spec of bodies, which are read back as no stages, repeats itself instead.
    """
    pictures = ["/input=[3, 32, 32]", "/preprocess/resize=40"]
    whole = resgen.load("squeezenet1_1", pictures)
    half: dict[str, Any] = {"importance": "random", "verify": False}
    found = resgen.shrink(whole, tmp_path / "a", macs=0.5, **half)
    spec = json.loads(found.folder.spec.read_text())
    assert spec.keys() == {"resgen", "name", "extends", "input", "widths", "preprocess"}
    assert spec["preprocess"] == {"resize": 40}
    loaded = graph_of(found.folder.spec)
    assert {p.name: p.shape for p in loaded.parameters} == {
        name: array.shape for name, array in found.weights.items()
    }

    def body(*widths: int) -> list[Any]:
        return [{"op": "conv", "as": f"conv{n}", "out": width, "kernel": 3}
                for n, width in enumerate(widths)]  # fmt: skip

    own = {**SMALL, "stages": [{"body": body(32, 48)}, {"body": body(64)}]}
    left = resgen.shrink(own, tmp_path / "c", params=0.5, **half)
    told = json.loads(left.folder.spec.read_text())
    assert told["stages"] == own["stages"]
    assert told["widths"].keys() < {f"layer{n}.conv{m}" for n in (1, 2) for m in (0, 1)}
    for path, width in told["widths"].items():
        assert left.weights[f"{path}.weight"].shape[0] == width


def test_zeros_of_a_shortcut_go_by_themselves_and_where_others_begin_is_said() -> None:
    """Of the 16 new channels, 8 on each side, those before go."""
    graph = graph_of("resnet20_cifar")
    found = labelled(graph)
    (pad, _) = (node for node in graph.nodes if node.op.name == "pad_channels")
    gone = found.values[pad.name][:7, 0, 0]
    made = imported(cut(found, initialize(graph.parameters, 0), gone))
    names = {k: made.flat.sources[v][0] for k, v in made.parameters.items()}
    assert prove_cut(found, gone, made.graph, names)["verdict"] == "equal"
    (pad, _) = (node for node in made.graph.nodes if node.op.name == "pad_channels")
    assert pad.op.sides(made.graph.types[pad.inputs[0]]) == (1, 8)


def test_which_channels_stayed_is_told(tmp_path: Path) -> None:
    graph = graph_of(SMALL)
    state = {
        name: torch.rand(tensor.shape) if tensor.is_floating_point() else tensor
        for name, tensor in resgen.to_torch(graph).state_dict().items()
    }
    made = resgen.shrink(SMALL, tmp_path / "a", params=0.6, state_dict=state)
    assert made.graph.params <= 0.6 * graph.params
    for name, kept in made.folder.record.kept.items():
        array = state[name].numpy()
        for axis, stays in enumerate(kept):
            if stays is not None:
                array = array.take(stays, axis)
        np.testing.assert_array_equal(array, made.weights[name])


def test_parameters_by_other_names_are_told_by_those_of_the_whole(
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    first, second = nn.Conv2d(3, 32, 3), nn.Conv2d(32, 32, 3)
    layers = {"mine": first, "act": nn.ReLU(), "yours": second, "flat": nn.Flatten()}
    module = nn.Sequential()
    for name, layer in layers.items():
        module.add_module(name, layer)
    module.add_module("last", nn.Linear(32 * 16, 5))
    spec, weights = resgen.from_torch(module, (3, 8, 8))
    made = resgen.shrink(spec, tmp_path / "a", state_dict=dict(weights), macs=0.5)
    record = made.folder.record
    assert set(record.names) == set(made.weights)
    assert set(record.names.values()) == set(module.state_dict())
    for name, theirs in record.names.items():
        array = module.state_dict()[theirs].numpy()
        for axis, stays in enumerate(record.kept.get(name, ())):
            if stays is not None:
                array = array.take(stays, axis)
        np.testing.assert_array_equal(array, made.weights[name])


@pytest.mark.parametrize(
    ("name", "depth", "left"),
    [
        ("resnet20_cifar", 3, 6),
        pytest.param("mobilenetv2_050", 4, 13, marks=pytest.mark.slow),
    ],
)
def test_blocks_go_whole_and_the_spec_is_shallower(
    name: str, depth: int, left: int, tmp_path: Path
) -> None:
    made = resgen.shrink(name, tmp_path / "a", depth=depth)
    record = made.folder.record
    assert len(record.blocks) == depth
    written = json.loads(made.folder.spec.read_text())
    assert sum(stage["depth"] for stage in written["stages"]) == left
    assert not record.kept
    assert record.after.macs == resgen.analyse(made.graph).macs < record.before.macs


def test_a_page_shows_widths_before_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = resgen.shrink(SMALL, tmp_path / "a", macs=0.5, report=True)
    record = made.folder.record
    assert "report.html" in record.files
    text = (tmp_path / "a" / "report.html").read_text()
    widths = {
        name: module.out_channels
        for name, module in resgen.to_torch(made.graph).named_modules()
        if isinstance(module, nn.Conv2d)
    }
    assert {layer.name for layer in record.layers} <= {*widths}
    for layer in record.layers:
        assert layer.after == widths[layer.name] <= layer.before
        assert sorted(layer.losses) == [*layer.losses]
        cells = "".join(f"[^<]*</td><td[^>]*>{n}" for n in (layer.before, layer.after))
        assert re.search(layer.name + cells, text)
    Path("whole.json").write_text(json.dumps(SMALL))
    words = ["shrink", "whole.json", "--no-verify", "-o", "a"]
    told = CliRunner().invoke(main, [*words, "--report"]).stdout
    assert "next: open a/report.html · " in told
    assert " · --report shows " in CliRunner().invoke(main, words).stdout
    assert not (tmp_path / "a" / "report.html").exists()


def test_memory_has_a_bound(tmp_path: Path) -> None:
    whole = resgen.analyse(graph_of(SMALL)).peak_activation_bytes
    made = resgen.shrink(SMALL, tmp_path / "a", memory="0.6x")
    record = made.folder.record
    assert record.before.memory == whole
    assert made.analysis.peak_activation_bytes == record.after.memory <= 0.6 * whole


def test_only_blocks_beside_an_identity_go(tmp_path: Path) -> None:
    graph = graph_of(SMALL)
    assert [b.total for b in branches(graph)] == ["layer1.1.add", "layer2.1.add"]
    with pytest.raises(UsageError, match="2 residual blocks"):
        resgen.shrink(SMALL, tmp_path / "a", depth=3)
    made = resgen.shrink(SMALL, tmp_path / "a", depth=1, keep=["layer1.1"], macs=0.5)
    assert made.folder.record.blocks == ("layer2.1.add",)
    assert made.folder.record.after.macs <= 0.5 * resgen.analyse(graph).macs


def test_a_module_in_training_is_cut_and_its_optimiser_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing reads what goes, a step of both changes what stays alike."""
    monkeypatch.chdir(tmp_path)
    stage = {"block": "basic", "width": 32, "depth": 1}
    graph = graph_of({**SMALL, "input": [3, 8, 8], "stages": [stage]})
    found = labelled(graph)
    torch.manual_seed(0)
    whole = resgen.to_torch(graph, seed=0)
    made = resgen.shrink(whole, input=(3, 8, 8), params=0.6)
    assert whole.training
    assert not [*tmp_path.iterdir()]
    whole.double()
    numbers = {name: tensor.numpy() for name, tensor in whole.state_dict().items()}
    record = made.record
    gone = np.concatenate(
        [
            np.setdiff1d(found.axes[theirs, axis], found.axes[theirs, axis][[*stays]])
            for ours, theirs in record.names.items()
            for axis, stays in enumerate(record.kept.get(ours, ()))
            if stays is not None
        ]
    )
    for name, axis in found.reads:
        at = np.isin(found.axes[name, axis], gone)
        numbers[name][(slice(None),) * axis + (at,)] = 0
    small = resgen.to_torch(made.graph).double()
    small.load_state_dict(made.carried(whole.state_dict()))
    momenta = {name: torch.randn_like(p) for name, p in whole.named_parameters()}
    x, y = torch.randn(4, 3, 8, 8).double(), torch.randint(0, 10, (4,))
    for module, held in ((whole, momenta), (small, made.carried(momenta))):
        optimizer = torch.optim.SGD(module.parameters(), 0.1, momentum=0.9)
        for name, parameter in module.named_parameters():
            optimizer.state[parameter]["momentum_buffer"] = held[name].clone()
        nn.functional.cross_entropy(module(x), y).backward()
        optimizer.step()
    with pytest.raises(UsageError, match="has other sizes than 2 x 2"):
        made.carried(dict.fromkeys(made.record.names.values(), torch.zeros(2, 2)))
    wanted = made.carried(dict(whole.named_parameters()))
    for name, parameter in small.named_parameters():
        torch.testing.assert_close(parameter, wanted[name])


def test_what_a_module_computes_of_others_has_no_name_of_its_own() -> None:
    normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 32, 3))
    whole = nn.Sequential(normed, nn.ReLU(), nn.Conv2d(32, 4, 3))
    made = resgen.shrink(whole, input=(3, 8, 8), macs=0.5, verify=False)
    assert {*made.record.names.values()} == {"0.bias", "2.weight", "2.bias"}
    assert made.record.kept["0.weight"] == (
        (*made.record.kept["0.bias"][0],),
        *[None] * 3,
    )
    assert made.carried(whole.state_dict())["2.weight"].shape == (4, 16, 3, 3)


@pytest.mark.parametrize(
    ("said", "share"), [(1.0, 1.0), (0.5, 0.5), ("1x", 1.0), ("50%", 0.5)]
)
def test_a_share_is_at_most_the_whole(said: Any, share: float) -> None:
    assert Shrinking(macs=said).macs.of(1e6) == share * 1e6


@pytest.mark.parametrize(("said", "count"), [("0.5G", 5e8), ("2", 2), (4e6, 4e6)])
def test_a_number_with_a_unit_may_be_a_fraction(said: Any, count: float) -> None:
    assert Shrinking(params=said).params.of(1e9) == count


#: A network of one group of channels.
ONE = {
    "resgen": 1,
    "name": "one",
    "input": [3, 8, 8],
    "stem": {"op": "conv", "out": 32, "kernel": 3},
    "stages": [],
    "head": {"classes": 4},
}


def test_chance_is_drawn_from_the_seed() -> None:
    asked: dict[str, Any] = {"macs": 0.5, "importance": "random", "verify": False}
    kept = [
        resgen.shrink(graph_of(ONE), seed=seed, **asked).record.kept
        for seed in (1, 1, 2)
    ]
    assert kept[0] == kept[1] != kept[2]


def test_a_graph_is_cut_as_its_spec_is(tmp_path: Path) -> None:
    graph = graph_of(ONE)
    state = resgen.to_torch(graph, seed=3).state_dict()
    made = resgen.shrink(graph, state_dict=state, macs=0.5, verify=False)
    other = resgen.shrink(ONE, tmp_path / "a", state_dict=state, macs=0.5)
    assert made.folder is None
    assert made.to_dict()["folder"] is None
    assert made.record.kept == other.record.kept != {}
    for name, array in other.weights.items():
        np.testing.assert_array_equal(made.weights[name], array)


@pytest.mark.parametrize(
    ("source", "asked", "said"),
    [
        (SMALL, {"input": (3, 32, 32)}, "input: only a module"),
        (nn.Conv2d(3, 8, 3), {}, "input: a module is read on one"),
        (nn.Conv2d(3, 8, 3), {"input": (3, 8, 8), "state_dict": {}}, "of its own"),
        (nn.Conv2d(3, 8, 3), {"input": (3, 8, 8), "report": True}, "into a folder"),
    ],
)
def test_what_a_module_has_is_not_said_twice(
    source: Any, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        resgen.shrink(source, **asked)


def test_a_part_that_is_kept_stays_with_all_that_goes_with_it(tmp_path: Path) -> None:
    made = resgen.shrink(SMALL, tmp_path / "a", macs="0.8x", keep=["layer2.1"])
    widths = {
        name: module.out_channels
        for name, module in resgen.to_torch(made.graph).named_modules()
        if isinstance(module, nn.Conv2d)
    }
    assert widths["layer2.1.conv3"] == 256
    assert widths["layer1.0.conv1"] < 32


@pytest.mark.slow
def test_what_the_loss_says_is_worth_more_than_chance(tmp_path: Path) -> None:
    learned = digits()
    shrunk = {
        importance: resgen.shrink(
            SPEC,
            tmp_path / str(importance),
            state_dict=learned.weights,
            data="digits",
            importance=importance,
            macs=0.5,
            round=4,
        ).folder.record
        for importance in (None, "random")
    }
    record = shrunk[None]
    assert record.importance == "taylor"
    assert record.accuracy is not None
    accuracy = record.accuracy
    assert accuracy.labels == "data"
    # The 9 of 10 that the network tells right, most of which were learned from.
    assert accuracy.before.count > 0.9 * accuracy.inputs
    low, high = accuracy.after.interval
    assert low < accuracy.after.count / accuracy.inputs < high
    assert shrunk["random"].accuracy is not None
    assert low > shrunk["random"].accuracy.after.interval[1]


@pytest.mark.slow
def test_without_labels_the_whole_network_says_what_is_right(tmp_path: Path) -> None:
    learned = digits()
    np.savez(tmp_path / "x.npz", x=learned.images[:400])
    made = resgen.shrink(
        SPEC,
        tmp_path / "a",
        state_dict=learned.weights,
        data=str(tmp_path / "x.npz"),
        macs=0.5,
    )
    accuracy = made.folder.record.accuracy
    assert accuracy is not None
    assert accuracy.labels == "network"
    assert accuracy.before.count == accuracy.inputs == 80
    assert 40 < accuracy.after.count < 80
    assert made.folder.record.proven is not None
    assert made.folder.record.proven["verdict"] == "equal"


@pytest.mark.slow
def test_what_is_left_is_trained_and_taken_up_again_to_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two threads that other tests take the cores from wait for each other for minutes.
    monkeypatch.setattr(tuned, "available_cores", lambda: 1)
    learned = digits()
    asked: dict[str, Any] = {
        "state_dict": learned.weights,
        "data": "digits",
        "macs": 0.3,
        "round": 4,
        "finetune": 2,
        "distill": True,
    }
    whole = resgen.shrink(SPEC, tmp_path / "a", **asked)
    record = whole.folder.record
    assert record.accuracy is not None
    assert record.accuracy.tuned is not None
    assert record.accuracy.tuned.count > record.accuracy.after.count
    assert record.tuning is not None
    assert record.tuning.distilled
    assert record.proven is not None
    assert "took over" in record.proven["of"]

    class Stopping(Progress):
        """An impatient user."""

        def advance(self, step: str, done: int, total: int) -> None:
            if done > total // 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resgen.shrink(SPEC, tmp_path / "b", progress=Stopping(), **asked)
    assert not (tmp_path / "b").exists()
    with pytest.raises(resgen.ResgenError, match="learning rate"):
        resgen.shrink(SPEC, tmp_path / "b", resume=True, lr=0.5, **asked)
    # On a machine of more cores it goes on with as many threads as before.
    monkeypatch.setattr(tuned, "available_cores", lambda: 2)
    again = resgen.shrink(SPEC, tmp_path / "b", resume=True, **asked)
    for name, array in whole.weights.items():
        np.testing.assert_array_equal(array, again.weights[name])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]
    assert resgen.build(tmp_path / "b", tmp_path / "c").manifest.weights != "fresh"


@pytest.mark.slow
def test_iterations_train_in_between_and_are_taken_up_where_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a rate of nearly nothing, what is left are the whole's own numbers."""
    monkeypatch.setattr(tuned, "available_cores", lambda: 1)
    learned = digits()
    asked: dict[str, Any] = {
        "state_dict": learned.weights,
        "data": "digits",
        "macs": 0.4,
        "round": 4,
        "finetune": 1,
        "iterations": 2,
        "lr": 1e-12,
        "report": True,
    }
    made = resgen.shrink(SPEC, tmp_path / "a", **asked)
    record = made.record
    assert record.tuning is not None
    assert record.tuning.iterations == 2
    assert record.after.macs == made.analysis.macs <= 0.4 * record.before.macs
    for name, array in made.weights.items():
        if name.endswith("weight") and array.ndim > 1:
            whole = learned.weights[record.names[name]]
            for axis, stays in enumerate(record.kept.get(name, ())):
                whole = whole if stays is None else whole.take(stays, axis)
            np.testing.assert_allclose(array, whole, atol=1e-9)
    for layer in record.layers:
        assert layer.before == len(learned.weights[f"{layer.name}.weight"])
        assert layer.after == len(made.weights[f"{layer.name}.weight"])

    class Stopping(Progress):
        """A user who sees the second training begin."""

        begun = 0

        def advance(self, step: str, done: int, total: int) -> None:
            self.begun += done == 5
            if self.begun == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resgen.shrink(SPEC, tmp_path / "b", progress=Stopping(), **asked)
    again = resgen.shrink(SPEC, tmp_path / "b", resume=True, **asked)
    assert again.record.kept == record.kept
    for name, array in made.weights.items():
        np.testing.assert_array_equal(array, again.weights[name])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_how_sensitive_layers_are_is_the_loss_of_the_network_without_them() -> None:
    stage = {"block": "basic", "width": 8, "depth": 1}
    graph = graph_of({**ONE, "stages": [stage]})
    weights = initialize(graph.parameters, 0)
    draw = np.random.default_rng(0)
    images = draw.standard_normal((8, 3, 8, 8)).astype(np.float32)
    batches = [(images, draw.integers(0, 4, 8))]
    found = labelled(graph)
    free = groups(found)
    scores = [draw.random(group.classes.size) for group in free]
    whole = loss(graph, weights, batches, "")
    each = sensitivity(found, free, scores, weights, batches, "")
    for group, worth, told in zip(free, scores, each, strict=True):
        least = group.classes[worth.argsort()[: group.classes.size // 2]]
        left = cut(found, weights, least)
        assert told[1] == pytest.approx(
            loss(left.graph, left.weights, batches, "") - whole, abs=1e-5
        )
        assert told[1] != 0


class Machine:
    """A table of a machine that is made up, which it does not know well.

    It has half of what kernels take that it has timed, and of others nothing but their
    multiply-adds.
    """

    def __init__(self, path: Path, conditions: Any, place: Any) -> None:
        self.timed: set[Any] = set()
        self.networks: set[str] = set()

    def time(self, graph: Any) -> Any:
        ran = runs(graph)
        if identity([run.kernel for run in ran]) in self.networks:
            return None
        self.networks.add(identity([run.kernel for run in ran]))
        self.timed |= {run.kernel for run in ran}
        return object()

    def table(self) -> Machine:
        return self

    done = table

    def seconds(self, graph: Any) -> float:
        return sum(self.seconds_of([run.kernel for run in runs(graph)]))

    def told(self, kernels: Any) -> tuple[float, float]:
        known = all(kernel in self.timed for kernel in kernels)
        return sum(self.seconds_of(kernels)), float(known)

    def seconds_of(self, kernels: Any) -> list[float]:
        return [
            0.5 * takes(kernel) if kernel in self.timed else 1e-9 * kernel.macs
            for kernel in kernels
        ]


def takes(kernel: Any) -> float:
    """The seconds of a kernel: to begin, and for multiply-adds of 16 channels each."""
    channels = max(1, kernel.out)
    return 20e-6 + 1e-9 * kernel.macs * (-(-channels // 16) * 16 / channels)


def compared(found: Any, told: Any, budget: str, rounds: int) -> Latency:
    """What comes of two networks beside each other."""
    a, b = (sum(takes(run.kernel) for run in runs(graph)) for graph in found)
    return Latency(
        budget=budget,
        conditions="made up",
        before=Pace(a, 1.1 * a),
        after=Pace(b, 1.1 * b),
        verdict="faster",
        ratio=b / a,
        interval=(0.99 * b / a, 1.01 * b / a),
        rounds=rounds,
    )


def beside(whole: Any, left: Any, *told: Any, progress: Progress) -> Any:
    return whole, left


@pytest.mark.parametrize("budget", ["0.85x", "0.35x"])
def test_a_latency_is_met_whatever_the_table_believes(
    budget: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    latency = asked_of_a_machine(budget, monkeypatch)
    share = float(budget.rstrip("x"))
    assert 0.85 * share <= latency.interval[1] <= share


@pytest.mark.slow
def test_what_is_timed_for_a_latency_is_in_the_table_and_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paced, "beside", beside)
    monkeypatch.setattr(paced, "_latency", compared)
    monkeypatch.setattr(timed, "TRIED", ())
    monkeypatch.setattr(timed, "TIMED", 1)
    table = tmp_path / "table.json"
    asked: dict[str, Any] = {"latency": "20ms", "table": table, "threads": 1}
    made = resgen.shrink("resnet20_cifar", tmp_path / "a", **asked)
    latency = made.record.latency
    assert latency is not None
    assert latency.after.p95 <= 20e-3
    assert made.analysis.macs <= 20e6
    assert resgen.latency.table.load(table).record.networks


@pytest.mark.parametrize(
    ("budget", "notes", "code"), [("6.0ms", 1, 1), ("6.0ms", 0, 0), ("0.6x", 1, 0)]
)
def test_a_busy_machine_promises_no_time(
    budget: str, notes: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = "other processes took 84 % of the cores' time"
    latency = Latency(
        budget=budget, conditions="here", before=Pace(8e-3, 9e-3),
        after=Pace(4e-3, 5e-3), verdict="faster", ratio=0.5, interval=(0.49, 0.51),
        rounds=1, notes=(busy,) * notes,
    )  # fmt: skip
    whole = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3), torch.nn.Conv2d(16, 4, 3))
    made = resgen.shrink(whole, input=(3, 8, 8), macs="0.5x")
    made = replace(made, record=replace(made.record, latency=latency))
    assert made.sure is not bool(code)
    monkeypatch.setattr("resgen.api.shrink.run", lambda *given, **options: made)
    done = CliRunner().invoke(main, ["shrink", "resnet20_cifar", "--latency", budget])
    assert done.exit_code == code, done.output
    assert (f"not promised: while it was timed, {busy}" in done.output) is bool(code)


class Particular(Machine):
    """One that takes a third of the time to read channels that are not divisible by 4.

    As the kernels of 8 bits do that ONNX Runtime has for small maps.
    """

    def seconds_of(self, kernels: Any) -> list[float]:
        took = super().seconds_of(kernels)
        odd = [kernel.channels % 4 != 0 and kernel in self.timed for kernel in kernels]
        return [t / 3 if o else t for t, o in zip(took, odd, strict=True)]


@pytest.mark.parametrize(
    ("machine", "options", "odd"),
    [
        (Machine, {}, False),
        (Particular, {}, True),
        (Particular, {"precision": "int8"}, True),
        (Particular, {"round": 16}, False),
    ],
)
def test_sizes_are_taken_that_are_faster_and_others_are_not(
    machine: Any,
    options: dict[str, Any],
    odd: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timed, "Recorder", machine)
    convs = [{"op": "conv", "out": out, "kernel": 3} for out in (64, 128, 128, 64)]
    asked: dict[str, Any] = {"macs": 0.5, "table": tmp_path / "table.json", **options}
    graph = graph_of({**ONE, "stem": convs})
    made = resgen.shrink(graph, verify=False, threads=1, **asked)
    widths = [node.op.out for node in made.graph.nodes if isinstance(node.op, Conv)]
    assert any(width % 4 != 0 for width in widths) is odd
    assert all(width % 8 in ({0, 6} if odd else {0}) for width in widths)
    before, after = made.record.before.macs, made.record.after.macs
    assert 0.4 * before < after <= 0.5 * before


def test_what_no_cut_meets_is_said_with_what_the_least_one_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = graph_of("resnet20_cifar")
    found = labelled(graph)
    free = [group for group in groups(found) if group.classes.size > 1]
    evens = [np.ones(group.classes.size) for group in free]
    least = choose(found, free, evens, lambda choice: False)
    left = cut(found, initialize(graph.parameters, 0), least.gone).graph
    reached = compared((graph, left), None, "", 1).interval[1]
    with pytest.raises(resgen.ResgenError, match="no cut of resnet20") as failed:
        asked_of_a_machine("0.02x", monkeypatch)
    assert failed.value.hint == f"{reached:.2f}x is what was reached"


def test_in_int8_channels_go_by_16_and_the_file_that_is_timed_is_quantised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []

    class Noting(Machine):
        def time(self, graph: Any) -> Any:
            seen.append(graph)
            return super().time(graph)

    monkeypatch.setattr(timed, "Recorder", Noting)
    asked_of_a_machine("0.8x", monkeypatch, precision="int8")
    for graph in seen[: 1 + len(timed.TRIED)]:  # then other sizes are tried
        outs = {node.op.out for node in graph.nodes if isinstance(node.op, Conv)}
        assert all(out % 16 == 0 for out in outs)
    told = conditions("onnxruntime", 1, precision="int8")
    with job(seen[-1], told) as asked:
        assert asked.prepared.model is not None
        file = onnx.load(asked.prepared.model)
        operators = {node.op_type for node in file.graph.node}
    assert "QuantizeLinear" in operators
    assert Shrinking(latency="1ms", precision="int8", round=4).step == 4


def asked_of_a_machine(
    budget: str, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> Latency:
    """What a network takes that was to meet a budget on the machine."""
    if not issubclass(timed.Recorder, Machine):
        monkeypatch.setattr(timed, "Recorder", Machine)
    monkeypatch.setattr(paced, "beside", beside)
    monkeypatch.setattr(paced, "_latency", compared)
    graph = graph_of("resnet20_cifar")
    weights = initialize(graph.parameters, 0)
    found = labelled(graph)
    free = [group for group in groups(found) if group.classes.size > 1]
    scores = [magnitude(found, group, weights) for group in free]
    asked = Shrinking(latency=budget, **options)
    return paced.paced(
        found, free, graph, asked, lambda cost: scores, lambda c: True, SILENT
    ).latency


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"latency": "fast"}, "no time"),
        ({"latency": "2x"}, "at most the whole"),
        ({"macs": 0.5, "threads": 2}, "for a bound of latency"),
        ({"macs": 0.5, "precision": "int8"}, "for a bound of latency"),
        ({"depth": 1, "table": "new.json"}, "leads to a bound"),
        ({"data": "digits", "distill": True}, "for training"),
        ({"data": "digits", "device": "cpu"}, "for training"),
        ({"data": "digits", "finetune": 1, "device": "cuda"}, "sees no GPU"),
        ({"importance": "taylor"}, "a matter of data"),
        ({"macs": 0.5, "iterations": 3}, "for training"),
        (
            {"latency": "8ms", "iterations": 3, "data": "digits", "finetune": 1},
            "8.0ms is none",
        ),
        (
            {"depth": 1, "iterations": 3, "data": "digits", "finetune": 1},
            "lead to a bound",
        ),
        ({"data": "nothing.npz"}, "nothing.npz"),
        ({"macs": "0.001x"}, "cannot be made as small"),
        ({"macs": "2x"}, "at most the whole"),
        ({"macs": "fast"}, "no amount"),
        ({"macs": 1}, 'a share is "1x"'),
        ({"params": "1.0"}, 'a share is "1.0x"'),
        ({"macs": 0}, "is not above 0"),
        ({"macs": "0.5x", "keep": ["layer9"]}, "layer9"),
        ({"macs": "0.5x", "keep": [""]}, "no part ''"),
        ({"macs": "0.5x", "round": 0}, "whole number"),
        (
            {"data": "digits", "finetune": 1, "iterations": 2, "resume": True},
            "no training to resume",
        ),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_left(
    asked: dict[str, Any],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises((resgen.ResgenError, UsageError), match=said):
        resgen.shrink(SMALL, tmp_path / "a", **asked)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("name", ["../out", "a/b", "..", "", "x" * 300])
def test_a_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"file's? name|name of a file"):
        resgen.shrink(SMALL, tmp_path / "in" / "out", name=name)
    with pytest.raises(resgen.ResgenError, match=r"name|characters"):
        resgen.shrink({**SMALL, "name": name or "/"}, tmp_path / "in" / "out")
    assert not list(tmp_path.iterdir())
