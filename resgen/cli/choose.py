"""``resgen choose``: the best known network that is fast enough on this machine."""

from __future__ import annotations

from typing import Any

import click

from resgen.api.asked.choose import Choosing
from resgen.cli._options import json_option, options, quiet_option
from resgen.cli._progress import Progress
from resgen.cli._text import say, say_json, width


@click.command(
    epilog="""\b
Examples:
  resgen choose --latency 8ms
  resgen choose --latency 20ms --threads 1 --min-top1 75
  resgen choose --latency 5ms --runtime litert --weights loadable -o phone.html
  resgen choose --latency 8ms --table one.json

Accuracies are published ones, of ImageNet-1k, each with its source; times are measured
on this machine, of those networks alone that may be the answer, and kept: the next time
takes seconds. What is named is timed once more, and 95 % of its runs have to be within
the budget.

Exit code 0: a network meets the budget; 1: none does, or the machine was too busy to
promise it."""
)
@options(Choosing)
@quiet_option
@json_option
def command(*, as_json: bool, **given: Any) -> int:
    """Find the most accurate network that answers in time here.

    Writes a page with the table and a plot of accuracy over latency.
    """
    with Progress({"": "counting", "timed": "timing"}, err=as_json) as progress:
        from resgen.api.choose import run

        found = run(Choosing(**given), progress=progress)
    if as_json:
        say_json(found.to_dict())
    else:
        for line in found.lines(width()):
            say(line)
        say(f"{found.page}")
    return int(not found.sure)
