"""Checkpoints as training scripts write them, by torch.save and by safetensors."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from resgen.errors import MissingComponent, ResgenError
from resgen.expansion.network import expand, load
from resgen.graph.ir import Graph, Parameter
from resgen.ops.types import Constant
from resgen.weights import checkpoint
from resgen.weights.loading import Loading

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def model(peers: ModuleType) -> Iterator[torch.nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield peers.torchvision.models.resnet18()


@pytest.fixture(scope="module")
def state(model: torch.nn.Module) -> State:
    return dict(model.state_dict())


@pytest.fixture(scope="module")
def graph() -> Graph:
    return expand(load("resnet18"))


def of(**shapes: tuple[int, ...]) -> Graph:
    """A network of parameters with these shapes, which nothing uses."""
    parameters = tuple(
        Parameter(name.replace("__", "."), shape, Constant(0.0))
        for name, shape in shapes.items()
    )
    return replace(expand(load("resnet20_cifar")), nodes=(), parameters=parameters)


ONE = of(a=(1,))


def prefixed(prefix: str) -> Callable[[State], State]:
    return lambda state: {prefix + name: value for name, value in state.items()}


def averaged(state: State) -> dict[str, Any]:
    """What torchvision's reference script keeps under ``model_ema``."""
    return {"n_averaged": torch.tensor(3), **prefixed("module.")(state)}


def doubled(state: State) -> State:
    return {name: value * 2 for name, value in state.items()}


def beside(state: State) -> dict[str, Any]:
    """What else a script saves."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(state["fc.bias"].clone())], 0.1)
    return {
        "epoch": 90,
        "arch": "resnet18",
        "args": argparse.Namespace(lr=0.1, milestones=[30, 60]),
        "best_acc1": np.float64(69.8),
        "optimizer": optimizer.state_dict(),
    }


def agree(found: dict[str, np.ndarray], state: State) -> None:
    assert list(found) == list(state)
    for name, value in state.items():
        assert found[name].shape == tuple(value.shape)
        np.testing.assert_array_equal(found[name], value.numpy(), err_msg=name)


def listed(error: pytest.ExceptionInfo[ResgenError], heading: str) -> list[str]:
    """The lines below a heading of a message."""
    lines = error.value.message.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"  {heading}"))
    below = []
    for line in lines[start + 1 :]:
        if not line.startswith("    "):
            break
        below.append(line.strip())
    return below


WRAPPINGS: dict[str, Callable[[State], dict[str, Any]]] = {
    "plain": lambda s: s,
    "state_dict": lambda s: {**beside(s), "state_dict": s},
    "model": lambda s: {**beside(s), "model": s},
    "model_state_dict": lambda s: {"model_state_dict": s, "loss": torch.tensor(0.5)},
    "DataParallel": lambda s: {"epoch": 1, "state_dict": prefixed("module.")(s)},
    "compiled": prefixed("_orig_mod."),
    "compiled and distributed": prefixed("module._orig_mod."),
    "distributed and compiled": prefixed("_orig_mod.module."),
    "Lightning": lambda s: {"state_dict": prefixed("model.backbone.")(s)},
    "backbone": prefixed("backbone."),
    "nested twice": lambda s: {"model": {"state_dict": prefixed("model.")(s)}},
    "beside averages": lambda s: {"model": s, "model_ema": averaged(doubled(s))},
}


@pytest.mark.drawn(4)
@pytest.mark.peers
@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=list(WRAPPINGS))
@pytest.mark.parametrize("archive", [True, False], ids=["zip", "legacy"])
def test_wrappings(
    tmp_path: Path,
    state: State,
    graph: Graph,
    wrap: Callable[[State], Any],
    archive: bool,
) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save(wrap(state), path, _use_new_zipfile_serialization=archive)
    agree(checkpoint.load(path, graph).arrays, state)


@pytest.mark.peers
@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"state_dict": doubled(s), "state_dict_ema": s},
        lambda s: {"model": doubled(s), "model_ema": averaged(s)},
        lambda s: {"model": doubled(s), "model_ema": {"state_dict": s}},
        lambda s: {"state_dict": {"model": doubled(s), "model_ema": s}},
    ],
    ids=["timm", "torchvision", "nested", "within"],
)
def test_averaged_weights(
    tmp_path: Path,
    state: State,
    graph: Graph,
    wrap: Callable[[State], Any],
) -> None:
    path = tmp_path / "checkpoint.pth.tar"
    torch.save(wrap(state), path)
    agree(checkpoint.load(path, graph, Loading(ema=True)).arrays, state)


def test_no_averaged_weights(tmp_path: Path) -> None:
    torch.save({"epoch": 1, "state_dict": {"a": torch.ones(1)}}, tmp_path / "a.pt")
    with pytest.raises(ResgenError, match=r"no averaged .* holds epoch, state_dict"):
        checkpoint.load(tmp_path / "a.pt", ONE, Loading(ema=True))
    save_file({"a": torch.ones(1)}, tmp_path / "a.safetensors")
    with pytest.raises(ResgenError, match="average"):
        checkpoint.load(tmp_path / "a.safetensors", ONE, Loading(ema=True))


def test_only_averaged_weights(tmp_path: Path) -> None:
    torch.save({"epoch": 1, "model_ema": {"a": torch.ones(1)}}, tmp_path / "a.pt")
    found = checkpoint.load(tmp_path / "a.pt", ONE)
    assert list(found.arrays) == ["a"]
    assert ["model_ema is a moving average" in note for note in found.notes] == [True]


@pytest.mark.peers
def test_safetensors(tmp_path: Path, state: State, graph: Graph) -> None:
    path = tmp_path / "model.safetensors"
    save_file(state, path)
    agree(checkpoint.load(path, graph).arrays, state)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "dtype",
    [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn,
     torch.float8_e5m2],
)  # fmt: skip
def test_other_precisions(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    suffix: str,
    dtype: torch.dtype,
) -> None:
    value = torch.linspace(-3, 3, 12).reshape(3, 4).to(dtype)
    path = tmp_path / f"weights{suffix}"
    state = {"weight": value, "bias": torch.ones(3)}
    if suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    found = checkpoint.load(path, of(weight=(3, 4), bias=(3,))).arrays
    assert found["weight"].dtype == np.float32
    np.testing.assert_array_equal(found["weight"], value.float().numpy())
    name = str(dtype).removeprefix("torch.")
    assert caplog.messages == [f"1 tensor converted from {name} to float32"]


def test_a_state_dict_is_shared_not_copied() -> None:
    layer = torch.nn.Conv2d(4, 6, 3)
    found = checkpoint.from_state_dict(layer.state_dict())
    assert found["weight"].ctypes.data == layer.weight.data_ptr()
    last = layer.to(memory_format=torch.channels_last).state_dict()
    strided = checkpoint.from_state_dict(last)["weight"]
    assert strided.flags.c_contiguous
    np.testing.assert_array_equal(strided, found["weight"])
    mixed = {"a": np.ones(1, np.float32), "note": "text", 0: torch.ones(1)}
    assert list(checkpoint.fit(mixed, ONE).arrays) == ["a"]


def test_scalars_stay_scalars() -> None:
    found = checkpoint.from_state_dict(torch.nn.BatchNorm1d(2).state_dict())
    assert found["num_batches_tracked"].shape == ()


def test_an_extraordinary_tensor() -> None:
    with pytest.raises(ResgenError, match="a is not an ordinary tensor"):
        checkpoint.from_state_dict({"a": torch.ones(2, 2).to_sparse()})
    with pytest.raises(ResgenError, match="a is not an ordinary tensor"):
        checkpoint.from_state_dict({"a": torch.ones(2, device="meta")})


# --- what does not fit ---------------------------------------------------------------


@pytest.mark.peers
def test_batch_counters_may_be_missing(state: State, graph: Graph) -> None:
    old = {n: v for n, v in state.items() if not n.endswith("num_batches_tracked")}
    agree(checkpoint.fit(old, graph).arrays, state)


@pytest.mark.peers
def test_everything_that_does_not_fit_is_listed(state: State, graph: Graph) -> None:
    wrong = dict(state)
    wrong["layer1.0.conv1.wieght"] = wrong.pop("layer1.0.conv1.weight")
    wrong["criterion.weight"] = torch.ones(5)
    wrong["conv1.weight"] = torch.ones(64, 1, 7, 7)
    wrong["bn1.weight"] = torch.ones(64, dtype=torch.int8)
    with pytest.raises(ResgenError) as error:
        checkpoint.fit(wrong, graph)
    assert listed(error, "missing") == ["layer1.0.conv1.weight (64 x 64 x 3 x 3)"]
    typo, other = listed(error, "not of this network")
    assert typo.startswith("layer1.0.conv1.wieght (64 x 64 x 3 x 3)")
    assert typo.endswith('did you mean "layer1.0.conv1.weight"?')
    assert other == "criterion.weight (5)"
    assert listed(error, "of another shape") == [
        "conv1.weight is 64 x 1 x 7 x 7, the network has 64 x 3 x 7 x 7",
        "bn1.weight is int8, the network has float32",
    ]
    assert error.value.hint is None


@pytest.mark.peers
def test_long_lists_are_cut(state: State, graph: Graph) -> None:
    """All is counted, the first ten of each kind are named."""
    names = [name for name in state if not name.startswith("layer")]
    other = {f"features.{i}.weight": torch.ones(1) for i in range(13)}
    given = {**{name: state[name] for name in names}, **other}
    needed = [n for n in state if not n.endswith("num_batches_tracked")]
    with pytest.raises(ResgenError) as error:
        checkpoint.fit(given, graph)
    lacking = len(set(needed) - set(names))
    assert f"missing from the weights ({lacking})" in error.value.message
    missing = listed(error, "missing")
    assert len(missing) == 11
    assert missing[-1] == f"and {lacking - 10} more"
    assert listed(error, "not of this network")[-1] == "and 3 more"


@pytest.mark.peers
def test_another_number_of_classes(peers: ModuleType, graph: Graph) -> None:
    ten = peers.torchvision.models.resnet18(num_classes=10).state_dict()
    with pytest.raises(ResgenError) as error:
        checkpoint.fit(ten, graph, spec=load("resnet18"))
    assert listed(error, "of another shape") == [
        "fc.weight is 10 x 512, the network has 1000 x 512",
        "fc.bias is 10, the network has 1000",
    ]
    assert 'set="/head/classes=10" ' in str(error.value.hint)


def test_a_prefix_of_the_network_itself_stays() -> None:
    weights = {"module.backbone.conv.weight": np.ones(2, np.float32)}
    found = checkpoint.fit(weights, of(backbone__conv__weight=(2,)))
    assert list(found.arrays) == ["backbone.conv.weight"]


# --- what is no checkpoint -----------------------------------------------------------


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.witness}",)


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "legacy"])
def test_code_is_refused(tmp_path: Path, archive: bool) -> None:
    path, witness = tmp_path / "evil.pth", tmp_path / "witness"
    saved = {"state_dict": {"a": torch.ones(1)}, "extra": Evil(witness)}
    torch.save(saved, path, _use_new_zipfile_serialization=archive)
    with pytest.raises(ResgenError, match=r"refused: .* run \w+\.system,") as error:
        checkpoint.load(path, ONE)
    assert error.value.exit_code == 1
    assert "state_dict" in str(error.value.hint)
    assert not witness.exists()


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pt")
    with pytest.raises(ResgenError, match=r"refused: .*torch\.nn\..*Linear"):
        checkpoint.load(tmp_path / "model.pt", ONE)


@pytest.mark.parametrize("own", [[], [argparse.Namespace]], ids=["none", "one"])
def test_what_torch_allows_is_left_as_it_was(tmp_path: Path, own: list[type]) -> None:
    path = tmp_path / "a.pth"
    torch.save({"args": argparse.Namespace(), "model": {"a": torch.ones(1)}}, path)
    with torch.serialization.safe_globals(own):
        before = set(torch.serialization.get_safe_globals())
        assert (argparse.Namespace in before) is bool(own)
        checkpoint.load(path, ONE)
        assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".ckpt"])
@pytest.mark.parametrize("kind", ["empty", "text", "folder", "missing"])
def test_no_checkpoint_at_all(tmp_path: Path, suffix: str, kind: str) -> None:
    path = tmp_path / f"thing{suffix}"
    match kind:
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("hello, this is a page that was not found\n" * 9)
        case "folder":
            path.mkdir()
    with pytest.raises(ResgenError, match=r"thing\.") as error:
        checkpoint.load(path, ONE)
    assert error.value.exit_code == 1


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("archive", [True, False], ids=["zip", "legacy"])
def test_truncated(tmp_path: Path, suffix: str, archive: bool) -> None:
    whole, cut = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    state = {"a": torch.ones(64, 64), "b": torch.zeros(64)}
    if suffix == ".pth":
        torch.save(state, whole, _use_new_zipfile_serialization=archive)
    else:
        save_file(state, whole)
    data = whole.read_bytes()
    for length in (1, 7, 50, 300, len(data) // 2, len(data) - 1):
        cut.write_bytes(data[:length])
        with pytest.raises(ResgenError, match=r"cut\."):
            checkpoint.load(cut, ONE)


@pytest.mark.parametrize(
    "saved", [[torch.ones(1)], torch.ones(2), {"epoch": 1}, {}, {"model": "resnet18"}]
)
def test_no_weights_in_it(tmp_path: Path, saved: Any) -> None:
    torch.save(saved, tmp_path / "a.pth")
    with pytest.raises(ResgenError, match=r"a\.pth holds"):
        checkpoint.load(tmp_path / "a.pth", ONE)


def test_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "a.pth")
    save_file({"a": torch.ones(1)}, tmp_path / "a.safetensors")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert list(checkpoint.load(tmp_path / "a.safetensors", ONE).arrays) == ["a"]
    with pytest.raises(ResgenError, match="does not exist"):  # 1 comes before 3
        checkpoint.load(tmp_path / "b.pth", ONE)
    with pytest.raises(MissingComponent) as error:
        checkpoint.load(tmp_path / "a.pth", ONE)
    assert error.value.exit_code == 3
    assert "resgen[torch]" in str(error.value.hint)
