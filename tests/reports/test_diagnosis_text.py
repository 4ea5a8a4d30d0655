"""A diagnosis as Markdown and as CSV, and what is asked of its file."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from reports.diagnosed import STEPS, arm, broken, diagnosis
from reports.looking import assert_sound_tables
from reports.make import NASTY, record

from resgen.diagnosis.documents import DATA, DIAGNOSIS
from resgen.document.schema import schema
from resgen.errors import ResgenError, UsageError
from resgen.profiling.documents import REPORT
from resgen.records.diagnosis import Diagnosis
from resgen.reports.diagnosis.arms import fade, titled
from resgen.reports.diagnosis.wording import sentences
from resgen.reports.forms import rendered
from resgen.reports.readers.files import read


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize(
    "one",
    [diagnosis(), broken(), replace(diagnosis(arm(NASTY)), data=None, notes=())],
    ids=["whole", "not finite", "watched"],
)
@pytest.mark.slow
def test_a_diagnosis_survives_its_file(one: Diagnosis, tmp_path: Path) -> None:
    DIAGNOSIS.save(one, tmp_path / DATA)
    assert read([tmp_path]) == [one]
    jsonschema.validate(
        json.loads((tmp_path / DATA).read_text("utf-8")), schema(DIAGNOSIS)
    )


def test_the_verdict_is_that_of_the_first_network() -> None:
    fine, plain = arm(), arm(plain=True)
    told = [
        DIAGNOSIS.to_json(one)["verdict"]
        for one in (
            diagnosis(fine, plain),
            diagnosis(plain, fine),
            replace(diagnosis(fine), data=None),
        )
    ]
    assert told == ["ok", ["RG402", "RG403"], None]


def test_an_altered_verdict_is_refused(tmp_path: Path) -> None:
    path = tmp_path / DATA
    document = DIAGNOSIS.to_json(diagnosis(arm(plain=True)))
    path.write_text(json.dumps({**document, "verdict": "ok"}), "utf-8")
    with pytest.raises(ResgenError, match="was altered after it was written"):
        DIAGNOSIS.load(path)


def test_diagnoses_and_latencies_are_not_mixed(tmp_path: Path) -> None:
    DIAGNOSIS.save(diagnosis(), tmp_path / DATA)
    REPORT.save(record(), tmp_path / "report.json")
    with pytest.raises(UsageError, match=r"diagnosis\.json is a diagnosis"):
        read([tmp_path / "report.json", tmp_path / DATA])


def test_tables_are_exact() -> None:
    one = diagnosis()
    parts = rows(rendered([one], "csv"))
    network = one.arms[1]
    mine = [row for row in parts if row["network"] == "resnet20, plain"]
    assert len(mine) == len(network.parts) * sum(len(r.moments) for r in network.runs)
    first = network.runs[0].moments[0].parts[0]
    assert float(mine[0]["gradient"]) == first.gradient
    assert mine[0]["branch"] == ""
    steps = rows(rendered([one], "csv", "steps"))
    assert len(steps) == 6 * (STEPS + 1)
    assert float(steps[1]["loss"]) == one.arms[0].runs[0].losses[0]
    seen = one.arms[0].runs[0].evaluations[0]
    assert (steps[0]["step"], steps[0]["correct"]) == ("0", str(seen.correct))
    found = rows(rendered([one], "csv", "findings"))
    assert [row["code"] for row in found] == ["RG402", "RG403"]


def test_a_table_of_the_other_kind_is_a_wrong_use() -> None:
    with pytest.raises(UsageError) as caught:
        rendered([diagnosis()], "csv", "operators")
    assert caught.value.hint == "theirs are parts, steps, findings"


def test_markdown_has_sound_tables_and_obeys_no_name() -> None:
    text = rendered([diagnosis(arm(NASTY, plain=True)), diagnosis()], "md")
    assert "<img" not in text
    assert "</script" not in text
    assert_sound_tables(text)
    assert "- **RG402** the gradient explodes" in text
    assert "mend: give the blocks a shortcut" in text


def test_the_gradient_fades_by_what_lies_between_the_blocks() -> None:
    network = arm(plain=True, seeds=1)
    moment = network.runs[0].moments[0]
    first, last = moment.parts[1].gradient, moment.parts[9].gradient
    assert first is not None
    assert last is not None
    found = fade(network)
    assert found is not None
    assert found.middle == first / last


def test_sentences_say_what_became_of_the_training() -> None:
    lost, fine = sentences(titled([broken()]))
    assert "seed 0 at step 11" in lost
    assert "After 80 steps it tells 96.1 %" in fine
    cut = arm(seeds=2)
    runs = (cut.runs[0], replace(cut.runs[1], stopped="interrupted"))
    (told,) = sentences(titled([diagnosis(replace(cut, runs=runs))]))
    assert "interrupted, so 1 of 2 runs" in told


def test_few_steps_decide_nothing() -> None:
    whole = arm(seeds=1)
    (trained,) = whole.runs
    seen = tuple(replace(each, correct=0) for each in trained.evaluations)
    loss = trained.losses[0]
    for steps, end in ((5, ", which so few steps do not decide."), (150, " little.")):
        run = replace(trained, losses=(loss,) * steps, evaluations=seen)
        (told,) = sentences(titled([diagnosis(replace(whole, runs=(run,)))]))
        assert f"after {steps} steps it has learned little" in told
        assert told.endswith(end)


def test_arms_of_one_name_are_told_apart() -> None:
    one, later = diagnosis(arm()), diagnosis(arm(), created="2026-11-25T00:00:00")
    names = [each.title for each in titled([one, later, later])]
    assert names[0] == "resnet20 2026-11-24 12:00"
    assert len(set(names)) == 3
