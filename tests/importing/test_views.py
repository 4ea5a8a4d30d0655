"""Tensors as views of values: whatever axes a source moves, numbers stay the same."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from resgen.importing.calls import Calls
from resgen.importing.flat import Collector
from resgen.importing.views import Const, Unread, View
from resgen.lower.torch import to_torch
from resgen.ops.act import Act
from resgen.ops.conv import Conv

BATCH = 3


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def const(array: torch.Tensor, path: str = "p") -> Const:
    return Const(array.numpy(), (path,), path)


def calls(*shape: int) -> tuple[Calls, View]:
    made = Calls(Collector("n", "n.pt2", shape), BATCH)
    return made, made.seen("input")


def result(made: Calls, y: Any, x: torch.Tensor) -> tuple[torch.Tensor, list[str]]:
    """What the graph gives, in the order of the tensor's axes, and its operators."""
    assert isinstance(y, View)
    flat = made.to.flat([("output", made.standard(y))])
    model = to_torch(flat.graph, flat.weights).eval()
    with torch.no_grad():
        return model(x), [node.op.name for node in flat.graph.nodes]


W, B, P = drawn(5, 4), drawn(5), drawn(1, 6, 4)
CASES: dict[str, tuple[tuple[int, ...], Any, Any, str]] = {
    "channels last and back": (
        (4, 2, 3),
        lambda c, x: c.permute(c.permute(x, (0, 2, 3, 1)), (0, 3, 1, 2)),
        lambda x: x,
        "",
    ),
    "linear over channels": (
        (4, 2, 3),
        lambda c, x: c.permute(
            c.linear(c.permute(x, (0, 2, 3, 1)), const(W), const(B)), (0, 3, 1, 2)
        ),
        lambda x: F.linear(x.movedim(1, -1), W, B).movedim(-1, 1),
        "linear",
    ),
    "tokens": (
        (4, 2, 3),
        lambda c, x: c.linear(
            c.permute(c.reshape(x, (BATCH, 4, -1)), (0, 2, 1)), const(W), None
        ),
        lambda x: F.linear(x.flatten(2).mT, W),
        "flatten linear transpose",
    ),
    "positions": (
        (4, 2, 3),
        lambda c, x: c.permute(
            c.merge(
                "add",
                [c.permute(c.reshape(x, (BATCH, 4, 6)), (0, 2, 1)), const(P)],
            ),
            (0, 2, 1),
        ),
        lambda x: x.flatten(2) + P.mT,
        "flatten parameter transpose add",
    ),
    "class token": (
        (4, 6),
        lambda c, x: c.permute(
            c.concat(
                [
                    c.expand(const(P[:, :1]), (BATCH, -1, -1)),
                    c.permute(x, (0, 2, 1)),
                ],
                1,
            ),
            (0, 2, 1),
        ),
        lambda x: torch.cat([P[:, :1].expand(BATCH, -1, -1).mT, x], 2),
        "parameter transpose concat",
    ),
    "split into three": (
        (12, 5),
        lambda c, x: c.select(c.reshape(x, (BATCH, 3, 2, 2, 5)), 1, 1),
        lambda x: x.reshape(BATCH, 3, 2, 2, 5)[:, 1],
        "slice unflatten",
    ),
    "windows": (
        (4, 6, 4),
        lambda c, x: c.reshape(
            c.permute(
                c.reshape(c.permute(x, (0, 2, 3, 1)), (BATCH, 2, 3, 2, 2, 4)),
                (0, 1, 3, 5, 2, 4),
            ),
            (BATCH, 16, 6),
        ),
        lambda x: (
            x.movedim(1, -1)
            .reshape(BATCH, 2, 3, 2, 2, 4)
            .permute(0, 1, 3, 5, 2, 4)
            .reshape(BATCH, 16, 6)
        ),
        "unflatten unflatten transpose reshape",
    ),
    "gate of a vector": (
        (4, 2, 3),
        lambda c, x: c.merge(
            "multiply", [x, c.reshape(c.reduce("mean", x, (2, 3), False), (3, 4, 1, 1))]
        ),
        lambda x: x * x.mean((2, 3), keepdim=True),
        "reduce_mean reshape multiply",
    ),
    "sum with one of one place": (
        (4, 2, 3),
        lambda c, x: c.merge("add", [x, c.reduce("mean", x, (2, 3), True)]),
        lambda x: x + x.mean((2, 3), keepdim=True),
        "reduce_mean resize add",
    ),
    "sum along channels": (
        (4, 2, 3),
        lambda c, x: c.merge("add", [x, c.reduce("sum", x, (1,), True)]),
        lambda x: x + x.sum(1, keepdim=True),
        "reduce_sum concat add",
    ),
    "shift and scale": (
        (4, 6),
        lambda c, x: c.permute(
            c.merge(
                "multiply",
                [
                    c.merge("add", [c.permute(x, (0, 2, 1)), const(W[0])]),
                    const(W[1], "q"),
                ],
            ),
            (0, 2, 1),
        ),
        lambda x: ((x.mT + W[0]) * W[1]).mT,
        "shift channel_scale",
    ),
    "stack": (
        (4, 6),
        lambda c, x: c.reduce(
            "sum", c.stack([x, c.unary(Act(type="sigmoid"), x)], 2), (2,), False
        ),
        lambda x: torch.stack([x, x.sigmoid()], 2).sum(2),
        "act stack reduce_sum",
    ),
    "attention": (
        (12, 5),
        lambda c, x: attention(c, x),
        lambda x: torch_attention(x),
        "slice unflatten slice unflatten slice unflatten matmul softmax matmul flatten",
    ),
    "attention as one operator": (
        (12, 5),
        lambda c, x: one_attention(c, x),
        lambda x: torch_attention(x),
        "slice slice slice attention",
    ),
    "attention with a bias": (
        (4, 5),
        lambda c, x: c.permute(
            c.attention(*3 * [c.permute(x, (0, 2, 1))], const(drawn(1, 5, 5)), 0.3),
            (0, 2, 1),
        ),
        lambda x: (
            F.scaled_dot_product_attention(
                x.mT, x.mT, x.mT, attn_mask=drawn(1, 5, 5), scale=0.3
            ).mT
        ),
        "parameter reshape attention",
    ),
    "norm over a middle axis": (
        (4, 6),
        lambda c, x: c.layer_norm(x, {}, 1e-5),
        lambda x: F.layer_norm(x, (6,)),
        "transpose norm transpose",
    ),
    "shuffle": (
        (6, 2, 3),
        lambda c, x: c.spatial(
            Conv(out=6, kernel=1, groups=6),
            c.reshape(
                c.permute(c.reshape(x, (BATCH, 2, 3, 2, 3)), (0, 2, 1, 3, 4)),
                (BATCH, 6, 2, 3),
            ),
            {"weight": Const(np.ones((6, 1, 1, 1), np.float32))},
        ),
        lambda x: torch.channel_shuffle(x, 2),
        "unflatten transpose flatten conv",
    ),
}


def heads(c: Calls, x: View) -> Any:
    qkv = c.reshape(c.permute(x, (0, 2, 1)), (BATCH, 5, 3, 2, 2))
    return (c.select(c.permute(qkv, (2, 0, 3, 1, 4)), 0, i) for i in range(3))


def one_attention(c: Calls, x: View) -> Any:
    y = c.permute(c.attention(*heads(c, x), None, 1.0), (0, 2, 1, 3))
    return c.permute(c.reshape(y, (BATCH, 5, 4)), (0, 2, 1))


def attention(c: Calls, x: View) -> Any:
    q, k, v = heads(c, x)
    weights = c.softmax(c.matmul(q, c.permute(k, (0, 1, 3, 2))), -1 % 4)
    y = c.reshape(c.permute(c.matmul(weights, v), (0, 2, 1, 3)), (BATCH, 5, 4))
    return c.permute(y, (0, 2, 1))


def torch_attention(x: torch.Tensor) -> torch.Tensor:
    q, k, v = x.mT.reshape(BATCH, 5, 3, 2, 2).permute(2, 0, 3, 1, 4).unbind(0)
    y = (q @ k.mT).softmax(-1) @ v
    return y.permute(0, 2, 1, 3).reshape(BATCH, 5, 4).mT


@pytest.mark.parametrize("name", CASES)
def test_numbers_and_operators(name: str) -> None:
    shape, ours, theirs, operators = CASES[name]
    made, seen = calls(*shape)
    x = drawn(BATCH, *shape)
    y, names = result(made, ours(made, seen), x)
    torch.testing.assert_close(y, theirs(x))
    assert names == operators.split()


@pytest.mark.parametrize("seed", range(30))
def test_any_moves(seed: int) -> None:
    """Permutations and shapes at random, against torch's own."""
    rng = random.Random(seed)
    shape = [rng.choice((1, 2, 4, 6)) for _ in range(rng.randint(1, 4))]
    made, start = calls(*shape)
    y: Any = start
    x = drawn(BATCH, *shape)
    expected = x
    for _ in range(6):
        order = rng.sample(range(1, expected.ndim), expected.ndim - 1)
        expected, y = expected.permute(0, *order), made.permute(y, (0, *order))
        sizes = regrouped(expected.shape[1:], rng)
        expected = expected.reshape(BATCH, *sizes)
        y = made.reshape(y, (BATCH, *sizes))
        assert made.shape(y) == expected.shape
    torch.testing.assert_close(result(made, y, x)[0], expected, rtol=0, atol=0)


def regrouped(shape: torch.Size, rng: random.Random) -> list[int]:
    """The same number of elements under another shape."""
    total = shape.numel()
    sizes: list[int] = []
    while total > 1 and len(sizes) < 3:
        sizes.append(rng.choice([n for n in range(1, total + 1) if total % n == 0]))
        total //= sizes[-1]
    return [*sizes, total] if total > 1 or not sizes else sizes


@pytest.mark.parametrize(
    "mixed",
    [
        lambda c, x: c.reduce("sum", x, (0,), False),
        lambda c, x: c.standard(c.permute(x, (1, 0, 2))),
        lambda c, x: c.concat([x, x], 0),
        lambda c, x: c.standard(c.reshape(x, (BATCH * 2, 2, 5))),
    ],
)
def test_inputs_of_a_batch_do_not_mix(mixed: Callable[[Calls, View], Any]) -> None:
    with pytest.raises(Unread, match="batch"):
        mixed(*calls(4, 5))
