"""``resgen inspect``: what a network costs and what shapes it has."""

from __future__ import annotations

from typing import Any

import click

from resgen.api.asked.looking import Inspecting
from resgen.cli._options import json_option, options, spec_argument
from resgen.cli._problems import summarize
from resgen.cli._text import say, say_json, width


@click.command(
    epilog="""\b
Examples:
  resgen inspect specs/resnet50.json
  resgen inspect resnet50 --set /stages/2/depth=23
  resgen inspect resnet50 --vary /stages/2/depth=4,6,8 --vary /stages/3/depth=2,3
  resgen inspect resnet50 --json | jq .macs
  resgen inspect resnet50 --diagram resnet50.svg

MACs are multiply-adds of convolutions and linear maps for one input, without bias, as
torchvision counts them. Live memory is of activations in fp32 at batch 1. A .png is
drawn by resvg: pip install 'resgen[png]'.

Exit code 0: all of it is a network; 1: the spec or one that was varied is none."""
)
@spec_argument
@options(Inspecting)
@click.option(
    "--resolved", is_flag=True, help="Print the spec with all that it extends and uses."
)
@json_option
def command(spec: str, *, resolved: bool, as_json: bool, **given: Any) -> int:
    """Show parameters, MACs, shapes and memory, by stage.

    SPEC is a file, a folder that resgen made or the name of a network that comes along.
    """
    from resgen.api.inspect import inspect

    found = inspect(spec, **given)
    if resolved:
        say_json(found.resolved)
    elif as_json:
        say_json(found.to_dict())
    else:
        for line in found.lines(width()):
            say(line)
    if given["diagram"] is not None:
        say(f"the drawing is in {given['diagram']}", err=True)
    summarize(found.warnings, spec)
    return int(any(variant.analysis is None for variant in found.variants))
