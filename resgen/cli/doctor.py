"""``resgen doctor``: what this machine has, and how to get what it lacks."""

from __future__ import annotations

import click

from resgen.cli._options import json_option
from resgen.cli._text import say, say_json, width


@click.command(
    epilog="""\b
Examples:
  resgen doctor              what is here, what is missing, and how to get it
  resgen doctor --json       the same, for a bug report

No name of a person, of the host or of a folder is shown. The exit code is 0 whatever is
missing."""
)
@json_option
def command(*, as_json: bool) -> None:
    """Show what this machine has, and how to get what it lacks."""
    from resgen.api.doctor import doctor

    found = doctor()
    if as_json:
        say_json(found.to_dict())
    else:
        for line in found.lines(width()):
            say(line)
