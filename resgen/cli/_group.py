"""The program itself: finds its commands, and says in words what went wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from typing import Any, Final

import click

from resgen._version import __version__
from resgen.cli._failures import FAILURES, report
from resgen.cli._text import no_color
from resgen.errors import did_you_mean, is_out_of_memory

_FOLDER: Final = Path(__file__).parent
#: Commands that measure: engines run there as they do for everybody.
_MEASURING: Final = ("choose", "compare", "measure", "profile", "search")


class Program(click.Group):
    """A group of the commands that lie in this folder, imported when they are asked."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, from the names of their files."""
        stems = (p.stem for p in _FOLDER.glob("*.py"))
        return sorted(stem.rstrip("_") for stem in stems if stem[0] != "_")

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, if its file is there."""
        if cmd_name not in self.list_commands(ctx):
            return None
        # A keyword is no name of a module.
        module = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        found: click.Command = import_module(f"resgen.cli.{module}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with a suggestion for a name that is misspelt."""
        known = self.list_commands(ctx)
        if not args[0].startswith("-") and args[0] not in known:
            near = did_you_mean(args[0], known)
            raise click.UsageError(f'there is no command "{args[0]}"{near}', ctx)
        name, command, rest = super().resolve_command(ctx, args)
        if name not in _MEASURING:
            # PyTorch's threads spin where they wait for one another. Beside other work
            # they wait for one that has no core, and a proof takes three times as long
            # (quiet, it takes as long either way). Read when torch is imported.
            os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        return name, command, rest

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        *,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, and end with the exit code that the README documents.

        A command returns its exit code, or nothing for 0.
        """
        for stream in (sys.stdout, sys.stderr):
            # Whatever the terminal's encoding, a name or a message never ends a run.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        extra.setdefault("prog_name", "resgen")
        extra.setdefault("color", False if no_color() else None)
        try:
            code = super().main(args, standalone_mode=False, **extra)
        except FAILURES as failure:
            if not standalone_mode:
                raise
            code = report(failure)
        except Exception as failure:
            # What libraries raise when there is too little is of any kind.
            if not standalone_mode or not is_out_of_memory(failure):
                raise
            code = report(MemoryError())
        if not standalone_mode:
            return code
        sys.exit(code or 0)


@click.group(
    "resgen",
    cls=Program,
    invoke_without_command=True,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 88,
        "show_default": True,
    },
    epilog="""\b
Examples:
  resgen list                       networks that come with resgen
  resgen check mine.json            every mistake of a spec at once
  resgen inspect resnet50           its size and shapes, before anything is built
  resgen diff resnet50 resnet50d    what differs between two networks
  resgen build resnet50             PyTorch weights and ONNX, proven equal
  resgen export resnet50 --to onnx --precision int8
                                    in 8 bits, and what that costs
  resgen profile resnet50           how fast, and where the time goes
  resgen doctor                     what this machine has and lacks

SPEC is always a file or the name of a network that comes with resgen. `resgen COMMAND
--help` tells more about one command. A shell completes them after
`eval "$(_RESGEN_COMPLETE=bash_source resgen)"` (also zsh_source, fish_source).""",
)
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Neural networks from a few lines of JSON, proven equal wherever they run."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
