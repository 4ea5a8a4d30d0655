"""Trials on a local Ray cluster reach what they reach in one process."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
from lessons import blobs, journal, known, small

from resgen.errors import MissingComponent, ResgenError
from resgen.searching.cluster import OnRay, load_ray
from resgen.searching.halving import bracket
from resgen.searching.rungs import halve
from resgen.searching.training import Contender, Lesson, lesson

needs_ray = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is not installed (resgen[ray])"
)


@needs_ray
@pytest.mark.slow
def test_what_is_reached_is_the_same_and_an_error_is_that_of_the_trial(tmp_path):
    data = blobs(tmp_path / "blobs.npz")
    specs = [small(width, name=f"w{width}") for width in (2, 4, 8)]
    taught, _ = lesson(specs[0], str(data), epochs=3, batch=16)
    contenders = [Contender.of(spec) for spec in specs]
    rungs = bracket(3, taught.steps)
    here, there = (journal(tmp_path / at) for at in ("here", "there"))
    halve(contenders, taught, rungs, here, tmp_path / "here")
    with OnRay(taught) as cluster:
        assert cluster.width >= 1
        halve(contenders, taught, rungs, there, tmp_path / "there", trainer=cluster)
        other = replace(taught, digest="another")
        with pytest.raises(ResgenError, match="other data here"):
            list(cluster.train(contenders[:1], other, 1, tmp_path / "there"))
    assert known(here) == known(there)
    (kept,), (same,) = (
        (tmp_path / at / "weights").iterdir() for at in ("here", "there")
    )
    assert kept.read_bytes() == same.read_bytes()
    assert not list((tmp_path / "there" / "training").glob("*"))


def test_more_threads_than_any_machine_has_are_not_waited_for(monkeypatch):
    nodes = [{"Resources": {"CPU": 2.0}}, {"Resources": {"memory": 1.0}}]
    ended: list[bool] = []
    ray = SimpleNamespace(
        init=lambda **_: None, nodes=lambda: nodes, shutdown=lambda: ended.append(True)
    )
    monkeypatch.setitem(sys.modules, "ray", ray)
    taught = Lesson("{}", None, "", 3, threads=3)
    with pytest.raises(ResgenError, match=r"takes 3 threads, .* more than 2"):
        OnRay(taught).__enter__()
    assert ended
    with OnRay(replace(taught, threads=2)):
        pass


@pytest.mark.parametrize(
    ("address", "told", "hint"),
    [
        ("local", "does not start on this machine: it is busy", "less busy"),
        ("ray://head:10001", "cluster at ray://head:10001: it is busy", "ray status"),
    ],
)
def test_a_cluster_that_is_not_there_is_told(monkeypatch, address, told, hint):
    def busy(**_):
        raise ConnectionError("it is busy")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=busy))
    with pytest.raises(ResgenError) as error:
        OnRay(Lesson("{}", None, "", 3), address)
    assert told in error.value.message
    assert hint in error.value.hint


def test_without_ray_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingComponent, match="Ray is not installed") as missing:
        load_ray()
    assert missing.value.exit_code == 3
    assert missing.value.hint == 'pip install "resgen[ray]"'
