"""``resgen import``: a network from elsewhere becomes a spec and its weights."""

from __future__ import annotations

from typing import Any

import click

from resgen.api.asked.making import Importing
from resgen.cli._options import json_option, options, quiet_option
from resgen.cli._progress import Progress
from resgen.cli._text import say, say_json, width

#: What goes on after each step has been said.
_THEN = {"": "reading", "read": "recovering the design", "design": "verifying"}


@click.command(
    epilog="""\b
Examples:
  resgen import model.onnx -o mine
  resgen import detector.onnx --cut /model.22/Concat_3
  resgen import network.pt2 --name mine --build

The folder holds NAME.json, weights.safetensors, and import.json, which tells where
every initialiser went, what was recognised and dropped, and what was proven. It appears
when all is proven, or not at all; then every command that takes a folder takes it:

\b
  resgen export mine --to onnx --precision int8
  resgen profile mine

A module that is in memory is read by `resgen.from_torch(module, (3, 224, 224))`."""
)
@click.argument("file", metavar="FILE")
@options(Importing)
@quiet_option
@json_option
def command(file: str, *, as_json: bool, **given: Any) -> None:
    """Read a network from elsewhere back as a spec.

    FILE is an ONNX file, or a .pt2 file of torch.export. Its design is recovered: the
    spec has stages, blocks
    and shortcuts as far as they can be found, and is proven to compute what the file
    computes; otherwise nothing is written.
    """
    asked = Importing(**given)
    with Progress(_THEN, err=as_json) as progress:
        from resgen.api.import_ import run

        made = run(file, asked, progress=progress)
    if as_json:
        say_json(made.to_dict())
        return
    for line in made.lines(width()):
        say(line)
    folder = made.folder.folder
    lowered = f"resgen export {folder} --to onnx --precision int8"
    say(f"next: {lowered} · resgen profile {folder}")
