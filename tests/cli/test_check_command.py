"""``resgen check``: the contract, and what careless users hand to it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from click.testing import Result

from resgen.diagnosis.verdict.findings import VERDICT
from resgen.graph.check import EXPLANATIONS

Run = Callable[..., Result]

LINE = re.compile(r"^(.+):(\d+):(\d+): (RG\d{3}) (error|warning): (.+)$", re.MULTILINE)


def test_a_good_spec_is_ok(run: Run, here: Path) -> None:
    result = run("check", "mine.json", "resnet50")
    assert result.exit_code == 0
    assert result.stdout == "mine.json: ok\nresnet50: ok\n"


def test_every_problem_has_a_line_of_its_own_and_its_place(run: Run, bad: Path) -> None:
    result = run("check", "bad.json")
    assert result.exit_code == 1
    found = LINE.findall(result.stdout)
    assert [(f, line, code) for f, line, _, code, _, _ in found] == [
        ("bad.json", "7", "RG021"),
        ("bad.json", "8", "RG104"),
    ]
    lines = bad.read_text("utf-8").splitlines()
    text = lines[6]
    assert text.index('"projecton"') + 1 == int(found[0][2])
    assert 'did you mean "projection"?' in found[0][5]


def test_carets_stand_under_the_fault(run: Run, bad: Path) -> None:
    shown = run("check", "bad.json").stdout.splitlines()
    at = next(i for i, line in enumerate(shown) if '"projecton", "depth"' in line)
    start = shown[at].index('"projecton"')
    assert shown[at].startswith("        7 | ")
    assert shown[at + 1] == "          |".ljust(start) + "^" * len('"projecton"')


@pytest.mark.parametrize(
    ("before", "wide"), [("\t", "\t"), ("\u6f22", "  "), ("e\u0301", " ")]
)
def test_carets_follow_tabs_and_wide_characters(
    run: Run, here: Path, before: str, wide: str
) -> None:
    text = (here / "mine.json").read_text("utf-8")
    doc = before if before == "\t" else f'"doc": "{before}",'
    text = text.replace('"stem": "cifar"', f'{doc} "stem": "cifr"')
    (here / "odd.json").write_text(text, "utf-8")
    shown = run("check", "odd.json").stdout.splitlines()
    caret = next(line for line in shown if "^^^" in line)
    assert wide in caret.partition("|")[2][1:]
    quoted = shown[shown.index(caret) - 1]
    # As a terminal draws them: a combining mark takes no column, a wide character two.
    drawn = quoted.replace("\u6f22", "xx").replace("\u0301", "")
    assert drawn.expandtabs()[caret.expandtabs().index("^") :].startswith('"cifr"')


def test_the_summary_counts_and_says_how_to_learn_more(run: Run, bad: Path) -> None:
    last = run("check", "bad.json").stdout.splitlines()[-1]
    assert last == "2 errors. `resgen check --explain RG021` tells more."


def test_json_is_one_list_of_all_problems_of_all_files(run: Run, bad: Path) -> None:
    result = run("check", "bad.json", "mine.json", "missing.json", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert [p["file"] for p in found] == ["bad.json", "bad.json", "missing.json"]
    fields = {
        "file",
        "line",
        "column",
        "pointer",
        "code",
        "severity",
        "message",
        "hint",
    }
    assert all(set(problem) == fields for problem in found)
    assert found[0]["pointer"] == "/stages/1/shortcut"
    assert (found[0]["line"], found[0]["column"]) == (7, 32)


def test_json_of_a_clean_spec_is_an_empty_list(run: Run, here: Path) -> None:
    result = run("check", "mine.json", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])


#: Of SARIF 2.1.0 (OASIS, 2020), what its sections 3.13 to 3.51 require of these parts.
SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": {"$ref": "#/$defs/run"}},
    },
    "$defs": {
        "message": {"type": "object", "required": ["text"]},
        "run": {
            "type": "object",
            "required": ["tool", "results"],
            "properties": {
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "tool": {
                    "required": ["driver"],
                    "properties": {"driver": {"$ref": "#/$defs/component"}},
                },
                "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
            },
        },
        "component": {
            "required": ["name"],
            "properties": {
                "rules": {
                    "type": "array",
                    "uniqueItems": True,
                    "items": {
                        "required": ["id"],
                        "properties": {
                            "shortDescription": {"$ref": "#/$defs/message"},
                            "help": {"$ref": "#/$defs/message"},
                            "defaultConfiguration": {
                                "properties": {"level": {"$ref": "#/$defs/level"}}
                            },
                        },
                    },
                }
            },
        },
        "level": {"enum": ["none", "note", "warning", "error"]},
        "result": {
            "required": ["message", "ruleId", "locations"],
            "properties": {
                "level": {"$ref": "#/$defs/level"},
                "message": {"$ref": "#/$defs/message"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "locations": {
                    "type": "array",
                    "items": {
                        "required": ["physicalLocation"],
                        "properties": {
                            "physicalLocation": {
                                "required": ["artifactLocation", "region"],
                                "properties": {"region": {"$ref": "#/$defs/region"}},
                            }
                        },
                    },
                },
            },
        },
        "region": {
            "required": ["startLine"],
            "properties": {
                name: {"type": "integer", "minimum": 1}
                for name in ("startLine", "startColumn", "endColumn")
            },
        },
    },
}


def test_sarif_is_what_its_standard_says(run: Run, bad: Path) -> None:
    result = run("check", "bad.json", "mine.json", "--format", "sarif")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    jsonschema.Draft202012Validator(SARIF).validate(found)
    (ran,) = found["runs"]
    rules = ran["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["RG021", "RG104"]
    for each in ran["results"]:
        assert rules[each["ruleIndex"]]["id"] == each["ruleId"]
    place = ran["results"][0]["locations"][0]["physicalLocation"]
    line = bad.read_text("utf-8").splitlines()[place["region"]["startLine"] - 1]
    begin, end = (place["region"][name] - 1 for name in ("startColumn", "endColumn"))
    assert line[begin:end] == '"projecton"'
    assert place["artifactLocation"]["uri"] == "bad.json"


def test_sarif_of_nothing_is_a_run_without_results(run: Run, here: Path) -> None:
    found = json.loads(run("check", "mine.json", "--format", "sarif").stdout)
    assert found["runs"][0]["results"] == []


def test_sarif_names_files_as_addresses(run: Run, bad: Path) -> None:
    odd = bad.rename(bad.with_name("a b%\u00fc.json"))
    for name, meant in ((odd.name, odd.name), (odd, odd.as_uri())):
        found = json.loads(run("check", name, "--format", "sarif").stdout)
        place = found["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
        assert unquote(place["artifactLocation"]["uri"]) == unquote(meant)
        assert " " not in place["artifactLocation"]["uri"]


def test_github_marks_the_line(run: Run, bad: Path) -> None:
    result = run("check", "bad.json", "mine.json", "--format", "github")
    assert result.exit_code == 1
    first, second = result.stdout.splitlines()
    place = "file=bad.json,line=7,col=32,endColumn=43,title=RG021"
    assert first.startswith(f'::error {place}::"projecton" is not a shortcut')
    assert second.startswith("::error file=bad.json,line=8,")
    assert "%0Ause " in second, "the mend is a line of its own"


def test_github_obeys_no_name_of_a_file(run: Run, bad: Path) -> None:
    odd = bad.rename(bad.with_name("a,b::100%.json")).name
    for line in run("check", odd, "--format", "github").stdout.splitlines():
        properties = line.split("::")[1].removeprefix("error ").split(",")
        assert properties[0] == "file=a%2Cb%3A%3A100%25.json"


def test_json_is_a_format_as_well(run: Run, bad: Path) -> None:
    asked = ("check", "bad.json", "--format")
    assert run(*asked, "json").stdout == run("check", "bad.json", "--json").stdout
    assert run(*asked, "text").stdout == run("check", "bad.json").stdout
    wrong = run(*asked, "sarif", "--json")
    assert (wrong.exit_code, wrong.stdout) == (2, "")


def test_warnings_pass_unless_strict(run: Run, here: Path) -> None:
    odd = ("check", "mine.json", "--set", "/stages/1/width=31")
    relaxed, strict = run(*odd), run(*odd, "--strict")
    assert [kind for *_, kind, _ in LINE.findall(relaxed.stdout)] == ["warning"]
    assert (relaxed.exit_code, strict.exit_code) == (0, 1)


def test_set_changes_what_is_checked(run: Run, here: Path) -> None:
    result = run("check", "mine.json", "--set", "/stages/1/shortcut=identity")
    assert result.exit_code == 1
    assert "RG104" in result.stdout


@pytest.mark.parametrize("pointer", ["/stages/9/depth=3", "/nowhere/at/all=1"])
def test_set_of_an_unknown_place_is_a_problem(run: Run, pointer: str) -> None:
    result = run("check", "resnet50", "--set", pointer)
    assert result.exit_code == 1
    assert "RG041" in result.stdout


@pytest.mark.parametrize("value", ["depth=3", "/stages/2/depth", ""])
def test_a_malformed_set_is_wrong_usage(run: Run, value: str) -> None:
    result = run("check", "resnet50", "--set", value)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "/POINTER=VALUE" in result.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.json", b""),
        ("blank.json", b" \n"),
        ("latin.json", '{"doc": "\u00e9"}'.encode("latin-1")),
        ("utf16.json", '{"resgen": 1}'.encode("utf-16")),
        ("list.json", b"[]"),
        ("cut.json", b'{"resgen": 1, "name": "x'),
        ("nan.json", b'{"resgen": NaN}'),
        ("deep.json", b"[" * 100_000),
        ("binary.json", bytes(range(256))),
    ],
)
def test_files_that_are_no_specs(
    run: Run, here: Path, name: str, content: bytes
) -> None:
    (here / name).write_bytes(content)
    result = run("check", name)
    assert result.exit_code == 1
    found = LINE.findall(result.stdout)
    assert found
    assert {file for file, *_ in found} == {name}
    assert len(json.loads(run("check", name, "--json").stdout)) == len(found)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("missing.json", "no such file"),
        ("link.json", "it is a link to nowhere, which is not there"),
        ("min.json", "did you mean mine.json?"),
        ("resnet5O", 'did you mean "resnet50"?'),
        ("folder", "is a directory"),
        ("folder/mine.json", "no such file"),
        ("mine.json/inside.json", "ot a directory"),
        ("x" * 5000 + ".json", "too long"),
    ],
)
def test_specs_that_are_not_there(run: Run, here: Path, spec: str, says: str) -> None:
    (here / "folder").mkdir()
    (here / "link.json").symlink_to("nowhere")
    result = run("check", spec)
    assert result.exit_code == 1
    assert LINE.search(result.stdout)
    assert says in result.stdout.lower() or says in result.stdout
    assert "did you mean link.json" not in result.stdout


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="runs as root"
)
def test_a_file_that_may_not_be_read(run: Run, here: Path) -> None:
    (here / "mine.json").chmod(0)
    result = run("check", "mine.json")
    assert result.exit_code == 1
    assert "ermission denied" in result.stdout


def test_what_a_terminal_would_obey_is_not_passed_on(run: Run, here: Path) -> None:
    (here / "evil.json").write_text('{"resgen": 1, "\x1b[2J\x07": 1}', "utf-8")
    result = run("check", "evil.json", color=True, env={"NO_COLOR": "1"})
    assert result.exit_code == 1
    assert "\x1b" not in result.stdout
    assert "\x07" not in result.stdout


def test_a_long_line_is_shown_around_its_fault(run: Run, here: Path) -> None:
    text = (
        (here / "mine.json")
        .read_text("utf-8")
        .replace("\n", "")
        .replace("cifar", "cifr")
    )
    (here / "long.json").write_text(
        text[:-1] + ', "doc": "' + "x" * 500 + '"}', "utf-8"
    )
    shown = run("check", "long.json").stdout.splitlines()
    at = next(i for i, line in enumerate(shown) if "^" in line)
    assert shown[at - 1][shown[at].index("^") :].startswith('"cifr"')
    assert len(shown[at - 1]) < 130


@pytest.mark.parametrize("code", sorted([*EXPLANATIONS, *VERDICT]))
def test_every_code_is_explained(run: Run, code: str) -> None:
    result = run("check", "--explain", code.lower())
    assert result.exit_code == 0
    assert result.stdout.startswith(code)
    assert json.loads(run("check", "--explain", code, "--json").stdout)["code"] == code


@pytest.mark.parametrize(
    "arguments", [(), ("--explain", "RG999"), ("--explain", "RG104", "resnet50")]
)
def test_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    result = run("check", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("resgen: ")


def test_a_misspelt_code_of_a_diagnosis_is_suggested(run: Run) -> None:
    stderr = run("check", "--explain", "RG4O2").stderr
    assert 'did you mean "RG402"?' in stderr
    assert "RG104" in stderr
    assert "RG408" in stderr


def test_limits_refuse_what_is_too_large(run: Run) -> None:
    assert run("check", "resnet50", "--max-operators", 175).exit_code == 0
    for limit in ("--max-operators=100", "--max-parameters=1000000"):
        result = run("check", "resnet50", limit)
        assert result.exit_code == 1
        assert "RG050" in result.stdout


def test_a_hint_names_options(run: Run) -> None:
    done = run("check", "resnet50", "--max-operators", "5")
    assert "--max-operators N and --max-parameters N set other limits" in done.stdout
    assert "max_operators" not in done.stdout
