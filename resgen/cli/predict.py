"""``resgen predict``: what a network says of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from resgen.api.asked.looking import Predicting
from resgen.cli._options import folder_argument, json_option, options
from resgen.cli._text import say, say_json
from resgen.errors import ResgenError
from resgen.words.terminal import style


@click.command(
    epilog="""\b
Examples:
  resgen predict build/resnet50 cat.jpg dog.png photos/
  resgen predict build/fcn_resnet50 street.jpg --draw masks
  resgen predict build/resnet50-fp32-litert cat.jpg --runtime litert

Fresh weights know no classes: build with --weights FILE first."""
)
@folder_argument
@click.argument(
    "images",
    metavar="IMAGE...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
)
@options(Predicting)
@json_option
def command(
    folder: str, images: tuple[Path, ...], *, as_json: bool, **given: Any
) -> None:
    """Tell what a network finds on pictures, and draw it if asked.

    DIR is a folder that `resgen build` has made. Pictures are prepared as its spec
    says; a folder stands for the pictures in it. A vector of scores tells the classes
    of a picture, a map over it those of every place.
    """
    from resgen.api.predict import predict

    found = predict(folder, images, **given)
    if as_json:
        say_json(found.to_dict())
    else:
        for note in found.notes:
            say(style(note, dim=True), err=True)
        for prediction in found.predictions:
            for line in prediction.lines():
                say(line)
        if given["draw"] is not None:
            say(f"the drawings are in {given['draw']}", err=True)
    failed = found.failed
    if len(failed) == 1:
        raise ResgenError(failed[0])
    if failed:
        raise ResgenError(
            f"{len(failed)} of {len(found.predictions)} pictures have no answer:\n"
            + "\n".join(f"  {why}" for why in failed)
        )
