"""``resgen list`` and ``resgen schema``: what comes with resgen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from click.testing import Result

from resgen.diagnosis.verdict.findings import VERDICT
from resgen.expansion.network import load
from resgen.graph.check import EXPLANATIONS
from resgen.ops import VOCABULARY
from resgen.spec.library import builtin_files

Run = Callable[..., Result]


def test_the_whole_zoo_is_listed(run: Run, specs: Path) -> None:
    result = run("list", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    files = {path.stem: path for path in specs.rglob("*.json")}
    assert {network["name"] for network in found} == files.keys()
    for network in found:
        path = files[network["name"]]
        assert network["family"] == ("" if path.parent == specs else path.parent.name)
        assert network["doc"]


@pytest.mark.parametrize(
    "name", ["resnet50", "resnet101", "resnet50d", "resnet110_cifar"]
)
def test_what_a_spec_inherits_is_listed_as_it_is_read(run: Run, name: str) -> None:
    (listed,) = json.loads(run("list", name, "--json").stdout)
    spec = load(name)
    assert (listed["input"], listed["doc"]) == (list(spec.input), spec.doc)


def test_long_counts(run: Run) -> None:
    (found,) = json.loads(run("list", "resnet18", "--long", "--json").stdout)
    assert (found["params"], found["macs"]) == (11_689_512, 1_814_073_344)
    assert "11.69 M" in run("list", "resnet18", "--long").stdout


def test_for_a_person_numbers_sort_as_numbers(run: Run) -> None:
    result = run("list", env={"COLUMNS": "80"})
    lines = result.stdout.splitlines()
    names = [line.split()[0] for line in lines if line.strip()]
    assert names.index("resnet18") < names.index("resnet34") < names.index("resnet101")
    assert max(map(len, lines)) <= 80
    assert "..." not in run("list").stdout, "nothing is cut where it goes to a program"


@pytest.mark.parametrize(
    "what", ["blocks", "stems", "heads", "parts", "shortcuts", "operators"]
)
def test_what_networks_are_made_of(run: Run, what: str) -> None:
    found = json.loads(run("list", what, "--json").stdout)
    every = [path for files in builtin_files().values() for path in files.values()]
    folder = {path.stem for path in every if path.parent.name == what}
    assert {entry["name"] for entry in found} == (folder or VOCABULARY.keys())
    shown = run("list", what).stdout
    assert all(entry["name"] in shown and entry["doc"] in shown for entry in found)


def test_one_of_them_with_its_parameters(run: Run) -> None:
    (entry,) = json.loads(run("list", "bottleneck", "--json").stdout)
    assert entry["kind"] == "block"
    params = {param["name"]: param for param in entry["parameters"]}
    assert params["width"]["required"]
    assert params["ratio"]["default"] == "1/4"
    shown = run("list", "bottleneck").stdout
    assert all(f"{name}: " in shown for name in params)


def test_a_name_of_two_things_shows_both(run: Run) -> None:
    kinds = {
        entry["kind"] for entry in json.loads(run("list", "conv", "--json").stdout)
    }
    assert kinds == {"operator", "shortcut"}


def test_every_code_is_listed_and_explained(run: Run) -> None:
    listed = json.loads(run("list", "codes", "--json").stdout)
    found = {entry["name"]: entry for entry in listed}
    assert found.keys() == {*EXPLANATIONS, *VERDICT}
    explained = json.loads(run("check", "--explain", "RG104", "--json").stdout)
    assert found["RG104"]["text"] == explained["text"]
    assert found["RG104"]["severity"] == "error"
    shown = run("list", "codes").stdout.splitlines()
    assert any(
        line.split(maxsplit=1) == ["RG104", explained["title"]] for line in shown
    )
    page = run("list", "rg104").stdout
    assert explained["title"] in page
    assert '{"width": 512, "depth": 4, "shortcut": "identity"}' in page


def test_forms_are_those_that_export_makes(run: Run) -> None:
    found = json.loads(run("list", "forms", "--json").stdout)
    assert {"onnx", "tensorrt", "triton"} <= {entry["name"] for entry in found}
    refused = run("export", "mine.json", "--to", "nothing").stderr
    assert all(f"'{entry['name']}'" in refused for entry in found)
    help_ = " ".join(run("export", "--help").stdout.split())
    (triton,) = json.loads(run("list", "triton", "--json").stdout)
    for each in triton["parameters"]:
        assert "--" + each["name"].replace("_", "-") in help_
        assert each["doc"].rstrip(".") in help_


@pytest.mark.parametrize(
    ("what", "meant"),
    [
        ("code", "codes"),
        ("botleneck", "bottleneck"),
        ("operator", "operators"),
        ("resnet5O", "resnet50"),
    ],
)
def test_what_is_not_there(run: Run, what: str, meant: str) -> None:
    result = run("list", what)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f'did you mean "{meant}"?' in result.stderr


def test_the_schema_takes_the_zoo(run: Run, specs: Path) -> None:
    schema = json.loads(run("schema").stdout)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(json.loads((specs / "resnet50.json").read_text("utf-8")))
    wrong = {"resgen": 1, "name": "x", "input": [3, 32, 32], "stgaes": []}
    assert not validator.is_valid(wrong)
