"""Ranges of activations against those that PyTorch's activations have."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hand_graph import Builder, random_weights

from resgen.calibrate import ranges
from resgen.calibrate.ranges import BINS, COVERED, observe
from resgen.calibrate.samples import Samples
from resgen.errors import ResgenError
from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm
from resgen.lower.torch import to_torch
from resgen.ops.act import Act
from resgen.ops.conv import Conv
from resgen.ops.flatten import Flatten
from resgen.ops.global_pool import GlobalPool
from resgen.ops.linear import Linear
from resgen.ops.norm import Norm

COUNT = 30
VALUES = ("input", "conv", "act", "inner", "fc")


def network():
    net = Builder((3, 9, 9))
    net.add("conv", Conv(out=6, kernel=3))
    net.add("norm", Norm())
    net.add("act", Act(type="relu"))
    net.add("inner", Conv(out=6, kernel=3))
    net.add("pool", GlobalPool())
    net.add("flat", Flatten())
    net.add("fc", Linear(out=4))
    return net.graph()


class Watched:
    """Samples that tell how many of them were prepared, and how many at once."""

    def __init__(self, arrays):
        self.taken = 0
        self.arrays = arrays
        self.samples = Samples(len(arrays), "numbers", True, self.take)

    def take(self, i):
        self.taken += 1
        return self.arrays[i]


@pytest.fixture(scope="module")
def arrays():
    # A few rare numbers, so that percentiles and extremes differ.
    draw = np.random.default_rng(0)
    return draw.standard_t(3, (COUNT, 3, 9, 9)).astype(np.float32)


@pytest.fixture(scope="module")
def activations(arrays):
    """What PyTorch's modules yield, by the names of the folded graph's values."""
    graph = network()
    model = to_torch(graph, random_weights(graph)).eval()
    found = {"input": arrays}
    for name, value in (("norm", "conv"), ("act", "act"), ("inner", "inner"),
                        ("fc", "fc")):  # fmt: skip
        model.get_submodule(name).register_forward_hook(
            lambda m, args, y, value=value: found.update({value: y.numpy()})
        )
    with torch.no_grad():
        model(torch.from_numpy(arrays))
    return found


def observed(samples, values=VALUES, **options):
    graph = network()
    folded = apply(graph, fold_norm)
    return observe(folded, random_weights(graph), values, samples, **options)


def test_extremes_are_those_of_pytorch(arrays, activations):
    found = observed(Watched(arrays).samples)
    assert set(found) == set(VALUES)
    for value, (least, greatest) in found.items():
        wanted = activations[value]
        near = 1e-5 * float(np.ptp(wanted))
        assert least == pytest.approx(wanted.min(), abs=near)
        assert greatest == pytest.approx(wanted.max(), abs=near)
    assert found["act"][0] == 0


@pytest.mark.parametrize("covered", [COVERED, 0.99])
def test_percentiles_are_numpys_within_a_bin(arrays, activations, covered, monkeypatch):
    monkeypatch.setattr(ranges, "COVERED", covered)
    found = observed(Watched(arrays).samples, method="percentile")
    for value, (least, greatest) in found.items():
        wanted = activations[value]
        bin_ = np.ptp(wanted) / BINS
        ends = 100 * np.array([(1 - covered) / 2, (1 + covered) / 2])
        # Between two numbers any percentile is as good: that of either neighbour.
        low = [np.percentile(wanted, ends[0], method=m) for m in ("lower", "higher")]
        high = [np.percentile(wanted, ends[1], method=m) for m in ("lower", "higher")]
        assert low[0] - 1.1 * bin_ <= least <= low[1] + 1.1 * bin_, value
        assert high[0] - 1.1 * bin_ <= greatest <= high[1] + 1.1 * bin_, value


def test_a_percentile_leaves_rare_numbers_out(arrays, monkeypatch):
    monkeypatch.setattr(ranges, "COVERED", 0.999)
    spiked = arrays.copy()
    spiked[4, 1, 2, 3] = 1e4
    spiked[9, 0, 8, 8] = -1e4
    full = observed(Watched(spiked).samples, ("input",))["input"]
    most = observed(Watched(spiked).samples, ("input",), method="percentile")["input"]
    assert full == (-1e4, 1e4)
    assert full[0] < most[0] < 0 < most[1] < full[1]


def test_a_constant_value_has_a_range_of_a_point():
    zeros = Watched(np.zeros((4, 3, 9, 9), np.float32)).samples
    for method in ("minmax", "percentile"):
        least, greatest = observed(zeros, ("input",), method=method)["input"]
        assert least <= 0 <= greatest
        assert greatest - least <= 1


def test_samples_stream_in_batches_of_bounded_size(arrays, monkeypatch):
    """However many there are, no more are held than a batch; and each batch counts."""
    watched, held = Watched(arrays), []
    run = ranges.Reduced.run

    def counted(self, batch):
        held.append(len(batch))
        return run(self, batch)

    monkeypatch.setattr(ranges.Reduced, "run", counted)
    whole = observed(watched.samples)
    assert max(held) == ranges.BATCH < COUNT
    assert sum(held) == watched.taken == COUNT
    size = sum(network().types[v].size for v in ("input", "act", "inner", "fc"))
    monkeypatch.setattr(ranges, "HELD", 3 * size)
    held.clear()
    fewer = observed(watched.samples)
    assert max(held) <= 3
    for value in VALUES:
        assert fewer[value] == pytest.approx(whole[value], rel=1e-5)


def test_both_passes_tell_their_progress(arrays):
    told = []
    for method, passes in (("minmax", 1), ("percentile", 2)):
        told.clear()
        observed(
            Watched(arrays).samples, method=method, progress=lambda *at: told.append(at)
        )
        assert told[-1] == (passes * COUNT, passes * COUNT)
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        assert {total for _, total in told} == {passes * COUNT}


def test_weights_that_are_not_finite_are_said(arrays):
    graph = network()
    for wrong in (np.nan, np.inf, -np.inf):
        weights = random_weights(graph)
        weights["inner.weight"][0, 0, 0, 0] = wrong
        with pytest.raises(ResgenError, match="inner of hand is not finite") as refused:
            observe(graph, weights, ("act", "inner"), Watched(arrays).samples)
        assert "weights of this network" in refused.value.hint
