"""``resgen compare``: which of two networks is faster, and why."""

from __future__ import annotations

from typing import Any

import click

from resgen.cli._measuring import measuring_options
from resgen.cli._options import Whole, json_option
from resgen.cli._progress import Progress


@click.command(
    epilog="""\b
Examples:
  resgen compare resnet50 resnet50d
  resgen compare build/resnet50 build/resnet50-int8 --fail-if slower
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
@click.option(
    "--runtime",
    metavar="NAME",
    show_default="onnxruntime; tensorrt for engines",
    help="What runs both.",
)
@measuring_options
@click.option("--batch", metavar="N", type=Whole(), default=1, help="The batch size.")
@click.option(
    "--mode",
    type=click.Choice(["compute", "latency", "end-to-end"]),
    default="latency",
    help="As for `resgen profile`.",
)
@click.option(
    "--time",
    "seconds",
    metavar="SECONDS",
    type=click.FloatRange(min=1, max=86400),
    default=60.0,
    help="About how long to measure; less where the verdict is clear before.",
)
@click.option(
    "--fail-if",
    "conditions",
    metavar="CONDITION",
    multiple=True,
    help="Exit with 1 if it holds, as in slower or p99>5ms; may be repeated.",
)
@json_option
def command(a: str, b: str, *, as_json: bool, **chosen: Any) -> int:
    """Say whether B is faster than A, and which parts make it so."""
    from resgen.cli._compare import Chosen, run

    with Progress({"": "preparing"}, err=as_json) as progress:
        return run(Chosen(a, b, as_json=as_json, **chosen), progress)
