"""Which of two is faster: the verdict, its budget, and what it is made of."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest
import scipy.stats
from small_subject import SPEC, find_stand_ins, measure_here, onnx_file

from resgen.artifact.manifest import Calibration, Manifest, Onnx, write
from resgen.artifact.prepare import Wanted, prepared
from resgen.errors import ResgenError, UsageError
from resgen.graph.precision import Precision
from resgen.profiling.bench import Job
from resgen.profiling.comparison import compare
from resgen.profiling.comparison.compare import MOST_FLOOR, Pair, measured
from resgen.profiling.comparison.conditions import additions, metrics_of, parse, unmet
from resgen.profiling.comparison.versus import accuracy_of
from resgen.profiling.comparison.waterfall import (
    Waterfall,
    by_part,
    difference,
    waterfall,
)
from resgen.profiling.statistics.decide import LEAST_PAIRS
from resgen.proof.accuracy import Accuracy
from resgen.proof.classes import Classes
from resgen.records.profile import Breakdown, OperatorTime, Part, Subject


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    find_stand_ins(monkeypatch)

    def make(*milliseconds, runtime="stand_in_engines.named"):
        found = []
        for each in milliseconds:
            path = onnx_file(tmp_path / f"x-{each}.onnx", f"x-{each}")
            with prepared(Wanted(str(path))) as subject:
                found.append(Job(subject, runtime))
        return found

    return make


@pytest.mark.slow
def test_what_is_slower_is_called_slower(jobs, monkeypatch):
    # So much slower that a machine which is busy with other tests cannot hide it; how
    # little is enough on a quiet one is in test_comparisons_soak.py.
    measure_here(monkeypatch)
    found = measured(*jobs(2, 20), seconds=2, seed=0)
    decision = found.decision
    assert decision.verdict == "slower"
    assert 4 < decision.ratio < 12
    assert decision.interval[0] < decision.ratio < decision.interval[1]
    assert len(found.pairs) >= LEAST_PAIRS
    assert len(found.alike) >= compare.LEAST_FLOOR_PAIRS
    assert found.medians[0] >= 2e-3 * 0.9
    assert found.seconds > 0


class Ratios:
    """Pairs without processes, as they are told."""

    def __init__(self, monkeypatch, effect, alike):
        self.effect, self.alike = iter(effect), iter(alike)

        def add(contest, seconds, *, same):
            ratio = next(self.alike if same else self.effect)
            pair = Pair(1e-3, 1e-3 * ratio, ((1e-3,), (1e-3 * ratio,)))
            (contest.alike if same else contest.pairs).append(pair)

        monkeypatch.setattr(compare._Contest, "_add", add)


ALIKE = [1.001, 0.999, 1.002, 0.998, 1.0015, 0.9985]


def test_equal_is_within_what_a_differs_from_itself(monkeypatch, jobs):
    Ratios(monkeypatch, [1.0002, 0.9998] * 4, ALIKE)
    found = measured(*jobs(4, 4), seconds=100, seed=0)
    assert found.decision.verdict == "equal"
    assert len(found.pairs) == LEAST_PAIRS


def test_the_first_look_ends_what_is_clear(monkeypatch, jobs):
    Ratios(monkeypatch, [0.9 + n / 1000 for n in range(8)], ALIKE)
    found = measured(*jobs(4, 4), seconds=100, seed=0)
    assert found.decision.verdict == "faster"
    assert len(found.pairs) == LEAST_PAIRS


def test_what_is_open_gets_all_of_the_time(monkeypatch, jobs):
    doubtful = [1.0, 1.06] * 4
    Ratios(monkeypatch, doubtful + [1.03] * 400, ALIKE * 100)
    gone = property(lambda contest: 5.0 * len(contest.pairs + contest.alike))
    monkeypatch.setattr(compare._Contest, "gone", gone)
    found = measured(*jobs(4, 4), seconds=200, seed=0)
    assert found.decision.verdict == "slower"
    assert len(found.pairs) > 2 * LEAST_PAIRS
    # Pairs that both ran A keep up with the others.
    assert len(found.alike) == pytest.approx(0.75 * len(found.pairs), abs=2)


def test_several_are_compared_in_one_loop(monkeypatch, jobs):
    """No pair has a minute of the machine that the others have nothing of."""
    turns = []

    def add(contest, seconds, *, same):
        a, b = (int(j.prepared.subject.name[2:]) for j in (contest.a, contest.b))
        turns.append((a, b))
        ratio = next(alike) if same else b / a
        pair = Pair(1e-3, 1e-3 * ratio, ((1e-3,), (1e-3 * ratio,)))
        (contest.alike if same else contest.pairs).append(pair)

    alike = cycle(ALIKE)
    monkeypatch.setattr(compare._Contest, "_add", add)
    one, two, three = compare.among(
        tuple(jobs(4, 5, 6)), ((0, 1), (0, 2), (2, 1)), seconds=100, seed=0
    )
    assert [round(each.decision.ratio, 2) for each in (one, two, three)] == [
        1.25, 1.5, 0.83
    ]  # fmt: skip
    assert three.decision.verdict == "faster"
    assert turns == [(4, 5), (4, 6), (6, 5)] * compare.STEPS


def test_a_machine_that_is_not_fit_calls_nothing_equal(monkeypatch, jobs):
    Ratios(monkeypatch, [0.9, 1.1] * 200, [0.7, 1.4] * 200)
    found = measured(*jobs(4, 4), seconds=0, seed=0)
    assert found.decision.floor > MOST_FLOOR
    assert found.decision.verdict == "undecided"
    assert "too much to call anything equal" in found.notes[0]


def test_who_fails_is_named(jobs):
    good, bad = jobs(4, 5)
    bad = replace(bad, runtime="stand_in_engines.dying")
    with pytest.raises(ResgenError, match=r"x-5 on stand_in_engines\.dying.*SIGSEGV"):
        measured(good, bad, seconds=1)


# --- conditions -----------------------------------------------------------------------


def test_conditions_are_read_with_their_units():
    assert parse("slower").most is None
    assert parse("p99>5ms").most == pytest.approx(5e-3)
    assert parse("macs > 4.2G").most == pytest.approx(4.2e9)
    assert parse("bytes>3MiB").most == 3 << 20
    assert parse("reformats>0").most == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("slowr", 'did you mean "slower"'),
        ("p98>5ms", 'did you mean "p9'),
        ("p99>5", "times are in s, ms or us"),
        ("macs>4ms", "counts are in"),
        ("macs<4G", "how much is too much"),
        ("macs>1.2.3", "is not a number"),
    ],
)
def test_conditions_that_mean_nothing_are_refused(text, message):
    with pytest.raises(UsageError, match=message):
        parse(text)


def test_conditions_hold_or_not(tmp_path):
    subject = Subject(
        "b", "onnx", None, (3, 16, 16), macs=1000,
        parts=(
            Part("s", "section", "s", None, 1000, 700, ()),
            Part("s.0", "block", "s", None, 1000, 600, ()),
        ),
    )  # fmt: skip
    kernels = tuple(
        OperatorTime(name, name, 1e-3) for name in ("Conv", "ReorderInput", "Reorder")
    )
    breakdown = Breakdown("", kernels, (), 1.0, 3e-3)
    model = onnx_file(tmp_path / "x.onnx")
    seconds = [1e-3 * (1 + n * 37 % 1000 / 1000) for n in range(1000)]
    metrics = metrics_of(subject, seconds, model, lambda: breakdown)

    def fails(*texts, verdict="equal"):
        return unmet([parse(text) for text in texts], verdict, metrics)

    assert fails("slower", "macs>1000", "bytes>700", "p99>2ms", "reformats>2") == []
    assert fails("equal") == ["the verdict is equal"]
    assert len(fails("macs>999", "bytes>0.6k", "p99>1.9ms", "median>1.4ms")) == 4
    assert len(fails("reformats>1", "unquantised-additions>0")) == 2
    assert "is not known" in fails("params>5")[0]
    few = metrics_of(subject, seconds[:20], model, lambda: None)
    assert "p99 is not known" in unmet([parse("p99>2ms")], "equal", few)[0]
    # A part of which nothing is known makes the sum unknown, and not smaller.
    sizeless = replace(subject.parts[0], path="t", macs=None, bytes=None)
    open_ = replace(subject, parts=(*subject.parts, sizeless))
    metrics = metrics_of(open_, seconds, model, lambda: breakdown)
    assert "bytes is not known" in fails("bytes>1")[0]


def test_additions_that_are_quantised_are_none_of_the_unquantised(tmp_path):
    import json

    path = tmp_path / "small.json"
    path.write_text(json.dumps(SPEC))
    with prepared(Wanted(str(path))) as plain:
        assert additions(plain.model) == 2
    with prepared(Wanted(str(path), precision="int8")) as quantised:
        assert additions(quantised.model) == 0


# --- what makes the difference --------------------------------------------------------


def test_times_are_summed_by_stage_and_shortcuts_apart():
    rows = (
        OperatorTime("a", "Conv", 1.0, section="stem"),
        OperatorTime("b", "Conv", 2.0, section="layer1", block=0, role="branch"),
        OperatorTime("c", "Conv", 4.0, section="layer1", block=0, role="shortcut"),
        OperatorTime("d", "Conv", 8.0, across=("layer1", "layer2")),
        OperatorTime("e", "Conv", 16.0),
    )
    assert by_part(Breakdown("", rows, (), 1.0, 31.0)) == {
        "stem": 1.0, "layer1": 2.0, "shortcuts": 4.0, "across": 8.0, "unknown": 16.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ones", "others", "words"),
    [
        ({"7x7 conv": 1}, {"3x3 conv": 3}, "three 3x3 conv instead of one 7x7 conv"),
        ({"3x3 conv": 2}, {"3x3 conv": 2}, ""),
        ({"1x1 conv": 2}, {"1x1 conv": 12}, "10 1x1 conv more"),
        ({"1x1 conv": 1}, {}, "without one 1x1 conv"),
    ],
)
def test_what_was_built_otherwise_is_said(ones, others, words):
    assert difference(Counter(ones), Counter(others)) == words


def test_an_engine_whose_profiler_is_not_read_has_no_parts(jobs):
    with pytest.raises(ResgenError, match="profiler of Named is not read here"):
        waterfall(*jobs(3, 6))


def test_a_waterfall_is_over_the_builds_as_well(monkeypatch, jobs):
    opened = []

    class Charged:
        def __init__(self, worker):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def ask(self, name, job):
            opened.append(job.prepared.engine.name)
            return Breakdown("", (), (), 1.0, 0.0)

    monkeypatch.setattr("resgen.profiling.comparison.waterfall.Process", Charged)
    a, b = (
        replace(job, prepared=replace(job.prepared, builds=tuple(
            Path(f"{side}{n}") for n in range(4))))
        for job, side in zip(jobs(3, 6), "ab", strict=True)
    )  # fmt: skip
    assert waterfall(a, b) == Waterfall()
    assert opened == ["a0", "b0", "b1", "a1", "a2", "b2"]


@pytest.mark.slow
def test_a_deeper_stage_is_where_the_time_goes(tmp_path, monkeypatch):
    import json

    measure_here(monkeypatch)
    deep = json.loads(json.dumps(SPEC))
    deep["name"] = "deep"
    deep["stages"][0]["depth"] = 33  # so much that no noise of a busy machine is more
    for spec in (SPEC, deep):
        (tmp_path / f"{spec['name']}.json").write_text(json.dumps(spec))
    with (
        prepared(Wanted(str(tmp_path / "small.json"))) as ones,
        prepared(Wanted(str(tmp_path / "deep.json"))) as others,
    ):
        fall = waterfall(*(Job(subject, "onnxruntime") for subject in (ones, others)))
    first = fall.steps[0]
    assert first.part == "layer1"
    assert first.seconds > 0
    assert first.why == "64 3x3 conv more"
    assert {path for path, _ in first.blocks} <= {f"layer1.{n}" for n in range(33)}
    assert first.blocks
    times = {part.path: part for part in fall.parts}
    assert times["layer1"].second - times["layer1"].first == first.seconds
    sections = [part.path for part in fall.parts if part.kind == "section"]
    assert sections == ["stem", "layer1", "layer2", "head"]
    assert times["layer1.32"].first == 0 < times["layer1.32"].second


def test_the_accuracy_of_an_export_is_read_where_it_is_known(tmp_path):
    found = Accuracy(
        judge="onnxruntime", inputs=400, output="output", outputs={"output": 30.0},
        top1=(396, 400), interval=(0.97, 0.997),
        cosine=0.999, largest=0.1, p999=0.05, snr=30.0, blocks=(),
    )  # fmt: skip
    right = Classes(400, (308, 304), None, 0.01, (-0.002, 0.022))
    exported = Manifest(
        resgen="0.1.0", name="small", spec_sha256="0" * 64, seed=None,
        weights="best.pth", adapted=(), input=(3, 8, 8), precision=Precision("int8"),
        calibration=Calibration("photos", "minmax"), camera=None,
        onnx=Onnx(21, 10, None, False, ()),
        verified={"accuracy": {**found.to_json(), "measured_on": "pictures"}},
        form="onnx", options={}, made={}, files={}, versions={},
    )  # fmt: skip

    def known(manifest, precision="int8"):
        write(tmp_path, manifest)
        return accuracy_of(tmp_path, precision)

    same = known(exported)
    assert (same.counts, same.share, same.inputs) == ("same", 0.99, 400)
    assert same.interval == pytest.approx(proportion(396, 400))
    found = replace(found, classes=right)
    labelled = {"accuracy": {**found.to_json(), "measured_on": "pictures"}}
    told = known(replace(exported, verified=labelled))
    assert (told.counts, told.share, told.float32) == ("right", 0.76, 0.77)
    assert told.interval == pytest.approx(proportion(304, 400))
    assert told.output is None
    found = replace(found, top1_output="scores")
    several = {"accuracy": {**found.to_json(), "measured_on": "pictures"}}
    assert known(replace(exported, verified=several)).output == "scores"
    # What was measured at another precision, or of weights that nobody trained.
    assert known(exported, "fp32") is None
    assert known(replace(exported, weights="fresh", seed=0)) is None
    assert known(replace(exported, verified=None)) is None


def proportion(count, whole):
    ends = scipy.stats.binomtest(count, whole).proportion_ci(method="wilson")
    return ends.low, ends.high
