"""``resgen shrink``: the channels of a network that are worth most."""

from __future__ import annotations

import shlex
from typing import Any

import click

from resgen.api.asked.shrink import Shrinking
from resgen.api.specs import network, opened
from resgen.cli._options import json_option, options, quiet_option, spec_argument
from resgen.cli._problems import summarize
from resgen.cli._progress import Progress
from resgen.cli._text import say, say_json, width

#: What goes on after each step has been said.
_THEN = {"": "grouping", "groups": "choosing", "data": "choosing", "cut": "verifying"}


@click.command(
    epilog="""\b
Examples:
  resgen shrink resnet50 --weights checkpoint.pth --macs 0.5x -o small
  resgen shrink resnet50 --weights checkpoint.pth --latency 0.6x
  resgen shrink resnet50 --weights checkpoint.pth --latency 6ms --precision int8
  resgen shrink mine --params 4M --round 16 --keep layer4
  resgen shrink resnet18 --weights w.safetensors --macs 1G --importance norm
  resgen shrink mine --weights w.safetensors --data pictures --finetune 5 --distill

The folder holds NAME.json, weights.safetensors and shrink.json, which tells which
channels stayed. It is taken where a spec is: `resgen build small`. What it lost of its
accuracy comes back with training.

Exit code 0: it is made, within its budget; 1: it is not, or the machine was too busy
to promise a time."""
)
@spec_argument
@options(Shrinking)
@quiet_option
@json_option
def command(spec: str, *, as_json: bool, **given: Any) -> int:
    """Make a network smaller: a spec of fewer channels.

    SPEC is a file, a folder that resgen made or the name of a network that comes with
    resgen. Channels that belong together go together, the least first.
    """
    spec, asked = opened(spec, Shrinking(**given), built=True)
    read, graph, warnings = network(spec, asked)
    summarize(warnings, spec)
    with Progress(_THEN, err=as_json) as progress:
        from resgen.api.shrink import run
        from resgen.reports.shrunk import PAGE

        made = run(read, graph, asked, progress=progress)
    if as_json:
        say_json(made.to_dict())
        return int(not made.sure)
    for line in made.lines(width()):
        say(line)
    if made.folder is not None:
        folder = made.folder.folder
        export = f"resgen export {folder} --to onnx --precision int8"
        # In a folder of its own, since the whole is built under the same name.
        build = (
            f"resgen build {folder} -o build/{folder.name} · resgen profile {folder}"
        )
        then = export if asked.precision == "int8" else build
        if asked.report:
            then = f"open {shlex.quote(f'{folder}/{PAGE}')} · {then}"
        else:
            then += " · --report shows what each layer lost, on a page"
        say(f"next: {then}")
    return int(not made.sure)
