"""The PyTorch module of a graph, against the same network written by hand in torch."""

from __future__ import annotations

import copy
import io
import pickle
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from resgen.errors import Place, ResgenError
from resgen.graph.ir import Graph, Input, Node, Origin, Parameter, Scope
from resgen.lower.scope_module import ScopeModule
from resgen.lower.torch import to_torch
from resgen.ops.base import Op
from resgen.ops.conv import Conv
from resgen.ops.types import (
    Apply,
    Constant,
    Function,
    Module,
    ParameterSpec,
    Ref,
    TensorType,
)

# --- a few operators, so that these tests stand on the lowering alone ----------------


@dataclass(frozen=True)
class Norm(Op):
    name = "norm"

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        c, one, zero = (x.channels,), Constant(1.0), Constant(0.0)
        return (
            ParameterSpec("weight", c, one),
            ParameterSpec("bias", c, zero),
            ParameterSpec("running_mean", c, zero, trainable=False),
            ParameterSpec("running_var", c, one, trainable=False),
            ParameterSpec("num_batches_tracked", (), zero, False, "int64"),
        )

    def torch(self, x: TensorType) -> Module:
        return Module("torch.nn.BatchNorm2d", (x.channels,))


@dataclass(frozen=True)
class Relu(Op):
    name = "act"

    def torch(self, x: TensorType) -> Module:
        return Module("torch.nn.ReLU")


@dataclass(frozen=True)
class Add(Op):
    name = "add"
    arity = None

    def torch(self, x: TensorType) -> Function:
        return Function("operator.add")


@dataclass(frozen=True)
class Concat(Op):
    name = "concat"
    arity = None

    def infer(self, *inputs: TensorType) -> TensorType:
        return inputs[0].with_channels(sum(i.channels for i in inputs))

    def torch(self, x: TensorType) -> Function:
        return Function("torch.cat", (), {"dim": 1}, gather=True)


@dataclass(frozen=True)
class Scale(Op):
    name = "scale"

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        return (ParameterSpec("", (x.channels,), Constant(0.1)),)

    def torch(self, x: TensorType) -> Function:
        return Function("torch.mul", parameters=(("", (x.channels, 1, 1)),))


@dataclass(frozen=True)
class Pool(Op):
    name = "pool"

    def infer(self, *inputs: TensorType) -> TensorType:
        return TensorType((inputs[0].channels,))

    def torch(self, x: TensorType) -> Function:
        return Function("torch.mean", kwargs={"dim": (2, 3)})


@dataclass(frozen=True)
class Linear(Op):
    out: int
    name = "linear"

    def infer(self, *inputs: TensorType) -> TensorType:
        return TensorType((self.out,))

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        shape = (self.out, x.channels)
        return (
            ParameterSpec("weight", shape, Constant(0.1)),
            ParameterSpec("bias", (self.out,), Constant(0.0)),
        )

    def torch(self, x: TensorType) -> Module:
        return Module("torch.nn.Linear", (x.channels, self.out))


class Build:
    """Writes a graph down, a node a call."""

    def __init__(self, shape: tuple[int, ...] = (3, 16, 16)) -> None:
        self.inputs = (Input("input", TensorType(shape)),)
        self.types = {"input": TensorType(shape)}
        self.scopes = [Scope("", None, "root", "")]
        self.nodes: list[Node] = []
        self.parameters: dict[str, Parameter] = {}
        self.now = 0

    def scope(
        self, path: str, kind: str = "part", definition: str | None = None
    ) -> Any:
        build = self

        class Entered:
            def __enter__(self) -> None:
                self.before = build.now
                made = Scope(path, build.now, kind, "", definition)
                build.scopes.append(made)
                build.now = len(build.scopes) - 1

            def __exit__(self, *_: object) -> None:
                build.now = self.before

        return Entered()

    def __call__(self, op: Op, name: str, *inputs: str, owner: str = "") -> str:
        types = [self.types[i] for i in inputs]
        home = owner or name
        names = {}
        for spec in op.parameters(types[0]):
            path = f"{home}.{spec.role}" if spec.role else home
            names[spec.role] = path
            self.parameters.setdefault(
                path,
                Parameter(path, spec.shape, spec.init, spec.trainable, spec.dtype),
            )
        self.types[name] = op.infer(*types)
        origin = Origin(0, None, "", Place("x.json", 1, 1, ""))
        operands = tuple(op.operands(names).items())
        self.nodes.append(
            Node(name, op, inputs, self.types[name], self.now, origin, operands, home)
        )
        return name

    def graph(self, *outputs: str, **named: str) -> Graph:
        pairs = [("output", value) for value in outputs] + list(named.items())
        return Graph(
            "small-net", self.inputs, tuple(pairs), tuple(self.nodes),
            tuple(self.parameters.values()), tuple(self.scopes), (),
        )  # fmt: skip


def block(b: Build, path: str, x: str, width: int, *, project: bool) -> str:
    stride = 2 if project else 1
    with b.scope(path, "block", "basic"):
        y = b(Conv(width, 3, stride), f"{path}.conv1", x)
        y = b(Relu(), f"{path}.act1", b(Norm(), f"{path}.bn1", y))
        y = b(Norm(), f"{path}.bn2", b(Conv(width, 3), f"{path}.conv2", y))
        y = b(Scale(), f"{path}.gamma", y)
        if project:
            with b.scope(f"{path}.downsample", "part"):
                x = b(Conv(width, 1, stride), f"{path}.downsample.0", x)
                x = b(Norm(), f"{path}.downsample.1", x)
        return b(Relu(), f"{path}.act2", b(Add(), f"{path}.add", y, x))


def residual() -> Graph:
    b = Build()
    x = b(Relu(), "act1", b(Norm(), "bn1", b(Conv(8, 3), "conv1", "input")))
    for i, width in enumerate((8, 12), 1):
        with b.scope(f"layer{i}", "stage"):
            for j in range(2):
                path = f"layer{i}.{j}"
                x = block(b, path, x, width, project=i == 2 and j == 0)
    with b.scope("head", "head"):
        x = b(Linear(5), "head.mlp.fc", b(Pool(), "head.pool", x))
    return b.graph(x)


class Basic(nn.Module):
    def __init__(self, before: int, width: int, *, project: bool) -> None:
        super().__init__()
        stride = 2 if project else 1
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.gamma = nn.Parameter(torch.ones(width))
        self.downsample = None
        if project:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y)) * self.gamma.view(-1, 1, 1)
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class ByHand(nn.Module):
    """The network of :func:`residual`, as a person would write it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        blocks = Basic(8, 8, project=False), Basic(8, 8, project=False)
        self.layer1 = nn.Sequential(*blocks)
        blocks = Basic(8, 12, project=True), Basic(12, 12, project=False)
        self.layer2 = nn.Sequential(*blocks)
        self.head = nn.ModuleDict({"mlp": nn.ModuleDict({"fc": nn.Linear(12, 5)})})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer2(self.layer1(self.bn1(self.conv1(x)).relu()))
        return self.head["mlp"]["fc"](x.mean((2, 3)))


def arrays(state: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray[Any, Any]]:
    return {name: tensor.detach().numpy().copy() for name, tensor in state.items()}


def drawn(graph: Graph, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """Weights that hide nothing: no scale of 0 or 1, no shift of 0."""
    draw = np.random.default_rng(seed)
    return {
        p.name: np.asarray(draw.uniform(0.2, 0.9, p.shape), p.dtype)
        if p.dtype == "float32"
        else np.zeros(p.shape, "int64")
        for p in graph.parameters
    }


@pytest.fixture
def pair() -> tuple[ScopeModule, ByHand]:
    torch.manual_seed(0)
    peer = ByHand()
    for name, p in peer.state_dict().items():
        if "num_batches" not in name:
            p.add_(torch.rand_like(p) / 4)
    return to_torch(residual(), arrays(peer.state_dict())), peer


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))


# --- the same function ---------------------------------------------------------------


def test_state_dict_has_the_names_of_the_graph_in_order(pair: Any) -> None:
    model, peer = pair
    assert list(model.state_dict()) == list(peer.state_dict())
    # torch lists a module's own parameters before those of its children.
    assert set(model.state_dict()) == {p.name for p in residual().parameters}
    ours = {n for n, _ in model.named_parameters()}
    assert ours == {n for n, _ in peer.named_parameters()}
    assert not any(t.is_meta for t in model.state_dict().values())


def test_outputs_equal_the_handwritten_network(pair: Any, image: torch.Tensor) -> None:
    model, peer = pair
    assert model.training
    assert torch.equal(model(image), peer(image))  # and statistics move alike
    for name, tensor in peer.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor), name
    assert torch.equal(model.eval()(image), peer.eval()(image))


def test_gradients_equal_the_handwritten_network(
    pair: Any, image: torch.Tensor
) -> None:
    model, peer = pair
    for net in pair:
        net(image).square().sum().backward()
    theirs = dict(peer.named_parameters())
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(
            parameter.grad, theirs[name].grad, rtol=1e-6, atol=1e-6, msg=name
        )
        assert parameter.grad.abs().max() > 0


def test_it_trains(pair: Any, image: torch.Tensor) -> None:
    model, _ = pair
    step = torch.optim.SGD(model.parameters(), 0.1)
    losses = []
    for _ in range(8):
        loss = nn.functional.cross_entropy(model(image), torch.tensor([0, 1]))
        step.zero_grad()
        loss.backward()
        step.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


class Filter(nn.Module):
    """A module without parameters that computes a buffer for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("gain", torch.tensor(3.0), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gain


@dataclass(frozen=True)
class Blur(Op):
    name = "blur"

    def torch(self, x: TensorType) -> Module:
        return Module(f"{__name__}.Filter")


def test_computed_buffers_are_real(image: torch.Tensor) -> None:
    b = Build()
    with torch.device("meta"):  # whatever device is in force
        model = to_torch(b.graph(b(Blur(), "blur", "input")), {})
    assert torch.equal(model(image), image * 3)
    assert not model.state_dict()


def test_an_operator_that_forgets_a_parameter_is_noticed() -> None:
    @dataclass(frozen=True)
    class Forgetful(Linear):
        def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
            return Linear.parameters(self, x)[:1]

    b = Build((4,))
    graph = b.graph(b(Forgetful(5), "fc", "input"))
    with pytest.raises(ValueError, match=r"declares no bias.*torch\.nn\.Linear"):
        to_torch(graph, drawn(graph))


def test_fresh_weights_are_drawn_from_the_seed() -> None:
    graph = residual()
    a, b, c = (to_torch(graph, seed=s).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(a[n], b[n]) for n in a)
    assert not torch.equal(a["conv1.weight"], c["conv1.weight"])


def test_weights_are_shared_not_copied() -> None:
    weights = drawn(residual())
    model = to_torch(residual(), weights)
    weights["conv1.weight"][:] = 7
    assert (model.conv1.weight == 7).all()
    for array in weights.values():
        array.flags.writeable = False
    frozen = to_torch(residual(), weights)
    with torch.no_grad():
        frozen.conv1.weight.zero_()
    assert (weights["conv1.weight"] == 7).all()


# --- scopes --------------------------------------------------------------------------


def test_parts_run_alone_and_hooks_see_their_tensors(
    pair: Any, image: torch.Tensor
) -> None:
    model, peer = (net.eval() for net in pair)
    seen: dict[tuple[int, str], torch.Tensor] = {}
    paths = ["layer1", "layer2.0", "layer2.0.downsample", "layer2.1.conv2", "layer2"]
    for i, net in enumerate((model, peer)):
        for path in paths:
            net.get_submodule(path).register_forward_hook(
                lambda m, args, out, key=(i, path): seen.update({key: out})
            )
        net(image)
    for path in paths:
        assert torch.equal(seen[0, path], seen[1, path]), path
    x = torch.randn(2, 8, 16, 16)
    assert torch.equal(model.layer2(x), peer.layer2(x))
    assert torch.equal(model.layer2[0].downsample(x), peer.layer2[0].downsample(x))


def test_scopes_are_indexed_like_a_sequence(pair: Any) -> None:
    model, _ = pair
    assert model.layer1[1] is model.get_submodule("layer1.1")
    assert model.layer1[-1] is model.layer1[1]
    assert model.layer1[:1] == [model.layer1[0]]
    assert list(model.layer1) == list(model.layer1.children())
    assert len(model.layer1) == 2
    with pytest.raises(IndexError):
        model.layer1[2]


def test_graphs_are_sound_and_readable(pair: Any) -> None:
    model, _ = pair
    scopes = [m for m in model.modules() if isinstance(m, ScopeModule)]
    assert len(scopes) == 9
    for scope in scopes:
        scope.graph.lint()
    names = [n.name for n in model.layer2[0].graph.nodes]
    assert names[:3] == ["x", "conv1", "bn1"]
    assert "layer2_0" in [n.name for n in model.layer2.graph.nodes]
    text = str(model)
    assert text.splitlines()[0] == "SmallNet("
    assert "(layer1): Stage(\n    (0): Basic(\n      (conv1): Conv2d(3" not in text
    assert "(layer1): Stage(\n    (0): Basic(\n      (conv1): Conv2d(8, 8" in text
    assert "def forward" not in text


def test_a_scope_entered_twice_only_holds(image: torch.Tensor) -> None:
    b = Build()
    with b.scope("features"):
        x = b(Conv(4, 3), "features.a", "input")
    y = b(Relu(), "between", x)
    with b.scope("features"), b.scope("features.inner"):
        z = b(Conv(4, 3), "features.inner.b", y)
    graph = b.graph(b(Add(), "sum", y, z))
    model = to_torch(graph, drawn(graph))
    assert type(model.features) is nn.Module
    assert isinstance(model.features.inner, ScopeModule)
    first = model.features.a(image).relu()
    assert torch.equal(model(image), first + model.features.inner.b(first))


def test_a_scope_around_nodes_of_others_only_holds(image: torch.Tensor) -> None:
    b = Build()
    with b.scope("a"):
        x = b(Conv(4, 3), "a.conv", "input")
    with b.scope("other"):
        y = b(Conv(4, 3), "a.stray", x)
    model = to_torch(graph := b.graph(y), drawn(b.graph(y)))
    assert type(model.a) is nn.Module
    assert not hasattr(model, "other")  # its one node lives elsewhere
    assert list(model.state_dict()) == [p.name for p in graph.parameters]
    assert torch.equal(model(image), model.a.stray(model.a.conv(image)))


def test_a_scope_whose_nodes_are_apart_only_holds(image: torch.Tensor) -> None:
    b = Build()
    with b.scope("a"):
        x = b(Conv(4, 3), "a.conv", "input")
    b.now = 0
    y = b(Relu(), "act", x)
    b.now = 1
    z = b(Conv(4, 3), "a.conv2", y)
    graph = b.graph(z)
    model = to_torch(graph, drawn(graph))
    assert type(model.a) is nn.Module
    assert torch.equal(model(image), model.a.conv2(model.a.conv(image).relu()))


def test_a_scope_without_a_path_of_its_own_leaves_its_parent_callable(
    image: torch.Tensor,
) -> None:
    b = Build()
    with b.scope("a"), b.scope("a"):
        x = b(Conv(4, 3), "a.conv", "input")
    graph = b.graph(x)
    model = to_torch(graph, drawn(graph))
    assert torch.equal(model.a(image), model(image))


@pytest.mark.slow
def test_values_read_outside_leave_as_a_tuple(image: torch.Tensor) -> None:
    b = Build()
    with b.scope("trunk"):
        with b.scope("trunk.low"):
            x = b(Conv(4, 3), "trunk.low.conv", "input")
            y = b(Relu(), "trunk.low.act", x)
        z = b(Conv(4, 3), "trunk.conv", y)
    with b.scope("join"):
        graph = b.graph(b(Concat(), "join.cat", z, x, "input"))
    model = to_torch(graph, drawn(graph))
    low = model.trunk.low.conv(image)
    deep = model.trunk.conv(low.relu())
    for ours, expected in zip(model.trunk(image), (low, deep), strict=True):
        assert torch.equal(ours, expected)
    assert torch.equal(model.join(deep, low, image), model(image))
    assert torch.equal(model(image), torch.cat([deep, low, image], 1))
    assert torch.equal(copy.deepcopy(model)(image), model(image))
    assert torch.equal(pickle.loads(pickle.dumps(model))(image), model(image))
    assert torch.equal(torch.compile(model, backend="eager", fullgraph=True)(image),
                       model(image))  # fmt: skip


def test_several_outputs_are_a_dict(image: torch.Tensor) -> None:
    b = Build()
    with b.scope("a"):
        x = b(Conv(4, 3), "a.conv", "input")
        y = b(Relu(), "a.act", x)
    graph = b.graph(raw=x, active=y, given="input")
    model = to_torch(graph, drawn(graph))
    found = model(image)
    assert list(found) == ["raw", "active", "given"]
    assert torch.equal(found["active"], found["raw"].relu())
    assert found["given"] is image


def test_shared_parameters_are_one_module(image: torch.Tensor) -> None:
    b = Build((4, 16, 16))
    x, image = "input", torch.cat([image, image[:, :1]], 1)
    for i in range(3):
        with b.scope("head.tower"):
            suffix = f"_{i}" if i else ""
            x = b(Conv(4, 3), f"head.tower.conv{suffix}", x, owner="head.tower.conv")
            x = b(Relu(), f"head.tower.act{suffix}", x)
    graph = b.graph(x)
    model = to_torch(graph, drawn(graph))
    assert list(model.state_dict()) == ["head.tower.conv.weight"]
    conv = model.head.tower.conv
    expected = conv(conv(conv(image).relu()).relu()).relu()
    assert torch.equal(model(image), expected)


@pytest.mark.parametrize("seed", range(40))
def test_any_nesting_computes_what_the_nodes_do(seed: int) -> None:
    """Random scopes, some entered twice, and reads across them, run node by node."""
    draw = random.Random(seed)
    b = Build((2, 4, 4))
    values = ["input"]

    def fill(path: str, depth: int) -> None:
        for i in range(draw.randint(1, 4)):
            at = f"{path}{i}" if draw.random() < 0.8 else f"{path}0.n{len(values)}"
            if depth and draw.random() < 0.5:
                inner = draw.choice([f"{path}s{i}", f"{path}s", f"{path}d.s{i}"])
                with b.scope(inner):
                    fill(f"{inner}.v{len(values)}_", depth - 1)
            else:
                reads = draw.choices(values[-5:], k=2)
                values.append(b(Add(), f"{at}.add", *reads))
                values.append(b(Scale(), f"{at}.gamma", values[-1]))

    fill("", 3)
    graph = b.graph(last=values[-1], middle=draw.choice(values))
    weights = drawn(graph)
    model = to_torch(graph, weights)
    results = {"input": torch.randn(2, 2, 4, 4)}
    for node in graph.nodes:
        x, *more = (results[value] for value in node.inputs)
        y = (
            x + more[0]
            if more
            else x * torch.from_numpy(weights[node.name])[:, None, None]
        )
        results[node.name] = y
    for name, value in graph.outputs:
        assert torch.equal(model(results["input"])[name], results[value])
    assert set(model.state_dict()) == set(weights)
    for module in model.modules():
        if isinstance(module, ScopeModule):
            module.graph.lint()


def test_dots_below_a_scope_are_holders(pair: Any) -> None:
    model, _ = pair
    assert type(model.head.mlp) is nn.Module
    assert isinstance(model.head.mlp.fc, nn.Linear)


# --- the ways of PyTorch -------------------------------------------------------------


@pytest.mark.parametrize("way", ["deepcopy", "pickle", "save"])
def test_copies_are_whole(pair: Any, image: torch.Tensor, way: str) -> None:
    def again(module: nn.Module) -> nn.Module:
        if way == "deepcopy":
            return copy.deepcopy(module)
        if way == "pickle":
            return pickle.loads(pickle.dumps(module))
        file = io.BytesIO()
        torch.save(module, file)
        file.seek(0)
        return torch.load(file, weights_only=False)

    model, _ = pair
    model.eval()
    model.layer1.register_forward_hook(double)
    made = again(model)
    assert str(made) == str(model)
    assert not made.training
    assert made.conv1.weight is not model.conv1.weight
    assert torch.equal(made(image), model(image))  # with the hook
    names = [n.name for n in model.layer2[0].graph.nodes]
    assert [n.name for n in made.layer2[0].graph.nodes] == names
    part = again(model.layer2)
    x = torch.randn(2, 8, 16, 16)
    assert isinstance(part[0].downsample, ScopeModule)
    assert torch.equal(part(x), model.layer2(x))
    assert torch.equal(again(part)(x), model.layer2(x))


def double(module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
    return output * 2


def test_edits_of_a_graph_survive_copies(pair: Any, image: torch.Tensor) -> None:
    model = pair[0].eval()
    before = model(image)
    output = next(n for n in model.graph.nodes if n.op == "output")
    with model.graph.inserting_before(output):
        value = model.graph.call_function(torch.mul, (output.args[0], 3))
    output.args = (value,)
    model.recompile()
    for made in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(made(image), before * 3)


@pytest.mark.slow
def test_compiles_without_a_graph_break(pair: Any, image: torch.Tensor) -> None:
    model = pair[0].eval()
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(image), model(image))


def test_export_shows_module_paths(pair: Any, image: torch.Tensor) -> None:
    model = pair[0].eval()
    program = torch.export.export(model, (image,))
    paths = {
        path
        for node in program.graph.nodes
        for path, _ in node.meta.get("nn_module_stack", {}).values()
    }
    assert {"layer1.0.conv1", "layer2.0.downsample.1", "head.mlp.fc"} <= paths
    assert torch.equal(program.module()(image), model(image))


def test_channels_last_and_autocast(pair: Any, image: torch.Tensor) -> None:
    model = pair[0].eval()
    expected = model(image)
    moved = copy.deepcopy(model).to(memory_format=torch.channels_last)
    seen = []
    moved.layer2.register_forward_hook(lambda m, a, out: seen.append(out))
    found = moved(image.to(memory_format=torch.channels_last))
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        low = model(image)
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.float(), expected, rtol=0.1, atol=0.1)


# --- operands that are expressions (more in test_folded_in_torch.py) -----------------


def test_a_weight_that_is_an_expression_computes_the_same_and_trains(
    image: torch.Tensor,
) -> None:
    graph = residual()
    first = graph.nodes[0]
    doubled = Apply("multiply", (Ref("conv1.weight"), 2.0))
    folded = replace(
        graph,
        nodes=(replace(first, operands=(("weight", doubled),)), *graph.nodes[1:]),
    )
    plain, made = to_torch(graph, drawn(graph)), to_torch(folded, drawn(graph))
    assert list(made.state_dict()) == list(plain.state_dict())
    with torch.no_grad():
        plain.conv1.weight.mul_(2)
    expected = plain(image)
    assert torch.equal(made(image), expected)
    expected.square().sum().backward()
    made(image).square().sum().backward()
    wanted = 2 * plain.conv1.weight.grad
    torch.testing.assert_close(made.conv1.weight.grad, wanted)
    torch.optim.SGD(made.parameters(), 0.1).step()
    assert not torch.equal(made(image), expected)


# --- what is refused -----------------------------------------------------------------


def test_weights_that_do_not_fit_are_refused() -> None:
    weights = drawn(residual())
    del weights["conv1.weight"]
    with pytest.raises(ResgenError, match=r"conv1\.weight"):
        to_torch(residual(), weights)


@pytest.mark.parametrize("name", ["graph", "forward", "training", "lambda"])
def test_names_that_torch_keeps_are_refused(name: str) -> None:
    b = Build()
    graph = b.graph(b(Conv(4, 3), name, "input"))
    with pytest.raises(ResgenError, match=f'"{name}"'):
        to_torch(graph, drawn(graph))


@pytest.mark.parametrize("name", ["self", "torch", "input", "x", "operator", "inf"])
def test_names_that_look_dangerous_are_fine(name: str, image: torch.Tensor) -> None:
    b = Build()
    with b.scope("scope"):
        x = b(Conv(4, 3), f"scope.{name}", "input")
        y = b(Concat(), f"scope.cat_{name}", x, b(Relu(), "scope.0", x))
    graph = b.graph(b(Conv(4, 3), name, y))
    model = to_torch(graph, drawn(graph))
    inner = model.scope.get_submodule(name)(image)
    expected = getattr(model, name)(torch.cat([inner, inner.relu()], 1))
    assert torch.equal(model(image), expected)


def test_sharing_between_different_operators_is_refused() -> None:
    b = Build((4, 16, 16))
    x = b(Conv(4, 3), "conv", "input")
    graph = b.graph(b(Conv(4, 3, 2), "again", x, owner="conv"))
    with pytest.raises(ResgenError, match="again shares the parameters of conv"):
        to_torch(graph, drawn(graph))
