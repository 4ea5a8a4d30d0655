"""A record's file: what was written is read again, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from reports.make import NASTY, record, run

from resgen.document.files import digest
from resgen.document.schema import schema
from resgen.errors import ResgenError
from resgen.profiling.documents import REPORT
from resgen.records.profile import FORMAT, Record


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "report.json"
    REPORT.save(record(), path)
    return path


@pytest.mark.parametrize(
    "one",
    [
        record(),
        replace(record(), runs=()),
        replace(record(name=NASTY), environment={"a": [1, 2.0, None, {"b": False}]}),
        replace(record(), runs=(run(n=1),), command=("a", "ü", "\ud800")),
    ],
    ids=["whole", "no runs", "names", "letters"],
)
@pytest.mark.slow
def test_a_record_survives_its_file(one: Record, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    REPORT.save(one, path)
    assert REPORT.load(path) == one
    jsonschema.validate(json.loads(path.read_text("utf-8")), schema(REPORT))
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]


def test_other_tools_may_write_it_anew(saved: Path) -> None:
    """Other indentation, order of keys and spelling of whole numbers change nothing."""

    def spelled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: spelled(value[key]) for key in reversed(value)}
        if isinstance(value, list):
            return [spelled(item) for item in value]
        whole = isinstance(value, float) and value.is_integer()
        return int(value) if whole else value

    before = REPORT.load(saved)
    document = json.loads(saved.read_text("utf-8"))
    saved.write_text(json.dumps(spelled(document), indent=3), "utf-8")
    assert REPORT.load(saved) == before


def change(path: tuple[str | int, ...], value: Any) -> Callable[[Any], None]:
    def apply(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return apply


def drop(key: str) -> Callable[[Any], None]:
    return lambda document: document.pop(key)


@pytest.mark.parametrize(
    ("alter", "says"),
    [
        (change(("runs", 0, "summary", "median"), 0.001), "digest"),
        (change(("runs", 0, "samples", "seconds", 3), 0.001), "digest"),
        (change(("subject", "name"), "other"), "digest"),
        (change(("environment", "governor"), "performance"), "digest"),
        (
            change(("runs", 0, "batch"), "one"),
            '/runs/0/batch, "one" is no whole number',
        ),
        (change(("runs", 0, "batch"), True), "/runs/0/batch, True is no whole number"),
        (change(("runs", 0, "mode"), "fast"), '/runs/0/mode, "fast" is none of'),
        (change(("runs", 0, "fastest"), 1), '/runs/0, "fastest" is not known'),
        (change(("runs", 1, "summary", "median_interval"), [1.0]), "1 items, not 2"),
        (change(("runs",), {}), "/runs, {} is no array"),
        (change(("subject",), None), "/subject, None is no object"),
        (drop("command"), '"command" is missing'),
        (drop("sha256"), "digest"),
    ],
)
def test_an_altered_file_is_refused(
    alter: Callable[[Any], None], says: str, saved: Path
) -> None:
    document = json.loads(saved.read_text("utf-8"))
    alter(document)
    saved.write_text(json.dumps(document), "utf-8")
    with pytest.raises(ResgenError) as caught:
        REPORT.load(saved)
    assert says in caught.value.message
    assert "was altered after it was written" in caught.value.message
    assert caught.value.hint is not None
    if "command" in document:
        assert "resgen profile resnet50 --batch 1,8,32" in caught.value.hint


def test_a_newer_file_asks_for_a_newer_resgen(saved: Path) -> None:
    document = json.loads(saved.read_text("utf-8"))
    document.update({REPORT.mark: FORMAT + 1, "resgen": "9.9.9", "news": True})
    saved.write_text(json.dumps(document), "utf-8")
    with pytest.raises(ResgenError, match=r"resgen 9\.9\.9 in format 2") as caught:
        REPORT.load(saved)
    assert caught.value.hint == "pip install --upgrade resgen"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "x.json is not JSON: the file is empty"),
        ("{}\n x", "is not JSON: extra data at line 2, column 2"),
        ("[1, 2]", "is not a report"),
        ('{"resgen_report": 1, "runs": [NaN]}', "NaN is not a number"),
        ('{"resgen_report": 1, "runs": [1e999]}', "1e999 is not a number"),
        ('{"resgen_report": null}', "is missing"),
        ("[" * 100_000, "is not JSON"),
        ("\ufeff{}", "is not JSON"),
    ],
)
def test_other_files_are_named_for_what_they_are(
    text: str, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.json"
    path.write_text(text, "utf-8")
    with pytest.raises(ResgenError, match=says):
        REPORT.load(path)


def test_a_whole_file_of_another_resgen_is_not_called_altered(saved: Path) -> None:
    document = json.loads(saved.read_text("utf-8"))
    del document["sha256"]
    document["subject"]["age"] = 3
    document["sha256"] = digest(document)
    saved.write_text(json.dumps(document), "utf-8")
    with pytest.raises(
        ResgenError, match=r'of another resgen.*"age" is not known'
    ) as e:
        REPORT.load(saved)
    assert e.value.hint == "make it again: resgen profile resnet50 --batch 1,8,32"


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ResgenError, match="is not JSON: byte 1 is no text"):
        REPORT.load(path)


def test_a_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ResgenError, match=r"cannot read .*no such file"):
        REPORT.load(tmp_path / "none.json")
    with pytest.raises(ResgenError, match=r"cannot write .*no such file"):
        REPORT.save(record(), tmp_path / "none" / "report.json")


def test_what_json_cannot_hold_is_not_written(tmp_path: Path) -> None:
    bad = replace(record(), environment={"load": float("nan")})
    with pytest.raises(ResgenError, match="holds what JSON cannot"):
        REPORT.save(bad, tmp_path / "report.json")
    assert list(tmp_path.iterdir()) == []


def test_the_schema_is_closed_and_described() -> None:
    jsonschema.Draft202012Validator.check_schema(schema(REPORT))
    document = REPORT.to_json(record())
    jsonschema.validate(document, schema(REPORT))
    document["runs"][0]["fastest"] = True
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema(REPORT))
    assert all(part["description"] for part in schema(REPORT)["$defs"].values())
