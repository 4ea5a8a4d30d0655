"""Several networks looked at together: what a caller of the package gets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diagnosis.hearing import Hearing
from digits import SPEC
from hand_graph import Builder

import resgen
from resgen.diagnosis.data.gather import gather
from resgen.diagnosis.diagnose import Subject, diagnose
from resgen.diagnosis.plain import without_shortcuts
from resgen.diagnosis.training.options import Options
from resgen.errors import ResgenError
from resgen.ops.conv import Conv
from resgen.ops.flatten import Flatten
from resgen.ops.global_pool import GlobalPool
from resgen.ops.linear import Linear

TINY: dict[str, Any] = {
    **SPEC,
    "name": "tiny",
    "stages": [{"width": 8, "depth": 2}, {"width": 16, "depth": 2}],
}


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_both_networks_see_the_same_from_every_seed() -> None:
    spec = resgen.load(TINY)
    plain = without_shortcuts(spec)
    subjects = [
        Subject(spec.name, resgen.expand(spec)),
        Subject(plain.name, resgen.expand(plain), plain=True),
    ]
    data = gather("digits", subjects[0].graph, spec.preprocess)
    heard: list[tuple[int, int]] = []
    done = diagnose(
        subjects,
        data,
        Options(seeds=(0, 1)),
        progress=Hearing(lambda done, total, text: heard.append((done, total))),
    )
    assert not done.interrupted
    residual, stack = done.diagnosis.arms
    assert [run.seed for run in residual.runs] == [0, 1]
    assert [p.path for p in residual.parts] == [p.path for p in stack.parts]
    assert residual.lengths is not None
    assert stack.lengths is None
    assert stack.plain
    # A run is told when it begins, beside those that are done, and the last at its end.
    assert heard[0] == (0, 4)
    assert heard[-1] == (4, 4)
    # Weights of one seed are drawn by name, so stems of both begin alike.
    for one, other in zip(residual.runs, stack.runs, strict=True):
        assert one.moments[0].parts[0].variance == other.moments[0].parts[0].variance
    again = diagnose(subjects, data, Options(seeds=(0, 1))).diagnosis
    assert again.arms == done.diagnosis.arms


def test_the_first_loss_is_that_of_the_module() -> None:
    """Against cross-entropy of the same weights and the same inputs."""
    from resgen.diagnosis.diagnose import neighbours

    spec = resgen.load(TINY)
    graph = resgen.expand(spec)
    data = gather("digits", graph, spec.preprocess)
    (run,) = diagnose([Subject("tiny", graph)], data, Options()).diagnosis.arms[0].runs
    images, labels = neighbours(data.batch(0, 64))
    scores = resgen.to_torch(graph, seed=0)(torch.from_numpy(images))
    wanted = torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels))
    assert run.moments[0].loss == pytest.approx(wanted.item(), rel=1e-5)


@pytest.mark.slow
def test_the_loss_of_one_of_several_outputs() -> None:
    net = Builder((1, 8, 8))
    net.add("conv", Conv(out=6, kernel=3, padding=1))
    net.add("pool", GlobalPool())
    net.add("flat", Flatten())
    net.add("fc", Linear(out=12))
    graph = net.graph(("features", "conv"), ("scores", "fc"))
    pre = resgen.load(TINY).preprocess
    data = gather("digits", graph, pre, output="scores")
    done = diagnose([Subject("two", graph)], data, Options(steps=3))
    found = done.diagnosis
    assert found.settings["output"] == "scores"
    assert found.settings["classes"] == 12
    (run,) = found.arms[0].runs
    assert run.moments[0].loss == pytest.approx(np.log(12), abs=1)
    assert len(run.losses) == 3


def test_a_network_that_does_not_fit_the_data_is_refused() -> None:
    spec = resgen.load(TINY)
    data = gather("digits", resgen.expand(spec), spec.preprocess)
    other = resgen.expand(resgen.load({**TINY, "head": {"classes": 7}}))
    with pytest.raises(ResgenError, match="gives N x 7"):
        diagnose([Subject("tiny", other)], data, Options())
