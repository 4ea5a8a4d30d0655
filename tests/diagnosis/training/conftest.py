"""A small network that learns digits in a second, and what it learns from."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import torch
from digits import SPEC

import resgen
from resgen.diagnosis.data.dataset import Dataset
from resgen.diagnosis.data.gather import gather
from resgen.diagnosis.training.options import Trainee


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums of several threads may come in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    """The spec: two blocks at 8 x 8."""
    made = deepcopy(SPEC)
    made["name"] = "tiny"
    made["stem"]["with"]["width"] = 8
    made["stages"] = [{"width": 8, "depth": 1}, {"width": 16, "depth": 1}]
    return made


@pytest.fixture(scope="session")
def trainee(tiny: dict[str, Any]) -> Trainee:
    graph = resgen.expand(resgen.load(tiny))
    return Trainee("tiny", graph, ("layer1.0", "layer2.0"))


@pytest.fixture(scope="session")
def dropping(tiny: dict[str, Any]) -> Trainee:
    """A network with randomness in training: dropout before its head."""
    head = {**tiny["head"], "dropout": 0.3}
    spec = resgen.load({**tiny, "name": "dropping", "head": head})
    return Trainee("dropping", resgen.expand(spec), ("layer1.0", "layer2.0"))


@pytest.fixture(scope="session")
def data(tiny: dict[str, Any], trainee: Trainee) -> Dataset:
    return gather("digits", trainee.graph, resgen.load(tiny).preprocess)


@pytest.fixture(scope="session")
def brief(tiny: dict[str, Any], trainee: Trainee) -> Dataset:
    """The same with few held back: looking at them takes most of a short training."""
    made = gather("digits", trainee.graph, resgen.load(tiny).preprocess)
    made.held_back = made.held_back[:48]
    return made
