"""ONNX files of others: what is read computes the same, and what cannot be is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import pytest
import torch
from in_memory import to_model
from onnx import TensorProto, helper, numpy_helper
from onnx_files import Array, assert_equal, exported, run
from torch import nn
from torch.nn import functional as F

import resgen
from resgen.errors import ResgenError
from resgen.graph.identity import identity
from resgen.graph.ir import INPUT
from resgen.importing.flat import Collector, Flat
from resgen.importing.onnx.read import read
from resgen.importing.rules import simplified
from resgen.ops.act import Act
from resgen.ops.add import Add
from resgen.ops.flatten import Flatten
from resgen.ops.reshape import Reshape
from resgen.ops.softmax import Softmax
from resgen.ops.transpose import Transpose
from resgen.ops.unflatten import Unflatten
from resgen.proof.compare import Departure
from resgen.proof.same_file import prove_file
from resgen.recovery.imported import imported

# torch's first exporter says of itself that it is the old one.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def kinds(flat: Flat) -> Counter[str]:
    return Counter(getattr(n.op, "type", n.op.name) for n in flat.graph.nodes)


def made(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    weights: Mapping[str, Array],
    *,
    shape: Sequence[int | str] = ("n", 4, 8, 8),
    opset: int = 17,
) -> Path:
    """A file of these nodes from "x" to "y"."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(a, name) for name, a in weights.items()],
    )
    sets = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    onnx.save(helper.make_model(graph, opset_imports=sets, ir_version=8), path)
    return path


class Block(nn.Module):
    """A residual unit whose gates are arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 8)
        self.conv2 = nn.Conv2d(8, 4, 1)
        self.gamma = nn.Parameter(torch.rand(4, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.silu(self.bn1(self.conv1(x)))
        gate = self.fc(y.mean((2, 3)))
        y = y * (F.relu6(gate + 3) / 6)[:, :, None, None]
        return x + self.gamma * self.conv2(y * F.hardtanh(y + 3, 0, 6) / 6)


def test_a_network_of_torch_keeps_its_names(tmp_path: Path) -> None:
    stem, head = nn.Conv2d(3, 4, 3, 2), nn.Linear(64, 5)
    module = nn.Sequential(stem, Block(), nn.Flatten(), head)
    path = exported(module, tmp_path / "net.onnx", 3, 9, 9)
    flat = read(path)
    assert_equal(path, flat)
    found = kinds(flat)
    assert found["silu"] == found["hardswish"] == found["hardsigmoid"] == 1
    assert (found["channel_scale"], found["offset"]) == (1, 0)
    names = {node.name for node in flat.graph.nodes}
    assert {"0", "1.conv1", "1.fc", "1.conv2", "3"} <= names
    assert {"1.conv2.weight", "1.gamma", "3.bias"} <= flat.weights.keys()


class Attend(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(12)
        self.qkv = nn.Linear(12, 36)
        self.proj = nn.Linear(12, 12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        batch, count, size = tokens.shape
        parts = self.qkv(self.norm(tokens)).reshape(batch, count, 3, 3, size // 3)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        weights = (q @ k.transpose(-2, -1) * 0.5).softmax(-1)
        found = (weights @ v).transpose(1, 2).reshape(batch, count, size)
        return tokens + self.proj(found)


def test_attention_that_is_spelled_out_is_one_operator(tmp_path: Path) -> None:
    path = exported(Attend(), tmp_path / "net.onnx", 12, 3, 4)
    flat = read(path)
    assert_equal(path, flat)
    found = kinds(flat)
    assert (found["attention"], found["slice"], found["linear"]) == (1, 3, 2)
    assert not {"matmul", "unflatten"} & found.keys()


@pytest.mark.parametrize("batch_first", [False, True])
def test_attention_of_torch_is_read_whichever_axis_its_batch_is(
    batch_first: bool, tmp_path: Path
) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 2, 2)
            self.attend = nn.MultiheadAttention(8, 2, batch_first=batch_first)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            rows = self.conv(x).flatten(2).permute(first)
            found = rows.abs() - self.attend(rows, rows, rows)[0]
            return found.permute(torch.tensor(first).argsort().tolist())

    first = (0, 2, 1) if batch_first else (2, 0, 1)
    path = exported(Net(), tmp_path / "net.onnx", 3, 6, 4)
    assert_equal(path, read(path))


@pytest.mark.parametrize("merged", [False, True])
def test_attention_that_sees_no_later_position_is_read(
    merged: bool, tmp_path: Path
) -> None:
    heads = {"q_num_heads": 3, "kv_num_heads": 3} if merged else {}
    given = ["x", "x", "x", "net.bias"]
    path = made(
        tmp_path / "net.onnx",
        [helper.make_node("Attention", given, ["y"], is_causal=1, scale=0.3, **heads)],
        {"net.bias": np.random.default_rng(0).normal(size=(5, 5)).astype("f4")},
        shape=("n", 5, 12) if merged else ("n", 3, 5, 4),
        opset=23,
    )
    flat = read(path)
    assert_equal(path, flat)
    assert kinds(flat)["attention"] == 1
    prove_file(imported(flat), path)


class Sloped(nn.Module):
    """Slopes of what is negative by channel, and scores as logarithms of shares."""

    def __init__(self) -> None:
        super().__init__()
        self.act, self.fc = nn.PReLU(4), nn.Linear(4, 3)
        nn.init.uniform_(self.act.weight, -1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.log_softmax(self.fc(self.act(x).mean((2, 3))), 1)


def test_slopes_by_channel_and_logarithms_of_shares_are_read(tmp_path: Path) -> None:
    path = exported(Sloped(), tmp_path / "net.onnx", 4, 3, 5)
    flat = read(path)
    assert_equal(path, flat)
    prove_file(imported(flat), path)
    module = Sloped()
    _, weights = resgen.from_torch(module, (4, 3, 5))
    assert weights.keys() == module.state_dict().keys()


def test_a_sigmoid_near_zero_is_as_close_as_engines_compute_it(tmp_path: Path) -> None:
    """A map of probabilities, nearly all 0, as a detector of text gives it."""
    torch.manual_seed(0)
    rare = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 1, 1), nn.Sigmoid()
    )
    with torch.no_grad():
        rare[2].bias.fill_(-11.0)
    path = exported(rare, tmp_path / "net.onnx", 3, 16, 16)
    flat = read(path)
    assert prove_file(imported(flat), path).own > 1e-4
    wrong = {name: 1.1 * array for name, array in flat.weights.items()}
    with pytest.raises(Departure):
        prove_file(imported(replace(flat, weights=wrong)), path)


def test_a_constant_that_is_larger_does_not_lead(tmp_path: Path) -> None:
    """Channels that are merged with the batch, times a matrix of more numbers."""
    nodes = [
        helper.make_node("Reshape", ["x", "merged"], ["a"]),
        helper.make_node("Mul", ["a", "eye"], ["b"]),
        helper.make_node("Reshape", ["b", "parted"], ["c"]),
        helper.make_node("ReduceMax", ["c"], ["y"], axes=[2], keepdims=0),
    ]
    numbers = {
        "merged": np.array([2, 6, 1, 1]),
        "eye": np.eye(9, dtype="f4"),
        "parted": np.array([1, 2, 6, 9, 9]),
    }
    path = made(tmp_path / "net.onnx", nodes, numbers, shape=(1, 2, 6))
    flat = read(path)
    assert_equal(path, flat, batches=(1,))
    (eye,) = (node.op for node in flat.graph.nodes if node.op.name == "parameter")
    assert vars(eye)["shape"] == (9, 9)


def test_axes_of_size_one_that_change_places_are_no_transpose(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Transpose", ["x"], ["a"], perm=[0, 1, 3, 2]),
        helper.make_node("Add", ["a", "table"], ["y"]),
    ]
    table = np.random.default_rng(0).normal(size=(1, 4, 6, 1)).astype("f4")
    path = made(tmp_path / "net.onnx", nodes, {"table": table}, shape=("n", 4, 1, 6))
    flat = read(path)
    assert_equal(path, flat)
    assert "transpose" not in kinds(flat)
    bare = made(
        tmp_path / "bare.onnx", nodes, {"table": table[0]}, shape=("n", 4, 1, 6)
    )
    assert identity(read(bare).graph) == identity(flat.graph)


class Spelled(nn.Module):
    """Norms as arithmetic, which exporters write where they have no operator."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean(1, keepdim=True)
        layer = centred / (centred.pow(2).mean(1, keepdim=True) + 1e-3).sqrt()
        rms = layer * (layer * layer).mean(1, keepdim=True).add(1e-2).rsqrt()
        unit = rms / rms.norm(dim=1, keepdim=True).clamp(min=1e-3)
        tanh = torch.tanh(0.7978845608 * (unit + 0.044715 * unit**3))
        return torch.relu(0.5 * unit * (1 + tanh)).clamp(max=6)


def test_norms_and_activations_as_arithmetic_are_recognised(tmp_path: Path) -> None:
    path = exported(Spelled(), tmp_path / "net.onnx", 6, 3, 4)
    flat = read(path)
    assert_equal(path, flat)
    ops = ["layer", "rms", "unit_norm", "gelu", "relu6"]
    assert kinds(flat) == Counter(ops)


class Evolved(nn.Module):
    """Over the deviation of each group, repeated for its channels (EvoNorm S0)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.act = nn.Module()
        self.act.v = nn.Parameter(torch.rand(4, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        parts = x.unflatten(1, (2, 2))
        deviation = (parts.var((2, 3, 4), unbiased=False, keepdim=True) + 1e-5).sqrt()
        return x * (self.act.v * x).sigmoid() / deviation.expand_as(parts).reshape_as(x)


def test_what_is_repeated_for_a_group_is_so_by_channel_alone(tmp_path: Path) -> None:
    path = exported(Evolved(), tmp_path / "net.onnx", 3, 80, 3)
    flat = read(path)
    assert_equal(path, flat)
    joined = [n for n in flat.graph.nodes if n.op.name == "concat"]
    assert [n.type.shape for n in joined] == [(2, 2, 1, 1)]
    assert prove_file(imported(flat), path).own < 1e-5


class Patches(nn.Module):
    """A group norm over the positions of patches, which torch writes as instances."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = x.unflatten(3, (2, 2)).unflatten(2, (3, 2)).permute(0, 1, 3, 5, 2, 4)
        return self.norm(parts.reshape(-1, 4, 4, 6))


def test_norms_over_several_axes_are_read(tmp_path: Path) -> None:
    net = nn.Sequential(nn.LayerNorm((4, 3, 5)), nn.ReLU(), nn.LayerNorm((3, 5)))
    for held in net.parameters():
        nn.init.uniform_(held, 0.5, 1.5)
    path = exported(net, tmp_path / "net.onnx", 4, 3, 5)
    flat = read(path)
    assert_equal(path, flat)
    assert (kinds(flat)["group"], kinds(flat)["instance"]) == (1, 1)


def test_a_group_norm_is_one_whatever_its_positions_were(tmp_path: Path) -> None:
    path = exported(Patches(), tmp_path / "net.onnx", 4, 6, 4)
    flat = read(path)
    assert_equal(path, flat)
    assert [n.name for n in flat.graph.nodes if n.owner] == ["norm"]
    assert kinds(flat)["group"] == 1


class Windows(nn.Module):
    """A residual of each window by itself, the windows among the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = x.unflatten(3, (3, 4)).unflatten(2, (2, 3)).permute(0, 2, 4, 1, 3, 5)
        y = torch.relu(self.conv(parts.reshape(-1, 4, 3, 4)))
        y = y.reshape(-1, 2, 3, 4, 3, 4).permute(0, 3, 1, 4, 2, 5)
        return x + y.flatten(4).flatten(2, 3)


def test_windows_among_the_batch_are_read_and_compared(tmp_path: Path) -> None:
    path = exported(Windows(), tmp_path / "net.onnx", 4, 6, 12)
    flat = read(path)
    assert_equal(path, flat)
    assert {"conv", "relu"} <= kinds(flat).keys()
    assert (6, 4, 3, 4) in {tensor.parts for tensor in flat.tensors.values()}
    assert {"windows", "unwindows"} <= kinds(flat).keys()
    prove_file(imported(flat), path)
    wrong = {**flat.weights, "conv.bias": flat.weights["conv.bias"] + 1e-2}
    with pytest.raises(Departure, match='"output" of net'):
        prove_file(imported(replace(flat, weights=wrong)), path)


class Partition(nn.Module):
    """Attention in windows, or in the places of a grid (Tu et al. 2022, MaxViT).

    ``merged`` is how slimmed files have linear maps: of all positions in a row.
    """

    def __init__(self, grid: bool, merged: bool) -> None:
        super().__init__()
        self.grid = grid
        self.rows = (-1, 4) if merged else (-1, 2, 2, 4)
        self.qkv, self.proj = nn.Linear(4, 12), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        split = (-1, 2, 4, 2, 4, 4) if self.grid else (-1, 4, 2, 4, 2, 4)
        order = (0, 2, 4, 1, 3, 5) if self.grid else (0, 1, 3, 2, 4, 5)
        back = (0, 3, 1, 4, 2, 5) if self.grid else order
        y = x.permute(0, 2, 3, 1).reshape(split).permute(order)
        heads = self.qkv(y.reshape(self.rows)).reshape(-1, 4, 2, 6).transpose(1, 2)
        q, k, v = heads.chunk(3, dim=3)
        y = ((q / 2**0.5) @ k.transpose(2, 3)).softmax(-1) @ v
        y = self.proj(y.transpose(1, 2).reshape(self.rows))
        y = y.reshape(-1, 4, 4, 2, 2, 4).permute(back).reshape(-1, 8, 8, 4)
        return x + y.permute(0, 3, 1, 2)


@pytest.mark.parametrize("grid", [False, True], ids=["windows", "grid"])
def test_linear_maps_are_of_windows_however_positions_are_merged(
    tmp_path: Path, grid: bool
) -> None:
    found = []
    for merged in (False, True):
        path = exported(Partition(grid, merged), tmp_path / "net.onnx", 4, 8, 8)
        found.append(flat := read(path))
        assert_equal(path, flat)
        prove_file(imported(flat), path)
    assert identity(found[0].graph) == identity(found[1].graph)
    assert kinds(flat)["attention"] == 1
    assert kinds(flat)["windows"] == kinds(flat)["unwindows"] == (not grid)


def _pools(second: str) -> list[onnx.NodeProto]:
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    return [
        helper.make_node("MaxPool", ["x"], ["a"], **pool),
        helper.make_node("MaxPool", ["x"], ["b"], **pool),
        helper.make_node("Relu", ["a"], ["c"]),
        helper.make_node("Add", ["c", second], ["y"]),
    ]


def _concats(nested: bool) -> list[onnx.NodeProto]:
    nodes = [
        helper.make_node(kind, ["x"], [name])
        for kind, name in (("Relu", "a"), ("Sigmoid", "b"), ("Tanh", "c"))
    ]
    if nested:
        nodes.append(helper.make_node("Concat", ["a", "b"], ["d"], axis=1))
    inputs = ["d", "c"] if nested else ["a", "b", "c"]
    return [*nodes, helper.make_node("Concat", inputs, ["y"], axis=1)]


def _rows(merged: bool) -> list[onnx.NodeProto]:
    turned = helper.make_node("Transpose", ["x"], ["a"], perm=[0, 2, 3, 1])
    back = helper.make_node("Transpose", ["d"], ["y"], perm=[0, 3, 1, 2])
    if not merged:
        return [turned, helper.make_node("MatMul", ["a", "w"], ["d"]), back]
    return [
        turned,
        helper.make_node("Reshape", ["a", "rows"], ["b"]),
        helper.make_node("Gemm", ["b", "w"], ["c"]),
        helper.make_node("Reshape", ["c", "map"], ["d"]),
        back,
    ]


def _blur(padded: bool) -> list[onnx.NodeProto]:
    own = {"group": 4, "strides": [2, 2]}
    if not padded:
        return [helper.make_node("Conv", ["x", "blur"], ["y"], pads=[1] * 4, **own)]
    return [
        helper.make_node("Pad", ["x", "sides"], ["a"]),
        helper.make_node("Conv", ["a", "blur"], ["y"], **own),
    ]


SPELLINGS: Final = {
    "a fixed filter with zeros around": (_blur(True), _blur(False)),
    "a pool that is written twice": (_pools("b"), _pools("a")),
    "a concatenation of another": (_concats(True), _concats(False)),
    "rows of positions": (_rows(True), _rows(False)),
}


@pytest.mark.parametrize("spellings", SPELLINGS.values(), ids=SPELLINGS)
def test_what_exporters_spell_otherwise_is_one_graph(
    tmp_path: Path, spellings: Sequence[list[onnx.NodeProto]]
) -> None:
    weight = np.random.default_rng(0).normal(size=(4, 5)).astype("f4")
    row = np.array([1, 2, 1], "f4") / 4
    weights = {
        "w": weight,
        "blur": np.tile(np.outer(row, row), (4, 1, 1, 1)),
        "sides": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "rows": np.array([-1, 4]),
        "map": np.array([-1, 8, 8, 5]),
    }
    found = []
    for nodes in spellings:
        path = made(tmp_path / "net.onnx", nodes, weights)
        found.append(flat := read(path))
        assert_equal(path, flat)
        prove_file(imported(flat), path)
    assert identity(found[0].graph) == identity(found[1].graph)


def test_orders_of_axes_around_a_split_are_one() -> None:
    to = Collector("net", "net", (5, 6, 4))
    turned = to.add(Transpose(axes=(1, 0, 2)), [INPUT])
    split = to.add(Unflatten(sizes=(2, 3)), [turned])
    back = to.add(Transpose(axes=(1, 2, 0, 3)), [split])
    found = assert_simplified(to, to.add(Act(type="relu"), [back]))
    assert kinds(found) == Counter(["unflatten", "transpose", "relu"])


def test_positions_have_no_axes_of_size_one() -> None:
    """As windows that are merged with the batch have them, of which there is one."""
    to = Collector("net", "net", (4, 8, 8))
    act = to.add(Act(type="relu"), [to.add(Reshape(to=(4, 1, 64)), [INPUT])])
    row = to.add(Softmax(axis=1), [to.add(Flatten(axes=(0, 1)), [act])])
    total = to.add(Add(), [act, to.add(Reshape(to=(4, 1, 64)), [row])])
    found = assert_simplified(to, to.add(Reshape(to=(4, 64)), [total]))
    assert {node.type.shape for node in found.graph.nodes} == {(4, 64)}


def assert_simplified(to: Collector, value: str) -> Flat:
    """What the rules make of it, which computes the same."""
    flat = to.flat([("output", value)])
    found = simplified(flat)
    shape = (2, *flat.graph.inputs[0].type.shape)
    x = np.random.default_rng(0).normal(size=shape).astype("f4")
    ours, wanted = (
        run(to_model(f.graph, f.weights).SerializeToString(), x) for f in (found, flat)
    )
    np.testing.assert_array_equal(ours, wanted)
    return found


class Rowed(nn.Module):
    """Blocks in a row whose sums and activations have no weights."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.blocks = nn.Sequential(*(self.block() for _ in range(2)))

    @staticmethod
    def block() -> nn.Module:
        class Block(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv1, self.conv2 = nn.Conv2d(4, 6, 1), nn.Conv2d(6, 4, 1)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return x + self.conv2(F.relu(self.conv1(x)))

        return Block()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.blocks(self.stem(x))
        return y


def test_modules_that_nodes_have_lost_are_told_by_their_weights(tmp_path: Path) -> None:
    whole = exported(Rowed(), tmp_path / "net.onnx", 3, 4, 4)
    model = onnx.load(whole)
    made = [name for node in model.graph.node for name in node.output]
    plain = {name: f"v{at}" for at, name in enumerate(made)}
    for node in model.graph.node:
        node.ClearField("name")
        node.input[:] = [plain.get(name, name) for name in node.input]
        node.output[:] = [plain[name] for name in node.output]
    model.graph.output[0].name = plain[model.graph.output[0].name]
    onnx.save(model, tmp_path / "nameless.onnx")
    flat = read(tmp_path / "nameless.onnx")
    names = [node.name for node in flat.graph.nodes]
    assert names == [node.name for node in read(whole).graph.nodes]
    assert {"blocks.0.add", "blocks.1.act", "blocks.1.conv2"} <= set(names)
    prove_file(imported(flat), tmp_path / "nameless.onnx")


def test_what_torch_computed_of_weights_has_no_name_of_its_own(tmp_path: Path) -> None:
    names = {}
    for name in ("permute_1", "val_7", "pos_embed"):
        learned = np.ones((1, 4, 8, 8), np.float32)
        learned[0, 0] = 2
        nodes = [helper.make_node("Add", ["x", name], ["y"])]
        flat = read(made(tmp_path / "net.onnx", nodes, {name: learned}))
        (names[name],) = flat.weights
    assert names["permute_1"] == names["val_7"] != names["pos_embed"] == "pos_embed"


class Grown(nn.Module):
    """Maps of twice the size, each channel by itself, as between stages of DLA."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(4, 4, 4, 2, 1, groups=4, bias=False)
        self.wide = nn.ConvTranspose2d(4, 6, 3, groups=2, dilation=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.wide(torch.relu(self.up(x)))


def test_transposed_convolutions_in_groups_are_read(tmp_path: Path) -> None:
    path = exported(Grown(), tmp_path / "net.onnx", 4, 3, 4)
    flat = read(path)
    assert_equal(path, flat)
    assert {"up.weight", "wide.weight", "wide.bias"} == flat.weights.keys()
    prove_file(imported(flat), path)
    module = Grown()
    _, weights = resgen.from_torch(module, (4, 3, 4))
    assert weights.keys() == module.state_dict().keys()


class Shifted(nn.Module):
    """Attention in windows that are shifted, which hides what edges bring together."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(6, 18), nn.Linear(6, 6)
        self.bias = nn.Parameter(torch.rand(2, 4, 4))
        self.register_buffer("mask", self.hidden())

    def windows(self, x: torch.Tensor) -> torch.Tensor:
        size = x.shape[3]
        parts = x.reshape(-1, 2, 2, 3, 2, size).permute(0, 1, 3, 2, 4, 5)
        return parts.reshape(-1, 4, size)

    def hidden(self) -> torch.Tensor:
        places = torch.zeros(1, 4, 6, 1)
        places[:, 2:3] += 1
        places[:, 3:] += 2
        places[:, :, 4:5] += 3
        places[:, :, 5:] += 6
        one = self.windows(places)
        return (one != one.transpose(1, 2)).float() * -100

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = torch.roll(x.permute(0, 2, 3, 1), (-1, -1), (1, 2))
        qkv = self.qkv(self.windows(tokens))
        parts = qkv.reshape(-1, 4, 3, 2, 3).permute(2, 0, 3, 1, 4)
        scores = parts[0] @ parts[1].transpose(2, 3) * 3**-0.5 + self.bias[None]
        scores = scores.reshape(-1, 6, 2, 4, 4) + self.mask[None, :, None]
        found = scores.reshape(-1, 2, 4, 4).softmax(-1) @ parts[2]
        made = self.proj(found.transpose(1, 2).reshape(-1, 4, 6))
        back = made.reshape(-1, 2, 3, 2, 2, 6).permute(0, 1, 3, 2, 4, 5)
        rolled = torch.roll(back.reshape(-1, 4, 6, 6), (1, 1), (1, 2))
        return x + rolled.permute(0, 3, 1, 2)


def test_shifted_windows_are_operators_of_windows(tmp_path: Path) -> None:
    path = exported(Shifted(), tmp_path / "net.onnx", 6, 4, 6)
    flat = read(path)
    assert_equal(path, flat)
    names = ["windows", "window_mask", "attention", "unwindows", "add", "parameter"]
    assert kinds(flat) == Counter([*names, *["linear"] * 2, *["slice"] * 3])
    shifts = {getattr(node.op, "shift", 1) for node in flat.graph.nodes}
    assert shifts == {1}
    prove_file(imported(flat), path)


def test_channels_last_vanish(tmp_path: Path) -> None:
    """As tf2onnx writes them: turned before each convolution, and back behind it."""
    rng = np.random.default_rng(0)
    weights = {
        "net/conv/kernel:0": rng.normal(size=(6, 4, 3, 3)).astype("f4"),
        "net/conv/bias:0": rng.normal(size=(1, 1, 1, 6)).astype("f4"),
        "net/fc/kernel:0": rng.normal(size=(6, 5)).astype("f4"),
    }
    nodes = [
        helper.make_node("Transpose", ["x"], ["a"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "Conv", ["a", "net/conv/kernel:0"], ["b"], auto_pad="SAME_UPPER",
            strides=[2, 2],
        ),
        helper.make_node("Transpose", ["b"], ["c"], perm=[0, 2, 3, 1]),
        helper.make_node("Add", ["c", "net/conv/bias:0"], ["d"]),
        helper.make_node("Relu", ["d"], ["e"]),
        helper.make_node("ReduceMean", ["e"], ["f"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["f", "net/fc/kernel:0"], ["y"]),
    ]  # fmt: skip
    path = made(tmp_path / "net.onnx", nodes, weights, shape=("n", 8, 8, 4))
    flat = read(path)
    assert_equal(path, flat)
    assert flat.graph.inputs[0].type.shape == (4, 8, 8)
    kept = ["pad_same", "conv", "relu", "avg", "flatten", "linear"]
    assert kinds(flat) == Counter(kept)


def test_branches_that_sizes_decide_are_taken(tmp_path: Path) -> None:
    branches = {
        name: helper.make_graph(
            [helper.make_node(op, ["x"], [name])],
            name,
            [],
            [onnx.ValueInfoProto(name=name)],
        )
        for name, op in (("one", "Relu"), ("other", "Sigmoid"))
    }
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], start=1, end=2),
        helper.make_node("Squeeze", ["s"], ["t"]),
        helper.make_node("Equal", ["t", "four"], ["c"]),
        helper.make_node(
            "If",
            ["c"],
            ["y"],
            then_branch=branches["one"],
            else_branch=branches["other"],
        ),
    ]
    path = made(tmp_path / "net.onnx", nodes, {"four": np.array(4, np.int64)})
    flat = read(path)
    assert_equal(path, flat)
    assert kinds(flat) == Counter(["relu"])


def test_what_is_not_read_is_told_all_at_once(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="first"),
        helper.make_node("Sin", ["a"], ["b"], name="wave"),
        helper.make_node("Erf", ["b"], ["c"], name="error"),
        helper.make_node("CumSum", ["c", "axis"], ["y"], name="sum"),
    ]
    path = made(tmp_path / "net.onnx", nodes, {"axis": np.array(1, np.int64)})
    with pytest.raises(ResgenError) as caught:
        read(path)
    for word in ("wave", "Sin", "error", "Erf", "sum", "CumSum"):
        assert word in caught.value.message
    assert '"first"' in (caught.value.hint or "")
    flat = read(path, cut="first")
    assert kinds(flat) == Counter(["relu"])
    assert prove_file(imported(flat), path, cut="first").own < 1e-6
    with pytest.raises(ResgenError, match='no node "nowhere"'):
        read(path, cut="nowhere")


def test_operators_of_other_domains_are_refused_by_name(tmp_path: Path) -> None:
    """TensorRT's plugins are, and what comes before them can be read."""
    nodes = [
        helper.make_node("Relu", ["x"], ["h"], name="before"),
        helper.make_node("Twist", ["h"], ["t"], name="odd", domain="own"),
        helper.make_node("Relu", ["t"], ["u"], name="after"),
        helper.make_node("Turn", ["x"], ["v"], name="other", domain="own"),
        helper.make_node("Add", ["u", "v"], ["y"], name="last"),
    ]
    path = made(tmp_path / "net.onnx", nodes, {})
    with pytest.raises(ResgenError, match=r'the node "odd" \(own.Twist\)') as caught:
        read(path)
    assert "own.Turn (other)" in caught.value.message
    assert "after" not in caught.value.message
    assert '"before"' in (caught.value.hint or "")
    before = read(path, cut="before")
    assert kinds(before) == Counter(["relu"])
    assert prove_file(imported(before), path, cut="before").own < 1e-6
    alone = made(tmp_path / "alone.onnx", [helper.make_node(
        "Twist", ["x"], ["y"], name="odd", domain="own"
    )], {})  # fmt: skip
    with pytest.raises(ResgenError, match='the node "odd"'):
        read(alone)


def test_a_file_that_gives_nothing_out_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "net.onnx", [helper.make_node("Relu", ["x"], ["y"])], {})
    model = onnx.load(path)
    del model.graph.output[:]
    onnx.save(model, path)
    with pytest.raises(ResgenError, match="gives nothing out"):
        read(path)


def test_an_output_that_no_node_computes_is_refused_by_its_own_name(
    tmp_path: Path,
) -> None:
    path = made(tmp_path / "net.onnx", [helper.make_node("Identity", ["x"], ["y"])], {})
    with pytest.raises(ResgenError, match='output "y" is the input as it is'):
        read(path)
    nodes, weights = [helper.make_node("Relu", ["x"], ["h"])], {"y": np.ones(4, "f4")}
    path = made(tmp_path / "own.onnx", nodes, weights)
    with pytest.raises(ResgenError, match='output "y" does not depend on the input'):
        read(path)


def test_sizes_left_open_are_asked_for(tmp_path: Path) -> None:
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["y"])]
    path = made(tmp_path / "net.onnx", nodes, {}, shape=("n", 4, "h", "w"))
    with pytest.raises(ResgenError, match=r"\(4, \?, \?\)"):
        read(path)
    assert_equal(path, read(path, size=(4, 6, 5)))


def test_files_of_several_inputs_and_of_whole_numbers_are_refused(
    tmp_path: Path,
) -> None:
    node = helper.make_node("Add", ["x", "z"], ["y"])
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3)) for name in "xz"
    ]
    graph = helper.make_graph([node], "net", inputs, [onnx.ValueInfoProto(name="y")])
    path = tmp_path / "net.onnx"
    sets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=sets, ir_version=8), path)
    with pytest.raises(ResgenError, match='2 inputs \\("x", "z"\\)'):
        read(path)
    inputs[:] = [helper.make_tensor_value_info("x", TensorProto.INT64, (1, 3))]
    node = helper.make_node("Abs", ["x"], ["y"])
    graph = helper.make_graph([node], "net", inputs, [onnx.ValueInfoProto(name="y")])
    onnx.save(helper.make_model(graph, opset_imports=sets, ir_version=8), path)
    with pytest.raises(ResgenError, match="is of int64"):
        read(path)


def test_every_initialiser_is_placed_or_accounted_for(tmp_path: Path) -> None:
    head = nn.Linear(36, 2)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.Flatten(), head)
    path = exported(module, tmp_path / "net.onnx", 3, 5, 5)
    flat = read(path)
    placed = {s for sources in flat.sources.values() for s in sources}
    told = {s for note in flat.notes for s in note.sources}
    held = {tensor.name for tensor in onnx.load(path).graph.initializer}
    assert placed
    assert held <= placed | told


class Images:
    """What ONNX Runtime's quantiser calibrates on."""

    def __init__(self, shape: Sequence[int]) -> None:
        rng = np.random.default_rng(0)
        self.rest = [rng.normal(size=(1, *shape)).astype("f4") for _ in range(4)]

    def get_next(self) -> dict[str, Array] | None:
        return {"x": self.rest.pop()} if self.rest else None


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_a_quantised_file_is_read_as_the_numbers_it_stands_for(
    form: str, tmp_path: Path
) -> None:
    from onnxruntime.quantization import QuantFormat, quantize_static

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1)
            self.fc = nn.Linear(8, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = F.relu(self.conv1(x))
            y = F.relu(self.conv2(y) + y)
            return self.fc(F.adaptive_avg_pool2d(y, 1).flatten(1))

    torch.manual_seed(0)
    whole = exported(Net(), tmp_path / "net.onnx", 3, 8, 8)
    path = tmp_path / "quantised.onnx"
    quantize_static(
        whole, path, Images((3, 8, 8)), quant_format=QuantFormat[form], per_channel=True
    )
    flat, wanted = read(path), read(whole)
    assert kinds(flat) == kinds(wanted)
    assert flat.precision == "int8"
    assert flat.scales
    x = np.random.default_rng(3).normal(size=(1, 3, 8, 8)).astype("f4")
    ours = run(to_model(flat.graph, flat.weights).SerializeToString(), x)
    exact = run(whole.read_bytes(), x)
    # Of what was rounded, weights alone are: the file itself is further off.
    np.testing.assert_allclose(ours, exact, atol=0.02 * float(np.ptp(exact)))
    assert_proven_within_its_steps(path, flat)


class Joined(nn.Module):
    """Activations behind what is no map, which the quantiser drops all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3), nn.Conv2d(3, 8, 3)
        self.conv3, self.conv4 = nn.Conv2d(16, 8, 1), nn.Conv2d(4, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(torch.cat([self.conv1(x), self.conv2(x)], 1))
        y = F.relu(F.avg_pool2d(self.conv3(y), 2))
        y = F.relu(F.interpolate(self.conv4(y[:, 2:6]), scale_factor=2.0))
        return F.relu(y[:, 1:5] * y[:, 4:] - 0.1)


def test_an_activation_that_a_range_stands_for_is_read_behind_any_operator(
    tmp_path: Path,
) -> None:
    from onnxruntime.quantization import quantize_static

    torch.manual_seed(0)
    whole = exported(Joined(), tmp_path / "net.onnx", 3, 10, 10)
    path = tmp_path / "quantised.onnx"
    quantize_static(whole, path, Images((3, 10, 10)))
    dropped = Counter(node.op_type for node in onnx.load(path).graph.node)
    assert dropped["Relu"] < 4
    flat = read(path)
    x = np.random.default_rng(3).normal(size=(1, 3, 10, 10)).astype("f4")
    ours = run(to_model(flat.graph, flat.weights).SerializeToString(), x)
    exact = run(whole.read_bytes(), x)
    np.testing.assert_allclose(ours, exact, atol=0.03 * float(np.ptp(exact)))
    prove_file(imported(flat), path)
    # Another one is a departure, whatever the range cuts off.
    name = next(
        node.name
        for node in flat.graph.nodes
        if node.op.name == "act" and flat.graph.node[node.inputs[0]].op.name == "concat"
    )
    other = [
        replace(node, op=Act(type="leaky_relu")) if node.name == name else node
        for node in flat.graph.nodes
    ]
    worse = replace(flat, graph=replace(flat.graph, nodes=tuple(other)))
    with pytest.raises(Departure):
        prove_file(imported(worse), path)


def _stored(value: str, made: str, scale: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("QuantizeLinear", [value, scale, "z"], [f"{made}_q"]),
        helper.make_node("DequantizeLinear", [f"{made}_q", scale, "z"], [made]),
    ]


STORED: Final = {
    "before it is stored": [
        helper.make_node("Tanh", ["x"], ["a"]),
        *_stored("a", "b", "coarse"),
        helper.make_node("Tanh", ["a"], ["c"]),
        *_stored("c", "d", "fine"),
        helper.make_node("Mul", ["b", "d"], ["y"]),
    ],
    "in another order of axes": [
        helper.make_node("Tanh", ["x"], ["a"]),
        helper.make_node("Transpose", ["a"], ["b"], perm=[0, 2, 3, 1]),
        *_stored("b", "c", "coarse"),
        helper.make_node("Transpose", ["c"], ["y"], perm=[0, 3, 1, 2]),
    ],
    "within a linear map": [
        helper.make_node("Transpose", ["x"], ["a"], perm=[0, 2, 3, 1]),
        helper.make_node("MatMul", ["a", "w"], ["b"]),
        *_stored("b", "c", "coarse"),
        helper.make_node("Add", ["c", "bias"], ["d"]),
        *_stored("d", "y", "fine"),
    ],
    "as shares": [
        helper.make_node("QuantizeLinear", ["x", "fine", "z"], ["a"]),
        helper.make_node(
            "QLinearSoftmax",
            ["a", "fine", "z", "share", "least"],
            ["b"],
            domain="com.microsoft",
            axis=-1,
            opset=17,
        ),
        helper.make_node("DequantizeLinear", ["b", "share", "least"], ["y"]),
    ],
    "times a number": [
        helper.make_node("QuantizeLinear", ["x", "fine", "z"], ["a"]),
        helper.make_node(
            "QLinearMul",
            ["a", "fine", "z", "two", "fine", "z", "coarse", "z"],
            ["b"],
            domain="com.microsoft",
        ),
        helper.make_node("DequantizeLinear", ["b", "coarse", "z"], ["y"]),
    ],
}


@pytest.mark.parametrize("nodes", STORED.values(), ids=STORED)
def test_what_a_file_stores_is_told_from_what_its_nodes_read(
    nodes: Sequence[onnx.NodeProto], tmp_path: Path
) -> None:
    drawn = np.random.default_rng(0)
    numbers = {
        "coarse": np.array(0.1, "f4"),
        "fine": np.array(0.03, "f4"),
        "z": np.array(3, "i1"),
        "two": np.array(69, "i1"),
        "share": np.array(1 / 256, "f4"),
        "least": np.array(-128, "i1"),
        "w": drawn.normal(size=(4, 5)).astype("f4"),
        "bias": drawn.normal(size=5).astype("f4"),
    }
    path = made(tmp_path / "net.onnx", nodes, numbers)
    model = onnx.load(path)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, path)
    assert prove_file(imported(read(path)), path).precision == "int8"


def test_what_cannot_be_negative_has_no_activation_in_its_range(
    tmp_path: Path,
) -> None:
    """One and an error function is 0 or more, as is a mean of squares."""
    ends = {"s": np.array(2 / 255, "f4"), "z": np.array(0, "u1")}
    nodes = [
        helper.make_node("Erf", ["x"], ["e"]),
        helper.make_node("Add", ["e", "one"], ["a"]),
        helper.make_node("QuantizeLinear", ["a", "s", "z"], ["qa"]),
        helper.make_node("DequantizeLinear", ["qa", "s", "z"], ["d"]),
        helper.make_node("Mul", ["d", "x"], ["p"]),
        helper.make_node("Mul", ["p", "p"], ["m"]),
        helper.make_node("QuantizeLinear", ["m", "s", "z"], ["qm"]),
        helper.make_node("DequantizeLinear", ["qm", "s", "z"], ["y"]),
    ]
    numbers = {**ends, "one": np.array(1, "f4")}
    with pytest.raises(ResgenError, match="Erf") as caught:
        read(made(tmp_path / "net.onnx", nodes, numbers))
    assert "Relu" not in caught.value.message
    nodes[0] = helper.make_node("Tanh", ["x"], ["e"])
    assert "relu" not in kinds(read(made(tmp_path / "net.onnx", nodes, numbers)))


def test_what_the_ranges_of_a_file_cut_off_is_told(tmp_path: Path) -> None:
    """A clip that a quantiser dropped looks so: the file has it in its ranges alone."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("Mul", ["d", "two"], ["m"]),
        helper.make_node("QuantizeLinear", ["m", "s", "z"], ["qm"]),
        helper.make_node("DequantizeLinear", ["qm", "s", "z"], ["y"]),
    ]
    numbers = {
        "s": np.array(1 / 127, "f4"),
        "z": np.array(0, "i1"),
        "two": np.array(2, "f4"),
    }
    path = made(tmp_path / "net.onnx", nodes, numbers)
    (note,) = prove_file(imported(read(path)), path).notes
    assert "ranges cut off" in note


@pytest.mark.parametrize("scale", [0.0, -0.02])
def test_a_scale_that_no_range_has_is_refused(scale: float, tmp_path: Path) -> None:
    stored = [
        numpy_helper.from_array(np.float32(scale), "scale"),
        numpy_helper.from_array(np.uint8(128), "point"),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "point"], ["q"], "quant"),
        helper.make_node("DequantizeLinear", ["q", "scale", "point"], ["d"]),
        helper.make_node("Relu", ["d"], ["y"]),
    ]
    given, made = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3, 8, 8])
        for name in ("x", "y")
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(
        helper.make_graph(nodes, "net", [given], [made], stored), opset_imports=opset
    )
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(ResgenError, match=r"quant.*\n*.*scale of -?0"):
        read(tmp_path / "net.onnx")


def assert_proven_within_its_steps(path: Path, flat: Flat) -> None:
    """Every operator is held to what the file stores; one that is off is found."""
    found = imported(flat)
    proof = prove_file(found, path)
    assert proof.precision == "int8"
    # A map and the activation that its range stands for have one tensor.
    fused = sum(node.op.name == "act" for node in flat.graph.nodes)
    assert proof.operators in (len(flat.graph.nodes), len(flat.graph.nodes) - fused)
    assert 0 < proof.own < 0.1
    name = next(n for n in flat.weights if flat.weights[n].ndim == 4)
    worse = {**flat.weights, name: flat.weights[name] * np.float32(1.1)}
    with pytest.raises(Departure):
        prove_file(imported(replace(flat, weights=worse)), path)


class Gated(nn.Module):
    """GELU between two linear maps of positions, which older sets of ONNX spell out."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(4, 8), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.fc2(F.gelu(self.fc1(x.movedim(1, 3)))).movedim(3, 1)


@pytest.mark.parametrize("ends", [True, False], ids=["float32 ends", "whole"])
def test_what_tools_make_of_a_file_in_halves_is_the_same_network(
    ends: bool, tmp_path: Path
) -> None:
    """Its numbers are rounded, and the casts of its ends stand behind all others."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    whole = exported(Gated(), tmp_path / "net.onnx", 4, 3, 3)
    path = tmp_path / "half.onnx"
    onnx.save(convert_float_to_float16(onnx.load(whole), keep_io_types=ends), path)
    flat = read(path)
    assert identity(flat.graph) == identity(read(whole).graph)
    assert kinds(flat)["gelu"] == 1
    assert prove_file(imported(flat), path).precision == "fp16"


def test_weights_that_nodes_make_are_others_in_the_proof(tmp_path: Path) -> None:
    """Files ship with weights of one number, and a sum of such rounds to one side."""
    third = numpy_helper.from_array(np.array([1 / 3], "f4"))
    made_of = {"wide": np.array([2048, 4, 1, 1]), "narrow": np.array([4, 2048, 1, 1])}
    nodes = [
        helper.make_node("ConstantOfShape", [name], [f"{name}_w"], value=third)
        for name in made_of
    ]
    nodes += [
        helper.make_node("Conv", ["x", "wide_w"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "narrow_w"], ["y"]),
    ]
    path = made(tmp_path / "net.onnx", nodes, made_of)
    proof = prove_file(imported(read(path)), path)
    assert (proof.operators, proof.notes) == (3, ())
    assert 0 < proof.operator_share < 1


def test_nodes_that_read_each_other_are_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Add", ["x", "b"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    with pytest.raises(ResgenError, match=r"net\.onnx"):
        read(made(tmp_path / "net.onnx", nodes, {}))


def test_a_file_of_halves_is_read_as_float32(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).normal(size=(4, 4, 1, 1)).astype("f2")
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], to=TensorProto.FLOAT16),
        helper.make_node("Conv", ["a", "conv.weight"], ["b"]),
        helper.make_node("Cast", ["b"], ["y"], to=TensorProto.FLOAT),
    ]
    flat = read(made(tmp_path / "net.onnx", nodes, {"conv.weight": weight}))
    assert flat.precision == "fp16"
    assert flat.weights["conv.weight"].dtype == np.float32
    np.testing.assert_array_equal(flat.weights["conv.weight"], weight)
    proof = prove_file(imported(flat), tmp_path / "net.onnx")
    assert (proof.precision, proof.operators) == ("fp16", 1)


@pytest.mark.parametrize("where", [{"pads": [0, 1, 2, 0]}, {"auto_pad": "SAME_LOWER"}])
def test_a_maximum_is_never_one_of_its_padding(
    where: dict[str, object], tmp_path: Path
) -> None:
    pool = {"kernel_shape": [3, 3], **where}
    after = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["y"], strides=[2, 2], **pool),
    ]
    path = made(tmp_path / "net.onnx", after, {})
    assert_equal(path, read(path))
    alone = [helper.make_node("MaxPool", ["x"], ["y"], strides=[2, 2], **pool)]
    path = made(tmp_path / "net.onnx", alone, {})
    flat = read(path)
    assert_equal(path, flat)
    prove_file(imported(flat), path)


@pytest.mark.parametrize(
    ("mode", "pads"), [("reflect", [2, 1, 1, 3]), ("edge", [0, 3, 2, 0])]
)
def test_edges_around_a_map_are_parts_of_it(
    mode: str, pads: list[int], tmp_path: Path
) -> None:
    sides = np.array([0, 0, *pads[:2], 0, 0, *pads[2:]])
    nodes = [
        helper.make_node("Pad", ["x", "sides"], ["p"], mode=mode),
        helper.make_node("Conv", ["p", "net.weight"], ["y"]),
    ]
    weight = np.random.default_rng(0).normal(size=(2, 4, 3, 3)).astype("f4")
    numbers = {"sides": sides, "net.weight": weight}
    path = made(tmp_path / "net.onnx", nodes, numbers)
    flat = read(path)
    assert_equal(path, flat)
    prove_file(imported(flat), path)


class Relative(nn.Module):
    """What lies how far, brought under its position by paddings (Vaswani 2019)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows, wide = x.shape[2], x.shape[3] // 2 + 1
        flat = F.pad(x[:, :, :, : 2 * wide - 1].reshape(-1, wide, 2 * wide - 1), (0, 1))
        flat = F.pad(flat.flatten(1), (0, wide - 1))
        under = flat.reshape(-1, wide + 1, 2 * wide - 1)[:, :wide, wide - 1 :]
        return under.reshape(-1, 3, rows, wide)


def test_paddings_beside_a_merged_batch_are_read(tmp_path: Path) -> None:
    path = exported(Relative(), tmp_path / "net.onnx", 3, 4, 7)
    assert_equal(path, read(path))


@pytest.mark.parametrize("number", [0.0, 2.5])
def test_what_is_padded_by_integers_is_padded_by_what_they_stand_for(
    number: float, tmp_path: Path
) -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("Pad", ["q", "sides", "by"], ["p"]),
        helper.make_node("DequantizeLinear", ["p", "s", "z"], ["y"]),
    ]
    numbers = {
        "s": np.array(0.125, "f4"),
        "z": np.array(-8, "i1"),
        "by": np.array(-8 + number / 0.125, "i1"),
        "sides": np.array([0, 0, 1, 0, 0, 0, 0, 2]),
    }
    path = made(tmp_path / "net.onnx", nodes, numbers)
    flat = read(path)
    x = np.random.default_rng(1).integers(-99, 99, (1, 4, 8, 8)).astype("f4") / 8
    ours = run(to_model(flat.graph, flat.weights).SerializeToString(), x)
    np.testing.assert_array_equal(ours, run(path.read_bytes(), x))


@pytest.mark.parametrize("name", ["AveragePool", "LeakyRelu"])
def test_operators_of_integers_are_read_as_those_of_numbers(
    name: str, tmp_path: Path
) -> None:
    own = {"kernel_shape": [2, 2]} if name == "AveragePool" else {"alpha": 0.25}
    scaled = ["a", "s", "z", "s", "z"]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["a"]),
        helper.make_node(
            f"QLinear{name}", scaled, ["b"], domain="com.microsoft", **own
        ),
        helper.make_node("DequantizeLinear", ["b", "s", "z"], ["y"]),
    ]
    numbers = {"s": np.array(0.03, "f4"), "z": np.array(7, "u1")}
    path = made(tmp_path / "net.onnx", nodes, numbers)
    model = onnx.load(path)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, path)
    prove_file(imported(read(path)), path)


def test_names_of_outputs_become_those_of_a_spec(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Relu", ["x"], ["/head/boxes:0"]),
            helper.make_node("Sigmoid", ["x"], ["head.boxes.0"]),
            helper.make_node("Tanh", ["x"], ["maps.0"]),
            helper.make_node("Tanh", ["x"], ["28"]),
            helper.make_node("Tanh", ["x"], ["maps.7.3"]),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4, 8, 8))],
        [
            onnx.ValueInfoProto(name=name)
            for name in ("/head/boxes:0", "head.boxes.0", "maps.0", "28", "maps.7.3")
        ],
    )
    path = tmp_path / "net.onnx"
    sets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=sets, ir_version=8), path)
    names = [name for name, _ in read(path).graph.outputs]
    plain = ["output_28", "maps_7_3"]
    assert names == ["head_boxes_0", "head_boxes.0", "maps.0", *plain]


@pytest.mark.parametrize(
    ("weight", "shape", "said"),
    [
        (np.zeros((0, 4, 1, 1), "f4"), ("n", 4, 8, 8), "holds no numbers"),
        (np.ones((4, 4, 1, 1), "f4"), (1, 4, 2**30, 2**30), "holds .* numbers"),
    ],
    ids=["empty", "huge"],
)
def test_sizes_that_nothing_computes_are_refused(
    weight: Array, shape: Sequence[int | str], said: str, tmp_path: Path
) -> None:
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    path = made(tmp_path / "net.onnx", nodes, {"w": weight}, shape=shape)
    with pytest.raises(ResgenError, match=said):
        read(path)


def test_a_size_that_the_file_does_not_have_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    path = made(tmp_path / "net.onnx", nodes, {}, shape=("n", 4, 8, "w"))
    assert read(path, size=(4, 8, 6)).graph.inputs[0].type.shape == (4, 8, 6)
    with pytest.raises(ResgenError, match="4x6x6"):
        read(path, size=(4, 6, 6))


def test_names_that_no_module_can_have_are_others(tmp_path: Path) -> None:
    weights = {
        name: np.random.default_rng(0).normal(size=(4, 4, 1, 1)).astype("f4")
        for name in ("a..b.weight", "__class__.weight", "train.weight", "../c/w")
    }
    names = ["x", *"abc", "y"]
    nodes = [
        helper.make_node("Conv", [x, w], [y], name=f"a/../{y}\n/Conv")
        for x, w, y in zip(names[:-1], weights, names[1:], strict=True)
    ]
    path = made(tmp_path / "net.onnx", nodes, weights)
    flat = read(path)
    assert imported(flat).graph.params == 4 * 16
    assert_equal(path, flat)


def test_an_output_without_a_batch_is_refused_by_name(tmp_path: Path) -> None:
    nodes = [helper.make_node("Flatten", ["x"], ["y"], axis=2)]
    path = made(tmp_path / "net.onnx", nodes, {})
    with pytest.raises(ResgenError, match=r"net\.onnx: the output .* batch"):
        read(path)


def test_places_in_an_imported_spec_name_its_file(tmp_path: Path) -> None:
    path = exported(nn.Sequential(nn.Conv2d(3, 4, 3)), tmp_path / "net.onnx", 3, 8, 8)
    (node,) = imported(read(path)).graph.nodes
    assert node.origin.place.file == f"spec of {path}"


def test_from_onnx_is_told_sizes_that_a_file_leaves_open(tmp_path: Path) -> None:
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["y"], name="pool")]
    path = made(tmp_path / "net.onnx", nodes, {}, shape=("n", 4, "h", "w"))
    with pytest.raises(ResgenError) as caught:
        resgen.from_onnx(path)
    assert caught.value.hint == "say them with shape"
    spec, _ = resgen.from_onnx(path, shape=(4, 6, 5))
    assert spec.input == (4, 6, 5)
    with pytest.raises(ResgenError, match='did you mean "pool"'):
        resgen.from_onnx(path, shape=(4, 6, 5), cut="pol")


def test_a_file_whose_outputs_overflow_cannot_be_proven(tmp_path: Path) -> None:
    huge = np.full((4, 4, 1, 1), 1e30, np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["h"], name="first")]
    nodes.append(helper.make_node("Conv", ["h", "w"], ["y"], name="second"))
    path = made(tmp_path / "net.onnx", nodes, {"w": huge})
    with pytest.raises(ResgenError, match="not finite"):
        resgen.from_onnx(path)


def test_a_file_that_other_weights_overflow_is_compared_on_its_own(
    tmp_path: Path,
) -> None:
    nodes = [helper.make_node("Conv", ["x", "net.weight"], ["a"])]
    for given, yields in ("ab", "bc", "cy"):
        nodes.append(helper.make_node("Exp", [given], [yields]))
    weight = np.random.default_rng(0).normal(0, 0.01, size=(4, 4, 1, 1)).astype("f4")
    path = made(tmp_path / "net.onnx", nodes, {"net.weight": weight})
    (note,) = prove_file(imported(read(path)), path).notes
    assert "overflow" in note


RESIZES: Final = {
    "cubic": {"mode": "cubic"},
    "of no other value's size": {"mode": "linear"},
    "between the first positions": {
        "mode": "linear",
        "coordinate_transformation_mode": "asymmetric",
    },
    "smooth": {"mode": "linear", "antialias": 1},
    "of the nearest above": {
        "nearest_mode": "ceil",
        "coordinate_transformation_mode": "half_pixel",
    },
}


@pytest.mark.parametrize("options", RESIZES.values(), ids=RESIZES)
def test_what_no_other_operator_resizes_a_matrix_does(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    sizes = np.array([1, 4, 7, 5], np.int64)
    node = helper.make_node("Resize", ["x", "", "", "to"], ["y"], **options)
    given = {"shape": (1, 4, 6, 8), "opset": 18}
    path = made(tmp_path / "net.onnx", [node], {"to": sizes}, **given)
    flat = read(path)
    assert_equal(path, flat, [1])
    prove_file(imported(flat), path)


class Context(nn.Module):
    """A sum over places, weighted by one map (Cao et al. 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        share = self.conv(x).flatten(2).softmax(-1).unsqueeze(3)
        return x + (x.flatten(2).unsqueeze(1) @ share).reshape(-1, 4, 1, 1)


def test_axes_of_size_one_that_ours_lacks_are_compared(tmp_path: Path) -> None:
    path = exported(Context(), tmp_path / "net.onnx", 4, 6, 6)
    assert prove_file(imported(read(path)), path).own < 1e-5
