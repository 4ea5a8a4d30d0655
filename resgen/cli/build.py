"""``resgen build``: the main job, from a spec to a folder with a proven model."""

from __future__ import annotations

from typing import Any

import click

from resgen.api.asked.making import Building
from resgen.api.specs import network, opened
from resgen.cli._options import json_option, options, quiet_option, spec_argument
from resgen.cli._problems import summarize
from resgen.cli._progress import Progress
from resgen.cli._text import say, say_json

#: What goes on after each step has been said.
_NEXT = {"": "starting", "graph": "weights", "weights": "writing ONNX"}
_PROOF = {"onnx": "verifying"}


@click.command(
    epilog="""\b
Examples:
  resgen build resnet50
  resgen build mine.json -o out --set /head/classes=10 --weights checkpoint.pth
  resgen build resnet50 --batch 8 --opset 18 --no-verify

The folder holds spec.json, graph.json, weights.safetensors, model.onnx and
manifest.json. It appears when everything is done and proven, or not at all."""
)
@spec_argument
@options(Building)
@quiet_option
@json_option
def command(spec: str, *, as_json: bool, **given: Any) -> None:
    """Make a PyTorch model and an ONNX file, proven equal.

    SPEC is a file, a folder that resgen made or the name of a network that comes along.
    """
    spec, asked = opened(spec, Building(**given), built=True)
    read, graph, warnings = network(spec, asked)
    summarize(warnings, spec)
    then = {**_NEXT, **_PROOF} if asked.verify else _NEXT
    with Progress(then, err=as_json) as progress:
        from resgen.api.build import run

        built = run(read, graph, asked, progress=progress)
    if as_json:
        say_json(built.to_dict())
        return
    for line in built.lines():
        say(line)
    proof = f"resgen verify {built.folder}"
    say(f"next: {proof} · resgen profile {built.folder}")
