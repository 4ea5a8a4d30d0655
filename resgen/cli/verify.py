"""``resgen verify``: the proof of a build, once more and on more images."""

from __future__ import annotations

from typing import Any

import click

from resgen.api.asked.looking import Verifying
from resgen.cli._options import folder_argument, json_option, options, quiet_option
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
@options(Verifying)
@quiet_option
@json_option
def command(folder: str, *, as_json: bool, **given: Any) -> None:
    """Prove a build or an export again, on more images.

    DIR is a folder that `resgen build` or `resgen export` has made. Its files must be
    those that the manifest vouches for, and compute what its spec says.
    """
    with Progress(_NEXT, err=as_json) as progress:
        from resgen.api.verify import verify

        found = verify(folder, progress=progress, **given)
    if as_json:
        say_json(found.to_dict())
    else:
        say(str(found))
