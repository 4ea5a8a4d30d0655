"""What diagnose sees of a network before its first step, as one number."""

from __future__ import annotations

import numpy as np
import pytest

import resgen
from resgen.diagnosis.data.gather import gather
from resgen.searching.health import health, healthy


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "noise.npz"
    draw = np.random.default_rng(0)
    np.savez(
        path,
        x=draw.normal(size=(100, 3, 8, 8)).astype(np.float32),
        y=np.arange(100) % 10,
    )
    return path


def of(name, data, *changes):
    spec = resgen.load(name, ["/input=[3,8,8]", *changes])
    graph = resgen.expand(spec).inference
    return healthy(graph, gather(str(data), graph, spec.preprocess))


def test_a_plain_network_that_is_deep_is_worse_than_one_with_shortcuts(data):
    """Yang et al. 2019: batch norm in a plain stack amplifies gradients by 1.2 a layer
    at least, so over what lies behind 7 blocks of two by a good 10."""
    residual, plain = of("resnet20_cifar", data), of("plain20_cifar", data)
    assert residual.details["fold"] < plain.details["fold"]
    assert plain.value < residual.value <= 1


def test_findings_come_before_the_fold_and_are_those_of_diagnose(data, tmp_path):
    changes = ['/defaults/norm="none"']
    found = of("plain20_cifar", data, *changes)
    told = resgen.diagnose(
        "plain20_cifar",
        set=("/input=[3,8,8]", *changes),
        data=str(data),
        batch=32,
        seeds=1,
    )
    assert found.details["findings"] == told.verdict
    assert found.value < 0 < of("plain20_cifar", data).value


def test_without_data_it_is_of_noise_and_of_any_input():
    spec = resgen.load("resnet20_cifar", ["/input=[3,8,8]"])
    one, again, other = (health(spec, resgen.expand(spec), s) for s in (0, 0, 1))
    assert one == again != other
    assert one.details["findings"] == []
