"""``resgen measure``: the times of blocks on this machine, for networks to come."""

from __future__ import annotations

from typing import Any

import click

from resgen.api.asked.measure import Timing
from resgen.cli._options import json_option, options, quiet_option
from resgen.cli._progress import Progress
from resgen.cli._text import say, say_json, width


@click.command(
    epilog="""\b
Examples:
  resgen measure blocks --threads 1 -o one.json
  resgen measure blocks resnet18 mine.json --minutes 5
  resgen measure blocks space.json --budget macs=2G -o mine.json
  resgen measure blocks --runtime litert --threads 2 -o phone.json
  resgen measure blocks mine.json --precision int8 -o int8.json
  resgen inspect mine.json --latency one.json

Kernels are timed inside whole networks, so that what an engine fuses, its layouts and
its caches are as they are: the networks of each SPEC (the zoo's, if none is named),
then the same at other widths and sizes, until the time is up. A space, as `resgen
search` takes it, stands for its candidates: time those where your own are to come from.

How well the table predicts is told by networks that are left out, with their variants
and without these, and by the first ones, which are timed at the beginning, in the
middle and at the end and are no part of the table before. A table that is there is gone
on with; what a run has timed is kept when it is interrupted."""
)
@click.argument("what", type=click.Choice(["blocks"]))
@click.argument("specs", metavar="[SPEC|SPACE]...", nargs=-1)
@options(Timing)
@quiet_option
@json_option
def command(what: str, specs: tuple[str, ...], *, as_json: bool, **given: Any) -> None:
    """Time blocks here, to predict the latency of networks."""
    with Progress({"": "timing"}, err=as_json) as progress:
        from resgen.api.measure import run

        asked = Timing(**given)
        found = run(specs, asked, progress=progress)
    if as_json:
        say_json(found.to_dict())
        return
    for line in found.lines(width()):
        say(line)
