"""A signal ends the program in order, whatever it is doing."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from resgen.cli import main

#: A program that sends itself a signal when a module is imported, as native code takes
#: it: numpy turns a KeyboardInterrupt into an ImportError.
PROGRAM = """
import importlib.abc, os, signal, sys
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            try:
                os.kill(os.getpid(), {number})
            except KeyboardInterrupt:
                {then}
sys.meta_path.insert(0, Finder())
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["resgen", "check", "resnet50"]
from resgen.__main__ import run
run()
"""
RAISE = "raise"
TURN = "raise ImportError('initialization failed') from None"


@pytest.mark.parametrize("then", [RAISE, TURN], ids=["as it is", "turned"])
@pytest.mark.parametrize("module", ["click", "resgen.cli.check", "resgen.spec.bind"])
@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_during_imports(
    module: str, then: str, number: int, code: int, word: str
) -> None:
    program = PROGRAM.format(module=module, number=int(number), then=then)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    assert done.stderr.strip() == f"resgen: {word} (exit {code})."


def test_a_signal_in_a_finaliser_is_not_lost() -> None:
    program = """
import os, signal
from resgen import interrupt
class Dying:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
interrupt.listen()
try:
    dying = Dying()
    del dying
    while True:
        pass
except KeyboardInterrupt:
    print(interrupt.exit_code())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("143\n", "")


@pytest.mark.slow
def test_a_signal_that_is_ignored_stays_ignored() -> None:
    program = PROGRAM.format(module="click", number=int(signal.SIGTERM), then=RAISE)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [["list"], ["check", "resnet50"], ["--help"]])
@pytest.mark.slow
def test_an_output_that_is_closed_is_an_error(command: list[str]) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "resgen", *command],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == "resgen: standard output is closed (exit 1).\n"


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EPIPE, ""),
        (errno.ENOSPC, "resgen: cannot write standard output: no space left on device"),
    ],
)
def test_an_output_that_takes_no_more_ends_a_command(
    number: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is no fault of the folder that is being written, which does not appear."""
    echo, shown = click.echo, 0

    def full(text: str, *, err: bool = False, **more: Any) -> None:
        nonlocal shown
        shown += not err
        if not err and shown > 4:  # the folder was begun
            raise OSError(number, os.strerror(number))
        echo(text, err=err, **more)

    monkeypatch.setattr(click, "echo", full)
    where = str(tmp_path / "made")
    with pytest.raises(SystemExit) as ended:
        main(["build", "resnet20_cifar", "--no-verify", "-o", where])
    assert ended.value.code == 1
    assert capsys.readouterr().err == (told and f"{told} (exit 1).\n")
    assert not list(tmp_path.iterdir())


def test_a_message_that_nothing_takes_ends_no_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deaf(text: str, *, err: bool = False, **more: Any) -> None:
        if err:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(click, "echo", deaf)
    where = tmp_path / "made"
    command = ["build", "resnet20_cifar", "--no-verify", "--json", "-o", str(where)]
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 0
    assert (where / "model.onnx").is_file()


def test_no_file_becomes_a_stream_that_was_closed(tmp_path: Path) -> None:
    command = ["inspect", "resnet20_cifar", "--diagram", "x.svg"]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- 2>&-', "sh",
         sys.executable, "-m", "resgen", *command],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert done.returncode == 0
    assert "resnet20_cifar" in done.stdout
    assert (tmp_path / "x.svg").read_text().rstrip().endswith("</svg>")


#: A worker that computes for ever, and whoever asks it, who is killed meanwhile.
PARENT = """
import os, signal
from resgen.machine import process
process.program = lambda worker: '''
from resgen.machine import process
class Busy(process.Worker):
    def settle(self, seconds):
        self._answers.give("progress", 0.5)
        while True:
            pass
process.main(Busy)
'''
asked = process.Process(process.Worker)
print(asked._process.pid, flush=True)
asked.ask("settle", 1.0, progress=lambda share: os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="waits for no child of its own"
)
@pytest.mark.slow
def test_a_worker_dies_with_whoever_asks_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        try:
            watched = os.pidfd_open(worker)
        except ProcessLookupError:  # both are gone already
            return
        with os.fdopen(watched) as file:
            assert select.select([file], [], [], 60)[0]
    assert parent.returncode == -signal.SIGKILL
