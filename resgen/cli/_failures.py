"""From an exception to a message on stderr and an exit code."""

from __future__ import annotations

import errno
import signal
from typing import Final

import click

from resgen import interrupt
from resgen.cli._problems import show, typed
from resgen.cli._text import CLOSED, say
from resgen.errors import ResgenError, SpecError, did_you_mean
from resgen.files.ordinary import reason
from resgen.options.group import Refused
from resgen.reports.problems.terminal import tally
from resgen.words.terminal import printable, style

#: What a user or a machine can cause. Anything else is a mistake of resgen's own, and
#: its traceback is what a bug report needs.
FAILURES: Final = (
    ResgenError,
    click.ClickException,
    click.Abort,
    KeyboardInterrupt,
    MemoryError,
    ModuleNotFoundError,
    OSError,
)


def report(failure: BaseException) -> int:
    """Say what went wrong on stderr, and return the exit code."""
    stopped = isinstance(failure, (click.Abort, KeyboardInterrupt))
    if stopped or interrupt.exit_code() is not None:  # or what followed from it
        return _fail(interrupt.said(), interrupted())
    match failure:
        case SpecError():
            for problem in failure.problems:
                show(problem, err=True)
            files = {p.place.file for p in failure.problems if p.severity == "error"}
            where = f" in {printable(files.pop())}" if len(files) == 1 else ""
            return _fail(tally(failure.problems) + where, failure.exit_code)
        case Refused():
            return report(failure.typed)
        case ResgenError():
            return _fail(failure.message, failure.exit_code, failure.hint)
        case click.NoSuchOption(ctx=click.Context(command=command)):
            known = [name for param in command.params for name in param.opts]
            near = did_you_mean(failure.option_name, known)
            message = f"there is no option {failure.option_name}{near}"
            return _fail(message, 2, _usage(failure.ctx))
        case click.UsageError():
            return _fail(_sentence(failure), 2, _usage(failure.ctx))
        case click.ClickException():
            return _fail(_sentence(failure), 1)
        case MemoryError():
            hint = "a smaller input or batch needs less"
            return _fail("this machine has too little memory for it", 1, hint)
        case ModuleNotFoundError():
            from resgen.machine.components import absent

            missing = absent(failure)
            if missing is None:
                raise failure
            return report(missing)
        case OSError(errno=errno.EBADF, filename=None):
            return _fail(CLOSED, 1)
        case OSError():
            at = "" if failure.filename is None else f"{failure.filename}: "
            return _fail(at + reason(failure), 1)
        case _:
            raise failure


def interrupted() -> int:
    """The exit code of a program that was stopped."""
    return interrupt.exit_code() or 128 + signal.SIGINT


def _fail(message: str, code: int, hint: str | None = None) -> int:
    hint = typed(hint or "")
    first, *more = message.splitlines() or [""]
    name = style("resgen:", fg="red", bold=True)
    say(f"{name} {printable(first)} (exit {code}).", err=True)
    for line in (*more, *hint.splitlines()):
        say(f"  {printable(line)}".rstrip(), err=True)
    return code


def _sentence(failure: click.ClickException) -> str:
    """Click's message as a part of ours."""
    text = " ".join(failure.format_message().split()).rstrip(".")
    return text[:1].lower() + text[1:]


def _usage(ctx: click.Context | None) -> str | None:
    return None if ctx is None else f"`{ctx.command_path} --help` shows how it is used"
