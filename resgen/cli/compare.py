"""``resgen compare``: which of two networks is faster, and why."""

from __future__ import annotations

from typing import Any

import click

from resgen.api.asked.compare import Comparing
from resgen.cli._options import json_option, options, quiet_option
from resgen.cli._progress import Progress
from resgen.cli._text import say, say_json
from resgen.words.terminal import style


@click.command(
    epilog="""\b
Examples:
  resgen compare resnet50 resnet50d
  resgen compare build/resnet50 build/resnet50-int8 --fail-if slower
  resgen compare build/resnet50 build/resnet50-int8 -o int8.html
  resgen compare old.onnx new.onnx --fail-if "p99>5ms" --fail-if "macs>4.2G"
  resgen compare monday/report.json tuesday/report.json

A and B are specs, folders, ONNX files, engines of TensorRT, or two saved reports. They
are measured in turns, in at least eight pairs of fresh processes; pairs that both run
A say what difference comes of nothing. In at most 2 of 100 comparisons of a thing with
itself it is called faster or slower. Reports of two sessions are undecided: nobody
knows what else has changed.

A condition is a verdict (slower, undecided, faster, equal) or the most that something
of B may be: median, p90, p95, p99 (as in 5ms), macs, bytes, params, reformats,
unquantised-additions (as in 4.2G).

Exit code 0 whatever the verdict; 1: a condition of --fail-if holds."""
)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@options(Comparing)
@quiet_option
@json_option
def command(a: str, b: str, *, as_json: bool, **given: Any) -> int:
    """Say whether B is faster than A, and which parts make it so."""
    from resgen.api.compare import compare

    with Progress({"": "preparing"}, err=as_json) as progress:
        found = compare(a, b, progress=progress, **given)
    if as_json:
        say_json(found.to_dict())
    else:
        for line in found.lines():
            say(line)
    for line in found.failed:
        say(f"{style('fails:', fg='red', bold=True)} {line}", err=True)
    return int(bool(found.failed))
