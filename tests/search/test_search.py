"""Searches: what they find, what they share, and what survives a kill."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations, product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from lessons import CLASSES, blobs
from safetensors.numpy import load_file

import resgen
from resgen.api import raced
from resgen.api.asked.search import SCORES, Searching
from resgen.cli import main
from resgen.diagnosis.diagnose import threads
from resgen.errors import MissingComponent, UsageError
from resgen.graph.ir import Graph
from resgen.latency import measure
from resgen.latency.choosing import Timed
from resgen.latency.table import TABLE, Conditions, Record
from resgen.machine.place import HERE, Place
from resgen.searching import cluster, samplers, scores
from resgen.searching.journal import Journal, Trial
from resgen.searching.price import Bounds
from resgen.searching.reading import load
from resgen.searching.samplers import RandomSampler
from resgen.searching.space import Genes
from resgen.searching.training import Lesson, files
from resgen.searching.work import CONTROL, Plan, Searcher
from resgen.spec.source import plain

BASE = {"extends": "resnet20_cifar", "defaults": {"shortcut": "projection"}}
SPACE: dict[str, Any] = {
    "base": BASE,
    "vary": {
        "/stages/*/depth": [1, 2, 3],
        "/stages/*/width": {"from": 8, "to": 64, "step": 8},
    },
    "where": ["width[0] <= width[1] <= width[2]"],
}
SMALL: dict[str, Any] = {
    "base": BASE,
    "vary": {"/stages/*/depth": [1, 3], "/stages/0/width": [8, 16]},
}


def plan(folder: Path, **told: Any) -> Plan:
    usual: dict[str, Any] = {
        "space": SPACE, "journal": folder / "journal.jsonl",
        "bounds": Bounds(macs=2e7), "score": "params", "sampler": "random",
        "trials": 200, "seed": 1,
    }  # fmt: skip
    return Plan(**{**usual, **told})


def trials(journal: Journal) -> set[tuple[str, Trial]]:
    """All that a journal tells, but for details, which do not hash."""
    return {
        (arm, trial.genes, trial.price, trial.score)  # type: ignore[misc]
        for (arm, _), batch in journal.batches.items()
        for trial in batch.trials
    }


def test_of_a_space_that_is_looked_at_whole_the_best_is_named(tmp_path: Path) -> None:
    found = resgen.search(
        SMALL, budget={"macs": "20M"}, measure=False, out=tmp_path / "found"
    )
    space = load(SMALL)
    whole = [
        resgen.analyse(resgen.expand(resgen.load(plain(space.tree(genes)))))
        for genes in product(range(2), repeat=4)
    ]
    best = max((each for each in whole if each.macs <= 20e6), key=lambda e: e.params)
    named = resgen.analyse(resgen.expand(resgen.load(found.spec)))
    assert (named.params, named.macs) == (best.params, best.macs)
    outcome = found.outcome
    assert (outcome.sampler, outcome.drawn, outcome.chance) == ("grid", 16, 0)
    assert outcome.within + sum(outcome.refused.values()) == 16
    assert outcome.refused["macs"] == sum(each.macs > 20e6 for each in whole)
    page = (tmp_path / "found" / "search.html").read_text("utf-8")
    assert outcome.winners[0].name in page
    told = json.loads((tmp_path / "found" / "search.json").read_text("utf-8"))
    assert told["winners"][0]["price"]["params"] == best.params


def test_evolution_finds_more_within_a_budget_than_chance(tmp_path: Path) -> None:
    found = resgen.search(
        SPACE, budget="macs=10M", trials=600, measure=False, processes=1,
        out=tmp_path / "found",
    )  # fmt: skip
    versus = found.outcome.against_chance
    assert versus is not None
    assert versus.more > 0
    assert versus.verdict in ("better", "undecided")
    assert found.outcome.drawn == found.outcome.chance == 600
    assert found.outcome.by_chance is not None
    assert found.outcome.winners[0].score >= found.outcome.by_chance.score


WORK = """
import sys, pickle
from resgen.searching.work import Searcher
Searcher(pickle.load(sys.stdin.buffer)).run()
"""


def start(told: Plan) -> subprocess.Popen[bytes]:
    import pickle

    made = subprocess.Popen([sys.executable, "-c", WORK], stdin=subprocess.PIPE)
    assert made.stdin is not None
    pickle.dump(told, made.stdin)
    made.stdin.close()
    return made


def test_two_processes_share_a_journal_and_one_is_killed(tmp_path: Path) -> None:
    alone = Searcher(plan(tmp_path / "alone", journal=tmp_path / "alone.jsonl"))
    alone.run()
    told = plan(tmp_path)
    one, other = start(told), start(told)
    while not told.journal.exists() or b"claim" not in told.journal.read_bytes():
        time.sleep(0.01)
    one.send_signal(signal.SIGKILL)
    one.wait()
    assert other.wait() == 0
    searcher = Searcher(told)
    assert searcher.journal.claim(told.arms(), told.size) is None  # nothing is left
    assert trials(searcher.journal) == trials(alone.journal)
    lines = [json.loads(line) for line in told.journal.read_text().splitlines()]
    done = [
        (line["batch"]["arm"], line["batch"]["number"])
        for line in lines
        if "batch" in line
    ]
    assert len(done) == len(set(done)) == len(told.arms())


def test_with_more_trials_a_search_goes_further(tmp_path: Path) -> None:
    told = plan(tmp_path, sampler="grid", trials=60, space={**SPACE, "where": []})
    Searcher(told).run()
    more = plan(tmp_path, sampler="grid", trials=130, space={**SPACE, "where": []})
    searcher = Searcher(more)
    before = trials(searcher.journal)
    searcher.run()
    assert before <= trials(searcher.journal)
    asked = [g for b in searcher.journal.batches.values() for g in b.trials]
    assert len({each.genes for each in asked}) == len(asked)
    assert sum(b.drawn for b in searcher.journal.batches.values()) == 130


def test_half_a_line_of_a_killed_writer_goes(tmp_path: Path) -> None:
    told = plan(tmp_path, trials=8)
    Searcher(told).run()
    whole = told.journal.read_text()
    *lines, last = whole.splitlines(keepends=True)
    told.journal.write_text("".join(lines) + last[: len(last) // 2])
    again = Searcher(told)
    again.run()
    assert trials(again.journal) == trials(Searcher(told).journal)
    assert all(json.loads(line) for line in told.journal.read_text().splitlines())


def test_a_journal_of_another_search_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "found"
    resgen.search(SMALL, measure=False, out=out)
    with pytest.raises(resgen.ResgenError, match="of another space"):
        resgen.search({**SMALL, "where": ["depth[0] > 1"]}, measure=False, out=out)
    with pytest.raises(resgen.ResgenError, match="score was params, and is macs now"):
        resgen.search(SMALL, measure=False, out=out, score="macs")
    (out / "journal.jsonl").write_text("[1]\n")
    with pytest.raises(resgen.ResgenError, match="no journal of a search"):
        resgen.search(SMALL, measure=False, out=out)


def test_a_budget_that_nothing_meets_says_what_binds(tmp_path: Path) -> None:
    with pytest.raises(resgen.ResgenError) as refused:
        resgen.search(
            SMALL, budget="macs=1M,params=1G", measure=False, out=tmp_path / "found"
        )
    assert "none of 16 candidates is within the budget" in refused.value.message
    assert "what binds is macs (16)" in refused.value.message
    cheapest = resgen.load(plain(load(SMALL).tree((0, 0, 0, 0))))
    macs = resgen.analyse(resgen.expand(cheapest)).macs
    assert f"{macs / 1e6:.2f} MMACs" in (refused.value.hint or "")


def test_a_space_without_a_network_is_refused_at_its_line(tmp_path: Path) -> None:
    file = tmp_path / "space.json"
    file.write_text(
        '{"base": "resnet50",\n "vary": {"/stages/*/widht": [64, 128]}}', "utf-8"
    )
    with pytest.raises(resgen.SpecError) as refused:
        resgen.search(file, measure=False, out=tmp_path / "found")
    first = refused.value.problems[0]
    assert (first.place.file, first.place.line) == (str(file), 2)
    assert 'did you mean "width"?' in first.message
    assert not (tmp_path / "found").exists()


class Machine:
    """One that does 10 G multiply-adds a second, but for a network that it is slow on.

    Those beside each other are undecided.
    """

    def __init__(self) -> None:
        self.timed: list[str] = []
        self.notes: tuple[str, ...] = ()

    def __call__(self, graph: Graph, *_: Any) -> Timed:
        self.timed.append(graph.name)
        took = resgen.analyse(graph).macs / 10e9
        return Timed(took, 1.05 * took, self.notes)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    made = Machine()

    def undecided(_: Any, pairs: Sequence[Any], *__: Any) -> list[Any]:
        said = SimpleNamespace(verdict="undecided", ratio=1.01, interval=(0.9, 1.1))
        return [SimpleNamespace(decision=said) for _ in pairs]

    monkeypatch.setattr(raced, "TIMED", 8)
    monkeypatch.setattr(measure, "timed", made)
    monkeypatch.setattr(raced, "beside", undecided)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made


def test_a_latency_is_promised_by_a_measurement(
    machine: Machine, tmp_path: Path
) -> None:
    asked = {"budget": "latency=2ms", "threads": 1, "trials": 200, "processes": 1}
    found = resgen.search(SPACE, **asked, out=tmp_path / "found")
    assert found.sure
    best = found.outcome.winners[0]
    assert best.latency is not None
    assert best.latency[1] <= 2e-3
    assert best.latency[0] == pytest.approx(best.price.macs / 10e9)
    assert found.outcome.conditions is not None
    named = found.outcome.winners
    assert [(each.name, each.than) for each in found.outcome.beside] == [
        (one.name, than.name) for one, than in combinations(named, 2)
    ]
    assert {each.verdict for each in found.outcome.beside} == {"undecided"}
    machine.notes = ("another program runs",)
    (tmp_path / "cache").rename(tmp_path / "gone")
    again = resgen.search(SPACE, **asked, out=tmp_path / "found")
    assert not again.sure
    assert "another program runs" in "\n".join(again.lines())
    with pytest.raises(resgen.ResgenError, match="the nearest, 95 % of runs"):
        resgen.search(
            SPACE, **{**asked, "budget": "latency=1us"}, out=tmp_path / "found"
        )


def test_minutes_begin_when_the_device_is_held(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0

    @contextmanager
    def waited_for(*_: Any) -> Iterator[Place]:
        nonlocal now
        now += 3600.0
        yield HERE

    monkeypatch.setattr(raced, "leased", waited_for)
    monkeypatch.setattr(raced, "time", SimpleNamespace(monotonic=lambda: now))
    found = resgen.search(
        SMALL, budget="latency=1s", threads=1, minutes=1, out=tmp_path / "found"
    )
    assert found.sure
    assert found.outcome.beside


def test_the_best_of_chance_is_measured_beside_the_best_first(
    machine: Machine, tmp_path: Path
) -> None:
    found = resgen.search(
        SPACE, sampler="evolution", budget="macs=20M", trials=100, processes=1,
        threads=1, out=tmp_path / "found",
    ).outcome  # fmt: skip
    assert found.by_chance is not None
    assert found.by_chance.name != found.winners[0].name
    first = found.beside[0]
    assert (first.name, first.than) == (found.winners[0].name, found.by_chance.name)
    assert len(found.beside) == 6


@pytest.mark.parametrize("budget", [None, "latency=1s"])
def test_the_best_that_was_looked_at_is_named_though_chance_found_it(
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    budget: str | None,
) -> None:
    """With a sampler that finds nothing good, chance has the best."""

    class Poor(RandomSampler):
        def ask(self) -> Genes:
            return (0,) * 6

    monkeypatch.setattr(samplers, "EvolutionSampler", lambda *given: Poor(*given[:2]))
    # As if a table predicted the latency that is bounded.
    monkeypatch.setattr(Searching, "blind", False)
    out = tmp_path / "found"
    found = resgen.search(
        SPACE, sampler="evolution", trials=200, processes=1, threads=1, budget=budget,
        out=out,
    )  # fmt: skip
    rows = (out / "journal.jsonl").read_text("utf-8").splitlines()
    scores = [
        trial["score"]
        for row in map(json.loads, rows)
        for trial in row.get("batch", {}).get("trials", ())
    ]
    best = found.outcome.winners[0]
    assert best.score == max(scores)
    assert best == found.outcome.by_chance
    assert resgen.analyse(resgen.expand(resgen.load(found.spec))).params == best.score
    names = [each.name for each in found.outcome.winners]
    assert len(set(names)) == len(names)
    assert found.outcome.against_chance is not None
    assert found.outcome.against_chance.verdict == "worse"


def test_an_unsteady_machine_is_no_doubt_where_no_latency_is_bounded(
    machine: Machine, tmp_path: Path
) -> None:
    machine.notes = ("another program runs",)
    found = resgen.search(SMALL, budget="macs=20M", threads=1, out=tmp_path / "found")
    assert found.outcome.winners[0].notes == machine.notes
    assert found.sure


def test_the_command_tells_what_the_function_does(tmp_path: Path) -> None:
    file = tmp_path / "space.json"
    file.write_text(json.dumps(SMALL), "utf-8")
    out = tmp_path / "found"
    words = ["search", str(file), "--no-measure", "-o", str(out), "--json", "-q"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["folder"] == str(out)
    assert (out / told["spec"]).is_file()
    wrong = CliRunner().invoke(main, [*words, "--budget", "latncy=8ms"])
    assert wrong.exit_code == 2
    assert 'did you mean "latency"?' in wrong.stderr


def test_a_latency_that_nothing_tells_of_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing tells of"):
        resgen.search(SMALL, budget="latency=8ms", measure=False)
    with pytest.raises(UsageError, match="learns nothing"):
        resgen.search(SMALL, budget="latency=8ms", sampler="evolution")


def test_a_table_of_other_conditions_is_refused_though_nothing_is_timed(
    tmp_path: Path,
) -> None:
    conditions = Conditions("onnxruntime", "1", "cpu", "some", 1, 1)
    file = tmp_path / "table.json"
    TABLE.save(Record(conditions, (), (), (), "2026-01-01T00:00:00Z", "0"), file)
    asked = {"table": file, "measure": False, "out": tmp_path / "found"}
    for other in ({"threads": 2}, {"batch": 8}, {"runtime": "other"}):
        with pytest.raises(resgen.ResgenError, match="1 thread, batch 1, fp32, not of"):
            resgen.search(SMALL, **asked, **other)
    assert not (tmp_path / "found").exists()


def test_what_is_for_timing_is_refused_where_nothing_is_timed() -> None:
    for name, value in {"runtime": "foo", "threads": 2, "minutes": 1}.items():
        with pytest.raises(UsageError, match="is for timing, which measure=False"):
            Searching(measure=False, **{name: value})
    Searching(measure=False, train=1, threads=2)


@pytest.mark.parametrize("sampler", ["random", "evolution", "grid"])
def test_as_many_are_looked_at_as_are_asked_for(tmp_path: Path, sampler: str) -> None:
    """Also where a search goes on in the middle of a batch, by two processes."""
    for number in (1, 75, 130):
        told = plan(tmp_path, sampler=sampler, trials=number, bounds=Bounds())
        one, other = Searcher(told), Searcher(told)
        piece = one.journal.claim(told.arms(), told.size)
        other.run()
        assert (piece is None) == (one.journal.left(told.arms(), told.size) == 0)
        one.run()
        drawn: Counter[str] = Counter()
        for batch in one.journal.batches.values():
            drawn[batch.arm.split()[0]] += batch.drawn
            held = len(batch.trials) + sum(batch.refused.values())
            assert held == batch.drawn
        learns = sampler == "evolution"
        assert drawn == {sampler: number, **({CONTROL: number} if learns else {})}
        assert trials(Searcher(told).journal) == trials(one.journal)


def test_candidates_that_are_no_networks_are_told_by_the_first(tmp_path: Path) -> None:
    """Groups of 3 divide no width of 64; whatever else varies."""
    space = {
        "base": "resnet20_cifar",
        "vary": {"/stages/1/groups": [1, 3], "/stages/*/depth": [1, 2]},
    }
    found = resgen.search(space, measure=False, out=tmp_path / "found")
    (fault,) = found.outcome.faults
    assert (fault.code, fault.number) == ("RG105", 8)
    assert fault.set["/stages/1/groups"] == 3
    with pytest.raises(resgen.SpecError) as wrong:
        resgen.expand(
            resgen.load(
                {"extends": "resnet20_cifar", "name": "first", "set": dict(fault.set)}
            )
        )
    assert fault.message == wrong.value.problems[0].message
    assert any(fault.message in line for line in found.lines())
    with pytest.raises(resgen.ResgenError) as nothing:
        resgen.search(space, budget="params=20k", measure=False, out=tmp_path / "none")
    assert f"RG105 8: {fault.message}" in nothing.value.message


def test_the_command_knows_every_score() -> None:
    assert set(SCORES.values) == set(scores.names())


LEARNED: dict[str, Any] = {
    "base": {
        "resgen": 1,
        "name": "corners",
        "input": [1, 6, 6],
        "let": {"width": 1, "pool": 1},
        "stem": [
            {"op": "conv", "out": "width", "kernel": 3},
            {"op": "norm"},
            {"op": "act"},
        ],
        "stages": [],
        "head": [
            {"op": "adaptive_avg_pool", "size": "pool"},
            {"op": "flatten"},
            {"op": "linear", "out": CLASSES},
        ],
    },
    "vary": {"/let/pool": [1, 2], "/let/width": [2, 4, 8]},
}


def learned(folder: Path, data: Path, **options: Any) -> Any:
    how = {"contenders": 6, "threads": 1, **options}
    return resgen.search(
        LEARNED, score="params", train=3, data=str(data), measure=False, winners=2,
        processes=1, out=folder, **how,
    )  # fmt: skip


def test_what_is_trained_is_judged_by_what_it_learns(tmp_path: Path) -> None:
    data = blobs(tmp_path / "blobs.npz")
    found = learned(tmp_path / "found", data)
    trained = found.outcome.trained
    assert [rung.rung.trials for rung in trained.rungs] == [6]
    best = found.outcome.winners[0]
    assert best.set["/let/pool"] == 2
    assert {trained.last(f.name).count for f in found.outcome.winners} == {16}
    right, of = trained.last(best.name).unseen
    (said,) = (line for line in found.lines() if line.startswith(f"{best.name} tells"))
    assert f"of {of} examples that chose nothing" in said
    assert f"{right / of:.1%}".replace("%", " %") in said
    assert found.spec.stem == best.name
    told = json.loads((tmp_path / "found" / "search.json").read_text("utf-8"))
    assert told["trained"]["rungs"][0]["reached"][0]["trial"] == best.name
    assert found.weights == found.spec.with_suffix(".safetensors")
    graph = resgen.expand(resgen.load(found.spec))
    model = resgen.to_torch(graph, load_file(found.weights)).eval()
    with np.load(data) as held:
        scores = model(torch.from_numpy(held["x"])).detach().numpy()
        assert (scores.argmax(1) == held["y"]).mean() > 0.7
    again = learned(tmp_path / "found", data)
    assert again.outcome.trained == trained


def test_what_is_to_be_learned_is_asked_of_a_candidate_that_is_a_network(
    tmp_path: Path,
) -> None:
    """Half of this space are none: a window is larger than the picture."""
    stem = [
        *LEARNED["base"]["stem"],
        {"op": "max_pool", "kernel": "pool", "padding": 0},
    ]
    base = {**LEARNED["base"], "stem": stem}
    varied = {"/let/pool": [7, 8, 2], "/let/width": [2, 4, 8]}
    data = blobs(tmp_path / "blobs.npz")
    found = resgen.search(
        {"base": base, "vary": varied}, score="params", train=1, data=str(data),
        measure=False, winners=1, processes=1, threads=1, contenders=2,
        trials=12, out=tmp_path / "found",
    )  # fmt: skip
    assert found.outcome.winners[0].set["/let/pool"] == 2


class Tasks:
    """A cluster of this process: what its tasks do, on other threads by default."""

    width = 2

    def __init__(self, lesson: Lesson, address: str) -> None:
        self.lesson = lesson

    def __enter__(self) -> Tasks:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def train(
        self, trials: Any, lesson: Lesson, until: int, folder: Path
    ) -> Iterator[Any]:
        for trial in trials:
            with threads(3):
                reached, *held = cluster._advanced(trial, lesson, until, None)
            for place, content in zip(files(trial, lesson, folder), held, strict=True):
                place.parent.mkdir(exist_ok=True)
                place.write_bytes(content)
            yield reached


@pytest.mark.parametrize("said", [{}, {"threads": 2}])
def test_a_trial_ends_with_the_same_bytes_here_and_on_a_cluster(
    tmp_path: Path, monkeypatch: Any, said: dict[str, int]
) -> None:
    monkeypatch.setattr("resgen.machine.cores.usable", lambda _: 4)
    monkeypatch.setattr("resgen.api.trained.OnRay", Tasks)
    monkeypatch.setattr("resgen.api.trained.load_ray", lambda: None)
    data = blobs(tmp_path / "blobs.npz")
    how = {"contenders": 2, "threads": None, **said}
    here = learned(tmp_path / "here", data, **how)
    there = learned(tmp_path / "there", data, cluster="local", **how)
    names = [[p.name for p in f.folder.glob("trained-*")] for f in (here, there)]
    assert names[0] == names[1]  # which is of all that a trial depends on
    assert here.weights.read_bytes() == there.weights.read_bytes()
    for found in (here, there):
        told = json.loads((found.folder / "search.json").read_text("utf-8"))
        assert told["trained"]["threads"] == said.get("threads", 1)


def test_without_ray_nothing_is_looked_at(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    data = blobs(tmp_path / "blobs.npz")
    with pytest.raises(MissingComponent, match="Ray is not installed"):
        learned(tmp_path / "found", data, cluster="local")
    assert not (tmp_path / "found").exists()


def test_training_is_asked_for_and_its_data_are_read_first(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is for training"):
        resgen.search(LEARNED, data="digits", out=tmp_path / "found")
    with pytest.raises(resgen.ResgenError, match=r"none\.npz"):
        learned(tmp_path / "found", tmp_path / "none.npz")
    assert not (tmp_path / "found").exists()
