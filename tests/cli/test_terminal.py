"""What reaches a terminal: our colours, and nothing that a name brought along."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from cli.conftest import SPEC, Run
from reports.make import record

from resgen.profiling.documents import REPORT
from resgen.reports.csv import written

#: A clear screen, a title, a C1 control sequence, a turn of the writing direction.
OBEYED = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e"


def on_terminal(folder: Path, *words: object) -> str:
    """What a real terminal is sent by a command."""
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "resgen", *map(str, words)],
        cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True,
    )  # fmt: skip
    os.close(theirs)
    sent = b""
    while True:
        try:
            more = os.read(ours, 1 << 16)
        except OSError:  # Linux says so of a terminal whose last program has gone
            break
        if not more:
            break
        sent += more
    os.close(ours)
    done.wait()
    return sent.decode("utf-8", "surrogateescape")


def inert(text: str) -> bool:
    """Whether nothing but renditions and the erasing of our own line is in the text."""
    ours = ["\x1b[K", *(f"\x1b[{n}m" for n in (0, 1, 2, *range(31, 37)))]
    for sequence in ours:
        text = text.replace(sequence, "")
    return not set(text) & {*map(chr, range(0x80, 0xA0)), "\x1b", "\x07", "\u202e"}


@pytest.mark.parametrize("command", ["check", "inspect", "build"])
@pytest.mark.slow
def test_the_name_of_a_file_is_not_obeyed(command: str, tmp_path: Path) -> None:
    name = f"a{OBEYED}.json"
    (tmp_path / name).write_text(json.dumps({**SPEC, "stages": [{"widht": 8}]}))
    text = on_terminal(tmp_path, command, name)
    assert inert(text)
    assert "\\x1b[2J" in text
    assert "\x1b[1m" in text  # our own colours are there


@pytest.mark.parametrize("form", ["csv", "md"])
def test_reports_are_not_obeyed(form: str, run: Run, tmp_path: Path) -> None:
    REPORT.save(record(name=OBEYED), tmp_path / "report.json")
    done = run("report", tmp_path / "report.json", "--format", form)
    assert done.exit_code == 0
    assert inert(done.stdout)


def test_json_stays_json(run: Run, tmp_path: Path) -> None:
    labels = [f"{i}{OBEYED}" for i in range(10)]
    (tmp_path / "mine.json").write_text(json.dumps({**SPEC, "labels": labels}))
    done = run("inspect", tmp_path / "mine.json", "--resolved")
    assert inert(done.stdout)
    assert json.loads(done.stdout)["labels"] == labels


def test_a_cell_is_no_formula() -> None:
    rows = [{"name": "=1+1", "delta": -1.5}, {"name": "@SUM(A1)", "delta": 2}]
    text = written(["name", "delta"], rows)
    assert text.splitlines()[1:] == ["'=1+1,-1.5", "'@SUM(A1),2"]
