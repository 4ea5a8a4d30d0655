"""``resgen verify``: the proof of a build, once more and on more images."""

from __future__ import annotations

from pathlib import Path

import click

from resgen.cli._options import Whole, folder_argument, images_option, json_option
from resgen.cli._progress import Progress
from resgen.cli._text import say, say_json

#: What goes on after each step has been said.
_NEXT = {"": "hashing", "files": "deriving", "derived": "verifying"}


@click.command(
    epilog="""\b
Examples:
  resgen verify build/resnet50
  resgen verify build/resnet50 --images ~/pictures --batch 1 --batch 7

Exit code 0: PyTorch and ONNX Runtime agree and no file has changed; 1: otherwise."""
)
@folder_argument
@images_option
@click.option(
    "--batch",
    "batches",
    metavar="N",
    multiple=True,
    type=Whole(),
    help="Compare at this batch size; may be repeated.",
)
@json_option
def command(
    folder: Path, images: Path | None, batches: tuple[int, ...], *, as_json: bool
) -> None:
    """Prove a build or an export again, on more images.

    DIR is a folder that `resgen build` or `resgen export` has made. Its files must be
    those that the manifest vouches for, and compute what its spec says.
    """
    with Progress(_NEXT, err=as_json) as progress:
        from resgen.api.verify import verify

        found = verify(folder, images=images, batch=batches, progress=progress)
    if as_json:
        say_json(found.to_dict())
    else:
        say(str(found))
