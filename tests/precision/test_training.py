"""Training under fake quantisation wins back what post-training int8 lost."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
import torch
from digits import BLOCKS, CALIBRATED, TRAINED, sabotaged, samples
from hand_graph import Builder

from resgen.calibrate.lowered import Calibrator
from resgen.errors import ResgenError
from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm
from resgen.graph.passes.integer_bias import integer_bias
from resgen.graph.precision import Precision
from resgen.lower.torch import to_torch
from resgen.lower.torch_numbers import FUNCTIONS, dequantize, quantize
from resgen.ops.dequantize import Dequantize
from resgen.ops.quantize import Quantize
from resgen.ops.types import RANGES
from resgen.weights.checkpoint import from_state_dict


def shares(digits, model) -> float:
    model.eval()
    with torch.no_grad():
        return digits.share(model(torch.from_numpy(digits.test)).numpy())


def train(digits, model, epochs: int, rate: float = 3e-4) -> None:
    inputs = torch.from_numpy(digits.images[:TRAINED])
    wanted = torch.from_numpy(digits.targets[:TRAINED])
    optimizer = torch.optim.Adam(model.parameters(), rate)
    draw = torch.Generator().manual_seed(0)
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(TRAINED, generator=draw).split(64):
            loss = torch.nn.functional.cross_entropy(
                model(inputs[batch]), wanted[batch]
            )
            optimizer.zero_grad()
            # oneDNN has no kernel of its own for the gradient of float16 weights.
            with torch.backends.mkldnn.flags(enabled=False):
                loss.backward()
            optimizer.step()


def of_other_sizes(digits, factor: float) -> Calibrator:
    """Channels many times as large as their neighbours."""
    weights = sabotaged(digits.weights, BLOCKS, factor)
    return Calibrator(digits.graph, weights, digits.known)


def one_bright_picture(digits, factor: float) -> Calibrator:
    """Calibrated with a picture many times as bright: scales are too coarse."""
    images = digits.images[:CALIBRATED].copy()
    images[0] *= factor
    return Calibrator(digits.graph, digits.weights, samples(images))


@pytest.mark.drawn(1)
@pytest.mark.parametrize(
    ("consumer", "harmed", "factor", "epochs"),
    [
        ("onnxruntime", of_other_sizes, 130, 5),
        ("onnxruntime", one_bright_picture, 60, 4),
        ("tensorrt", one_bright_picture, 40, 2),
    ],
)
@pytest.mark.slow
def test_it_wins_back_half_of_what_was_lost(
    digits, tmp_path, consumer, harmed, factor, epochs
):
    calibrator = harmed(digits, factor)
    folded = apply(digits.graph, fold_norm)
    exact = digits.share(digits.run(folded, calibrator.weights, tmp_path, True))
    made = calibrator.at(Precision("int8", consumer))
    model = to_torch(made.graph, {k: v.copy() for k, v in made.weights.items()})
    before = shares(digits, model)
    assert before < exact - 0.05

    train(digits, model, epochs)
    after = shares(digits, model)
    assert after >= (before + exact) / 2

    learned = from_state_dict(model.state_dict())
    assert set(learned) == {p.name for p in made.graph.parameters}
    scales = {name for name in learned if name.endswith("quantize.scale")}
    assert len(scales) > 5
    assert all(learned[name] != made.weights[name] for name in scales)

    # What was learned is written as it is, and no calibration takes its place.
    trained = {k: v for k, v in learned.items() if k in digits.weights}
    again = Calibrator(digits.graph, trained, digits.known, learned=learned)
    kept = again.at(made.wanted)
    assert all(kept.weights[name] == learned[name] for name in scales)
    own = consumer == "onnxruntime"
    graph = apply(kept.graph, integer_bias) if own else kept.graph
    deployed = digits.share(digits.run(graph, kept.weights, tmp_path, own))
    # Where scales are this coarse, a value next to a step moves some pictures.
    assert deployed == pytest.approx(after, abs=0.015)


@pytest.mark.parametrize("value", [0.0, -0.01, float("nan"), float("inf")])
def test_a_scale_that_training_has_broken_is_named(digits, value):
    wanted = Precision("int8", "onnxruntime")
    made = Calibrator(digits.graph, digits.weights, digits.known).at(wanted)
    learned = dict(made.weights)
    learned["layer1.0.act.quantize.scale"] = np.array(value, np.float32)
    again = Calibrator(digits.graph, digits.weights, digits.known, learned=learned)
    with pytest.raises(ResgenError, match=r"layer1\.0\.act\.quantize\.scale"):
        again.at(wanted)


@pytest.mark.parametrize("consumer", ["onnxruntime", "tensorrt"])
@pytest.mark.parametrize("name", ["fp16", "bf16", "int8", "fp8"])
@pytest.mark.slow
def test_names_of_parameters_stay_and_all_are_trained(digits, name, consumer):
    """A float32 checkpoint loads, all but the scales, and everything has a gradient."""
    wanted = Precision(name, consumer)
    made = Calibrator(digits.graph, digits.weights, digits.known).at(wanted)
    graph = made.graph
    model = to_torch(graph, {k: v.copy() for k, v in made.weights.items()})
    missing, unexpected = model.load_state_dict(
        {k: torch.from_numpy(v) for k, v in digits.weights.items()}, strict=False
    )
    assert not unexpected
    assert all(key.rpartition(".")[2] in ("scale", "zero_point") for key in missing)
    assert bool(missing) == (name in ("int8", "fp8"))

    loss = model(torch.from_numpy(digits.test[:8])).square().mean()
    loss.backward()
    named = dict(model.named_parameters())
    expected = {p.name for p in graph.parameters if p.trainable}
    assert set(named) == expected
    assert {n for n, p in named.items() if p.dtype != torch.float32} == set()
    without = [n for n, p in named.items() if p.grad is None or not p.grad.any()]
    assert without == []
    assert all(torch.isfinite(p.grad).all() for p in named.values())


# --- gradients ------------------------------------------------------------------------

#: At scale 0.5: inside, inside, above the range of int8, below it, inside.
VALUES = [0.7, -1.1, 100.0, -80.0, 0.1]


@pytest.mark.parametrize("way", ["function", "operators"])
def test_the_gradient_of_a_scale_is_lsqs(way):
    """Esser et al. 2020, equation 3: round(v/s) - v/s inside, the bound outside."""
    x = torch.tensor([VALUES], requires_grad=True)
    if way == "function":
        scale = torch.tensor(0.5, requires_grad=True)
        quantized = quantize(x, scale, to="int8")
        assert quantized.tolist() == [[1, -2, 127, -128, 0]]
        dequantize(quantized, scale).sum().backward()
    else:
        net = Builder((len(VALUES),))
        net.add("quantize", Quantize(to="int8"))
        net.add("back", Dequantize(to="float32"), owner="quantize")
        model = to_torch(net.graph(), {"quantize.scale": np.array(0.5, "f4")})
        model(x).sum().backward()
        scale = model.quantize.scale
    terms = [1 - 1.4, -2 + 2.2, 127, -128, 0 - 0.2]
    lsq = sum(terms) / sqrt(len(VALUES) * 127)
    assert float(scale.grad) == pytest.approx(lsq, rel=1e-5)
    assert x.grad.tolist() == [[1, 1, 0, 0, 1]]


@pytest.mark.parametrize("to", ["int8", "uint8", "float8_e4m3fn"])
def test_where_all_is_clipped_it_is_the_difference_quotient(to):
    """Beyond the range the result is smooth in the scale: its bound times it."""
    least, greatest = RANGES[to]
    x = torch.tensor([[1e4, 2e4, -3e4]])
    point = torch.tensor(3, dtype=torch.uint8) if to == "uint8" else None
    bounds = np.array([greatest, greatest, least]) - (3 if to == "uint8" else 0)

    def result(scale):
        return dequantize(quantize(x, scale, point, to=to), scale, point).sum()

    scale = torch.tensor(0.25, requires_grad=True)
    result(scale).backward()
    with torch.no_grad():
        quotient = (result(scale + 2**-6) - result(scale - 2**-6)) / 2**-5
    assert float(quotient) == bounds.sum()
    damped = float(quotient) / sqrt(3 * greatest)
    assert float(scale.grad) == pytest.approx(damped, rel=1e-5)


def test_the_gradient_of_a_weight_goes_straight_through():
    """And the largest of an output, which sets its scale, has that of the scale too."""
    w = torch.tensor([[0.5, -1.27, 0.333], [0.2, 0.1, 0.8]], requires_grad=True)
    scale = FUNCTIONS["scale_of"](w, 127)
    steps = torch.tensor([[1.0, 2.0, -1.0], [0.5, 1.0, -2.0]])
    y = FUNCTIONS["dequantize"](FUNCTIONS["quantize"](w, scale, "int8"), scale)
    (y * steps).sum().backward()
    with torch.no_grad():
        exact = w / scale[:, None]
        by_scale = (steps * (exact.round() - exact)).sum(1) / 127
        expected = steps.clone()
        expected[0, 1] -= by_scale[0]  # the number itself is negative
        expected[1, 2] += by_scale[1]
    torch.testing.assert_close(w.grad, expected, rtol=1e-4, atol=1e-5)
