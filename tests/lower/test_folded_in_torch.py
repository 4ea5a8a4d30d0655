"""Graphs whose weights are expressions, in PyTorch: the same numbers, and training."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from hand_graph import Builder, random_weights

import resgen
from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm
from resgen.graph.precision import Precision, at_precision
from resgen.lower import torch_numbers
from resgen.lower.torch import to_torch
from resgen.ops.act import Act
from resgen.ops.add import Add
from resgen.ops.channel_scale import ChannelScale
from resgen.ops.conv import Conv
from resgen.ops.flatten import Flatten
from resgen.ops.global_pool import GlobalPool
from resgen.ops.linear import Linear
from resgen.ops.norm import Norm
from resgen.ops.types import Apply, Ref
from resgen.weights import evaluate as weights


def residual():
    net = Builder((3, 9, 9))
    net.add("conv", Conv(out=6, kernel=3, standardize=True))
    net.add("norm", Norm())
    net.add("act", Act(type="relu"))
    net.add("inner", Conv(out=6, kernel=3))
    net.add("inner_norm", Norm())
    net.add("gamma", ChannelScale(init=(("", 0.1),)))
    net.add("add", Add(), "gamma", "act")
    net.add("pool", GlobalPool())
    net.add("flat", Flatten())
    net.add("fc", Linear(out=4))
    return net.graph()


@pytest.fixture
def image():
    return torch.randn(4, 3, 9, 9, generator=torch.Generator().manual_seed(0))


# --- functions of operands ------------------------------------------------------------

W, V, S = Ref("w"), Ref("v"), Apply("scale_of", (Ref("w"), 127))
HALF = Apply("cast", (S, "float16"))
INTEGERS = Apply("quantize", (W, S, "int8"))
OPERANDS = {
    "add": Apply("add", (V, 1e-5)),
    "subtract": Apply("subtract", (0.25, V)),
    "multiply": Apply("multiply", (W, Apply("per_output", (V, 4)))),
    "divide": Apply("divide", (1.0, V)),
    "sqrt": Apply("sqrt", (V,)),
    "zeros_like": Apply("zeros_like", (W,)),
    "per_output": Apply("per_output", (V, 4)),
    "standardize": Apply("standardize", (W, 1e-6)),
    "diagonal": Apply("diagonal", (V, 5, 4)),
    "enlarge": Apply("enlarge", (W, 1, 0, 2, 3)),
    "reshape": Apply("reshape", (W, 5, 12)),
    "cast": HALF,
    "scale_of": S,
    "as_scale": Apply("as_scale", (S, "float32")),
    "fit_bias": Apply("fit_bias", (S, Apply("multiply", (1e-9, 1.0)), V)),
    "quantize": INTEGERS,
    "dequantize": Apply("dequantize", (INTEGERS, S)),
}
OTHERS = {
    "to bfloat16": Apply("cast", (W, "bfloat16")),
    "to float8": Apply(
        "quantize", (W, Apply("scale_of", (W, 448)), "float8_e4m3fn")
    ),
    "a bias of 32 bits": Apply("quantize", (V, Apply("multiply", (S, 1e-3)), "int32")),
    "by a half": Apply("quantize", (W, HALF, "int8")),
    "from a half": Apply("dequantize", (Apply("quantize", (W, HALF, "int8")), HALF)),
}  # fmt: skip


def test_both_know_the_same_functions():
    assert set(torch_numbers.FUNCTIONS) == set(weights.FUNCTIONS) == set(OPERANDS)


@pytest.mark.parametrize("case", [*OPERANDS, *OTHERS])
def test_a_function_is_the_same_in_torch_and_in_the_file(case):
    """In float64 to the last digit but one, and rounded to the same type."""
    draw = np.random.default_rng(3)
    arrays = {"w": draw.normal(size=(5, 4, 3, 1)), "v": draw.uniform(0.5, 2, 5)}
    arrays = {name: a.astype(np.float32) for name, a in arrays.items()}
    arrays["w"][2] = 0  # a dead output
    operand = {**OPERANDS, **OTHERS}[case]
    expected = weights.evaluate(operand, arrays)
    tensors = {name: torch.from_numpy(a).double() for name, a in arrays.items()}
    found = torch_numbers.compute(operand, tensors)
    assert tuple(found.shape) == expected.shape
    low = {"float16": torch.float16, "bfloat16": torch.bfloat16}
    if "cast" in case or case.startswith("to b"):
        # What is in float64 is left there: training in it is for exactness.
        found = found.to(low[str(expected.dtype)])
    if "half" in case:
        single = {name: torch.from_numpy(a) for name, a in arrays.items()}
        found = torch_numbers.compute(operand, single)
    exact = expected.astype(np.float64)
    # A product with a half is rounded to a half where the file is run.
    near = 2**-10 if case == "from a half" else 1e-6
    np.testing.assert_allclose(found.double().numpy(), exact, rtol=near, atol=1e-9)


@pytest.mark.parametrize("greatest", [127, 448])
def test_an_output_without_weights_has_a_positive_scale(greatest):
    w = np.zeros((3, 2, 2), np.float32)
    w[1] = [[1, -2], [0.5, 0]]
    expected = [1, 2 / greatest, 1]
    operand = Apply("scale_of", (W, greatest))
    assert weights.evaluate(operand, {"w": w}).tolist() == pytest.approx(expected)
    tensor = torch.from_numpy(w).requires_grad_()
    scale = torch_numbers.compute(operand, {"w": tensor})
    assert scale.tolist() == pytest.approx(expected)
    scale.sum().backward()
    assert torch.isfinite(tensor.grad).all()


# --- whole graphs ---------------------------------------------------------------------


def test_a_folded_graph_computes_what_the_norms_did(image):
    graph = residual()
    folded = apply(graph, fold_norm)
    assert len(folded.nodes) == len(graph.nodes) - 2
    drawn = random_weights(graph)
    plain, made = (to_torch(g, drawn).eval() for g in (graph, folded))
    assert set(made.state_dict()) == set(plain.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(made(image), plain(image), rtol=1e-4, atol=1e-5)
        # In training it computes the same: its statistics are those that it has.
        made.train()
        torch.testing.assert_close(made(image), plain(image), rtol=1e-4, atol=1e-5)


def test_its_gradients_are_those_of_the_network_with_norms(image):
    graph = residual()
    drawn = random_weights(graph)
    grads = []
    for made in (graph, apply(graph, fold_norm)):
        model = to_torch(made, {k: v.copy() for k, v in drawn.items()}).eval().double()
        model(image.double()).square().sum().backward()
        grads.append({name: p.grad for name, p in model.named_parameters()})
    assert set(grads[0]) == set(grads[1])
    for name, wanted in grads[0].items():
        assert wanted.any(), name
        torch.testing.assert_close(grads[1][name], wanted, rtol=1e-7, atol=1e-9)


def test_its_gradients_are_difference_quotients(image):
    model = to_torch(apply(residual(), fold_norm), random_weights(residual()))
    model.double()
    x = image[:1].double()
    names = [name for name, _ in model.named_parameters()]
    values = [p.detach().clone().requires_grad_() for p in model.parameters()]

    def loss(*given):
        held = dict(zip(names, given, strict=True))
        return torch.func.functional_call(model, held, (x,)).square().sum()

    assert torch.autograd.gradcheck(loss, values, fast_mode=True)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16", "int8", "fp8"])
def test_it_trains(image, precision):
    graph = residual()
    low = at_precision(graph, Precision(precision, "onnxruntime"))
    model = to_torch(low, seed=0)
    model.load_state_dict(
        {k: torch.from_numpy(v) for k, v in random_weights(graph).items()},
        strict=False,
    )
    target = torch.tensor([0, 1, 2, 3])
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(40):
        loss = torch.nn.functional.cross_entropy(model(image), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.drawn(1)
@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.slow
def test_it_is_an_ordinary_module(image, precision):
    graph = residual()
    low = at_precision(graph, Precision(precision, "onnxruntime"))
    model = to_torch(low, seed=0).eval()
    with torch.no_grad():
        expected = model(image)
        for made in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert torch.equal(made(image), expected)
        again = to_torch(low, seed=1).eval()
        assert not torch.equal(again(image), expected)
        again.load_state_dict(model.state_dict())
        assert torch.equal(again(image), expected)
        torch._dynamo.reset()
        compiled = torch.compile(model, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(image), expected, rtol=1e-4, atol=1e-4)
    hooked = []
    model.conv.register_forward_hook(lambda m, a, y: hooked.append(y.shape))
    model(image)
    assert hooked == [(4, 6, 9, 9)]
    assert "computed: weight, bias" in repr(model.conv)
    exported = torch.export.export(model, (image,)).module()
    torch.testing.assert_close(exported(image), model(image), rtol=1e-4, atol=1e-4)


def test_a_network_of_the_zoo_folds_to_the_same_scores():
    small = ["/input=[3, 32, 32]"]
    graph = resgen.expand(resgen.load("resnet18", small))
    plain = to_torch(graph, seed=0)
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        plain(x)  # statistics that are not the identity
        plain.eval()
        state = {name: t.numpy() for name, t in plain.state_dict().items()}
        made = to_torch(apply(graph, fold_norm), state).eval()
        torch.testing.assert_close(made(x), plain(x), rtol=1e-4, atol=1e-5)
