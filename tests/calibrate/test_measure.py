"""The numbers of an accuracy against their definitions, from PyTorch's activations."""

from __future__ import annotations

from dataclasses import replace

import digits as learned
import numpy as np
import pytest
import torch
from digits import BLOCKS, samples
from scipy.stats import binomtest

from resgen.calibrate.lowered import Calibrator
from resgen.calibrate.measure import BLOCK_INPUTS
from resgen.graph.precision import Precision
from resgen.lower.onnx import write
from resgen.lower.torch import to_torch
from resgen.proof.accuracy import Tally, wilson
from resgen.runtime.onnxruntime import OnnxRuntimeSession

COUNT = 50


#: All of them need a network that has learned.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def digits():
    return learned.digits()


@pytest.fixture(scope="module")
def made(digits):
    """int8, measured over a few images."""
    low = Calibrator(digits.graph, digits.weights, digits.known).at(
        Precision("int8", "onnxruntime")
    )
    over = Calibrator(digits.graph, digits.weights, samples(digits.test[:COUNT]))
    return replace(low, calibrator=over)


def yields(graph, weights, images):
    """What the blocks and the whole network yield, by PyTorch."""
    model = to_torch(graph, weights).eval()
    found = {}
    for block in BLOCKS:
        model.get_submodule(block).register_forward_hook(
            lambda m, args, y, block=block: found.update({block: y})
        )
    with torch.no_grad():
        scores = model(torch.from_numpy(images))
    # A block yields float32, whatever stands behind its last operator.
    return {name: y.double().numpy() for name, y in found.items()}, scores.numpy()


def snr(exact, low):
    return 10 * np.log10((exact**2).sum() / ((low - exact) ** 2).sum())


def test_noise_of_blocks_is_power_over_power(digits, made):
    few = digits.test[:BLOCK_INPUTS]
    wanted, _ = yields(digits.graph, digits.weights, few)
    low, _ = yields(made.graph, made.weights, few)
    found = {f"{b.section}.{b.block}": b.snr for b in made.measured().blocks}
    for block in BLOCKS:
        # The quantiser behind a block is inside its module, and rounds once more.
        assert found[block] == pytest.approx(snr(wanted[block], low[block]), abs=2.0)
    assert list(found)[1:-1] == list(BLOCKS)


def test_outputs_are_compared_by_definition(digits, made, tmp_path):
    write(made.graph, made.weights, tmp_path / "model.onnx")
    with OnnxRuntimeSession(tmp_path / "model.onnx") as session:
        accuracy = made.measured(session)
        low = session.run({"input": digits.test[:COUNT]})["output"].astype(float)
    _, exact = yields(digits.graph, digits.weights, digits.test[:COUNT])
    exact = exact.astype(float)
    apart, reach = np.abs(low - exact), np.ptp(exact)
    same = int((low.argmax(1) == exact.argmax(1)).sum())
    assert accuracy.judge == "ONNX Runtime"
    assert (accuracy.inputs, accuracy.top1) == (COUNT, (same, COUNT))
    cosines = (low * exact).sum(1) / (
        np.linalg.norm(low, axis=1) * np.linalg.norm(exact, axis=1)
    )
    near = {"rel": 1e-3}
    assert accuracy.cosine == pytest.approx(cosines.mean(), rel=1e-6)
    assert accuracy.largest == pytest.approx(apart.max() / reach, **near)
    assert accuracy.p999 == pytest.approx(np.percentile(apart, 99.9) / reach, **near)
    assert accuracy.snr == pytest.approx(snr(exact, low), **near)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_file_of_a_fixed_batch_is_measured_the_same(made, tmp_path, batch):
    found = []
    for fixed in (None, batch):
        write(made.graph, made.weights, tmp_path / "model.onnx", batch=fixed)
        with OnnxRuntimeSession(tmp_path / "model.onnx") as session:
            found.append(made.measured(session))
    assert found[0].top1 == found[1].top1
    assert found[0].largest == pytest.approx(found[1].largest, rel=1e-3)


def test_progress_is_told(made):
    told = []
    made.calibrator.progress = lambda step, done, total: told.append((step, done))
    made.measured()
    assert told[-1] == ("measuring", COUNT)
    assert [done for _, done in told] == sorted(done for _, done in told)


@pytest.mark.parametrize(
    ("same", "count"), [(0, 7), (7, 7), (297, 300), (4, 9), (499, 500)]
)
def test_the_interval_is_wilsons(same, count):
    wanted = binomtest(same, count).proportion_ci(0.95, method="wilson")
    assert wilson(same, count) == pytest.approx((wanted.low, wanted.high), abs=1e-6)


def test_of_several_outputs_the_least_agreement_is_told():
    tally = Tally({})
    exact = np.eye(5, dtype=np.float32)
    other = exact[[0, 1, 2, 4, 3]]
    tally.add_output("maps", np.ones((5, 5, 2, 2)), np.zeros((5, 5, 2, 2)))
    tally.add_output("number", exact[:, :1], exact[:, 1:2])
    tally.add_output("sound", exact, exact)
    tally.add_output("worse", exact, other)
    told = tally.accuracy("ONNX Runtime", np.arange(5))
    assert (told.top1, told.top1_output) == ((3, 5), "worse")
    assert told.classes.top1 == (5, 3)
    alone = Tally({})
    alone.add_output("output", exact, other)
    assert alone.accuracy("ONNX Runtime").top1_output is None
