"""``resgen export``: a network at a precision, for the engine that is to run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from resgen.api.asked.common import Making
from resgen.cli._options import (
    Share,
    Whole,
    json_option,
    onnx_options,
    options,
    seed_option,
    spec_options,
)
from resgen.cli._progress import Progress
from resgen.cli._text import say, say_json
from resgen.options.group import options_of
from resgen.words.terminal import style

#: What goes on after each step has been said.
_THEN: Final = {"": "starting", "weights": "lowering", "onnx": "verifying"}


@click.command(
    epilog="""\b
Examples:
  resgen export resnet50 --to onnx --precision int8 --calibration photos/
  resgen export build/resnet50 --to tensorrt --target rtx-4090,l4 --precision fp16
  resgen export mine.json --to tensorrt --target jetson-orin --precision int8 --bisect
  resgen export model.onnx --to triton

SOURCE is a spec, a folder that `resgen build` made, or an ONNX file of anybody's.
A file below fp32 is compared with the float32 network: operator by operator whether
it is right, and on the calibration images what the precision costs."""
)
@click.argument("source", metavar="SOURCE")
@click.option(
    "--to",
    type=click.Choice(["onnx", "tensorrt", "triton"]),
    required=True,
    help="The form to make.",
)
@click.option(
    "-o",
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    show_default="build/NAME-PRECISION-FORM",
    help="The folder to make.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "bf16", "int8", "fp8"]),
    show_default="fp32",
    help="Of every operator that the spec does not give another.",
)
@click.option(
    "--for",
    "consumer",
    type=click.Choice(["onnxruntime", "tensorrt"]),
    show_default="tensorrt for --to tensorrt, else onnxruntime",
    help="The engine that quantisers are placed for.",
)
@click.option(
    "--keep",
    metavar="PART",
    multiple=True,
    help='Keep a part out of int8 or fp8: "first", "last", or a path such as '
    '"layer1.0"; may be repeated.',
)
@click.option(
    "--ends",
    type=click.Choice(["float32", "low"]),
    show_default="float32",
    help="Type of inputs and outputs.",
)
@click.option(
    "--reduce-range",
    is_flag=True,
    help="Leave int8 weights 7 bits, for processors without VNNI.",
)
@click.option(
    "--calibration",
    metavar="PATH",
    type=click.Path(path_type=Path),
    show_default="photographs that scikit-image ships",
    help="A folder of pictures, or an .npz of prepared inputs.",
)
@click.option(
    "--method",
    type=click.Choice(["minmax", "percentile"]),
    default="minmax",
    help="How ranges come from what calibration sees.",
)
@click.option(
    "--evaluate",
    metavar="PATH",
    type=click.Path(path_type=Path),
    show_default="every fifth calibration input, held back",
    help="What to judge the precision on: as --calibration; with a folder for each "
    'class, or "labels" in the .npz, top-1 and top-5 are compared.',
)
@click.option(
    "--tolerate",
    metavar="SHARE",
    type=Share(),
    help="The top-1 that may be lost, as in 1% or 0.01; exit 1 where more surely is.",
)
@click.option(
    "--bisect",
    is_flag=True,
    help="Find the blocks that need a higher precision, and write them into the spec.",
)
@click.option(
    "--camera",
    metavar="HxW",
    help="Take uint8 pictures of this size and prepare them in the file.",
)
@options(Making)
@seed_option
@spec_options
@onnx_options
@click.option(
    "--target",
    "targets",
    metavar="GPU,...",
    show_default="the GPU of this machine",
    help="For tensorrt: devices or compute capabilities, as in rtx-4090,sm_86.",
)
@click.option(
    "--flavor",
    type=click.Choice(["rtx", "tensorrt"]),
    show_default="what is installed",
    help="For tensorrt: TensorRT for RTX, or the full TensorRT.",
)
@click.option(
    "--profile",
    "profiles",
    metavar="MIN,OPT,MAX",
    multiple=True,
    show_default="1,8,32",
    help="For tensorrt: batch sizes or whole shapes; may be repeated.",
)
@click.option(
    "--workspace", metavar="SIZE", help="For tensorrt: memory to build in, as in 2G."
)
@click.option(
    "--optimization-level",
    "level",
    metavar="N",
    type=click.IntRange(0, 5),
    help="For tensorrt: how long to search, 0 to 5.",
)
@click.option("--rebuild", is_flag=True, help="For tensorrt: do not use the cache.")
@click.option(
    "--max-batch",
    metavar="N",
    type=Whole(),
    show_default="8, or the most that an engine takes",
    help="For triton: the largest batch.",
)
@click.option(
    "--instances",
    metavar="N",
    type=Whole(),
    show_default="1",
    help="For triton: how many run at once.",
)
@click.option(
    "--threads",
    metavar="N",
    type=Whole(),
    show_default="ONNX Runtime's, a core each",
    help="For triton: threads of one operator on a processor.",
)
@click.option(
    "--accelerator",
    type=click.Choice(["tensorrt"]),
    help="For triton: let ONNX Runtime compile the network on GPUs when it is loaded.",
)
@click.option(
    "--versions",
    metavar="N",
    type=Whole(0),
    show_default="1",
    help="For triton: how many of the newest versions are served, 0 for all.",
)
@click.option("--no-verify", is_flag=True, help="Skip the proof and the comparison.")
@click.option(
    "--force", is_flag=True, help="Keep what others put into the folder, and go on."
)
@json_option
def command(source: str, to: str, *, as_json: bool, **chosen: Any) -> None:
    """Write a network for the engine that is to run it.

    Makes an ONNX file at a precision; from it, if asked, TensorRT engines for any
    number of GPUs (or a kit for GPUs that nothing here can build for), or a model
    repository for Triton.
    """
    from resgen.cli._export import Chosen, run

    taken = {name: chosen.pop(name) for name, _ in options_of(Making)}
    chosen["weighing"] = Making(**taken)
    with Progress(_THEN, err=as_json) as progress:
        exported = run(Chosen(source, to, **chosen), progress)
    if as_json:
        say_json(exported.to_dict())
        return
    say(f"{style(f'{exported.folder}/', bold=True)}  in {exported.seconds:.1f} s")
