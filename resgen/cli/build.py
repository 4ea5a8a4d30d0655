"""``resgen build``: the main job, from a spec to a folder with a proven model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import click

from resgen.api.asked.common import Making
from resgen.api.specs import folder_name, network
from resgen.cli._options import (
    images_option,
    json_option,
    onnx_options,
    options,
    seed_option,
    spec_argument,
    spec_options,
)
from resgen.cli._problems import summarize
from resgen.cli._progress import Progress
from resgen.cli._text import say, say_json
from resgen.errors import UsageError
from resgen.words.terminal import style

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
@click.option(
    "-o",
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    show_default="build/NAME",
    help="The folder to make.",
)
@spec_options
@options(Making)
@seed_option
@onnx_options
@click.option(
    "--keep-batchnorm", is_flag=True, help="Do not fold batch norms into convolutions."
)
@click.option(
    "--exporter",
    type=click.Choice(["resgen", "torch"]),
    default="resgen",
    help="Who writes the ONNX file; torch is a second opinion.",
)
@click.option(
    "--no-verify",
    is_flag=True,
    help="Skip the proof, for which torch and onnxruntime are needed.",
)
@images_option
@click.option(
    "--force", is_flag=True, help="Keep what others put into the folder, and go on."
)
@json_option
def command(
    spec: str,
    out: Path | None,
    assignments: tuple[str, ...],
    max_operators: int | None,
    max_parameters: int | None,
    seed: int,
    batch: int | None,
    opset: int | None,
    exporter: Literal["resgen", "torch"],
    images: Path | None,
    *,
    dynamic: bool,
    keep_batchnorm: bool,
    no_verify: bool,
    force: bool,
    as_json: bool,
    **weighing: Any,
) -> None:
    """Make a PyTorch model and an ONNX file, proven equal.

    SPEC is a file or the name of a network that comes with resgen.
    """
    asked = Making(**weighing)
    if images is not None and no_verify:
        raise UsageError("--images are for the proof, which --no-verify skips")
    read, graph, warnings = network(spec, assignments, max_operators, max_parameters)
    summarize(warnings, spec)
    folder = Path("build", folder_name(read.name)) if out is None else out

    then = _NEXT if no_verify else {**_NEXT, **_PROOF}
    with Progress(then, err=as_json) as progress:
        from resgen.artifact.build import build

        built = build(
            read,
            folder,
            graph=graph,
            weights=asked.weights,
            **asdict(asked.loading),
            preprocess=asked.preprocess,
            seed=seed,
            batch=batch,
            opset=opset,
            dynamic=dynamic,
            keep_batchnorm=keep_batchnorm,
            exporter=exporter,
            verify=not no_verify,
            images=images,
            force=force,
            say=progress.say,
        )
    if as_json:
        say_json(built.to_dict())
        return
    say(f"{style(f'{built.folder}/', bold=True)}  in {built.seconds:.1f} s")
    proof = f"resgen verify {built.folder}"
    say(f"next: {proof} · resgen profile {built.folder}")
