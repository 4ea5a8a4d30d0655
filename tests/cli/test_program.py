"""The program around the commands: help, exit codes, streams, colours."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from resgen._version import __version__
from resgen.cli import main
from resgen.cli._failures import report
from resgen.errors import MissingComponent, ResgenError, UsageError
from resgen.graph.builder import Limits

Run = Callable[..., Result]

COMMANDS = ("build", "check", "inspect", "list", "predict", "schema", "verify")
PROGRAM = [sys.executable, "-c", "from resgen.cli import main; main()"]


def test_commands_are_found_by_their_files(run: Run) -> None:
    shown = run("--help").stdout
    assert set(COMMANDS) <= set(re.findall(r"^  ([a-z]+)  ", shown, re.MULTILINE))
    assert "..." not in shown.partition("Commands:")[2].partition("Examples:")[0]


def test_the_version(run: Run) -> None:
    assert run("--version").stdout == f"resgen {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_an_example_and_says_what_options_do(
    run: Run, name: str
) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"\n    resgen {name} " in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 88
    command = main.get_command(click.Context(main), name)
    assert command is not None
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert all(option.help for option in options)


def test_limits_of_the_help_are_those_in_force(run: Run) -> None:
    shown = " ".join(run("check", "--help").stdout.split())
    assert f"(default: {Limits().operators:,}" in shown.replace(
        "[default: (", "(default: "
    )
    assert f"{Limits().parameters:,}" in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("chekc",), 'there is no command "chekc"; did you mean "check"?'),
        (("zzz",), 'there is no command "zzz"'),
        (("check", "--jsno"), 'did you mean "--json"?'),
        (("--versoin",), 'did you mean "--version"?'),
        (("inspect",), "SPEC"),
        (("build", "resnet50", "--batch", "0"), "--batch"),
        (("build", "resnet50", "--exporter", "onnx"), "torch"),
        (("build", "resnet50", "--ema"), "--weights"),
        (("build", "resnet50", "--images", "x", "--no-verify"), "--images"),
        (("predict", "build/resnet50"), "IMAGE"),
    ],
)
def test_wrong_usage(run: Run, arguments: tuple[str, ...], says: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    first, *_ = result.stderr.splitlines()
    assert first.startswith("resgen: ")
    assert first.endswith("(exit 2).")
    assert says in result.stderr


@pytest.mark.parametrize(
    ("failure", "code", "says"),
    [
        (ResgenError("it is wrong", hint="mend it"), 1, "resgen: it is wrong (exit 1).\n  mend it"),
        (UsageError("not so"), 2, "resgen: not so (exit 2)."),
        (
            MissingComponent("TensorRT", "the engine cannot run here", "pip install it"),
            3,
            "resgen: TensorRT is not installed, so the engine cannot run here (exit 3).\n"
            "  pip install it",
        ),
        (KeyboardInterrupt(), 130, "resgen: interrupted (exit 130)."),
        (MemoryError(), 1, "resgen: this machine has too little memory"),
        (OSError(28, "No space left on device", "out/model.onnx"), 1,
         "resgen: out/model.onnx: no space left on device (exit 1)."),
    ],
)  # fmt: skip
def test_failures_are_said_on_stderr(
    failure: BaseException, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(failure) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(says)


def test_colours_only_where_they_are_wanted(run: Run, bad: Path) -> None:
    assert "\x1b[" in run("check", "bad.json", color=True).stdout
    assert "\x1b[" not in run("check", "bad.json").stdout
    plain = run("check", "bad.json", color=True, env={"NO_COLOR": "1"})
    assert "\x1b[" not in plain.stdout
    failed = run("inspect", "bad.json", color=True, env={"NO_COLOR": "1"})
    assert "\x1b[" not in failed.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs pipes of POSIX")
def test_a_reader_that_stops_early_gets_no_complaint() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*PROGRAM, "list"], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(writer)
    assert done.stderr == ""


def test_an_encoding_that_lacks_a_character(here: Path) -> None:
    text = (
        (here / "mine.json")
        .read_text("utf-8")
        .replace('"mine"', '"r\u00e9seau \u6f22"')
    )
    (here / "mine.json").write_text(text, "utf-8")
    done = subprocess.run(
        [*PROGRAM, "inspect", "mine.json"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert rb"r\xe9seau \u6f22" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="needs signals of POSIX")
def test_an_interrupt_leaves_nothing_and_says_so(here: Path) -> None:
    with subprocess.Popen(
        [*PROGRAM, "build", "resnet152", "--no-verify", "-o", "out/it"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while not process.stdout.readline().startswith("graph"):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read().strip() == "resgen: interrupted (exit 130)."
    assert list((here / "out").iterdir()) == []
