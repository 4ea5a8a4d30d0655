"""The Zen score, against its formula written out and against the authors' figures."""

from __future__ import annotations

from math import log

import pytest
import torch
from torch.nn.functional import conv2d, relu

import resgen
from resgen.errors import ResgenError
from resgen.searching.zen import expressivity, zen

#: Zen-NAS (Lin et al. 2021), the table of the ResNets' scores, by 224 x 224.
PUBLISHED = {
    "resnet18": 59.53,
    "resnet34": 112.32,
    "resnet50": 140.3,
    "resnet101": 287.87,
    "resnet152": 433.57,
}


def chain(depth, *, norm="batch", width=8, shortcut="identity"):
    return resgen.load(
        {
            "resgen": 1,
            "name": f"chain{depth}",
            "input": [3, 8, 8],
            "defaults": {"block": "basic", "norm": norm, "shortcut": shortcut},
            "stem": {"use": "cifar", "with": {"width": width}},
            "stages": [{"width": width, "depth": depth}],
            "head": {"classes": 10},
        }
    )


def score(spec, **how):
    return zen(spec, resgen.expand(spec), 0, **how).value


def test_the_formula_by_hand():
    torch.manual_seed(0)
    first, second = torch.randn(5, 3, 3, 3), torch.randn(4, 5, 3, 3)
    x, noise = torch.randn(6, 3, 9, 9), torch.randn(6, 3, 9, 9)
    scales = []

    def normed(y):
        mean = y.mean((0, 2, 3), keepdim=True)
        variance = (y - mean).square().mean((0, 2, 3), keepdim=True)
        scales.append(variance.mean().sqrt())
        return (y - mean) / (variance + 1e-5).sqrt()

    def network(y):
        return relu(normed(conv2d(relu(normed(conv2d(y, first))), second)))

    moved = (network(x) - network(x + 0.01 * noise)).abs().sum((1, 2, 3)).mean()
    wanted = log(moved) + log(scales[0]) + log(scales[1])

    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 5, 3, bias=False),
        torch.nn.BatchNorm2d(5),
        torch.nn.ReLU(),
        torch.nn.Conv2d(5, 4, 3, bias=False),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
    )
    with torch.no_grad():
        module[0].weight.copy_(first)
        module[3].weight.copy_(second)
    assert expressivity(module, x, noise) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("resnet18", marks=pytest.mark.slow),
        *(pytest.param(name, marks=pytest.mark.soak) for name in list(PUBLISHED)[1:]),
    ],
)
def test_the_authors_figures(name):
    found = score(resgen.load(name))
    assert found == pytest.approx(PUBLISHED[name], rel=0.01)


def test_a_wider_and_a_deeper_network_has_a_higher_score():
    few, deep, wide = (
        score(chain(depth, width=width)) for depth, width in ((2, 8), (6, 8), (2, 32))
    )
    assert few < deep
    assert few < wide


def test_shortcuts_change_nothing():
    plain, residual = (score(chain(3, shortcut=by)) for by in ("none", "identity"))
    assert residual == pytest.approx(plain, abs=1e-6)


def test_a_deep_network_without_norms_does_not_overflow():
    # Each of 61 convolutions multiplies the scale by about sqrt(9 * 32 / 2) = 12, and
    # the largest single precision number is 3.4e38.
    assert score(chain(30, norm="none", width=32), batch=2) > log(3.4e38)


def test_a_norm_that_hides_the_scale_of_each_input_is_refused():
    with pytest.raises(
        ResgenError, match=r"^chain2 has no Zen score.* is a layer norm \(.*:\d+"
    ):
        score(chain(2, norm="layer"))
