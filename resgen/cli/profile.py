"""``resgen profile``: how fast a network is, on what, and where the time goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from resgen.cli._measuring import measuring_options
from resgen.cli._options import Whole, json_option, set_option
from resgen.cli._progress import Progress


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
@click.option(
    "--runtime",
    "runtimes",
    metavar="NAME",
    multiple=True,
    show_default="onnxruntime; tensorrt for an engine",
    help="onnxruntime, torch, torch-compile, opencv, openvino, tensorrt, or all that "
    "are here; may be repeated.",
)
@measuring_options
@click.option(
    "--batch",
    "batches",
    metavar="N,...",
    default="1",
    help="Batch sizes, one after the other.",
)
@click.option(
    "--mode",
    type=click.Choice(["compute", "latency", "end-to-end", "throughput"]),
    default="latency",
    help="The device's own time, one request from the host, one with its data moved "
    "and prepared, or several requests at once.",
)
@click.option(
    "--time",
    "seconds",
    metavar="SECONDS",
    type=click.FloatRange(min=0.1, max=86400),
    default=10.0,
    help="The most that sampling takes, for each runtime and batch size.",
)
@click.option(
    "--rate",
    metavar="HZ",
    type=click.FloatRange(min=0.01, max=1e6),
    help="Pace requests as a camera does, in frames a second.",
)
@click.option(
    "--cold-l2", "cold", is_flag=True, help="Flush the caches before every run."
)
@click.option(
    "--in-flight",
    "lanes",
    metavar="N",
    type=Whole(),
    show_default="2",
    help="For throughput: requests at once.",
)
@click.option(
    "--no-cuda-graph",
    "launches",
    is_flag=True,
    help="For compute: launch every kernel instead of replaying a CUDA graph.",
)
@click.option(
    "--no-operators",
    is_flag=True,
    help="Leave out the engine's own profiler: no times of stages and blocks.",
)
@click.option(
    "--weights",
    metavar="FILE",
    type=click.Path(path_type=Path),
    show_default="probe parameters",
    help="A checkpoint for a spec, .safetensors or .pth.",
)
@set_option
@click.option(
    "-o",
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    show_default="build/NAME-profile",
    help="The folder for report.html and report.json.",
)
@click.option(
    "--with-paths", is_flag=True, help="Let the report say where files lie and on whose"
    " machine."
)  # fmt: skip
@json_option
def command(source: str, *, as_json: bool, **chosen: Any) -> int | None:
    """Measure how fast a network runs, and where the time goes.

    Writes report.html, which opens from disk, and report.json.
    """
    from resgen.cli._profile import Chosen, run

    with Progress({"": "preparing"}, err=as_json) as progress:
        return run(Chosen(source, as_json=as_json, **chosen), progress)
