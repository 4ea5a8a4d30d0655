"""``resgen diff``: what differs between two networks."""

from __future__ import annotations

from typing import Any

import click

from resgen.api.asked.looking import Diffing
from resgen.cli._options import json_option, options
from resgen.cli._text import say, say_json, width


@click.command(
    epilog="""\b
Examples:
  resgen diff resnet50 resnet50d
  resgen diff resnet50 mine.json
  resgen diff resnet50 resnet50 --set /stages/2/depth=4
  resgen diff build/resnet50 build/resnet50-int8
  resgen diff --quiet old.json new.json || echo "another network"

Networks are the same where they have the same operators, wired alike, whatever these
are called and however the specs spell them: padding that is said or computed, one
number for all axes or one for each, the order of what is added.

Exit code 0: the same network, at the same precision, of the same pictures; 1: another
one."""
)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@options(Diffing)
@click.option("-q", "--quiet", is_flag=True, help="Tell it by the exit code.")
@json_option
def command(a: str, b: str, *, quiet: bool, as_json: bool, **given: Any) -> int:
    """Say in words and numbers what differs between two networks.

    A and B are specs (a file or the name of a network that comes with resgen), or
    folders that resgen made.
    """
    from resgen.api.diff import diff

    found = diff(a, b, **given)
    if as_json:
        say_json(found.to_dict())
    elif not quiet:
        for line in found.lines(width()):
            say(line)
    return int(not found.equal)
