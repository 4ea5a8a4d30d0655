"""A network from elsewhere, from its file to what every command makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from torch.nn.utils.parametrizations import spectral_norm, weight_norm
from torch.nn.utils.parametrize import remove_parametrizations

import resgen
from resgen.cli import main
from resgen.proof.compare import Departure


class Plain(nn.Module):
    """A residual network that no library has, written as people write them."""

    class Block(nn.Module):
        def __init__(self, channels: int, width: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.downsample = None
            if stride > 1 or channels != width:
                self.downsample = nn.Sequential(
                    nn.Conv2d(channels, width, 1, stride, bias=False),
                    nn.BatchNorm2d(width),
                )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = torch.relu(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            kept = x if self.downsample is None else self.downsample(x)
            return torch.relu(y + kept)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        widths = (8, 16, 24)
        for at, (before, width) in enumerate(zip((8, *widths), widths, strict=False)):
            blocks = [self.Block(before, width, 1 if at == 0 else 2)]
            blocks += [self.Block(width, width, 1)]
            setattr(self, f"layer{at + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(24, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        y: torch.Tensor = self.fc(x.mean((2, 3)))
        return y


@pytest.fixture(scope="module")
def plain() -> nn.Module:
    torch.manual_seed(0)
    module = Plain()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.running_mean, 0, 0.2)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
    return module.eval()


@pytest.fixture(scope="module")
def file(plain: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the usual exporter writes it: norms folded, names by module."""
    path = tmp_path_factory.mktemp("file") / "plain.onnx"
    torch.onnx.export(
        plain,
        (torch.zeros(1, 3, 16, 16),),
        str(path),
        dynamo=False,
        input_names=["x"],
        dynamic_axes={"x": {0: "n"}},
    )
    return path


def stages(spec: Any) -> list[tuple[int, int]]:
    return [(s["width"], s["depth"]) for s in spec["stages"]]


def test_a_module_comes_back_as_a_design(plain: nn.Module) -> None:
    spec, weights = resgen.from_torch(plain, (3, 16, 16))
    graph = resgen.expand(spec)
    assert [s.blocks for s in graph.sections if s.kind == "stage"] == [2, 2, 2]
    module = resgen.to_torch(graph, weights).eval()
    module.load_state_dict(plain.state_dict(), strict=True)
    x = torch.randn(2, 3, 16, 16)
    assert module(x).equal(plain(x))


def test_a_module_is_left_as_it_was(plain: nn.Module) -> None:
    before = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    resgen.from_torch(plain, torch.zeros(1, 3, 16, 16))
    assert not plain.training
    assert all(before[n].equal(t) for n, t in plain.state_dict().items())


def test_numbers_that_are_read_are_those_of_the_module_and_its_own() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)
            self.register_buffer("scale", torch.rand(3, 1, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.conv(x) * self.scale
            return y

    module = Gated().eval()
    x = torch.randn(2, 3, 8, 8)
    wanted = module(x)
    made = resgen.from_torch(module, x)
    assert module(x).equal(wanted)
    read = resgen.to_torch(resgen.expand(made.spec), made.weights)
    assert read(x).equal(wanted)
    nn.init.zeros_(read.conv.weight)
    assert module(x).equal(wanted)


class Ending(nn.Module):
    """A frozen convolution whose values are given out in some way."""

    def __init__(self, end: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1).requires_grad_(False)
        self.end = end

    def forward(self, x: torch.Tensor) -> Any:
        return self.end(self.conv(x))


def test_a_frozen_module_with_an_output_left_empty_is_read() -> None:
    read = resgen.from_torch(Ending(lambda y: (y, None)).eval(), (3, 8, 8))
    assert [name for name, _ in resgen.expand(read.spec).outputs] == ["output.0"]


@pytest.mark.parametrize(
    ("end", "named"),
    [
        (lambda y: (y, torch.ones(3)), "output.1"),
        (lambda y: (y, 3), "output.1"),
    ],
    ids=["constant", "number"],
)
def test_an_output_that_a_spec_cannot_give_is_refused_by_name(
    end: Callable[[torch.Tensor], Any], named: str
) -> None:
    with pytest.raises(resgen.ResgenError, match=named):
        resgen.from_torch(Ending(end).eval(), (3, 8, 8))


def test_numbers_in_the_code_of_a_module_are_read() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mean = torch.tensor([0.4, 0.5, 0.6]).view(1, 3, 1, 1)
            y: torch.Tensor = self.conv((x - mean) / 0.25)
            return y - mean

    module = Scaled().eval()
    made = resgen.from_torch(module, (3, 8, 8))
    x = torch.randn(2, 3, 8, 8)
    read = resgen.to_torch(resgen.expand(made.spec), made.weights)
    torch.testing.assert_close(read(x), module(x))


def test_what_is_not_proven_is_no_fault_of_a_file(tmp_path: Path) -> None:
    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)
            self.last = nn.Conv2d(3, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.last(self.conv(x).detach())
            return y

    with pytest.raises(Departure, match=r"conv\.\w+ learns .* alone") as caught:
        resgen.import_(Detached().eval(), tmp_path / "out", input=(3, 8, 8))
    assert "nothing was made" in (caught.value.hint or "")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("normed", "call", "settle"),
    [
        (
            spectral_norm,
            "parametrize.remove_parametrizations",
            remove_parametrizations,
        ),
        (
            nn.utils.spectral_norm,
            "remove_spectral_norm",
            nn.utils.remove_spectral_norm,
        ),
    ],
)
def test_a_weight_that_training_moves_is_refused_with_the_way_on(
    normed: Callable[[nn.Module], nn.Module],
    call: str,
    settle: Callable[[nn.Module, str], nn.Module],
) -> None:
    module = nn.Sequential(nn.Conv2d(3, 3, 3), normed(nn.Conv2d(3, 4, 3))).eval()
    for held in module.buffers():  # far from where its iteration ends
        held.copy_(nn.functional.normalize(torch.rand(held.shape), dim=0))
    with pytest.raises(Departure, match=r"0\.weight") as caught:
        resgen.from_torch(module, (3, 8, 8))
    told = f'torch.nn.utils.{call}(module.get_submodule("1"), "weight")'
    assert told in (caught.value.hint or "")
    settle(module.get_submodule("1"), "weight")
    assert "1.weight" in resgen.from_torch(module, (3, 8, 8)).weights


def test_a_module_that_learns_nothing_is_read() -> None:
    read = resgen.from_torch(nn.Sequential(nn.InstanceNorm2d(3)).eval(), (3, 8, 8))
    assert not resgen.expand(read.spec).parameters


@pytest.mark.parametrize(
    "parted",
    [
        nn.utils.weight_norm,
        weight_norm,
        lambda part: prune.l1_unstructured(part, "weight", 0.5),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_weight_that_is_computed_is_read_as_what_it_comes_to(
    parted: Callable[[nn.Module], nn.Module],
) -> None:
    module = nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU()).eval()
    parted(module[0])
    x = torch.rand(1, 3, 8, 8)
    wanted = module(x)
    spec, weights = resgen.from_torch(module, (3, 8, 8))
    assert weights.keys() == {"0.weight", "0.bias"}
    network = resgen.to_torch(resgen.expand(spec), weights).eval()
    torch.testing.assert_close(network(x), wanted)


def test_a_module_that_cannot_be_copied_is_refused() -> None:
    module = nn.Sequential(nn.Conv2d(3, 3, 3)).eval()
    module.lock = Lock()  # type: ignore[assignment]
    with pytest.raises(resgen.ResgenError, match="cannot be copied"):
        resgen.from_torch(module, (3, 8, 8))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_a_module_of_other_numbers_is_read_as_float32(dtype: torch.dtype) -> None:
    module = nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU()).eval().to(dtype)
    _, weights = resgen.from_torch(module, (3, 8, 8))
    assert {array.dtype.name for array in weights.values()} == {"float32"}


def test_an_input_that_no_spec_has_is_told() -> None:
    with pytest.raises(resgen.ResgenError, match="one to three spatial axes"):
        resgen.from_torch(nn.Linear(4, 2), (4,))


def test_a_file_becomes_a_folder_that_every_command_takes(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = resgen.import_(file, "mine")
    spec = json.loads(Path("mine/plain.json").read_text("utf-8"))
    assert stages(spec) == [(8, 2), (16, 2), (24, 2)]
    usual = {"block": "basic", "norm": "none", "conv": {"bias": True}}
    assert spec["defaults"] == usual  # its norms were folded into biases
    told = json.loads(Path("mine/import.json").read_text("utf-8"))
    stored = {tensor.name for tensor in onnx.load(file).graph.initializer}
    placed = {name for names in told["parameters"].values() for name in names}
    assert placed <= stored
    assert told["proven"]["verdict"] == "equal"
    assert {region["path"] for region in told["regions"]} >= {"layer1.0", "layer3.1"}
    assert "stage" in str(made)
    assert (
        resgen.inspect("mine").analysis.params == resgen.inspect(spec).analysis.params
    )
    resgen.build("mine", "built", verify=False)
    x = np.random.default_rng(0).standard_normal((2, 3, 16, 16)).astype(np.float32)
    ours = onnxruntime.InferenceSession("built/model.onnx")
    theirs = onnxruntime.InferenceSession(str(file))
    np.testing.assert_allclose(
        ours.run(None, {ours.get_inputs()[0].name: x})[0],
        theirs.run(None, {"x": x})[0],
        rtol=1e-4,
        atol=1e-5,
    )


def test_what_was_changed_since_is_not_taken(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    resgen.import_(file, "mine", verify=False)
    text = Path("mine/plain.json").read_text("utf-8")
    Path("mine/plain.json").write_text(text.replace("16", "32"), "utf-8")
    with pytest.raises(resgen.ResgenError, match="SHA-256 differs"):
        resgen.inspect("mine")


def test_a_file_that_is_read_otherwise_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that takes another stride for the file's, or another slope, shows."""
    from resgen.ops.act import Act

    plain = Act.torch

    def leaky(self: Act, x: Any) -> Any:
        found = plain(self, x)
        return type(found)("torch.nn.LeakyReLU", (0.001,))

    monkeypatch.setattr(Act, "torch", leaky)
    with pytest.raises(Departure, match="departs from the file at"):
        resgen.from_onnx(file)


def test_the_command_tells_what_it_found(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke(main, ["import", str(file), "-o", "mine", "--json"])
    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout)["proven"]["operators"] > 20
    flat = CliRunner().invoke(main, ["import", str(file), "-o", "flat", "--flat"])
    assert flat.exit_code == 0, flat.output
    assert json.loads(Path("flat/plain.json").read_text("utf-8"))["stages"] == []


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.onnx", b"no model", "not a whole ONNX file"),
        ("x.pt2", b"no program", "cannot be read as a file of torch.export"),
        ("x.pth", b"", "ends in neither"),
    ],
)
def test_what_is_no_network_is_a_sentence(
    tmp_path: Path,
    name: str,
    content: bytes,
    says: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(resgen.ResgenError, match=says):
        resgen.import_(tmp_path / name, tmp_path / "out")
    assert (capfd.readouterr().err, caplog.records) == ("", [])  # torch says nothing
    assert not (tmp_path / "out").exists()


def test_a_program_of_torch_export(plain: nn.Module, tmp_path: Path) -> None:
    program = torch.export.export(plain, (torch.zeros(2, 3, 16, 16),))
    torch.export.save(program, tmp_path / "plain.pt2")
    made = resgen.import_(tmp_path / "plain.pt2", tmp_path / "out")
    assert [s.blocks for s in made.analysis.sections if s.kind == "stage"] == [2, 2, 2]


def test_time_is_charged_to_blocks_of_a_file_without_names(
    file: Path, tmp_path: Path
) -> None:
    from resgen.attribution.foreign import names_of_onnx

    model = onnx.load(file)
    called: dict[str, str] = {}
    for number, node in enumerate(model.graph.node):
        node.name = ""
        called.update({name: f"t{number}_{at}" for at, name in enumerate(node.output)})
    called |= {t.name: f"w{n}" for n, t in enumerate(model.graph.initializer)}
    called |= {v.name: v.name for v in (*model.graph.input, *model.graph.output)}
    for tensor in model.graph.initializer:
        tensor.name = called[tensor.name]
    for node in model.graph.node:
        for part in (node.input, node.output):
            part[:] = [called[name] for name in part]
    onnx.save(model, tmp_path / "nameless.onnx")
    parts = [part.path for part in names_of_onnx(tmp_path / "nameless.onnx").parts]
    assert parts == [
        "stem", "layer1", "layer1.0", "layer1.1", "layer2", "layer2.0", "layer2.1",
        "layer3", "layer3.0", "layer3.1", "head",
    ]  # fmt: skip


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 3, 3)).eval()
    nn.init.constant_(module[0].weight, float("nan"))
    with pytest.raises(resgen.ResgenError, match=r'"0\.weight" .* not finite'):
        resgen.from_torch(module, (3, 8, 8))


class Attends(nn.Module):
    """What is computed of parameters, random in a function, and without a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mix = weight_norm(nn.Linear(8, 8))
        self.scale = nn.Parameter(torch.rand(8) + 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(2).mT
        x = x + self.attend(x, x, x, need_weights=False)[0]
        x = nn.functional.dropout(self.mix(x), 0.5, self.training)
        return x * (1 + self.scale.tanh())


def test_what_is_computed_of_parameters_is_proven_on_their_numbers(
    tmp_path: Path,
) -> None:
    made = resgen.import_(Attends(), tmp_path / "out", input=(8, 2, 3))
    proven = made.folder.record.proven
    assert proven["own"] < 1e-5
    assert not proven["strict"]
    assert proven["gradients"] == 6  # all but the numbers of the weight norm
    assert any("computed of what the module learns" in n for n in proven["notes"])


def test_a_tensor_that_two_operators_learn_is_one_parameter_of_both() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.both = nn.Parameter(torch.rand(4, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.linear(x, self.both) + self.both

    assert resgen.from_torch(Twice(), (4, 4)).weights.keys() == {"both"}


def test_a_parameter_that_comes_back_from_its_parts_is_itself() -> None:
    class Placed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.places = nn.Parameter(torch.rand(1, 4, 6))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.cat([self.places[:, :1], self.places[:, 1:]], 1)

    _, weights = resgen.from_torch(Placed(), (4, 6))
    assert weights.keys() == {"places"}


def test_what_a_spec_assumes_or_orders_otherwise_is_told(tmp_path: Path) -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"wide": x.relu(), "deep": x.sigmoid()}

    said: list[str] = []
    resgen.import_(Two(), tmp_path / "out", input=(3, 8, 8), progress=said.append)
    told = json.loads((tmp_path / "out" / "import.json").read_text("utf-8"))
    notes = {note["kind"]: note["what"] for note in told["notes"]}
    assert notes == {"assumed": "preprocess", "reordered": "outputs wide, deep"}
    assert any("ImageNet" in line for line in said)


@pytest.mark.parametrize("told", ["asked", "beside", "own"])
def test_how_pictures_are_prepared_comes_with_a_network(
    told: str, tmp_path: Path
) -> None:
    said = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "crop_pct": 1.0}
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
    asked: dict[str, Any] = {"input": (3, 32, 32)}
    source: Any = network
    if told == "own":  # as timm's modules have it
        network.pretrained_cfg = {**said, "mean": (0.5, 0.5, 0.5)}
    else:
        file = tmp_path / ("config.json" if told == "beside" else "mine.json")
        file.write_text(json.dumps(said), "utf-8")
        asked = {"preprocess": file} if told == "asked" else {}
        source = tmp_path / "a.onnx"
        torch.onnx.export(network, (torch.zeros(1, 3, 32, 32),), source, dynamo=False)
    made = resgen.import_(source, tmp_path / "out", **asked)
    assert made.spec.preprocess.mean == (0.5, 0.5, 0.5)
    assert (made.spec.preprocess.resize, made.spec.input) == (32, (3, 32, 32))
    written = json.loads((tmp_path / "out" / made.folder.record.spec).read_text())
    assert written["preprocess"]["std"] == [0.25, 0.25, 0.25]
    assert "assumed" not in {note.kind for note in made.folder.record.notes}


def test_a_module_that_asks_for_the_version_of_its_numbers_is_given_it() -> None:
    """As torchvision's MNASNet does, where a state_dict may be of an older one."""

    class Versioned(nn.Sequential):
        _version = 2

        def _load_from_state_dict(
            self, state: Any, prefix: str, metadata: Any, *rest: Any
        ) -> None:
            if metadata.get("version") != 2:
                raise ValueError("version should be 2")
            super()._load_from_state_dict(state, prefix, metadata, *rest)

    read = resgen.from_torch(Versioned(nn.Conv2d(3, 4, 3), nn.ReLU()), (3, 8, 8))
    assert [*read.weights] == ["0.weight", "0.bias"]
