"""The README is true: its specs expand, its commands and options exist."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from resgen.cli import main
from resgen.expansion.network import examine

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
BLOCKS = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", README, re.S)]
SPECS = [block for block in BLOCKS if block.get("resgen") == 1]


def commands_in(text: str) -> set[str]:
    """Commands in code, indented, fenced or in backquotes; `resgen/...` is a path."""
    blocks = "".join(re.findall(r"^```bash\n(.*?)^```", text, re.S | re.M))
    shown = re.findall(
        r"^    (?:\$ |mkdir .*&& )?(resgen [a-z].*)$|`(resgen [a-z][^`]*)`", text, re.M
    )
    lines = [a or b for a, b in shown]
    lines += re.findall(r"^(?:mkdir .*&& )?(resgen [a-z].*)$", blocks, re.M)
    return {re.split(r"\s+#|\s>", line)[0] for line in lines}


def unknown_options(line: str) -> set[str]:
    """The options of a command line that the command has not."""
    _, name, *rest = shlex.split(line)
    command = main.get_command(click.Context(main), name)
    assert command is not None
    known = {text for param in command.params for text in param.opts}
    return {word.split("=")[0] for word in rest if word.startswith("-")} - known


LINES = sorted(commands_in(README))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec["name"])
def test_every_spec_expands(
    spec: dict[str, object], specs: Path, tmp_path: Path
) -> None:
    (tmp_path / "resnet50.json").write_bytes((specs / "resnet50.json").read_bytes())
    file = tmp_path / "shown.json"
    file.write_text(json.dumps(spec), "utf-8")
    found = examine(str(file))
    assert found.errors == ()
    assert found.graph is not None


def test_the_first_spec_is_the_file(specs: Path) -> None:
    known = json.loads((specs / "resnet50.json").read_text("utf-8"))
    drawn = {key: value for key, value in known.items() if key != "doc"}
    assert SPECS[0] == drawn


def test_there_is_something_to_check() -> None:
    assert len(SPECS) >= 3
    assert len(LINES) >= 15


@pytest.mark.parametrize("line", LINES)
def test_every_command_and_option_exists(line: str) -> None:
    assert not unknown_options(line)


def test_options_of_the_table_exist() -> None:
    rows = re.findall(r"^\| `resgen ([a-z]+)[^`]*` \| (.*) \|$", README, re.M)
    assert len(rows) == len(main.list_commands(click.Context(main)))
    for name, text in rows:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        known = {text for param in command.params for text in param.opts}
        assert set(re.findall(r"`(--?[a-z0-9-]+)", text)) <= known


def test_pictures_are_there() -> None:
    root = Path(__file__).parent.parent
    shown = re.findall(r"!\[.*?\]\((.*?)\)", README)
    assert shown
    assert all((root / path).is_file() for path in shown)


def test_a_newcomer_reads_it_in_one_go() -> None:
    assert len(README.splitlines()) < 265
