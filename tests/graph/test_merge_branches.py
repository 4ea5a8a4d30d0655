"""Merged convolutions against the sum that torch and timm compute."""

import numpy as np
import pytest
import torch
from hand_graph import Builder, random_weights

import resgen
from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm
from resgen.graph.passes.inference import for_inference
from resgen.graph.passes.merge_branches import merge_branches
from resgen.lower.torch import to_torch
from resgen.ops.act import Act
from resgen.ops.add import Add
from resgen.ops.conv import Conv
from resgen.ops.norm import Norm
from resgen.weights.evaluate import evaluate

#: What is added: each a convolution, or None for the value itself, and whether a batch
#: norm follows.
SUMS = {
    "RepVGG": [
        (Conv(out=4, kernel=1), True),
        (Conv(out=4, kernel=3), True),
        (None, True),
    ],
    "strided": [
        (Conv(out=6, kernel=3, stride=2), True),
        (Conv(out=6, kernel=1, stride=2), True),
    ],
    "depthwise": [(Conv(out=4, kernel=5, groups=4, bias=True), False), (None, True)],
    "grouped": [(Conv(out=4, kernel=3, groups=2), True), (None, True)],
    "lying": [(Conv(out=4, kernel=[1, 3]), False), (Conv(out=4, kernel=[3, 1]), True)],
    "dilated where they have one place": [
        (Conv(out=4, kernel=[1, 3], dilation=[2, 1]), True),
        (Conv(out=4, kernel=[3, 1], dilation=[1, 2]), False),
    ],
    "unpadded": [
        (Conv(out=4, kernel=3, padding=0), False),
        (Conv(out=4, kernel=3, padding=0, bias=True), False),
    ],
    "standardised": [
        (Conv(out=4, kernel=3, standardize=True), True),
        (Conv(out=4, kernel=1), False),
    ],
}


def summed(branches, shape=(4, 7, 7)):
    net = Builder(shape)
    start = net.add("start", Act(type="relu"))
    ends = []
    for i, (conv, normed) in enumerate(branches):
        end = start if conv is None else net.add(f"conv{i}", conv, start)
        ends.append(net.add(f"norm{i}", Norm(), end) if normed else end)
    net.add("sum", Add(), *ends)
    net.add("after", Act(type="relu"))
    return net


@pytest.mark.parametrize("case", SUMS)
def test_a_sum_of_convolutions_is_one(case):
    graph = summed(SUMS[case]).graph()
    merged = for_inference(graph)
    assert [node.op.name for node in merged.nodes] == ["act", "conv", "act"]
    weights = random_weights(graph)
    x = torch.randn(2, 4, 7, 7, dtype=torch.float64)
    expected = to_torch(graph, weights).double().eval()(x)
    node = merged.nodes[1]
    own = dict(node.operands)
    weight, bias = (
        torch.from_numpy(evaluate(own[role], weights)).double() if role in own else None
        for role in ("weight", "bias")
    )
    found = torch.nn.functional.conv2d(
        x.relu(), weight, bias, node.op.stride, node.op.padding, 1, node.op.groups
    ).relu()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    # As PyTorch runs the merged graph itself, with gradients.
    again = to_torch(merged, weights).double().eval()(x)
    torch.testing.assert_close(again, expected, rtol=0, atol=1e-9)
    assert node.absorbed[-1] == "sum"
    assert apply(merged, merge_branches).nodes == merged.nodes


def test_a_signal_and_a_film_have_branches_too():
    for shape in ((4, 9), (4, 3, 5, 5)):
        graph = summed(SUMS["RepVGG"], shape).graph()
        merged = for_inference(graph)
        weights = random_weights(graph)
        x = torch.randn(2, *shape, dtype=torch.float64)
        a, b = (to_torch(g, weights).double().eval()(x) for g in (graph, merged))
        assert len(merged.nodes) == 3
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9)


def test_what_is_no_convolution_stays():
    two = [(Conv(out=4, kernel=3), True), (Conv(out=4, kernel=1), True)]
    strided = [(Conv(out=4, kernel=1, stride=1), True), (None, False)]
    dilated = [(Conv(out=4, kernel=3, dilation=2), True), (None, True)]
    groups = [(Conv(out=4, kernel=3, groups=2), True), (Conv(out=4, kernel=1), True)]
    for branches in (strided, dilated, groups):
        folded = apply(summed(branches).graph(), fold_norm)
        assert apply(folded, merge_branches).nodes == folded.nodes
    # A branch that is given out, or that somebody else reads.
    net = summed(two)
    folded = apply(net.graph(("a", "norm0"), ("b", "after")), fold_norm)
    assert apply(folded, merge_branches).nodes == folded.nodes
    net.add("read", Add(), "after", "norm1")
    folded = apply(net.graph(), fold_norm)
    assert apply(folded, merge_branches).nodes == folded.nodes


@pytest.mark.slow
@pytest.mark.peers
def test_the_file_of_repvgg_has_one_branch_as_timm_makes_it(peers, tmp_path):
    import onnx
    from timm.utils.model import reparameterize_model

    theirs = peers.timm.create_model("repvgg_a0").eval()
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    torch.save(theirs.state_dict(), tmp_path / "a0.pth")
    made = resgen.build(
        "repvgg_a0",
        set=["/input=[3,64,64]"],
        weights=tmp_path / "a0.pth",
        out=tmp_path / "made",
    )
    file = onnx.load(made.folder / "model.onnx")
    kinds = [node.op_type for node in file.graph.node]
    assert kinds.count("Conv") == 22
    assert not {"Add", "BatchNormalization"} & set(kinds)
    stored = [onnx.numpy_helper.to_array(t) for t in file.graph.initializer]
    merged = reparameterize_model(theirs)
    for module in merged.modules():
        if isinstance(module, torch.nn.Conv2d) and module.kernel_size == (3, 3):
            weight = module.weight.detach().numpy()
            alike = [w for w in stored if w.shape == weight.shape]
            assert any(np.allclose(w, weight, atol=1e-5) for w in alike)
