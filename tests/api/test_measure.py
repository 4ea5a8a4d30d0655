"""Times of blocks, and networks that are predicted from them."""

from __future__ import annotations

import json
from itertools import chain, count
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import resgen
from resgen.api import drawn
from resgen.cli import main
from resgen.errors import ResgenError, SpecError, UsageError
from resgen.graph.ir import Graph
from resgen.latency import measure
from resgen.latency.choosing import Timed
from resgen.latency.kernels import runs
from resgen.latency.measure import Looked
from resgen.latency.table import Conditions
from resgen.records.profile import OperatorTime
from resgen.searching.price import Bounds

SPACE = {
    "base": "resnet20_cifar",
    "name": "mine",
    "vary": {
        "/stages/*/depth": [1, 2, 3],
        "/stages/*/width": {"from": 8, "to": 64, "step": 8},
    },
}


def machine(graph: Graph, conditions: Conditions) -> Looked:
    """A machine of 40 GMACs a second that never rests."""
    ran = [(run.nodes[0].name, 1e-5 + run.kernel.macs / 40e9) for run in runs(graph)]
    operators = tuple(OperatorTime(name, "", took, (name,)) for name, took in ran)
    return Looked(sum(took for _, took in ran), operators, ())


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are timed by a machine of our own; a second goes by for each."""
    seconds = chain([0], count())
    clock = SimpleNamespace(monotonic=lambda: float(next(seconds)))
    monkeypatch.setattr("resgen.api.measure.time", clock)
    monkeypatch.setattr(measure, "looked", machine)
    monkeypatch.setattr(
        measure, "timed", lambda g, c, _: Timed(machine(g, c).seconds, 0.0)
    )


@pytest.mark.usefixtures("steady")
def test_a_space_is_timed_by_candidates_of_which_some_are_held_out(
    tmp_path: Path,
) -> None:
    found = resgen.measure(SPACE, out=tmp_path / "t.json", minutes=0.4, threads=1)
    networks = [network.name for network in found.table.record.networks]
    assert len(set(networks)) == len(networks) > 12
    assert all(name.startswith("mine-") for name in networks)
    checks = found.checks.each
    assert [check.name for check in checks] == networks[-len(checks) :]
    assert {len(check.took) for check in checks} == {3}
    assert found.checks.close() == found.checks.steady() == 1.0
    assert found.to_dict()["checks"]["inside_their_interval"] >= 0.75
    assert "held out: 100 % within 5 %" in str(found)


@pytest.mark.usefixtures("steady")
def test_in_a_moment_the_network_that_is_named_is_timed(tmp_path: Path) -> None:
    """There is nothing to predict it by, and so nothing to check."""
    out = tmp_path / "t.json"
    found = resgen.measure("resnet20_cifar", out=out, minutes=0.01, threads=1)
    assert [each.name for each in found.table.record.networks] == ["resnet20_cifar"]
    assert found.checks.each == ()


@pytest.mark.usefixtures("steady")
def test_a_table_of_8_bits_is_no_table_of_floats(tmp_path: Path) -> None:
    """What is timed is told of the form that it has."""
    out = tmp_path / "t.json"
    of = {"out": out, "minutes": 0.01, "threads": 1}
    found = resgen.measure("resnet20_cifar", precision="int8", **of)
    assert found.table.conditions.precision == "int8"
    assert str(found).splitlines()[0].endswith(", batch 1, int8")
    with pytest.raises(ResgenError, match=r"not of .* fp32"):
        resgen.measure("resnet20_cifar", **of)


def test_candidates_are_within_the_budget_and_each_comes_once() -> None:
    vary = {"/stages/0/depth": [1, 2, 3], "/stages/2/depth": [1, 2, 3]}
    space = {"base": "resnet20_cifar", "vary": vary}
    params = [resgen.analyse(graph).params for graph in drawn.graphs([space], Bounds())]
    assert len(set(params)) == len(params) == 9
    within = sorted(params)[:4]
    small = drawn.graphs([space], Bounds(params=within[-1]))
    assert sorted(resgen.analyse(graph).params for graph in small) == within


def test_specs_and_spaces_take_turns() -> None:
    graphs = drawn.graphs(["resnet20_cifar", SPACE])
    names = [next(graphs).name for _ in range(4)]
    assert names[::2] == ["resnet20_cifar"] * 2
    assert all(name.startswith("mine-") for name in names[1::2])


def test_a_mistake_in_a_space_is_told_before_anything_is_timed(tmp_path: Path) -> None:
    wrong = {"base": "resnet20_cifar", "vary": {"/stages/*/depht": [1, 2]}}
    with pytest.raises(SpecError, match="depht"):
        resgen.measure(wrong, out=tmp_path / "t.json")


def test_a_latency_bounds_nothing_that_is_measured() -> None:
    with pytest.raises(UsageError, match="which is what is measured"):
        resgen.measure(SPACE, budget="latency=8ms")


@pytest.mark.slow
def test_a_spec_is_predicted_from_what_was_timed(tmp_path: Path) -> None:
    path, told = tmp_path / "table.json", []
    spec = json.loads(Path("specs/cifar/resnet20_cifar.json").read_text())
    spec["stages"] = [{"width": 16, "depth": 1}, {"width": 32, "depth": 1}]
    found = resgen.measure(
        spec, out=path, minutes=0.05, threads=1, progress=told.append
    )
    assert any("resnet20_cifar" in line for line in told)
    assert found.to_dict()["networks"] >= 1
    seen = resgen.inspect(spec, latency=path, vary={"/stages/0/depth": [1, 3]})
    assert seen.latency is not None
    took = found.table.record.networks[0].seconds
    assert seen.latency.seconds == pytest.approx(took, rel=0.5)
    shallow, deep = (variant.latency for variant in seen.variants)
    assert shallow is not None
    assert deep is not None
    assert shallow.seconds < deep.seconds
    assert "latency" in str(seen)
    document = json.loads(json.dumps(seen.to_dict()))
    assert [p["path"] for p in document["latency"]["parts"] if p["kind"] == "section"]


def test_nothing_is_no_spec() -> None:
    with pytest.raises(UsageError, match="zoo"):
        resgen.measure([])


def test_what_is_no_table_is_told(tmp_path: Path) -> None:
    path = tmp_path / "no.json"
    path.write_text("{}")
    done = CliRunner().invoke(main, ["inspect", "resnet18", "--latency", str(path)])
    assert done.exit_code == 1
    assert "resgen measure blocks" in done.output


def test_a_spec_that_is_none_is_told_before_anything_is_timed(tmp_path: Path) -> None:
    out = str(tmp_path / "t.json")
    done = CliRunner().invoke(main, ["measure", "blocks", "resnet81", "-o", out])
    assert done.exit_code == 1
    assert not Path(out).exists()
