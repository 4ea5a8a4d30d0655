"""``resgen verify``: the proof of a build, once more and on more images."""

from __future__ import annotations

from pathlib import Path

import click

from resgen.cli._options import Whole, folder_argument, images_option, json_option
from resgen.cli._progress import Progress
from resgen.cli._text import say, say_json
from resgen.errors import UsageError

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
        from resgen.artifact.opened import open_folder

        artifact = open_folder(folder)
        count = artifact.check_hashes()
        progress.say("files", f"{count} files have the SHA-256 of the manifest")
        if artifact.exported:
            if batches:
                raise UsageError("--batch is for what `resgen build` has made")
            from resgen.artifact.verify_export import verify_export

            record = verify_export(artifact, images, progress.say)
        else:
            from resgen.artifact.verify import verify

            record = verify(
                artifact, images=images, batches=batches or None, say=progress.say
            )
    if as_json:
        say_json(record)
    else:
        say(f"{folder} is proven")
