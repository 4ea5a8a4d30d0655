"""Looking takes at most one more copy of the largest activation."""

from __future__ import annotations

import gc
import warnings

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.profiler import ProfilerActivity, profile

import resgen
from resgen.diagnosis.seen.found import found_parts
from resgen.diagnosis.seen.observer import Observer

SPEC = {
    "resgen": 1,
    "name": "roomy",
    "input": [3, 32, 32],
    "stem": {"use": "cifar", "with": {"width": 16}},
    "defaults": {"block": "basic", "shortcut": "projection"},
    "head": {"classes": 10},
}
#: All maps of one size, and of three.
LEVEL = [{"width": 16, "depth": 4}]
FALLING = [{"width": width, "depth": 3} for width in (16, 32, 64)]


def peak(call):
    """Bytes of tensors held at once, of those that the call makes."""
    call()
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as taken:
            call()
    events = taken.profiler.kineto_results.events()
    changes = sorted(
        (event.start_ns(), event.nbytes())
        for event in events
        if event.name() == "[memory]"
    )
    held = most = 0
    for _, size in changes:
        held += size
        most = max(most, held)
    return most


@pytest.mark.parametrize("thorough", [False, True])
@pytest.mark.parametrize("stages", [LEVEL, FALLING])
@pytest.mark.slow
def test_one_copy_of_the_largest_activation(stages, thorough):
    model = resgen.to_torch(resgen.expand(resgen.load({**SPEC, "stages": stages})))
    paths = [part.path for part in found_parts(model)]
    x, y = torch.randn(16, 3, 32, 32), torch.arange(16) % 10

    def plain():
        cross_entropy(model(x), y).backward()
        model.zero_grad()

    def observed():
        with Observer(model, paths, thorough=thorough, pairs=thorough):
            cross_entropy(model(x), y).backward()
        model.zero_grad()

    largest = 16 * 16 * 32 * 32 * 4
    # A few kilobytes are the numbers that a tensor is reduced to on the way.
    assert peak(observed) - peak(plain) <= 1.02 * largest
