"""Outputs that only training has: in the module, and in no file."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

import resgen
from resgen.graph.ir import Graph

Json = dict[str, Any]


def spec(outputs: Json) -> Json:
    return {
        "resgen": 1,
        "name": "small",
        "input": [3, 16, 16],
        "stem": "cifar",
        "stages": [
            {"block": "basic", "depth": 1, "width": width} for width in (4, 8, 8)
        ],
        "head": {"outputs": outputs},
    }


MAIN: Json = {"use": "classifier", "with": {"classes": 5}}
AUX: Json = {"use": "classifier", "as": "aux", "with": {"classes": 5}}
ON_THE_WAY: Json = {"train_only": True, "from": "stages[1]", **AUX}
PLAIN = spec({"output": MAIN})
WITH_AUX = spec({"output": MAIN, "aux": ON_THE_WAY})


def graph(value: Json | Path) -> Graph:
    return resgen.expand(resgen.load(value))


def picture() -> torch.Tensor:
    return torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_the_network_that_infers_is_the_one_without_them() -> None:
    made, plain = graph(WITH_AUX), graph(PLAIN)
    assert made.outputs == plain.outputs
    assert [n.name for n in made.nodes] == [n.name for n in plain.nodes]
    assert made.parameters == plain.parameters
    assert resgen.analyse(made).params == resgen.analyse(plain).params
    whole = resgen.analyse(made).training
    assert whole is not None
    assert whole.params == resgen.analyse(plain).params + 8 * 5 + 5
    assert whole.outputs == (("aux", (5,)), ("output", (5,)))
    assert resgen.analyse(plain).training is None


def test_training_gives_them_and_evaluation_does_not_compute_them() -> None:
    module, plain = resgen.to_torch(graph(WITH_AUX)), resgen.to_torch(graph(PLAIN))
    ran: list[bool] = []
    module.get_submodule("aux").register_forward_hook(lambda *_: ran.append(True))
    x = picture()
    found = module(x)
    assert found.keys() == {"aux", "output"}
    torch.testing.assert_close(found["output"], plain(x), rtol=0, atol=0)
    assert ran == [True]
    torch.testing.assert_close(module.eval()(x), plain.eval()(x), rtol=0, atol=0)
    assert ran == [True]
    extra = module.state_dict().keys() - plain.state_dict().keys()
    assert extra == {"aux.fc.weight", "aux.fc.bias"}
    assert module.train()(x).keys() == {"aux", "output"}


def test_what_inference_computes_anyway_can_be_one_of_them() -> None:
    """Maps of stages, to learn from another network's (distillation)."""
    maps: Json = {"train_only": True, "from": "stages[:2]"}
    module = resgen.to_torch(graph(spec({"output": MAIN, "maps": maps})))
    found = module(picture())
    assert found.keys() == {"maps.0", "maps.1", "output"}
    assert found["maps.1"].shape == (2, 8, 8, 8)
    assert module.eval()(picture()).shape == (2, 5)


def test_each_outputs_gradient_is_that_of_the_layers_before_it() -> None:
    module = resgen.to_torch(graph(WITH_AUX))
    module(picture())["aux"].sum().backward()
    reached = {
        name.split(".")[0]
        for name, p in module.named_parameters()
        if p.grad is not None
    }
    assert reached == {"conv1", "bn1", "layer1", "layer2", "aux"}


@pytest.mark.parametrize("mode", [True, False])
def test_copies_and_pickles_keep_both(mode: bool) -> None:
    module, x = resgen.to_torch(graph(WITH_AUX)).train(mode), picture()
    for made in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert made.training is mode
        torch.testing.assert_close(made.eval()(x), module.eval()(x))
        assert made.train()(x).keys() == {"aux", "output"}
        module.train(mode)


def test_a_part_in_evaluation_mode_leaves_the_rest_in_training() -> None:
    """As where batch norms of a trunk are frozen."""
    block: Json = {"body": {"outputs": {"output": MAIN, "aux": ON_THE_WAY}}}
    del block["body"]["outputs"]["aux"]["from"]
    both = spec({}) | {"head": {"use": "both", "as": "ends"}, "blocks": {"both": block}}
    module = resgen.to_torch(graph(both))
    assert {"ends.aux.fc.weight", "ends.fc.weight"} <= module.state_dict().keys()
    module.get_submodule("ends").eval()
    module.get_submodule("layer3").eval()
    assert module(picture()).keys() == {"aux", "output"}
    assert module.eval()(picture()).shape == (2, 5)


def test_weights_may_lack_them_or_have_them() -> None:
    made = graph(WITH_AUX)
    whole = resgen.to_torch(made, seed=1).state_dict()
    some = {name: held for name, held in whole.items() if "aux" not in name}
    found = resgen.to_torch(made, some, seed=2).state_dict()
    torch.testing.assert_close({name: found[name] for name in some}, some)
    assert not torch.equal(found["aux.fc.weight"], whole["aux.fc.weight"])
    quantised = resgen.to_torch(made, whole, precision="int8")
    assert not any("aux" in name for name in quantised.state_dict())
    assert quantised(picture()).shape == (2, 5)


@pytest.mark.slow
def test_no_file_has_them(tmp_path: Path) -> None:
    """Built with a checkpoint that has their weights, and proven."""
    module = resgen.to_torch(graph(WITH_AUX), seed=3)
    torch.save(module.state_dict(), tmp_path / "trained.pth")
    folder = tmp_path / "made"
    resgen.build(WITH_AUX, folder, weights=tmp_path / "trained.pth")
    file = onnx.load(folder / "model.onnx")
    assert [o.name for o in file.graph.output] == ["output"]
    names = {i.name for i in file.graph.initializer} | {n.name for n in file.graph.node}
    assert not any("aux" in name for name in names)
    resgen.verify(folder)
    again = resgen.to_torch(graph(folder / "spec.json"))
    assert again(picture()).keys() == {"aux", "output"}
