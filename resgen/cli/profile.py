"""``resgen profile``: how fast a network is, on what, and where the time goes."""

from __future__ import annotations

import shlex
import time
from typing import Any

import click

from resgen.api.asked.profile import Profiling
from resgen.cli._failures import interrupted
from resgen.cli._options import json_option, options, quiet_option
from resgen.cli._progress import Progress
from resgen.cli._text import say, say_json, width
from resgen.words.terminal import style


@click.command(
    epilog="""\b
Examples:
  resgen profile resnet50
  resgen profile build/resnet50 --runtime onnxruntime --runtime openvino
  resgen profile resnet50 --runtime all --batch 1,8,32 --mode throughput
  resgen profile model.onnx --shape 3x224x224 --time 30
  resgen profile model.engine --device cuda --mode compute

SOURCE is a spec, a folder that `resgen build` or `export` made, an ONNX file, or an
engine of TensorRT. Each runtime and batch size is measured in a process of its own,
until the 95 % interval of the median is within 1 % of it or time is up. Weights that
nobody trained are replaced by probe parameters: numbers in fresh ones overflow or die
out, which changes times.

Exit code 0: everything was measured; 1: a runtime gave nothing; 3: one is not here."""
)
@click.argument("source", metavar="SOURCE")
@options(Profiling)
@quiet_option
@json_option
def command(source: str, *, as_json: bool, **given: Any) -> int | None:
    """Measure how fast a network runs, and where the time goes.

    Writes report.html, which opens from disk, and report.json.
    """
    from resgen.api.profile import PAGE, run

    begin = time.perf_counter()
    with Progress({"": "preparing"}, err=as_json) as progress:
        asked = Profiling(**given)
        found = run(source, asked, progress=progress, default_out="build/{}-profile")
    if as_json:
        say_json(found.to_dict())
    else:
        say()
        for line in found.lines(width()):
            say(line)
        took = time.perf_counter() - begin
        say(f"\n{style(f'{found.folder}/', bold=True)}  in {took:.1f} s")
        page = shlex.quote(f"{found.folder}/{PAGE}")
        say(f"next: open {page} · `resgen compare A B` says which of two is faster")
    if found.interrupted:
        say("interrupted; what was measured until then is in the report", err=True)
        return interrupted()
    return int(found.failed)
