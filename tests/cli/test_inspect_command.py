"""``resgen inspect``: the contract's fields, and a table that a person can read."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import Result

from resgen.expansion.network import load
from resgen.spec.canonical import digest

Run = Callable[..., Result]


def test_outputs_are_told_by_name_and_shape(run: Run, here: Path) -> None:
    scores = ["global_pool", "flatten", {"op": "linear", "as": "fc", "out": 7}]
    outputs = {"maps": {"from": "stages"}, "scores": scores}
    spec = json.loads((here / "mine.json").read_text("utf-8"))
    (here / "two.json").write_text(json.dumps({**spec, "head": {"outputs": outputs}}))
    found = json.loads(run("inspect", "two.json", "--json").stdout)["outputs"]
    assert list(found)[-1] == "scores"
    assert found["scores"] == [7]
    text = ", ".join(
        f"{name} ({' x '.join(map(str, sizes))})" for name, sizes in found.items()
    )
    shown = run("inspect", "two.json").stdout
    assert f"outputs: {text}" in re.sub(r"\n  ", " ", shown)
    (head,) = (line for line in shown.splitlines() if line.startswith("head"))
    assert f"{len(found)} outputs" in head
    assert run("check", "two.json").stdout == f"two.json: ok; {text}\n"
    built = run("build", "two.json", "--no-verify", "-o", "out")
    assert f"residual additions; {text}" in re.sub(r"\n +", " ", built.stdout)
    told = run("build", "two.json", "--no-verify", "-o", "other", "--json").stdout
    assert json.loads(told)["outputs"] == found


def test_a_detectors_outputs_are_told_in_several_lines(run: Run, here: Path) -> None:
    head = {"from": "stages", "use": "retina", "with": {"classes": 20}}
    spec = json.loads((here / "mine.json").read_text("utf-8")) | {"head": head}
    (here / "detector.json").write_text(json.dumps(spec))
    built = run("build", "detector.json", "-o", "out").stdout
    graph, rest = built.partition("graph ")[2].split("\npictures ")
    assert "boxes.0 (" in graph
    assert max(map(len, graph.splitlines())) <= 100
    # What has no classes is not said to know none.
    assert "fresh weights know nothing" in rest


def test_json_has_the_fields_of_the_contract(run: Run) -> None:
    result = run("inspect", "resnet50", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    # As torchvision publishes them.
    assert (found["params"], found["macs"]) == (25_557_032, 4_089_184_256)
    assert found["name"] == "resnet50"
    assert found["input"] == [3, 224, 224]
    assert found["outputs"] == {"output": [1000]}
    # 53,120 statistics of batch norms and 53 counters beside the parameters.
    assert found["weight_bytes"] == 4 * (25_557_032 + 53_120) + 8 * 53
    assert found["peak_activation_bytes"] == 4 * 3 * 64 * 112 * 112
    assert found["nodes"] == 175
    stages = found["stages"]
    names = ["stem", "layer1", "layer2", "layer3", "layer4", "head"]
    assert [stage["name"] for stage in stages] == names
    assert [stage["pointer"] for stage in stages][:3] == [
        "/stem",
        "/stages/0",
        "/stages/1",
    ]
    assert [stage["output"] for stage in stages][:2] == [[64, 56, 56], [256, 56, 56]]
    assert sum(stage["params"] for stage in stages) == found["params"]
    assert sum(stage["macs"] for stage in stages) == found["macs"]
    # 7x7 of stride 2, then 3x3 of stride 2: 7 + 2 * 2.
    assert stages[0]["receptive_field"] == [11, 11]


def test_paths_are_counted(run: Run) -> None:
    found = json.loads(run("inspect", "resnet50", "--json").stdout)["paths"]
    assert found["count"] == 2**16
    assert (found["shortest"], found["longest"]) == (6, 50)


@pytest.mark.slow
def test_more_paths_than_json_can_count(run: Run, here: Path) -> None:
    deep = ("inspect", "mine.json", "--set", "/stages/1/depth=1100")
    ways = json.loads(run(*deep, "--json").stdout)["paths"]
    assert ways["count"] is None
    assert ways["log10_count"] == pytest.approx(1101 * 0.30103, rel=1e-5)
    assert "x 10^331 paths" in run(*deep).stdout


@pytest.mark.slow
def test_the_table_fits_eighty_columns(run: Run) -> None:
    for name in ("resnet50", "densenet121", "preact_resnet1001_cifar", "convnext_tiny"):
        result = run("inspect", name, env={"COLUMNS": "80"})
        assert result.exit_code == 0
        assert max(map(len, result.stdout.splitlines())) <= 80


def test_the_table_says_what_matters(run: Run) -> None:
    shown = run("inspect", "resnet50").stdout
    for text in (
        "25.56 M", "4.09 GMACs", "3 x 224 x 224", "6 x bottleneck", "35.8 %",
        "1024 x 14 x 14", "7x7 conv, max pool", "102.4 MB", "65,536 paths",
    ):  # fmt: skip
        assert text in shown
    rows = [line for line in shown.splitlines() if " %" in line]
    assert len({line.index("%") for line in rows}) == 1, "numbers are aligned"


def test_set_changes_the_network(run: Run) -> None:
    shown = run("inspect", "resnet50", "--set", "/stages/2/depth=23", "--json").stdout
    assert json.loads(shown)["params"] == 44_549_160  # ResNet-101


def test_resolved_is_the_same_network_in_one_file(run: Run, here: Path) -> None:
    result = run("inspect", "resnet50d", "--resolved")
    tree = json.loads(result.stdout)
    assert "extends" not in tree
    assert "avg-projection" in tree["shortcuts"]
    (here / "whole.json").write_text(result.stdout, "utf-8")
    assert digest(load(here / "whole.json")) == digest(load("resnet50d"))


def test_a_diagram_is_drawn_beside_the_table(run: Run, here: Path) -> None:
    result = run("inspect", "mine.json", "--diagram", "mine.svg", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["name"] == "mine"
    root = ElementTree.parse(here / "mine.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert sorted(p.name for p in here.iterdir()) == ["mine.json", "mine.svg"]


def test_a_diagram_as_dots(run: Run, here: Path) -> None:
    from PIL import Image, ImageChops

    assert run("inspect", "mine.json", "--diagram", "mine.png").exit_code == 0
    assert run("inspect", "mine.json", "--diagram", "mine.svg").exit_code == 0
    root = ElementTree.parse(here / "mine.svg").getroot()
    with Image.open(here / "mine.png") as picture:
        assert picture.size == tuple(
            2 * int(root.attrib[n]) for n in ("width", "height")
        )
        # The name of the network is written where the drawing has it.
        title = picture.convert("RGB").crop((50, 36, 200, 70))
    white = Image.new("RGB", title.size, "white")
    assert ImageChops.difference(title, white).getbbox() is not None


def test_dots_need_a_component(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    result = run("inspect", "mine.json", "--diagram", "mine.png")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "pip install 'resgen[png]'" in result.stderr
    assert not (here / "mine.png").exists()


def test_every_operator_has_a_row_and_they_come_to_the_whole(run: Run) -> None:
    shown = run("inspect", "resnet20_cifar", "--operators", "--json").stdout
    found = json.loads(shown)
    rows = found["operators"]
    assert len(rows) == found["nodes"]
    for what in ("params", "macs"):
        assert sum(row[what] for row in rows) == found[what]
    first = rows[0]  # 3x3 from 3 to 16 channels of 32 x 32
    assert (first["operator"], first["output"]) == ("conv", [16, 32, 32])
    assert (first["params"], first["macs"]) == (3 * 16 * 9, 3 * 16 * 9 * 32 * 32)
    table = run("inspect", "resnet20_cifar", "--operators", env={"COLUMNS": "80"})
    assert max(map(len, table.stdout.splitlines())) <= 80
    assert all(f"  {row['operator']} " in table.stdout for row in rows)


def test_several_values_side_by_side(run: Run) -> None:
    words = ("--vary", "/stages/2/depth=6,23", "--vary", "/head/classes=1000, 10")
    result = run("inspect", "resnet50", *words, "--json")
    found = json.loads(result.stdout)["variants"]
    assert [v["set"] for v in found] == [
        ["/stages/2/depth=6", "/head/classes=1000"],
        ["/stages/2/depth=6", "/head/classes=10"],
        ["/stages/2/depth=23", "/head/classes=1000"],
        ["/stages/2/depth=23", "/head/classes=10"],
    ]
    # ResNet-50 and ResNet-101 as torchvision publishes them, and with ten classes.
    fewer = 990 * 2049
    assert [v["params"] for v in found] == [
        25_557_032, 25_557_032 - fewer, 44_549_160, 44_549_160 - fewer
    ]  # fmt: skip
    shown = run("inspect", "resnet50", *words).stdout
    assert "/stages/2/depth" in shown
    assert "44.55 M" in shown


def test_a_variant_that_is_no_network_says_why(run: Run) -> None:
    words = ("--vary", "/stages/2/shortcut=projection,identity")
    result = run("inspect", "resnet50", *words)
    assert result.exit_code == 1
    assert "RG104: " in result.stdout
    good, bad = json.loads(run("inspect", "resnet50", *words, "--json").stdout)[
        "variants"
    ]
    assert good["params"] == 25_557_032
    assert [problem["code"] for problem in bad["problems"]] == ["RG104"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("/stages/2/depth=", "is not of the form /POINTER=VALUE,..."),
        ("/stages/2/depth=4,,6", "is not of the form"),
        ("depth=4", "is not of the form"),
        ("/a=" + ",".join(map(str, range(129))), "129 networks; 128 are the most"),
    ],
)
def test_what_cannot_be_varied(run: Run, value: str, said: str) -> None:
    result = run("inspect", "resnet50", "--vary", value)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_a_diagram_never_replaces_a_spec(run: Run, here: Path) -> None:
    before = (here / "mine.json").read_bytes()
    result = run("inspect", "mine.json", "--diagram", "mine.json")
    assert result.exit_code == 2
    assert (here / "mine.json").read_bytes() == before


def test_a_diagram_in_a_folder_that_is_not_there(run: Run, here: Path) -> None:
    result = run("inspect", "mine.json", "--diagram", "no/where.svg")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the folder of no/where.svg does not exist" in result.stderr


def test_problems_go_to_stderr_and_nothing_to_stdout(run: Run, bad: Path) -> None:
    for options in ((), ("--json",), ("--resolved",)):
        result = run("inspect", "bad.json", *options)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "bad.json:7:32: RG021 error" in result.stderr
        assert result.stderr.endswith("resgen: 2 errors in bad.json (exit 1).\n")


def test_warnings_are_mentioned(run: Run, here: Path) -> None:
    result = run("inspect", "mine.json", "--set", "/stages/1/width=31", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["name"] == "mine"
    assert result.stderr == "1 warning; `resgen check mine.json` tells more.\n"


@pytest.mark.parametrize("name", ["resnet5O", "resnet5O.json"])
def test_a_name_that_is_misspelt(run: Run, name: str) -> None:
    result = run("inspect", name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "resnet50" in result.stderr
    assert result.stderr.splitlines()[0].endswith("(exit 1).")


def test_rich_and_networkx_are_not_needed_to_look(run: Run) -> None:
    # They take a quarter of a second each.
    from subprocess import run as execute

    code = (
        "import sys; from resgen.cli import main\n"
        "try: main(['inspect', 'resnet50'])\n"
        "except SystemExit: pass\n"
        "slow = {'rich', 'networkx', 'numpy'}\n"
        "print(slow & set(sys.modules), file=sys.stderr)"
    )
    done = execute(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stderr == "set()\n"
