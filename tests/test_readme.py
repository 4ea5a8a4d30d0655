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
    blocks = "".join(re.findall(r"^```(?:ba)?sh\n(.*?)^```", text, re.S | re.M))
    shown = re.findall(
        r"^    (?:\$ |mkdir .*&& )?(resgen [a-z].*)$|`(resgen [a-z][^`]*)`", text, re.M
    )
    lines = [a or b for a, b in shown]
    lines += re.findall(r"^(?:mkdir .*&& )?(resgen [a-z].*)$", blocks, re.M)
    return {re.split(r"\s+#|\s>", line)[0] for line in lines}


def misused(line: str) -> str | None:
    """What a command would say to a line, which is read as it reads it and not run.

    A name alone, or one with the option that is spoken of at the end, is a mention:
    what such a line lacks is no mistake. Nor is a word that stands for a value.
    """
    _, name, *rest = shlex.split(line)
    command = main.get_command(click.Context(main), name)
    assert command is not None, line
    try:
        command.make_context(name, list(rest), parent=click.Context(main))
    except click.MissingParameter as missing:
        if isinstance(missing.param, click.Argument):
            return None
        return missing.format_message()
    except click.BadOptionUsage as unsaid:
        return None if rest[-1] == unsaid.option_name else unsaid.format_message()
    except click.BadParameter as value:
        stands = any(word.isupper() or "{" in word for word in rest)
        return None if stands else value.format_message()
    except click.UsageError as wrong:
        return wrong.format_message()
    return None


#: Rows of the table of commands are no lines that anybody would type.
LINES = sorted(commands_in(re.sub(r"^\| `resgen .*$", "", README, flags=re.M)))


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
def test_every_command_takes_its_line(line: str) -> None:
    assert misused(line) is None


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
