"""``resgen search``: the best network of a space within a budget."""

from __future__ import annotations

from typing import Any

import click

from resgen.api.asked.search import Searching
from resgen.cli._options import json_option, options, quiet_option
from resgen.cli._progress import Progress
from resgen.cli._text import say, say_json, width

#: What goes on after each step has been said.
_THEN = {"": "counting", "space": "looking", "refused": "timing", "timed": "timing"}


@click.command(
    epilog="""\b
Examples:
  resgen search space.json --budget params=5M,macs=1G
  resgen search space.json --budget latency=8ms --table one.json -o found
  resgen search space.json --budget macs=1G --train 30 --data photos/
  resgen search space.json --sampler random --trials 100000 --no-measure

\b
A space is JSON: a network, what of it varies, and what has to hold:
  {"base": "resnet50.json",
   "vary": {"/stages/*/depth": [2, 3, 4, 6],
            "/stages/*/width": {"from": 64, "to": 2048, "step": 32}},
   "where": ["width[0] <= width[1] <= width[2] <= width[3]"]}

The folder holds the best as NAME.json, search.json, a page with a plot, and a journal:
asked again, a search that was stopped goes on, and two that have one folder share the
work.

Exit code 0: a network is within the budget; 1: none is, or nothing is promised."""
)
@click.argument("space", metavar="SPACE")
@options(Searching)
@quiet_option
@json_option
def command(space: str, *, as_json: bool, **given: Any) -> int:
    """Find the best network of a space within a budget.

    SPACE is a file. Candidates are counted without being built, by all cores; the best
    are timed on this machine and told from what chance finds.
    """
    with Progress(_THEN, err=as_json) as progress:
        from resgen.api.search import run

        found = run(space, Searching(**given), progress=progress)
    if as_json:
        say_json(found.to_dict())
    else:
        for line in found.lines(width()):
            say(line)
    return int(not found.sure)
