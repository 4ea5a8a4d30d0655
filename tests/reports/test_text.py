"""The same record as Markdown and as CSV, and the sentences that begin a report."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from reports.looking import assert_sound_tables
from reports.make import NASTY, record, run

from resgen.reports.forms import rendered
from resgen.reports.profile.markdown import render
from resgen.reports.profile.naming import compare, titles
from resgen.reports.profile.summary import sentences
from resgen.reports.profile.terminal import lines
from resgen.words.numbers import digits, flat, interval, scaled, seconds
from resgen.words.terminal import unmarked


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_runs_as_csv_are_exact() -> None:
    one = record()
    found = rows(rendered([one], "csv"))
    assert len(found) == len(one.runs)
    for row, measured in zip(found, one.runs, strict=True):
        assert row["network"] == "resnet50"
        assert row["batch"] == str(measured.batch)
        assert row["error"] == (measured.error or "")
        if measured.summary is not None:
            assert float(row["median"]) == measured.summary.median
            ends = (float(row["median_low"]), float(row["median_high"]))
            assert ends == measured.summary.median_interval


def test_what_was_seen_is_told_in_lines_of_a_text() -> None:
    one = record()
    notes = ("other processes took 41 % of the cores' time", "warm-up was short") * 3
    noted = replace(one, runs=tuple(replace(run, notes=notes) for run in one.runs))
    shown = [*lines(noted)]
    assert "; ".join(notes) in " ".join(line.strip() for line in shown)
    assert max(len(unmarked(line)) for line in shown) <= 100


def test_operators_and_samples_as_csv() -> None:
    one = record(name=NASTY)
    told = one.runs[0].breakdown
    assert told is not None
    found = rows(rendered([one], "csv", "operators"))
    assert [row["name"] for row in found] == [op.name for op in told.operators]
    assert [float(row["seconds"]) for row in found] == [
        op.seconds for op in told.operators
    ]
    assert found[0]["network"] == NASTY
    taken = rows(rendered([one], "csv", "samples"))
    assert len(taken) == sum(
        len(run.samples.seconds) for run in one.runs if run.samples is not None
    )


def test_parts_as_csv_are_sections_and_blocks() -> None:
    one = record(depths=(1, 2))
    told = one.runs[0].breakdown
    assert told is not None
    found = rows(rendered([one], "csv", "parts"))
    assert [row["part"] for row in found] == [charge.path for charge in told.charges]
    blocks = [(r["section"], r["block"]) for r in found if r["kind"] == "block"]
    assert blocks == [("layer1", "0"), ("layer2", "0"), ("layer2", "1")]
    outer = [row for row in found if row["kind"] != "block"]
    assert sum(float(row["share"]) for row in outer) == pytest.approx(1)
    whole = sum(operator.seconds for operator in told.operators)
    assert sum(float(row["seconds"]) for row in outer) == pytest.approx(whole)


def test_results_are_told_apart_by_what_differs() -> None:
    one = record()
    low = replace(one, runs=tuple(replace(run, precision="int8") for run in one.runs))
    assert titles([one, low]) == ["fp32", "int8"]
    other = record(name="resnet18")
    assert titles([one, other]) == ["resnet50", "resnet18"]
    later = record(created="2026-11-25T12:00:00+00:00")
    assert titles([one, later]) == ["2026-11-24 12:00", "2026-11-25 12:00"]
    assert len({*titles([one, low, other, later, one])}) == 5


def test_precisions_are_compared_run_by_run() -> None:
    one = record()
    low = record(factor=0.5)
    low = replace(low, runs=tuple(replace(run, precision="int8") for run in low.runs))
    found = compare([one, low])
    assert len(found) == len(one.runs)
    first = next(row for row in found if row.change is not None)
    assert first.change == pytest.approx(0.5)
    assert "| fp32 | int8 |" in render([one, low])


def test_markdown_has_sound_tables_and_obeys_no_name() -> None:
    text = render([record(name=NASTY), record(created="2026-11-25T00:00:00+00:00")])
    assert "<img" not in text
    assert "</script" not in text
    assert_sound_tables(text)
    assert "unsteady" in text
    assert "out of memory at batch 32" in text
    assert "no verdict" in text


def test_sentences_say_the_most_important_thing_first() -> None:
    first, second, third, *rest = sentences([record()])
    assert first.startswith("resnet50 takes 20.")
    assert "onnxruntime cpu fp32" in first
    assert "the lowest median of 2" in first
    assert "at batch 32 on onnxruntime" in second
    assert "layer4" in third
    assert "charged to parts of the network" in third
    assert any("out of memory" in line for line in rest)
    assert any("unsteady" in line for line in rest)


def test_the_fastest_is_never_of_another_mode_or_batch() -> None:
    runs = (
        run(median=0.02),
        run(batch=8, median=0.001),
        run(mode="compute", median=1e-3),
    )
    assert "takes 20." in sentences([replace(record(), runs=runs)])[0]


def test_results_with_nothing_in_common() -> None:
    other = replace(record(name="other"), runs=(run("openvino"),))
    text = " ".join(sentences([record(), other]))
    assert "Accuracy is not measured" not in text
    low = replace(
        record(), runs=tuple(replace(r, precision="int8") for r in record().runs)
    )
    assert "Accuracy is not measured here" in " ".join(sentences([record(), low]))
    assert "nothing to compare" in text


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (seconds(0), "0 ns"),
        (seconds(1.5), "1.50 s"),
        (seconds(999.9e-6), "1,000 µs"),
        (seconds(-2e-3), "-2.00 ms"),
        (interval((0.0210001, 0.0210002)), "21.000 to 21.000 ms"),
        (interval((0.02101, 0.02103)), "21.01 to 21.03 ms"),
        (digits(1e-9), "0.00000000100"),
        (scaled(0), "0"),
        (scaled(999), "999"),
        (scaled(0.5), "0.500"),
    ],
)
def test_numbers_for_people(written: str, expected: str) -> None:
    assert written == expected


def test_nested_settings_become_rows() -> None:
    found = flat({"gpus": [{"name": "A"}, {"name": "B"}], "none": {}, "empty": []})
    assert found == [("gpus.0.name", "A"), ("gpus.1.name", "B"), ("empty", "none")]


def test_a_machine_that_was_never_steady_is_said_once() -> None:
    runs = tuple(replace(run(batch=n), steady=False) for n in (1, 2, 4))
    text = " ".join(sentences([replace(record(), runs=runs)]))
    assert "unsteady during every run" in text
