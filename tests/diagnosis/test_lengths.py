"""Shares of paths and gradient, against all paths one by one and against autograd."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from math import comb, fsum, nan, prod

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from resgen.diagnosis.lengths import lengths

Gains = list[tuple[float, float | None]]

GAIN = st.floats(1e-3, 1e3)
BLOCKS = st.lists(st.tuples(GAIN, st.none() | GAIN), max_size=9)


def one_by_one(gains: Gains) -> tuple[list[float], list[float]]:
    """Numbers of paths and sums of their squared gains, by branches passed."""
    count = [0.0] * (len(gains) + 1)
    squares = [0.0] * (len(gains) + 1)
    for choice in product((True, False), repeat=len(gains)):
        pairs = zip(gains, choice, strict=True)
        taken = [b if passes else s for (b, s), passes in pairs]
        if None not in taken:
            count[sum(choice)] += 1
            squares[sum(choice)] += prod(gain**2 for gain in taken if gain is not None)
    return count, squares


@given(BLOCKS)
def test_the_shares_are_those_of_all_paths_one_by_one(gains: Gains) -> None:
    found = lengths([b for b, _ in gains], [s for _, s in gains])
    shares = (found.paths, found.gradient)
    for share, expected in zip(shares, one_by_one(gains), strict=True):
        total = fsum(expected)
        assert share == pytest.approx([e / total for e in expected], rel=1e-9, abs=0)


@given(BLOCKS, st.floats(1e-3, 1e3))
def test_what_scales_both_sides_of_a_block_does_not_matter(
    gains: Gains, factor: float
) -> None:
    scaled = [(b * factor, None if s is None else s * factor) for b, s in gains]
    plain, changed = (
        lengths([b for b, _ in g], [s for _, s in g]) for g in (gains, scaled)
    )
    assert changed.gradient == pytest.approx(plain.gradient, rel=1e-9, abs=1e-300)


def test_a_thousand_blocks_follow_the_binomial_laws() -> None:
    depth, gain = 1000, 0.5
    found = lengths([gain] * depth, [1.0] * depth)
    chance = gain**2 / (1 + gain**2)
    for k in range(0, depth + 1, 50):
        assert found.paths[k] == pytest.approx(comb(depth, k) / 2**depth, rel=1e-9)
        if 100 <= k <= 400:  # beyond, the shares leave the doubles of this formula
            share = comb(depth, k) * chance**k * (1 - chance) ** (depth - k)
            assert found.gradient[k] == pytest.approx(share, rel=1e-9)
    # Veit et al. 2016: most paths are long, and the gradient comes along short ones.
    likely = [s.index(max(s)) for s in (found.paths, found.gradient)]
    assert likely == [500, 200]


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_gains_of_any_size_give_shares(size: float) -> None:
    found = lengths([size] * 300, [size] * 300)
    assert found.gradient == pytest.approx(found.paths, rel=1e-12)
    assert fsum(found.gradient) == pytest.approx(1, abs=1e-12)


def test_a_plain_network_is_one_path() -> None:
    found = lengths([0.1, 3.0, 7.0], [None, None, None])
    assert found.paths == found.gradient == (0, 0, 0, 1)


def test_a_branch_that_starts_at_zero_leaves_the_shortcut() -> None:
    found = lengths([0.0, 0.0], [1.0, 1.0])
    assert (found.paths, found.gradient) == ((0.25, 0.5, 0.25), (1, 0, 0))


def test_where_nothing_passes_no_path_has_a_share() -> None:
    assert lengths([1.0, 0.0], [1.0, None]).gradient == (0, 0, 0)


@pytest.mark.parametrize(
    ("branches", "shortcuts"), [([1.0], []), ([nan], [1.0]), ([1.0], [-1.0])]
)
def test_what_is_no_gain_is_refused(
    branches: list[float], shortcuts: list[float | None]
) -> None:
    with pytest.raises(ValueError, match=r"gains|argument"):
        lengths(branches, shortcuts)


# --- a real network: every path of it walked, as Veit et al. sampled them -------------

Pullback = Callable[[Tensor], Tensor]


def branch(width: int) -> nn.Module:
    return nn.Sequential(
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
    )


def pullbacks(branches: list[nn.Module], x: Tensor) -> list[Pullback]:
    """Each branch's vector-Jacobian product, at what the network feeds it."""
    found: list[Pullback] = []
    for module in branches:
        at = x.detach().requires_grad_()
        made = module(at)

        def pull(g: Tensor, made: Tensor = made, at: Tensor = at) -> Tensor:
            return torch.autograd.grad(made, at, g, retain_graph=True)[0]

        found.append(pull)
        x = (x + made).detach()
    return found


def walked(
    back: list[Pullback], g: Tensor, passed: int = 0
) -> Iterator[tuple[int, Tensor]]:
    """The gradient that each path brings to the input, by branches passed."""
    if not back:
        yield passed, g
        return
    *rest, last = back
    yield from walked(rest, g, passed)
    yield from walked(rest, last(g), passed + 1)


def test_the_assumptions_hold_in_a_real_network() -> None:
    torch.manual_seed(0)
    depth, width = 8, 16
    branches = [branch(width) for _ in range(depth)]
    back = pullbacks(branches, torch.randn(8, width, 8, 8))
    gains = []
    for pull in back:
        probes = [torch.randn(8, width, 8, 8) for _ in range(4)]
        ratio = [float(pull(v).square().sum() / v.square().sum()) for v in probes]
        gains.append((sum(ratio) / len(ratio)) ** 0.5)
    found = lengths(gains, [1.0] * depth)

    squares = [0.0] * (depth + 1)
    together = torch.zeros(8, width, 8, 8)
    for passed, g in walked(back, torch.randn(8, width, 8, 8)):
        squares[passed] += float(g.square().sum())
        together += g
    total = sum(squares)
    pairs = zip(found.gradient, squares, strict=True)
    apart = sum(abs(share - s / total) for share, s in pairs) / 2
    assert apart < 0.05  # total variation: 1 is as far as two laws can be
    # The paths' gradients hardly correlate: their squares add up to the sum's.
    assert float(together.square().sum()) == pytest.approx(total, rel=0.25)
