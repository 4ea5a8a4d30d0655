"""Folding against what torch computes with the norm in place."""

import numpy as np
import pytest
import torch
from hand_graph import Builder, random_weights

from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm
from resgen.ops.act import Act
from resgen.ops.add import Add
from resgen.ops.conv import Conv
from resgen.ops.linear import Linear
from resgen.ops.norm import Norm
from resgen.weights.evaluate import evaluate

F = torch.nn.functional


def norm(x, weights, name, eps=1e-5):
    """Batch norm in inference by torch, in float64."""
    mean, var, weight, bias = (
        torch.from_numpy(weights[f"{name}.{role}"]).double()
        if f"{name}.{role}" in weights
        else None
        for role in ("running_mean", "running_var", "weight", "bias")
    )
    return F.batch_norm(x, mean, var, weight, bias, eps=eps)


def operands(graph, name, weights):
    """Weight and bias of a node, as float64 tensors."""
    (node,) = (n for n in graph.nodes if n.name == name)
    own = dict(node.operands)
    return tuple(
        torch.from_numpy(evaluate(own[role], weights)).double()
        for role in ("weight", "bias")
    )


CASES = {
    "plain": ((4, 7, 7), Conv(out=6, kernel=3), Norm()),
    "with bias": ((4, 7, 7), Conv(out=6, kernel=3, bias=True), Norm(eps=1e-3)),
    "grouped": ((4, 7, 7), Conv(out=6, kernel=3, groups=2), Norm()),
    "not affine": ((4, 7, 7), Conv(out=6, kernel=1, bias=True), Norm(affine=False)),
    "bare": ((4, 7, 7), Conv(out=6, kernel=1), Norm(affine=False)),
    "signal": ((4, 9), Conv(out=6, kernel=3), Norm()),
    "video": ((4, 3, 5, 5), Conv(out=6, kernel=3), Norm()),
    "standardised": ((4, 7, 7), Conv(out=6, kernel=3, standardize=True), Norm()),
}


@pytest.mark.parametrize("case", CASES)
def test_a_folded_convolution_is_the_pair(case):
    shape, conv, batch_norm = CASES[case]
    net = Builder(shape)
    net.add("conv", conv)
    net.add("bn", batch_norm)
    net.add("act", Act(type="relu"))
    graph = net.graph()
    weights = random_weights(graph)
    folded = fold_norm(graph)

    assert [n.name for n in folded.nodes] == ["conv", "act"]
    assert folded.nodes[0].op.bias
    assert folded.nodes[0].absorbed == ("bn",)
    assert folded.nodes[1].inputs == ("conv",)
    assert folded.parameters == graph.parameters

    convolve = getattr(F, f"conv{len(shape) - 1}d")
    x = torch.randn(2, *shape, dtype=torch.float64)
    weight = torch.from_numpy(weights["conv.weight"]).double()
    if conv.standardize:
        flat = weight.reshape(1, 6, -1)
        flat = F.batch_norm(flat, None, None, training=True, eps=1e-6)
        weight = flat.reshape(weight.shape)
    bias = torch.from_numpy(weights["conv.bias"]).double() if conv.bias else None
    options = {"padding": conv.kernel // 2, "groups": conv.groups}
    expected = norm(convolve(x, weight, bias, **options), weights, "bn", batch_norm.eps)
    found = convolve(x, *operands(folded, "conv", weights), **options)
    # Weights are rounded to float32 once; nothing else differs.
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=2e-6)


def test_a_linear_map_takes_a_norm():
    net = Builder((5,))
    net.add("fc", Linear(out=6, bias=False))
    net.add("bn", Norm())
    graph = net.graph()
    weights = random_weights(graph)
    folded = fold_norm(graph)
    assert folded.outputs == (("output", "fc"),)
    x = torch.randn(4, 5, dtype=torch.float64)
    expected = norm(
        x @ torch.from_numpy(weights["fc.weight"]).double().T, weights, "bn"
    )
    found = F.linear(x, *operands(folded, "fc", weights))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=2e-6)


def test_norms_in_a_row_fold_into_one():
    net = Builder((4, 5, 5))
    net.add("conv", Conv(out=4, kernel=1))
    net.add("first", Norm())
    net.add("second", Norm(eps=1e-2))
    graph = net.graph()
    weights = random_weights(graph)
    folded = fold_norm(graph)
    (node,) = folded.nodes
    assert node.absorbed == ("first", "second")
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    y = F.conv2d(x, torch.from_numpy(weights["conv.weight"]).double())
    expected = norm(norm(y, weights, "first"), weights, "second", 1e-2)
    found = F.conv2d(x, *operands(folded, "conv", weights))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=2e-6)


def test_a_shared_convolution_folds_into_each_use():
    net = Builder((4, 5, 5))
    net.add("one", Conv(out=4, kernel=3), owner="shared")
    net.add("bn1", Norm())
    net.add("two", Conv(out=4, kernel=3), owner="shared")
    net.add("bn2", Norm())
    graph = net.graph()
    weights = random_weights(graph)
    folded = fold_norm(graph)
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    weight = torch.from_numpy(weights["shared.weight"]).double()
    for use, bn in (("one", "bn1"), ("two", "bn2")):
        expected = norm(F.conv2d(x, weight), weights, bn)
        found = F.conv2d(x, *operands(folded, use, weights))
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=2e-6)


def read_twice(net):
    net.add("conv", Conv(out=4, kernel=3))
    net.add("bn", Norm())
    net.add("add", Add(), "bn", "conv")
    return net.graph()


def given_out(net):
    net.add("conv", Conv(out=4, kernel=3))
    net.add("bn", Norm())
    return net.graph(("a", "conv"), ("b", "bn"))


def after_something_else(net):
    net.add("conv", Conv(out=4, kernel=3))
    net.add("act", Act(type="relu"))
    net.add("bn", Norm())
    return net.graph()


def another_norm(net):
    net.add("conv", Conv(out=4, kernel=3))
    net.add("bn", Norm(type="layer"))
    return net.graph()


def at_the_input(net):
    net.add("bn", Norm())
    net.add("conv", Conv(out=4, kernel=3))
    return net.graph()


@pytest.mark.parametrize(
    "make", [read_twice, given_out, after_something_else, another_norm, at_the_input]
)
def test_what_cannot_be_folded_stays(make):
    graph = make(Builder((4, 5, 5)))
    assert fold_norm(graph).nodes == graph.nodes
    assert fold_norm(graph).outputs == graph.outputs


def test_it_is_recorded_and_idempotent():
    net = Builder((4, 5, 5))
    net.add("conv", Conv(out=4, kernel=3))
    net.add("bn", Norm())
    once = apply(net.graph(), fold_norm)
    assert once.passes == ("fold_norm",)
    assert apply(once, fold_norm) == once
    assert len(once.nodes) == 1


def test_a_pass_that_fails_is_named():
    def break_things(graph):
        raise KeyError("nothing")

    with pytest.raises(RuntimeError, match=r"break_things failed .*fold_norm"):
        apply(given_out(Builder((4, 5, 5))), fold_norm, break_things)


def test_probe_weights_see_the_norm():
    """The oracle is not blind: without its norm a convolution differs widely."""
    net = Builder((4, 5, 5))
    net.add("conv", Conv(out=4, kernel=3))
    net.add("bn", Norm())
    graph = net.graph()
    weights = random_weights(graph)
    weight, bias = operands(fold_norm(graph), "conv", weights)
    assert np.abs(weight.numpy() - weights["conv.weight"]).max() > 0.05
    assert np.abs(bias.numpy()).min() > 1e-3
