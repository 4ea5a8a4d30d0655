"""What an observer measures, against autograd and numbers worked out by hand."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional

import resgen
from resgen.diagnosis.seen import observer
from resgen.diagnosis.seen.observer import Observer
from resgen.errors import UsageError
from resgen.records.diagnosis import Measures

SPEC = {
    "resgen": 1,
    "name": "small",
    "input": [3, 16, 16],
    "stem": {"use": "cifar", "with": {"width": 8}},
    "defaults": {"block": "basic", "shortcut": "projection"},
    "stages": [{"width": 8, "depth": 2}, {"width": 16, "depth": 2}],
    "head": {"classes": 10},
}
PATHS = ("conv1", "layer1.0", "layer1.1", "layer2.0", "layer2.1", "fc")


class Block(nn.Module):
    """A residual block of linear maps, so that its Jacobian is known."""

    def __init__(self, width, out=None, *, in_place=False):
        super().__init__()
        out = out or width
        self.fc = nn.Linear(width, out, bias=False)
        self.shortcut = nn.Linear(width, out, bias=False) if out != width else None
        self.in_place = in_place

    def forward(self, x):
        past = x if self.shortcut is None else self.shortcut(x)
        y = self.fc(x)
        if self.in_place:
            y += past
            return y
        return past + y


@pytest.fixture(scope="module")
def graph():
    return resgen.expand(resgen.load(SPEC))


@pytest.fixture
def model(graph):
    return resgen.to_torch(graph, seed=0)


def batch(size=8, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(size, 3, 16, 16, generator=draw), torch.arange(size) % 10


def rms(x):
    return float(x.detach().square().mean().sqrt())


def seen_of(model, paths, x, y, **options):
    with Observer(model, paths, **options) as seen:
        functional.cross_entropy(model(x), y).backward()
    return seen.measures()


def test_outputs_and_gradients_are_those_of_hooks_and_autograd(model):
    x, y = batch()
    kept = {}
    for path in PATHS:

        def keep(module, inputs, output, path=path):
            output.retain_grad()
            kept[path] = output

        model.get_submodule(path).register_forward_hook(keep)
    found = dict(zip(PATHS, seen_of(model, PATHS, x, y), strict=True))
    for path, measures in found.items():
        grad, part = kept[path].grad, model.get_submodule(path)
        out = kept[path].detach()
        assert measures.mean == pytest.approx(float(out.mean()), abs=1e-6)
        assert measures.variance == pytest.approx(float(out.var(correction=0)), 1e-4)
        assert measures.gradient == pytest.approx(float(grad.norm()), rel=1e-4)
        grads = [p.grad for p in part.parameters()]
        whole = nn.utils.get_total_norm(grads)
        assert measures.parameter_gradient == pytest.approx(float(whole), rel=1e-4)
        relative = [
            p.grad.norm() / p.detach().norm() for p in part.parameters() if p.ndim > 1
        ]
        assert measures.relative_gradient == pytest.approx(float(max(relative)), 1e-4)
        assert measures.correlation is None
        assert measures.gain is None
        assert measures.dead is None


@pytest.mark.slow
def test_looking_changes_nothing(model, graph):
    other = resgen.to_torch(graph, seed=0)
    x, y = batch()
    seen_of(model, PATHS, x, y, thorough=True, pairs=True)
    functional.cross_entropy(other(x), y).backward()
    for (name, mine), theirs in zip(
        model.named_parameters(), other.parameters(), strict=True
    ):
        assert torch.equal(mine.grad, theirs.grad), name
    for mine, theirs in zip(model.buffers(), other.buffers(), strict=True):
        assert torch.equal(mine, theirs)
    assert x.grad is None
    assert not x.requires_grad


def test_nothing_is_left_behind(model):
    x, y = batch()
    before = {name: set(vars(m)) for name, m in model.named_modules()}
    seen_of(model, PATHS, x, y, thorough=True)
    for name, module in model.named_modules():
        assert set(vars(module)) == before[name]
        for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks"):
            assert not getattr(module, hooks)
    assert not any(p._backward_hooks for p in model.parameters())
    pickle.loads(pickle.dumps(model))
    assert torch._C._len_torch_function_stack() == 0


def test_neighbours_are_compared_input_by_input(model):
    """Without batch norm's mixing, per-input gradients come of single passes."""
    model.eval()
    x, y = batch()
    (found,) = seen_of(model, ["layer1.1"], x, y, pairs=True)
    singles, kept = [], []
    model.layer1[1].register_forward_hook(lambda m, a, out: kept.append(out))
    for i in range(len(x)):
        loss = functional.cross_entropy(model(x[i : i + 1]), y[i : i + 1])
        singles.append(torch.autograd.grad(loss, kept[-1])[0].flatten())
    cosines = [
        functional.cosine_similarity(singles[i], singles[i + 4], dim=0)
        for i in range(4)
    ]
    assert found.correlation == pytest.approx(float(sum(cosines) / 4), abs=1e-5)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("out", [6, 5])
@pytest.mark.slow
def test_gains_are_those_of_the_jacobians(monkeypatch, in_place, out):
    """For a linear map the mean of |J^T v|^2/|v|^2 is |J|_F^2 over its outputs."""
    monkeypatch.setattr(observer, "PROBES", 2000)
    torch.manual_seed(0)
    block = Block(6, out, in_place=in_place)
    model = nn.Sequential(nn.Linear(6, 6), block)
    with Observer(model, ["1"], thorough=True) as seen:
        model(torch.randn(4, 6)).sum().backward()
    (found,) = seen.measures()
    branch = block.fc.weight
    shortcut = torch.eye(6) if block.shortcut is None else block.shortcut.weight

    def gain(jacobian):
        return float(jacobian.detach().norm()) / math.sqrt(out)

    assert found.branch_gain == pytest.approx(gain(branch), rel=0.02)
    assert found.shortcut_gain == pytest.approx(gain(shortcut), rel=0.02)
    assert found.gain == pytest.approx(gain(branch + shortcut), rel=0.02)


def test_gain_of_a_whole_nonlinear_block(monkeypatch, model):
    """The full Jacobian of a block, batch norm's mixing of inputs included."""
    monkeypatch.setattr(observer, "PROBES", 300)
    block = model.layer2[0]
    entered = []
    block.register_forward_pre_hook(lambda m, args: entered.append(args[0].detach()))
    x, y = batch(2)
    (found,) = seen_of(model, ["layer2.0"], x[..., :4, :4], y, thorough=True)
    copied = copy.deepcopy(block)
    jacobian = torch.autograd.functional.jacobian(copied, entered[0])
    size = math.prod(jacobian.shape[:4])
    assert found.gain == pytest.approx(float(jacobian.norm()) / math.sqrt(size), 0.05)


@pytest.mark.slow
def test_stem_and_head_have_gains_too(monkeypatch):
    monkeypatch.setattr(observer, "PROBES", 2000)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8, bias=False), nn.Tanh(), nn.Linear(8, 3))
    x = torch.randn(5, 4)
    with Observer(model, ["0", "2"], thorough=True) as seen:
        model(x).sum().backward()
    for layer, found in zip((model[0], model[2]), seen.measures(), strict=True):
        expected = float(layer.weight.detach().norm()) / math.sqrt(layer.out_features)
        assert found.gain == pytest.approx(expected, rel=0.02)
        assert (found.branch_gain, found.shortcut) == (None, None)
    assert not x.requires_grad


def test_both_sides_of_the_sum_as_they_enter_it(model):
    x, y = batch()
    kept = {}
    block = model.layer2[0]
    block.bn2.register_forward_hook(lambda m, a, out: kept.update(branch=out))
    block.downsample.register_forward_hook(lambda m, a, out: kept.update(past=out))
    block.register_forward_hook(lambda m, a, out: kept.update(after=out))
    first, second = seen_of(model, ["layer2.0", "layer2.1"], x, y)
    assert first.branch == pytest.approx(rms(kept["branch"]))
    assert first.shortcut == pytest.approx(rms(kept["past"]))
    assert second.shortcut == pytest.approx(rms(kept["after"]))


def test_a_plain_network_adds_nothing():
    plain = {**SPEC, "defaults": {"block": "basic", "shortcut": "none"}}
    model = resgen.to_torch(resgen.expand(resgen.load(plain)))
    found = seen_of(model, PATHS, *batch(), thorough=True)
    assert all(m.branch is m.shortcut is m.branch_gain is None for m in found)
    assert all(m.gain and m.gain > 0 for m in found)


def test_dead_channels_are_counted():
    block = nn.Sequential(nn.Linear(4, 10), nn.ReLU(), nn.Linear(10, 6), nn.ReLU6())
    with torch.no_grad():
        block[0].weight.abs_()
        block[0].bias[:] = 1
        block[0].bias[:3] = -1e3
        block[2].weight.abs_()
        block[2].bias[:] = 1
        block[2].bias[0] = -1e3
    model = nn.Sequential(block, nn.Linear(6, 2), nn.GELU())
    with Observer(model, ["0", "1", "2"], thorough=True) as seen:
        model(torch.rand(5, 4)).sum().backward()
    first, *others = seen.measures()
    assert first.dead == pytest.approx(4 / 16)
    assert [m.dead for m in others] == [None, None]


def test_channels_of_maps():
    model = nn.Sequential(nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU()), nn.Flatten())
    with torch.no_grad():
        model[0][0].bias[0] = -1e3
        model[0][0].bias[1:] = 1e3
    with Observer(model, ["0"], thorough=True) as seen:
        model(torch.rand(2, 1, 3, 3)).sum().backward()
    assert seen.measures()[0].dead == 1 / 4


def test_what_is_not_finite_is_counted(model):
    with torch.no_grad():
        model.layer1[1].conv1.weight[0, 0, 0, 0] = math.nan
    found = dict(zip(PATHS, seen_of(model, PATHS, *batch()), strict=True))
    assert found["layer1.0"].mean is not None
    assert found["layer1.1"].mean is None
    assert found["layer1.1"].nonfinite > 0
    assert found["layer1.0"].gradient is None
    assert found["layer1.0"].nonfinite > 0


def test_only_this_pass_counts():
    """What earlier passes left in ``.grad`` does not."""
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    x = torch.rand(4, 3)
    with Observer(model, ["0"]) as seen:
        model(x).sum().backward()
    for _ in range(3):
        model(x).sum().backward()
    with Observer(model, ["0"]) as again:
        model(x).sum().backward()
        model(2 * x).sum()
    assert again.measures() == seen.measures()


def test_frozen_parameters_have_no_gradient():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    model[0].requires_grad_(False)
    with Observer(model, ["0", "1"]) as seen:
        model(torch.rand(4, 3)).sum().backward()
    frozen, free = seen.measures()
    assert frozen.mean is not None
    assert (frozen.gradient, frozen.parameter_gradient) == (None, None)
    assert free.parameter_gradient is not None


def test_a_checkpointed_part_is_seen_as_any_other():
    from torch.utils.checkpoint import checkpoint

    class Saving(nn.Module):
        def __init__(self, reentrant):
            super().__init__()
            self.first = nn.Linear(3, 3)
            self.block = Block(3)
            self.reentrant = reentrant

        def forward(self, x):
            x = self.first(x)
            if self.reentrant is None:
                return self.block(x)
            return checkpoint(self.block, x, use_reentrant=self.reentrant)

    torch.manual_seed(0)
    x, plain, found = torch.rand(4, 3), Saving(None), []
    for reentrant in (None, False, True):
        plain.reentrant = reentrant
        with Observer(plain, ["first", "block"]) as seen:
            plain(x).square().sum().backward()
        found.append(seen.measures())
    assert found[0] == found[1] == found[2]


def test_a_pass_that_fails_leaves_nothing_behind():
    class Failing(nn.Module):
        def forward(self, x):
            raise RuntimeError("no")

    model = nn.Sequential(nn.Linear(3, 3), nn.Sequential(Failing()))
    with pytest.raises(RuntimeError, match="no"), Observer(model, ["0", "1"]) as seen:
        model(torch.rand(4, 3))
    assert seen.measures()[1] == Measures()
    assert torch._C._len_torch_function_stack() == 0
    assert not model._forward_hooks


def test_without_gradients_only_what_comes_out_is_seen(model):
    x, _ = batch()
    with Observer(model, PATHS, thorough=True) as seen, torch.no_grad():
        model(x)
    for measures in seen.measures():
        assert measures.variance is not None
        assert (measures.gradient, measures.gain) == (None, None)


def test_a_path_that_leads_nowhere(model):
    with pytest.raises(UsageError, match='no module "layer9"'):
        Observer(model, ["layer9"])


@pytest.mark.slow
def test_a_compiled_module_shows_the_gradients_of_its_parameters():
    model = nn.Sequential(nn.Linear(3, 3), Block(3))
    x = torch.rand(4, 3)
    with Observer(model, ["0", "1"]) as seen:
        model(x).sum().backward()
    compiled = torch.compile(model, backend="eager")
    with Observer(compiled, ["_orig_mod.0", "_orig_mod.1"]) as other:
        compiled(x).sum().backward()
    for mine, theirs in zip(seen.measures(), other.measures(), strict=True):
        assert mine.parameter_gradient == pytest.approx(theirs.parameter_gradient)
        assert (theirs.mean, theirs.gradient, theirs.branch) == (None, None, None)
