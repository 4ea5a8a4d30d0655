"""The search for the blocks that a low precision cannot have."""

from __future__ import annotations

import digits as learned
import pytest
from digits import BLOCKS, sabotaged, samples

from resgen.calibrate.bisect import bisect
from resgen.calibrate.lowered import Calibrator
from resgen.errors import ResgenError
from resgen.graph.precision import Precision
from resgen.proof import tolerance
from resgen.proof.tolerance import judge


@pytest.fixture(scope="module")
def digits():
    return learned.digits()


@pytest.mark.drawn(2)
@pytest.mark.parametrize("consumer", ["onnxruntime", "tensorrt"])
@pytest.mark.parametrize(
    "blocks", [("layer1.0",), ("layer2.1",), ("layer1.0", "layer2.1"), BLOCKS]
)
@pytest.mark.slow
def test_it_names_the_blocks_that_were_sabotaged(digits, blocks, consumer):
    weights = sabotaged(digits.weights, blocks, 1000)
    calibrator = Calibrator(digits.graph, weights, digits.known)
    said = []
    found, accuracy = bisect(calibrator, Precision("int8", consumer), said.append)
    assert set(found.wanted.keep) == set(blocks)
    judge(accuracy, "int8")
    for block in blocks:
        assert any(block in line for line in said)
    over = Calibrator(digits.graph, weights, samples(digits.test))
    same, count = over.at(found.wanted).measured().top1
    assert same >= 0.98 * count


@pytest.mark.slow
def test_a_healthy_network_keeps_nothing(digits):
    calibrator = Calibrator(digits.graph, digits.weights, digits.known)
    found, _ = bisect(calibrator, Precision("int8", "onnxruntime"))
    assert found.wanted.keep == ()


@pytest.mark.slow
def test_what_was_kept_already_stays(digits):
    weights = sabotaged(digits.weights, ("layer2.0",), 1000)
    calibrator = Calibrator(digits.graph, weights, digits.known)
    found, _ = bisect(calibrator, Precision("int8", "onnxruntime", keep=("first",)))
    assert found.wanted.keep == ("first", "layer2.0")


@pytest.mark.slow
def test_where_nothing_helps_it_is_said(digits, monkeypatch):
    """Not even the halves that lie between are as quiet as this asks for."""
    monkeypatch.setattr(tolerance, "LEAST_SNR", {"int8": 200.0})
    calibrator = Calibrator(digits.graph, digits.weights, digits.known)
    with pytest.raises(ResgenError, match="digits is out of tolerance even with"):
        bisect(calibrator, Precision("int8", "tensorrt"))
