"""Live modules read as graphs: equal, with their own names, or refused."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import resgen
from resgen.errors import ResgenError
from resgen.graph.identity import identity
from resgen.importing.torch.read import named_outputs, read
from resgen.lower.torch import to_torch
from resgen.proof.compare import Departure
from resgen.proof.same_module import prove_module
from resgen.recovery.imported import imported


class Of(nn.Module):
    """A function as a module, of parts that it is given."""

    def __init__(self, function: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def shaken(module: nn.Module) -> nn.Module:
    """With numbers of which none is the same as another, nor changes nothing."""
    draw = torch.Generator().manual_seed(0)
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            with torch.no_grad():
                tensor.add_(torch.rand(tensor.shape, generator=draw) * 0.3)
    return module


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(1)))


def window_mask() -> Tensor:
    """As transformers of shifted windows write theirs, part by part."""
    mask = torch.zeros(1, 4, 4, 1)
    for i, rows in enumerate((slice(0, -2), slice(-2, None))):
        mask[:, rows, :] = i
    return mask


def places(rows: int, columns: int) -> Tensor:
    """Row and column of each position, less those of each other one."""
    grid = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    at = torch.stack(grid).flatten(1)
    return at[:, :, None] - at[:, None]


def ways(rows: int, columns: int) -> Tensor:
    """As LeViT numbers them: by how far."""
    row, column = places(rows, columns).abs()
    return row * columns + column


def there(rows: int, columns: int) -> Tensor:
    """As Swin numbers them: there is another way than back."""
    row, column = places(rows, columns)
    return (row + rows - 1) * (2 * columns - 1) + column + columns - 1


def in_full(module: nn.Module, x: Tensor) -> Tensor:
    with torch.autocast("cpu", enabled=False):
        return x.relu() + 1


def copied(module: nn.Module, x: Tensor) -> Tensor:
    y = x * 2
    y[:, 1:3, 2:] = y[:, 1:3, 2:].relu()
    return y


def without_keys(module: Any, x: Tensor) -> Tensor:
    bias = module.a.bias.clone()
    bias[2:4].zero_()
    return F.linear(x, module.a.weight, bias)


MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "convolutions": (
        lambda: nn.Sequential(
            nn.Conv2d(4, 6, 3, 2, 1, groups=2),
            nn.BatchNorm2d(6, eps=1e-3),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1, ceil_mode=True),
            nn.ConvTranspose2d(6, 4, 2, 2),
            nn.PReLU(),
            nn.GroupNorm(2, 4),
            nn.Hardswish(),
            nn.AvgPool2d(2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(4, 3),
        ),
        (4, 16, 16),
    ),
    "one axis": (
        lambda: nn.Sequential(
            nn.Conv1d(4, 6, 4, padding="same"), nn.GELU(), nn.Upsample(scale_factor=2)
        ),
        (4, 9),
    ),
    "squeeze and excitation": (
        lambda: Of(
            lambda m, x: (
                x * m.b(m.a(x.mean((2, 3))).relu()).sigmoid()[:, :, None, None]
            ),
            a=nn.Linear(4, 2),
            b=nn.Linear(2, 4),
        ),
        (4, 5, 6),
    ),
    "channels last": (
        lambda: Of(
            lambda m, x: (
                x + (m.gamma * m.mlp(m.norm(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)
            ),
            norm=nn.LayerNorm(4),
            mlp=nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 4)),
            gamma=parameter(4),
        ),
        (4, 5, 6),
    ),
    "a class token": (
        lambda: Of(
            lambda m, x: m.norm(
                torch.cat([m.token.expand(len(x), -1, -1), x.flatten(2).mT], 1)
                + m.places
            )[:, 0],
            token=parameter(1, 1, 4),
            places=parameter(1, 31, 4),
            norm=nn.LayerNorm(4),
        ),
        (4, 5, 6),
    ),
    "attention of torch": (
        lambda: Of(
            lambda m, x: m.a(x.mT, x.mT, x.mT, need_weights=False)[0],
            a=nn.MultiheadAttention(8, 2, batch_first=True),
        ),
        (8, 5),
    ),
    "attention of torch in itself": (
        lambda: nn.TransformerEncoderLayer(8, 2, 12, batch_first=True),
        (5, 8),
    ),
    "a mask that is made part by part": (
        lambda: Of(lambda m, x: x.permute(0, 2, 3, 1) * window_mask()),
        (3, 4, 4),
    ),
    "shifted windows": (
        lambda: Of(
            lambda m, x: (
                m.c(
                    x.roll((-1, -1), (2, 3))
                    .permute(0, 2, 3, 1)
                    .reshape(-1, 2, 2, 2, 2, 4)
                    .transpose(2, 3)
                    .reshape(-1, 4, 4)
                )
                .reshape(len(x), 2, 2, 2, 2, 4)
                .transpose(2, 3)
                .reshape(len(x), 4, 4, 4)
            ),
            c=nn.Linear(4, 4),
        ),
        (4, 4, 4),
    ),
    "positions in a row": (
        lambda: Of(
            lambda m, x: m.c(
                (lambda y: (y + m.b(m.a(y))).transpose(1, 2).reshape(-1, 4, 3, 5))(
                    x.flatten(2).transpose(1, 2)
                )
            ),
            a=nn.LayerNorm(4),
            b=nn.Linear(4, 4),
            c=nn.Conv2d(4, 2, 3),
        ),
        (4, 3, 5),
    ),
    "parts": (
        lambda: Of(
            lambda m, x: torch.cat(
                [
                    x.chunk(2, 1)[1],
                    x[:, ::2],
                    *x.tensor_split([1, 3], 1)[:2],
                    x.split([1, 3], 1)[0],
                    x[:, [2, 0, 1]],
                ],
                1,
            )
        ),
        (4, 5, 6),
    ),
    "every second": (lambda: Of(lambda m, x: x[:, 1::2, ::2, 1:6:2]), (4, 5, 6)),
    "ones beside": (
        lambda: Of(lambda m, x: F.pad(x, (0, 1), value=1.0) * F.pad(x, (1, 0))),
        (4, 5, 6),
    ),
    "places of a filter": (
        lambda: Of(
            lambda m, x: F.fold(
                m.a(F.unfold(x, 3, padding=1, stride=2).mT).mT, 6, 3, 1, 1, 2
            ),
            a=nn.Linear(36, 36),
        ),
        (4, 6, 6),
    ),
    "windows that overlap": (
        lambda: Of(lambda m, x: x.unfold(2, 3, 2).unfold(3, 4, 1).relu()),
        (4, 7, 6),
    ),
    "padding of many axes": (
        lambda: Of(
            lambda m, x: F.pad(x.reshape(-1, 2, 2, 2, 3, 5).softmax(3), (1, 2, 3, 0))
        ),
        (4, 6, 5),
    ),
    "a batch that is repeated": (
        lambda: Of(
            lambda m, x: (
                x.repeat_interleave(3, 0).reshape(-1, 3, 4, 5) * m.p
            ).repeat_interleave(2, -1),
            p=parameter(3, 1, 1),
        ),
        (4, 5),
    ),
    "a map of another size": (
        lambda: Of(
            lambda m, x: (
                F.interpolate(x, (7, 4), mode="bicubic"),
                F.interpolate(x, (4, 8), mode="bilinear", align_corners=True),
            )
        ),
        (4, 5, 6),
    ),
    "heads in the batch": (
        lambda: Of(
            lambda m, x: m.c(x.reshape(-1, 4, 5, 6)).reshape(len(x), 8, 3, 3),
            c=nn.Conv2d(4, 4, 3, 2, 1, groups=4),
        ),
        (8, 5, 6),
    ),
    "a copy into a part": (lambda: Of(copied), (4, 5, 6)),
    "learned queries": (
        lambda: Of(
            lambda m, x: F.scaled_dot_product_attention(
                m.q(m.norm(m.latent.expand(len(x), -1, -1))), x.mT, x.mT
            ),
            latent=parameter(1, 2, 4),
            norm=nn.LayerNorm(4),
            q=nn.Linear(4, 4),
        ),
        (4, 5),
    ),
    "a bias without a part": (
        lambda: Of(without_keys, a=nn.Linear(4, 6)),
        (4,),
    ),
    "a bias put together of parts": (
        lambda: Of(
            lambda m, x: (
                F.linear(x, m.a.weight, torch.cat([m.q, torch.zeros(2), m.v]))
                .reshape(len(x), 3, 2)
                .unbind(1)
            ),
            a=nn.Linear(4, 6, bias=False),
            q=parameter(2),
            v=parameter(2),
        ),
        (4,),
    ),
    "a number of a parameter alone": (
        lambda: Of(
            lambda m, x: x * m.p.clamp(max=2).exp() + m.q.softmax(0)[1],
            p=parameter(4, 1, 1),
            q=parameter(3, 4, 1, 1),
        ),
        (4, 5, 6),
    ),
    "a layer of a constant": (
        lambda: Of(
            lambda m, x: (
                x
                + m.a(torch.arange(24.0).reshape(1, 2, 3, 4).cos()).repeat(
                    len(x), 1, 1, 1
                )
            ),
            a=nn.Conv2d(2, 4, 1),
        ),
        (4, 3, 4),
    ),
    "a number that is added all over a map": (
        lambda: Of(
            lambda m, x: (x - x.mean(1, keepdim=True)) * m.p + m.q,
            p=parameter(1),
            q=parameter(1),
        ),
        (72, 2, 3),
    ),
    "a constant that is added to what it began": (
        lambda: Of(
            lambda m, x: (
                m.p + m.a(torch.cat([m.p.expand(len(x), -1, -1), x], 1))[:, :1]
            ),
            a=nn.Linear(4, 4),
            p=parameter(1, 1, 4),
        ),
        (3, 4),
    ),
    "ways by how far": (
        lambda: Of(
            lambda m, x: (x + m.p[:, ways(2, 3)]).softmax(-1),
            p=parameter(2, 6),
        ),
        (2, 6, 6),
    ),
    "ways of a network": (
        lambda: Of(
            lambda m, x: (
                x
                + m.b(m.a(torch.arange(15.0)[:, None]).relu_())[there(2, 3)].permute(
                    2, 0, 1
                )
            ),
            a=nn.Linear(1, 5),
            b=nn.Linear(5, 2, bias=False),
        ),
        (2, 6, 6),
    ),
    "a bias of another name": (
        lambda: Of(
            lambda m, x: m.a(x) + m.b[:, None, None],
            a=nn.Conv2d(4, 3, 1, bias=False),
            b=parameter(3),
        ),
        (4, 5, 6),
    ),
    "a weight of another name": (
        lambda: Of(lambda m, x: x @ m.b.T, b=parameter(3, 4)),
        (4,),
    ),
    "a part by itself": (lambda: Of(in_full), (4, 5, 6)),
    "arithmetic": (
        lambda: Of(
            lambda m, x: (
                torch.addcmul(2 - x / 3, x.clamp(-1, 1), F.softmax(x**2, 1), value=0.5)
                - (x.var((2, 3), keepdim=True) + 1e-5).rsqrt()
            )
        ),
        (4, 5, 6),
    ),
    "sums by name": (
        lambda: Of(lambda m, x: torch.einsum("bchw,bdhw->bcd", x, x * 2)),
        (4, 5, 6),
    ),
    "sums with a constant": (
        lambda: Of(
            lambda m, x: torch.einsum(
                "bhwc,hkc->bhwk", x.reshape(-1, 2, 4, 3), m.p
            ).reshape(len(x), 2, 2, 4, 5),
            p=parameter(2, 5, 3),
        ),
        (4, 4, 3),
    ),
    "sums with a constant in many windows": (
        lambda: Of(
            lambda m, x: torch.einsum(
                "bhwc,hkc->bhwk", x.reshape(-1, 2, 4, 3), m.p * 2
            ).reshape(len(x), 70, 2, 4, 5),
            p=parameter(2, 5, 3),
        ),
        (280, 2, 3),
    ),
    "numbers beside parts": (
        lambda: Of(
            lambda m, x: (
                lambda y, g: m.g * (y * g / (g.mean(-1, True) + 1e-6)) + m.b + y
            )(
                m.c(x.permute(0, 2, 3, 1)),
                torch.norm(m.c(x.permute(0, 2, 3, 1)), p=2, dim=(1, 2), keepdim=True),
            ).permute(0, 3, 1, 2),
            c=nn.Linear(4, 4),
            g=parameter(1, 1, 1, 4),
            b=parameter(1, 1, 1, 4),
        ),
        (4, 6, 5),
    ),
    "norms over several axes": (
        lambda: nn.Sequential(
            nn.LayerNorm((4, 6, 5)),
            nn.ReLU(),
            nn.LayerNorm((6, 5)),
            nn.LayerNorm((6, 5), elementwise_affine=False),
        ),
        (4, 6, 5),
    ),
    "edges around a map": (
        lambda: nn.Sequential(
            nn.ReflectionPad2d((2, 1, 0, 3)),
            nn.Conv2d(4, 4, 3),
            nn.ReplicationPad2d(1),
            nn.ReLU(),
            nn.CircularPad2d((1, 0, 2, 1)),
            nn.Conv2d(4, 2, 3, padding=1, padding_mode="reflect"),
        ),
        (4, 6, 5),
    ),
    "gates of halves": (
        lambda: Of(lambda m, x: F.glu(x, 1) + F.glu(x, 2).mean((1, 2))[:, None, None]),
        (4, 6, 5),
    ),
    "curves": (
        lambda: Of(
            lambda m, x: torch.cat(
                [
                    *(x.abs(), F.softsign(x), F.logsigmoid(x), F.softshrink(x, 0.3)),
                    *(F.rrelu(x), F.elu(x, 0.3), F.softplus(x, 2), x.tile(2, 1)),
                    torch.addcdiv(x, x, x.exp(), value=0.5),
                ],
                1,
            )
        ),
        (4, 6),
    ),
    "sizes of rows": (
        lambda: Of(
            lambda m, x: torch.cat(
                [
                    F.cosine_similarity(x[:, :2], x[:, 2:], 2),
                    F.normalize(x, p=1.0, dim=2)[..., 0],
                    x.min(2)[0],
                    torch.min(x, -x)[..., 1],
                    torch.einsum("bcp->bp", x),
                ],
                1,
            )
        ),
        (4, 6),
    ),
    "a shared layer": (lambda: Of(lambda m, x: m.a(m.a(x)), a=nn.Linear(4, 4)), (4,)),
    "standardised weights": (
        lambda: Of(
            lambda m, x: F.conv2d(
                x,
                F.batch_norm(
                    m.c.weight.reshape(1, 6, -1), None, None, training=True, eps=1e-6
                ).reshape_as(m.c.weight),
                padding=1,
            ),
            c=nn.Conv2d(4, 6, 3, padding=1, bias=False),
        ),
        (4, 5, 6),
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_and_its_graph_are_equal(name: str) -> None:
    make, shape = MODULES[name]
    module = shaken(make()).eval()
    flat = read(module, shape)
    x = torch.randn(2, *shape, generator=torch.Generator().manual_seed(2))
    network = to_torch(flat.graph, flat.weights).eval()
    with torch.no_grad():
        wanted, found = dict(named_outputs(module(x))), network(x)
        found = found if isinstance(found, dict) else {"output": found}
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


#: Modules with numbers that no checkpoint has, or has otherwise.
OTHERWISE = {
    "attention of torch",
    "sums with a constant",
    "sums with a constant in many windows",
    "heads in the batch",
    "a map of another size",
}


@pytest.mark.parametrize("name", sorted(MODULES.keys() - OTHERWISE))
def test_a_module_loads_into_its_graph(name: str) -> None:
    module = MODULES[name][0]()
    network = to_torch(read(module, MODULES[name][1]).graph)
    network.load_state_dict(module.state_dict(), strict=True)


@pytest.mark.parametrize(
    "name",
    ["resnet20_cifar", pytest.param("lcnet_035", marks=pytest.mark.slow)],
)
def test_networks_of_the_zoo_come_back(name: str) -> None:
    graph = resgen.expand(resgen.load(name))
    flat = read(resgen.to_torch(graph), graph.inputs[0].type.shape)
    assert identity(flat.graph) == identity(graph)
    assert {p.name for p in graph.parameters} == flat.weights.keys()


def test_what_only_training_does_is_kept() -> None:
    class DropPath(nn.Module):
        drop_prob = 0.25

        def forward(self, x: Tensor) -> Tensor:
            return x

    module: Any = Of(
        lambda m, x: x + m.drop(m.a(x)), a=nn.Linear(4, 4), drop=DropPath()
    )
    flat = read(module, (4,))
    assert [n.op.name for n in flat.graph.nodes] == ["linear", "drop_path", "add"]
    assert flat.graph.node["drop"].op.p == 0.25  # type: ignore[attr-defined]
    assert module.training
    assert module.drop(torch.ones(1)) == 1


def dropped(x: Tensor, training: bool) -> Tensor:
    """Stochastic depth as it was written before torch had it."""
    if not training:
        return x
    return x / 0.5 * (0.5 + torch.rand(len(x), 1, 1)).floor()


def asked(m: Any, x: Tensor) -> Tensor:
    if m.training:
        raise ValueError("targets are needed")
    return x


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (lambda m, y: y + dropped(y.tanh(), m.training), "a step moves"),
        (lambda m, y: (y, y.tanh()) if m.training else y, 'it gives out no "output"'),
        (asked, "ValueError: targets are needed"),
    ],
    ids=["chance", "outputs", "targets"],
)
def test_what_a_module_does_in_training_alone_is_told(
    more: Callable[[Any, Tensor], Any], why: str
) -> None:
    module = Of(
        lambda m, x: more(m, m.b(m.a(x))), a=nn.Conv1d(4, 4, 1), b=nn.BatchNorm1d(4)
    )
    found = imported(read(module, (4, 5)))
    proof = prove_module(found, module)
    assert (proof.gradients, proof.statistics) == (4, 2)
    assert why in proof.notes[0]
    # What its norms do is still compared.
    module.b.momentum = 0.2
    with pytest.raises(Departure, match="statistics of b"):
        prove_module(found, module)


def written(m: Any, x: Tensor) -> Tensor:
    y = m.a(x)
    y[:, :2] += y[:, 2:]
    y[:, 1, 2:4] = 0.5
    y[:, 3] *= x[:, 0]
    y[..., 0].zero_()
    return y * 2


def viewed(m: Any, x: Tensor) -> Tensor:
    y = m.a(x)
    y.view(-1, 20).mul_(2)
    return y


def test_what_is_written_into_parts_of_a_tensor_is_read() -> None:
    module = Of(written, a=nn.Conv1d(4, 4, 1))
    found = read(module, (4, 5))
    x = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        mine = to_torch(found.graph, found.weights).eval()(x)
        torch.testing.assert_close(mine, module(x))
    with pytest.raises(ResgenError, match=r"mul_.*no range of positions"):
        read(Of(viewed, a=nn.Conv1d(4, 4, 1)), (4, 5))


def test_a_module_that_takes_no_step_of_training_is_read() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        y: Tensor = m.a(x)
        y += m.b(y)  # over what the gradient of b needs
        return y

    module = Of(forward, a=nn.Conv1d(4, 4, 1), b=nn.Conv1d(4, 4, 1))
    proof = prove_module(imported(read(module, (4, 5))), module)
    assert proof.gradients is None
    assert "takes no step of training: RuntimeError" in proof.notes[0]


def test_several_outputs_bear_their_names() -> None:
    module = Of(lambda m, x: {"a": x.relu(), "b": [x.tanh(), x.sigmoid()]})
    flat = read(module, (4,))
    assert [name for name, _ in flat.graph.outputs] == ["a", "b.0", "b.1"]


class Pair(NamedTuple):
    mean: Tensor
    width: Tensor


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (lambda x: {0: x.relu(), "p-3": x.tanh()}, ["output_0", "p_3"]),
        (lambda x: {"input": x.relu(), "a": {"b": x.tanh()}}, ["output_input", "a_b"]),
        (lambda x: Pair(x.tanh(), x.exp()), ["mean", "width"]),
        (lambda x: (None, x.relu()), ["output_1"]),
        (
            lambda x: [x.tanh(), [x.relu(), x.exp()]],
            ["output.0", "output_1.0", "output_1.1"],
        ),
    ],
    ids=["numbers", "within", "attributes", "none", "lists"],
)
def test_any_outputs_come_back(
    given: Callable[[Tensor], Any], names: list[str]
) -> None:
    network = resgen.from_torch(
        Of(lambda m, x: given(m.c(x)), c=nn.Conv1d(4, 4, 1)), (4, 3)
    )
    assert {name for name, _ in resgen.expand(network.spec).outputs} == set(names)


def test_wrappers_are_taken_off_and_said() -> None:
    wrapped: Any = torch.compile(nn.DataParallel(nn.Sequential(nn.Linear(4, 2))))
    flat = read(wrapped, (4,))
    assert set(flat.weights) == {"0.weight", "0.bias"}
    said = [note.what for note in flat.notes]
    assert said == ["the wrapper OptimizedModule", "the wrapper DataParallel"]


def test_parameters_without_a_part_are_told() -> None:
    module = Of(lambda m, x: m.a(x), a=nn.Linear(4, 2), aux=nn.Linear(4, 2))
    (note,) = read(module, (4,)).notes
    assert note.sources == ("aux.weight", "aux.bias")


def test_a_tensor_of_two_names_is_not_one_without_a_part() -> None:
    part = nn.Linear(4, 4)
    (note,) = read(Of(lambda m, x: m.b(x), a=part, b=part), (4,)).notes
    assert note.sources == ("a.weight", "a.bias")
    assert "under another name" in note.why


def test_a_tensor_of_two_names_is_loaded_by_one() -> None:
    part = nn.Conv1d(4, 4, 1)
    module = Of(lambda m, x: m.b(x), a=part, b=part)
    network = to_torch(read(module, (4, 5)).graph).eval()
    network.load_state_dict(module.state_dict(), strict=True)
    x = torch.rand(2, 4, 5)
    assert torch.equal(network(x), module(x))
    proof = prove_module(imported(read(module, (4, 5))), module)
    assert proof.strict
    assert proof.gradients == 2
    other = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(RuntimeError, match=r"a\.weight"):
        network.load_state_dict(other, strict=True)


def test_numbers_load_whatever_axes_of_one_they_have() -> None:
    module = Of(lambda m, x: x * m.p, p=parameter(4, 1, 1))
    network = to_torch(read(module, (4, 5, 6)).graph).eval()
    network.load_state_dict(module.state_dict(), strict=True)
    x = torch.rand(2, 4, 5, 6)
    assert torch.equal(network(x), module(x))
    with pytest.raises(RuntimeError, match="size mismatch"):
        network.load_state_dict({"p": torch.rand(5)})


class Shifted(nn.Module):
    """Attention in shifted windows of 2 x 2 on a map of 4 x 4, as Swin writes it."""

    def __init__(self, *, masked: bool) -> None:
        super().__init__()
        self.qkv = nn.Linear(4, 12)
        self.table = nn.Parameter(torch.randn(9, 2))
        self.masked = masked

    def forward(self, x: Tensor) -> Tensor:
        y = x.roll((-1, -1), (2, 3)).permute(0, 2, 3, 1).reshape(-1, 2, 2, 2, 2, 4)
        y = y.transpose(2, 3).reshape(-1, 4, 4)
        q, k, v = self.qkv(y).reshape(-1, 4, 3, 2, 2).permute(2, 0, 3, 1, 4)
        at = torch.stack(torch.meshgrid(*[torch.arange(2)] * 2, indexing="ij"))
        way = (at.flatten(1)[:, :, None] - at.flatten(1)[:, None]) + 1
        bias = self.table[(way[0] * 3 + way[1]).flatten()].reshape(4, 4, 2)
        scores = q @ k.mT + bias.permute(2, 0, 1)[None]
        if self.masked:
            regions = torch.zeros(4, 4)
            for i, part in enumerate((slice(0, 2), slice(2, 3), slice(3, 4))):
                regions[part] += 3 * i
                regions[:, part] += i
            own = regions.reshape(2, 2, 2, 2).transpose(1, 2).reshape(4, 4)
            hidden = (own[:, None] != own[:, :, None]) * -100.0
            scores = scores.reshape(-1, 4, 2, 4, 4) + hidden[:, None]
        y = (scores.reshape(-1, 2, 4, 4).softmax(-1) @ v).transpose(1, 2)
        y = y.reshape(-1, 2, 2, 2, 2, 4).transpose(2, 3).reshape(-1, 4, 4, 4)
        return y.permute(0, 3, 1, 2)


def test_what_asks_nothing_of_where_positions_lie_is_read_on_the_map() -> None:
    module, shape = MODULES["positions in a row"]
    kinds = [node.op.name for node in read(module(), shape).graph.nodes]
    assert kinds == ["norm", "linear", "add", "conv"]


def test_rows_of_a_map_that_lies_in_a_row_are_moved_as_windows_are() -> None:
    def forward(module: Any, x: Tensor) -> list[Tensor]:
        y = x.flatten(2).relu().reshape(-1, 4, 4, 6)
        moved = y.roll((-1, -1), (2, 3)).permute(0, 2, 3, 1)
        parts = moved.reshape(-1, 2, 2, 3, 2, 4).transpose(2, 3).reshape(-1, 4, 4)
        return [module.a(y), module.b(parts).reshape(len(x), 6, 4, 4)]

    module = Of(forward, a=nn.Conv2d(4, 4, 1), b=nn.Linear(4, 4))
    nodes = read(module, (4, 4, 6)).graph.nodes
    assert {"act", "conv", "windows", "linear"} <= {node.op.name for node in nodes}
    assert not {"concat", "slice", "flatten"} & {node.op.name for node in nodes}


def test_cosines_under_a_factor_for_each_head_are_attention() -> None:
    def forward(module: Any, x: Tensor) -> Tensor:
        q, k, v = module.a(x.mT).reshape(-1, 5, 3, 2, 4).permute(2, 0, 3, 1, 4)
        scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT
        weights = (scores * module.b.exp()).softmax(-1)
        return (weights @ v).transpose(1, 2).reshape(-1, 5, 8).mT

    factor = nn.Parameter(torch.tensor([0.5, 2.0]).reshape(2, 1, 1))
    module = Of(forward, a=nn.Linear(8, 24))
    module.register_parameter("b", factor)
    flat = read(module, (8, 5))
    kinds = [node.op.name for node in flat.graph.nodes]
    assert "attention" in kinds
    assert not {"matmul", "softmax"} & set(kinds)
    network = to_torch(flat.graph, flat.weights).eval()
    x = torch.randn(2, 8, 5, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        torch.testing.assert_close(network(x), module(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
def test_biases_of_windows_are_those_of_the_language(masked: bool) -> None:
    module = shaken(Shifted(masked=masked)).eval()
    flat = read(module, (4, 4, 4))
    kinds = [node.op.name for node in flat.graph.nodes]
    assert kinds.count("window_mask") == masked
    assert "concat" not in kinds  # the map that was moved is a shift of the windows
    assert "relative_position" in kinds
    assert masked or "attention" in kinds
    assert "parameter" not in kinds
    network = to_torch(flat.graph).eval()
    network.load_state_dict(module.state_dict(), strict=True)
    x = torch.randn(2, 4, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(network(x), module(x), rtol=1e-5, atol=1e-5)


def test_numbers_of_the_network_itself_are_neither_trained_nor_in_a_checkpoint() -> (
    None
):
    module: Any = Of(lambda m, x: m.a(x) * m.turn, a=nn.Conv2d(4, 4, 1))
    module.register_buffer("turn", torch.rand(1, 4, 5, 6), persistent=False)
    flat = read(module.eval(), (4, 5, 6))
    network = to_torch(flat.graph, flat.weights).eval()
    assert {name for name, _ in network.named_parameters()} == {"a.weight", "a.bias"}
    again = pickle.loads(pickle.dumps(copy.deepcopy(network)))
    again.load_state_dict(module.state_dict(), strict=True)
    x = torch.rand(2, 4, 5, 6)
    torch.testing.assert_close(again(x), module(x))


def test_all_that_has_no_spelling_is_told_at_once() -> None:
    module = Of(
        lambda m, x: m.b(m.a(x)),
        a=Of(lambda m, x: torch.cumsum(x, 1)),
        b=nn.Sequential(Of(lambda m, x: torch.fft.rfft(x).abs())),
    )
    with pytest.raises(ResgenError) as raised:
        read(module, (4,))
    assert "a: aten.cumsum" in str(raised.value)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: torch.jit.script(nn.Linear(4, 2)), "is TorchScript"),
        (lambda: nn.LazyLinear(3), "LazyLinear has not made its parameters yet"),
        (
            lambda: Of(lambda m, x: x if x.sum() > 0 else -x),
            "depends on the numbers of its input",
        ),
        (
            lambda: nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4, device="meta")),
            "on torch's device meta",
        ),
        (lambda: nn.Linear(5, 2), "torch.export cannot capture Linear"),
        (
            lambda: Of(lambda m, x: (lambda y: (y[:, :2], y.relu_())[0])(x * 2)),
            "read elsewhere",
        ),
        (lambda: nn.Sequential(nn.Linear(4, 1), nn.Flatten(0)), "one number for each"),
        (lambda: Of(lambda m, x: x - x.mean(0)), "batch"),
        (lambda: Of(lambda m, x: None), "gives out no tensor"),
        (lambda: Of(lambda m, x: (x, len(x))), "output.1 is no tensor"),
        (lambda: Of(lambda m, x: x.to(torch.uint8) / 255), "numbers of type uint8"),
    ],
)
def test_what_cannot_be_read_is_one_error(
    make: Callable[[], nn.Module], told: str
) -> None:
    with pytest.raises(ResgenError, match=told):
        read(make(), (4,))


def test_a_module_whose_outputs_overflow_cannot_be_proven() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(1e30)
    with pytest.raises(ResgenError, match="not finite"):
        resgen.from_torch(module, (3, 8, 8))
