"""Keras models compute what PyTorch does, operator by operator, and train alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from one_node import (
    assert_close,
    one_node,
    random_inputs,
    random_weights,
    run_torch,
)

import resgen
from resgen.errors import ResgenError
from resgen.ops import OPERATORS
from resgen.ops.base import Case
from resgen.ops.conv_transpose import ConvTranspose

pytest.importorskip("keras")

CASES = [
    pytest.param(case, id=f"{name}-{number}")
    for name, op in OPERATORS.items()
    if not op.placed
    for number, case in enumerate(op.samples())
]


def refused(case: Case) -> str:
    """Why Keras has no layer of it; all else is made."""
    if case.op.name in ("pick_boxes", "suppress_boxes"):
        return "it chooses among boxes, which Keras has nothing for"
    if isinstance(case.op, ConvTranspose) and case.op.groups > 1:
        return "Keras has no transposed convolution in groups, or dilated"
    return ""


@pytest.mark.parametrize("case", CASES)
def test_an_operator_is_made_or_refused_by_name(case: Case) -> None:
    from resgen.proof.keras import KerasSession

    graph = one_node(case.op, case.inputs)
    weights = random_weights(graph)
    arrays = random_inputs(case.inputs)
    if why := refused(case):
        said = f"spec.json:1:1: {why}, for {case.op.name} in"
        with pytest.raises(ResgenError, match=said):
            resgen.to_keras(graph, weights)
        return
    model = resgen.to_keras(graph, weights)
    wanted = run_torch(graph, weights, arrays)
    feeds = {i.name: a for i, a in zip(graph.inputs, arrays, strict=True)}
    with KerasSession(graph, model) as session:
        assert_close(session.run(feeds)["output"], wanted, 2e-6)
    back = resgen.from_keras(model)
    for parameter in graph.parameters:
        if parameter.dtype == "float32":
            given = weights[parameter.name]
            np.testing.assert_array_equal(back[parameter.name], given, strict=True)


def network(*stem: Any, **more: Any) -> dict[str, Any]:
    return {
        "resgen": 1,
        "name": "small",
        "input": [3, 12, 12],
        "stem": [{"op": "conv", "out": 8, "kernel": 3, "stride": 2}, *stem],
        "stages": [{"block": "basic", "width": 8, "depth": 1}],
        "head": {"classes": 3},
        **more,
    }


#: One layer that is used on maps of one size, and on maps of several.
TWICE = [
    {"op": op, **said, "as": f"twice.{op}", **share}
    for share in ({}, {"share": True})
    for op, said in (("conv", {"out": 8, "kernel": 3}), ("norm", {}))
]
SIZES = [*TWICE[:2], {"op": "max_pool", "kernel": 2}, *TWICE[2:]]


@pytest.mark.parametrize(
    "stem",
    [
        TWICE,
        SIZES,
        ["norm", "act"],
        [{"op": "conv", "out": 8, "kernel": 3, "groups": 8}, "norm"],
        [{"op": "conv", "out": 8, "kernel": 3, "standardize": True}],
        [{"op": "act", "type": "prelu"}, {"op": "norm", "type": "layer"}],
        [{"op": "max_pool", "kernel": 3, "stride": 2, "padding": 1}],
    ],
    ids=["twice", "sizes", "plain", "depthwise", "standardised", "prelu", "pool"],
)
def test_a_step_of_training_is_pytorchs(stem: list[Any]) -> None:
    from resgen.proof.keras import prove_training

    graph = resgen.expand(resgen.load(network(*stem)))
    trained = prove_training(graph)
    if trained is None:
        pytest.skip("Keras does not compute with PyTorch here")
    assert trained < 1e-4


def test_a_step_that_rounding_decides_tells_nothing() -> None:
    """Without shortcuts a ReLU that passes another value moves all gradients.

    On the first batch alone this network was refused.
    """
    from resgen.proof.keras import prove_training

    graph = resgen.expand(resgen.load("plain44_cifar", ["/input=[3,8,8]"]))
    assert prove_training(graph) is None


def test_a_step_that_is_wrong_on_every_batch_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from resgen.proof import keras as proof
    from resgen.proof.compare import Departure

    graph = resgen.expand(resgen.load(network("norm", "act")))
    if proof.prove_training(graph) is None:
        pytest.skip("Keras does not compute with PyTorch here")
    norm = next(
        x for x in map(type, resgen.to_keras(graph).layers) if "Batch" in str(x)
    )
    keep = norm.__init__

    def forgetful(self: Any, *args: Any, momentum: float, **given: Any) -> None:
        keep(self, *args, momentum=momentum - 0.05, **given)

    monkeypatch.setattr(norm, "__init__", forgetful)
    with pytest.raises(Departure, match="running_"):
        proof.prove_training(graph)


def test_weights_go_there_and_back_behind_a_flattening(tmp_path: Path) -> None:
    """The columns of the linear map lie as the map does, and come back in order."""
    head = ["flatten", {"op": "dropout", "p": 0.3}, {"op": "linear", "out": 3}]
    graph = resgen.expand(resgen.load(network("norm", "act", head=head)))
    model = resgen.to_keras(graph, seed=3)
    module = resgen.to_torch(graph, seed=3).eval()
    x = torch.randn(2, 3, 12, 12)
    with torch.no_grad():
        wanted = module(x)
    found = model(x.permute(0, 2, 3, 1).numpy(), training=False)
    np.testing.assert_allclose(np.asarray(found.detach()), wanted, atol=1e-5)
    model.save(tmp_path / "model.keras")
    for source in (model, tmp_path / "model.keras"):
        state = resgen.from_keras(source)
        assert state.keys() == module.state_dict().keys()
        for name, held in module.state_dict().items():
            np.testing.assert_array_equal(state[name], held)


def test_chance_takes_part_in_training_alone() -> None:
    import keras

    stem = [{"op": "drop_path", "p": 0.5}]
    model = resgen.to_keras(resgen.expand(resgen.load(network(*stem))))
    drop = next(x for x in model.layers if isinstance(x, keras.layers.Dropout))
    ones = np.ones((64, 6, 6, 8), np.float32)
    kept = np.asarray(drop(ones, training=True).detach().cpu())
    each = kept.reshape(64, -1)
    assert set(np.unique(each)) == {0.0, 2.0}  # a whole sample, or nothing of it
    assert (each == each[:, :1]).all()
    assert 16 < each[:, 0].sum() / 2 < 48
    np.testing.assert_array_equal(np.asarray(drop(ones, training=False)), ones)


def test_layers_start_where_the_spec_says_and_bear_its_names() -> None:
    import keras

    init = {"type": "normal", "std": 0.25}
    stem = {"op": "conv", "out": 64, "kernel": 3, "as": "first-conv", "init": init}
    spec = network(stem=[stem], stages=[{"block": "basic", "width": 64, "depth": 1}])
    model = resgen.to_keras(resgen.expand(resgen.load(spec)))
    anew = keras.models.clone_model(model)
    kernel = np.asarray(anew.get_layer("first--conv").kernel)
    assert 0.22 < kernel.std() < 0.28
    assert "first-conv.weight" in resgen.from_keras(anew)


@pytest.mark.slow
def test_windows_share_positions_and_a_mask() -> None:
    spec = {
        "resgen": 1,
        "extends": "swin_tiny_patch4_window7_224",
        "name": "small",
        "input": [3, 56, 56],
        "let": {"width": 24},
        "stages": [{"depth": 2, "heads": 2}],
    }
    graph = resgen.expand(resgen.load(spec))
    x = np.random.default_rng(0).standard_normal((2, 3, 56, 56)).astype(np.float32)
    with torch.no_grad():
        wanted = resgen.to_torch(graph).eval()(torch.from_numpy(x)).numpy()
        found = resgen.to_keras(graph)(x.transpose(0, 2, 3, 1), training=False)
    assert_close(found.numpy(), wanted, 1e-5)


class Tokens(torch.nn.Module):
    """Two parameters joined before what flows meets them, as tokens of a network."""

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Parameter(torch.randn(1, 3, 4, 4))
        self.two = torch.nn.Parameter(torch.randn(1, 5, 4, 4))
        self.conv = torch.nn.Conv2d(3, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) * torch.cat([self.one, self.two], 1)


def test_parameters_alone_are_joined() -> None:
    from resgen.proof.keras import KerasSession

    module = Tokens().eval()
    spec, weights = resgen.from_torch(module, (3, 4, 4), verify=False)
    graph = resgen.expand(spec)
    x = np.float32(np.random.default_rng(0).random((2, 3, 4, 4)))
    model = resgen.to_keras(graph, weights)
    with torch.no_grad(), KerasSession(graph, model) as session:
        wanted = module(torch.tensor(x)).numpy()
        assert_close(session.run({"input": x})["output"], wanted, 2e-6)
    back = resgen.from_keras(model)
    for name, array in weights.items():
        np.testing.assert_array_equal(back[name], array)
