"""What resgen tells people to type is taken as it stands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_readme import misused

import resgen
from resgen.cli import main

PACKAGE = Path(resgen.__file__).parent
#: A command in backquotes, or among what comes next.
TOLD = re.compile(
    rf"(?:`|^next: |· )(resgen (?:{'|'.join(main.list_commands(None))})\b[^`·\n]*)",  # type: ignore[arg-type]
    re.M,
)


def _texts(tree: ast.AST) -> Iterator[str]:
    """Every text of a file; what is put into one stands as ``{}``.

    One that begins with a command and is put together is a command, and no sentence.
    """
    inner = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inner.update(map(id, ast.walk(node)))
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}"
                for part in node.values
            )
            yield f"next: {text}" if text.startswith("resgen ") else text
        elif isinstance(node, ast.Constant) and id(node) not in inner:
            yield str(node.value)


def _told() -> Iterator[tuple[str, str]]:
    """Commands in the texts of the package, each with its file."""
    for file in sorted(PACKAGE.rglob("*.py")):
        source = file.read_text("utf-8")
        if "resgen " not in source:
            continue
        for text in _texts(ast.parse(source)):
            whole = re.sub(r"`[^`]*`", lambda m: " ".join(m[0].split()), text)
            for line in TOLD.findall(whole):
                # What is put in at the end may be nothing.
                yield str(file.relative_to(PACKAGE)), line.removesuffix(" {}")


def test_every_command_that_is_told_takes_its_line() -> None:
    told = set(_told())
    assert len(told) > 60
    assert [
        (file, line, wrong) for file, line in told if (wrong := misused(line))
    ] == []


@pytest.mark.parametrize("name", main.list_commands(None))  # type: ignore[arg-type]
def test_every_example_of_a_help_takes_its_line(name: str) -> None:
    command = main.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    lines = re.findall(r"^  (resgen .*)$", command.epilog or "", re.M)
    assert lines
    for line in lines:
        assert misused(re.split(r" >| \||  ", line)[0]) is None
