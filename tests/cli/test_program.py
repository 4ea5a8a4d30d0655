"""The program around the commands: help, exit codes, streams, colours."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from io import StringIO
from pathlib import Path

import click
import pytest
from click.testing import Result
from small_subject import onnx_file

from resgen._version import __version__
from resgen.cli import main
from resgen.cli._failures import report
from resgen.cli._progress import Progress
from resgen.errors import MissingComponent, ResgenError, UsageError
from resgen.expansion.builder import Limits

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
        (("export", "resnet50", "--to", "onxn"), "'onnx'"),
        (("build", "resnet50", "--ema"), "--weights"),
        (("build", "resnet50", "--images", "x", "--no-verify"), "--images"),
        (("predict", "build/resnet50"), "IMAGE"),
        (("choose", "--threads", "100000"), "at most 1,024"),
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
        (ResgenError("wrong", hint="mend it"), 1, "resgen: wrong (exit 1).\n  mend it"),
        (UsageError("not so"), 2, "resgen: not so (exit 2)."),
        (
            MissingComponent("PyTorch", "nothing is proven", "pip install torch"),
            3,
            "resgen: PyTorch is not installed, so nothing is proven (exit 3).\n"
            "  pip install torch",
        ),
        (ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"), 3,
         "resgen: PyTorch is not installed, so this cannot be done (exit 3).\n"
         '  pip install "resgen[torch]"'),
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


def test_a_module_that_nobody_offers_is_a_mistake_of_resgen() -> None:
    with pytest.raises(ModuleNotFoundError):
        report(ModuleNotFoundError("No module named 'rsegen'", name="rsegen"))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("import", "net.onnx", "-o", "mine.json"), 1, "mine.json is a file"),
        (("import", "net.onnx", "-o", "."), 2, ". holds net.onnx, which this is made"),
        (("shrink", "mine.json", "-o", "net.onnx"), 1, "net.onnx is a file"),
        (("shrink", "mine.json", "-o", "."), 2, ". holds mine.json, which this is"),
        (("choose", "--latency", "8ms", "-o", "x.pdf"), 2, "its name ends in .html"),
        (("choose", "--latency", "8ms", "-o", "a.html"), 1, "a.html is a folder"),
        (("measure", "blocks", "mine.json", "-o", "a.html"), 1, "a.html is a folder"),
        (("compare", "mine.json", "net.onnx", "-o", "a.html"), 1, "a.html is a folder"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_told_before_the_work(
    run: Run, here: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    onnx_file(here / "net.onnx", "net")
    (here / "a.html").mkdir()
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert says in result.stderr


@pytest.mark.parametrize(
    ("command", "given", "policy"),
    [
        ("list", None, "PASSIVE"),
        ("list", "ACTIVE", "ACTIVE"),  # a user's own wish
        ("profile", None, None),  # as everybody's PyTorch runs
        ("compare", None, None),
    ],
)
def test_threads_sleep_where_they_wait_unless_they_are_timed(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    given: str | None,
    policy: str | None,
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", given or "")
    if given is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    assert run(command, "--help").exit_code == 0
    assert os.environ.get("OMP_WAIT_POLICY") == policy


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
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "r\u00e9seau \\u6f22".encode("latin-1") in done.stdout


@pytest.mark.slow
def test_json_is_json_in_any_encoding(here: Path) -> None:
    name = "r\u00e9seau \u6f22 \u0153"
    (here / "named.json").write_text(
        (here / "mine.json").read_text("utf-8").replace("mine", name), "utf-8"
    )
    for encoding in ("utf-8", "latin-1", "cp1252", "ascii"):
        done = subprocess.run(
            [*PROGRAM, "inspect", "named.json", "--json"],
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": encoding},
            timeout=60,
        )
        assert json.loads(done.stdout.decode("utf-8"))["name"] == name


@pytest.mark.skipif(os.name == "nt", reason="needs signals of POSIX")
@pytest.mark.slow
def test_an_interrupt_leaves_nothing_and_says_so(here: Path) -> None:
    with subprocess.Popen(
        [*PROGRAM, "build", "resnet152", "--no-verify", "-o", "out/it"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores interrupts, and its children with it.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(3):  # the third step is said while files are being written
            assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read().strip() == "resgen: interrupted (exit 130)."
    assert [path for path in here.rglob("*") if path.is_file()] == [here / "mine.json"]


class Terminal(StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_the_step_under_way_and_takes_it_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress({"": "one", "a": "two"}, err=False) as progress:
        assert terminal.getvalue() == "one ..."
        progress.say("a", "done\nand more")
        assert terminal.getvalue() == "one ...\r\x1b[Ktwo ..."
    assert terminal.getvalue().endswith("two ...\r\x1b[K")
    assert capsys.readouterr().out == "a         done\n          and more\n"


@pytest.mark.parametrize(
    "raised",
    [
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ..."),
        RuntimeError("could not create a primitive"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        ImportError("libcblas.so: cannot allocate memory in static TLS block"),
    ],
    ids=str,
)
def test_memory_that_runs_out_within_a_library_is_a_sentence(
    run: Run, raised: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr("resgen.api.list.networks", fails)
    done = run("list")
    assert done.exit_code == 1
    assert "this machine has too little memory for it (exit 1)" in done.stderr


def test_any_other_error_of_a_library_is_a_mistake_of_ours(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr("resgen.api.list.networks", fails)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        run("list")


def test_a_shell_completes_commands_and_the_words_of_options(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_RESGEN_COMPLETE", "bash_complete")

    def completed(line: str) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        return run().stdout.splitlines()

    assert completed("resgen insp") == ["plain,inspect"]
    assert completed("resgen profile resnet50 --mode c") == ["plain,compute"]
    assert "plain,--quiet" in completed("resgen build --q")
