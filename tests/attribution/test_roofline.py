"""Ceilings of this machine."""

from __future__ import annotations

import time

import numpy as np
import pytest

from resgen.attribution import roofline
from resgen.attribution.roofline import attainable, ceilings
from resgen.records.profile import Ceilings

MADE_UP = Ceilings(
    compute_burst=100.0,
    compute_sustained=90.0,
    bandwidth_burst=10.0,
    bandwidth_sustained=9.0,
    launch=1e-6,
)


@pytest.mark.parametrize("runtime", ["onnxruntime", "torch"])
@pytest.mark.slow
def test_the_ceilings_are_those_of_an_independent_loop(runtime):
    found = ceilings(runtime, "cpu", "fp32", 1, seconds=0.2)
    assert found.compute_burst >= found.compute_sustained > 0
    assert found.bandwidth_burst >= found.bandwidth_sustained > 0
    assert 0 < found.launch < 0.01
    x = np.ones(32 << 20, np.float32)
    out = np.empty_like(x)
    took = []
    for _ in range(5):
        start = time.perf_counter()
        np.copyto(out, x)
        took.append(time.perf_counter() - start)
    own = 2 * x.nbytes / min(took)
    assert own / 6 < found.bandwidth_burst < own * 6  # the machine may be busy


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["int8", "fp16", "bf16", "fp8"])
def test_every_precision_has_a_ceiling(precision):
    assert ceilings("onnxruntime", "cpu", precision, 1, seconds=0.05).compute_burst > 0


def test_threads_of_torch_are_as_before():
    import torch

    before = torch.get_num_threads()
    ceilings("torch", "cpu", "fp32", 1, seconds=0.02)
    assert torch.get_num_threads() == before


def test_the_slower_of_computing_and_moving_bounds():
    assert attainable(1000, 10, MADE_UP) == 10.0
    assert attainable(10, 1000, MADE_UP) == 100.0


def test_fp8_is_held_against_a_product_in_fp8(monkeypatch):
    import torch

    kinds, product = set(), torch._scaled_mm

    def recorded(a, b, *rest, **options):
        kinds.update((a.dtype, b.dtype))
        return product(a, b, *rest, **options)

    monkeypatch.setattr(torch, "_scaled_mm", recorded)
    monkeypatch.setattr(roofline, "SIDE", 64)
    monkeypatch.setattr(roofline, "LARGEST_SIDE", 64)
    machine = roofline._Torch("cpu", "fp8", "tensorrt")
    assert roofline._measured(machine, 0.01).compute_burst > 0
    assert kinds == {torch.float8_e4m3fn}
