"""resgen compare: a verdict, its reasons, and conditions that fail a build."""

from __future__ import annotations

import json

import pytest
from small_subject import measure_here, onnx_file

import resgen
from resgen.api import compare as _compare
from resgen.profiling.comparison.compare import Measured, Pair
from resgen.profiling.comparison.waterfall import Waterfall
from resgen.profiling.statistics.decide import decide, floor
from resgen.records.comparison import Difference


@pytest.fixture
def told(monkeypatch):
    """Let the pairs have the ratios that a test says, and no process start."""

    def tell(ratios, alike=(1.001, 0.999, 1.002, 0.998), steps=()):
        pairs = [Pair(5e-3, 5e-3 * r, ((5e-3,), (5e-3 * r,) * 300)) for r in ratios]
        same = [Pair(5e-3, 5e-3 * r, ((5e-3,), (5e-3 * r,))) for r in alike]
        decision = decide(ratios, floor(alike), level=0.99)
        found = Measured(tuple(pairs), tuple(same), decision, 12.0, ("a note",))
        monkeypatch.setattr(_compare, "measured", lambda *a, **k: found)
        monkeypatch.setattr(_compare, "waterfall", lambda *a, **k: Waterfall(steps))

    return tell


@pytest.fixture
def files(here):
    onnx_file(here / "old.onnx", "old")
    onnx_file(here / "new.onnx", "new")
    return here


SLOWER = [1.08 + n / 1000 for n in range(8)]
EQUAL = [1.0 + (-1) ** n / 5000 for n in range(8)]


def test_a_slower_network_is_told_with_its_reasons(run, here, told):
    (here / "other.json").write_text(
        (here / "mine.json").read_text().replace('"mine"', '"other"')
    )
    steps = (
        Difference("stem", 1.9e-3, 1e-4, "three 3x3 conv instead of one 7x7 conv"),
        Difference("the rest", -1e-4, 1e-3, "within noise"),
    )
    told(SLOWER, steps=steps)
    done = run("compare", "mine.json", "other.json")
    assert done.exit_code == 0, done.output
    text = done.stdout
    assert "other is slower than mine: 1.08" in text
    assert "99 % interval" in text
    assert "8 pairs of processes, ABBA · A/A floor" in text
    assert "+1.900 ms   three 3x3 conv instead of one 7x7 conv" in text
    assert "-0.100 ms   within noise" in text
    assert "a note" in text


def test_a_network_is_compared_with_what_is_left_of_it(run, here, told):
    resgen.shrink("mine.json", "small", macs=0.8, verify=False)
    told(EQUAL)
    done = run("compare", "mine.json", "small")
    assert done.exit_code == 0, done.output


def test_a_network_beside_itself_is_told_as_one(run, here, told):
    told(EQUAL)
    same = run("compare", "mine.json", "mine.json").stdout
    assert "A and B are the same network" in same
    (here / "other.json").write_text(
        (here / "mine.json").read_text().replace('"mine"', '"other"')
    )
    assert "the same network" not in run("compare", "mine.json", "other.json").stdout


def test_json_says_all_of_it(run, files, told):
    told(SLOWER)
    done = run("compare", "old.onnx", "new.onnx", "--json", "--fail-if", "slower")
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    assert document["verdict"] == "slower"
    assert document["interval"][0] < document["ratio"] < document["interval"][1]
    assert len(document["pairs"]) == 8
    assert len(document["alike"]) == 4
    assert (document["a"]["name"], document["b"]["name"]) == ("old", "new")
    assert document["failed"] == ["the verdict is slower"]
    assert "fails: the verdict is slower" in done.stderr


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("slower", 0),
        ("equal", 1),
        ("p99>50ms", 0),
        ("p99>1ms", 1),
        ("macs>1G", 0),
        ("macs>1k", 1),
        ("unquantised-additions>1", 0),
        ("unquantised-additions>0", 1),
    ],
)
def test_a_build_fails_on_what_it_is_told_to(run, files, told, condition, code):
    told(EQUAL)
    done = run("compare", "old.onnx", "new.onnx", "--fail-if", condition)
    assert done.exit_code == code, done.output


def test_what_is_undecided_says_how_much_longer_it_takes(run, files, told):
    told([1.0, 1.02, 0.99, 1.03, 1.01, 1.0, 1.02, 1.0])
    done = run("compare", "old.onnx", "new.onnx")
    assert "undecided" in done.stdout
    assert "s in all, would decide it" in done.stdout


def test_two_of_one_name_are_told_apart(run, here, told):
    told(EQUAL)
    both = run("compare", "mine.json", "mine.json")
    assert "mine (B) and mine (A) are equal within the floor" in both.stdout


def test_one_network_is_compared_on_two_engines(run, here, told):
    told(EQUAL)
    engines = ("--runtime", "onnxruntime", "--runtime", "stand_in_engines.named")
    done = run("compare", "mine.json", "mine.json", *engines)
    assert "mine stand_in_engines.named and mine onnxruntime are equal" in done.stdout
    found = run("compare", "mine.json", "mine.json", *engines, "--json")
    sides = [json.loads(found.stdout)[side]["runtime"] for side in "ab"]
    assert sides == ["onnxruntime", "stand_in_engines.named"]
    assert run("compare", "mine.json", "mine.json", *engines, *engines).exit_code == 2


@pytest.mark.slow
def test_what_is_measured_gives_the_verdict(run, files, monkeypatch):
    measure_here(monkeypatch)
    onnx_file(files / "fast.onnx", "x-2")
    onnx_file(files / "slow.onnx", "x-20")
    done = run(
        "compare", "fast.onnx", "slow.onnx", "--time", "1",
        "--runtime", "stand_in_engines.named", "--fail-if", "slower",
    )  # fmt: skip
    assert done.exit_code == 1, done.output
    assert "slow is slower than fast" in done.stdout


@pytest.mark.slow
def test_reports_of_two_sessions_are_undecided(run, here, monkeypatch):
    measure_here(monkeypatch)
    for name in ("a", "b"):
        words = ("--time", "0.3", "--threads", "1", "--no-operators", "-o", name)
        assert run("profile", "mine.json", *words).exit_code == 0
    done = run("compare", "a/report.json", "b/report.json")
    assert done.exit_code == 0
    assert "undecided: the two were measured in different sessions" in done.stdout
    done = run(
        "compare", "a/report.json", "b/report.json", "--json",
        "--fail-if", "undecided", "--fail-if", "macs>1T",
    )  # fmt: skip
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    assert document["verdict"] == "undecided"
    assert document["runs"][0]["ratio"] > 0
    reports = ("a/report.json", "b/report.json")
    assert run("compare", *reports, "-o", "both.html").exit_code == 0
    assert "which one is faster is not known" in (here / "both.html").read_text("utf-8")
    done = run("compare", "a/report.json", "mine.json")
    assert done.exit_code == 2
    assert "is a saved report and the other is not" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["resnet5", "resnet50"], 1, "did you mean"),
        (["mine.json", "no.onnx"], 1, "does not exist"),
        (["mine.json", "mine.json", "--fail-if", "slowr"], 2, "is no condition"),
        (["mine.json", "mine.json", "--fail-if", "p99>"], 2, "  p99>5ms, say"),
        (["mine.json", "mine.json", "--fail-if", "macs"], 2, "  macs>4.2G, say"),
        (["mine.json", "mine.json", "--device", "cuda"], 3, "no NVIDIA GPU"),
    ],
)
def test_what_cannot_be_compared_is_said(run, here, words, code, message):
    done = run("compare", *words)
    assert done.exit_code == code, done.output
    assert message in done.stderr


def test_a_part_that_neither_has_is_refused_before_anything_is_timed(
    run, files, monkeypatch
):
    monkeypatch.setattr(_compare, "measured", lambda *a, **k: pytest.fail("timed"))
    done = run("compare", "mine.json", "new.onnx", "--part", "stm")
    assert done.exit_code == 2, done.output
    assert 'neither network has a part "stm"; did you mean "stem"?' in done.stderr


def test_parts_are_told_where_the_verdict_is_open(run, files, told):
    steps = (Difference("layer1", 1e-5, 3e-5, "within noise"),)
    told([0.9, 1.2, 0.8, 1.3, 1.0, 0.7, 1.4, 1.1], steps=steps)
    done = run("compare", "old.onnx", "new.onnx", "--part", "layer1", "--json")
    document = json.loads(done.stdout)
    assert document["verdict"] == "undecided"
    assert [part["part"] for part in document["differences"]] == ["layer1"]


def test_python_has_the_same_answer(files, told):
    told(SLOWER, steps=(Difference("stem", 1.9e-3, 1e-4, "three instead of one"),))
    found = resgen.compare("old.onnx", "new.onnx", fail_if=["slower"])
    assert found.verdict == "slower"
    assert found.failed == ("the verdict is slower",)
    assert "+1.900 ms   three instead of one" in str(found)
    assert found.to_dict()["verdict"] == "slower"
    with pytest.raises(resgen.ResgenError, match="time: 0 is not a number"):
        resgen.compare("old.onnx", "new.onnx", time=0)


@pytest.mark.parametrize("name", ["x.html", "x.md", "x.csv", "x.json"])
def test_it_is_written_as_the_name_says(run, files, told, name):
    told(SLOWER, steps=(Difference("stem", 1.9e-3, 1e-4, "three instead of one"),))
    done = run("compare", "old.onnx", "new.onnx", "-o", name)
    assert done.exit_code == 0, done.output
    assert (files / name).stat().st_size > 0
    if name == "x.json":
        again = run("report", name, "-o", "again.html")
        assert again.exit_code == 0, again.output
        assert "three instead of one" in (files / "again.html").read_text("utf-8")
        document = json.loads((files / name).read_text("utf-8"))
        asked = ["resgen", "compare", "old.onnx", "new.onnx", "--out", "x.json"]
        assert document["command"] == asked
        assert document["b"]["bytes"] == (files / "new.onnx").stat().st_size


@pytest.mark.parametrize("name", ["x.pdf", "none/x.html"])
def test_where_it_cannot_be_written_is_said_before_anything_runs(run, files, name):
    done = run("compare", "old.onnx", "new.onnx", "-o", name)
    assert done.exit_code in (1, 2)
    assert name in done.stderr
