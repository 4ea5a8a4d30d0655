"""``resgen predict``: the best classes of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from resgen.cli._options import Whole, folder_argument, json_option
from resgen.cli._text import say, say_json
from resgen.errors import ResgenError
from resgen.words.terminal import printable, style

#: Columns of a bar that stands for 100 %.
BAR: Final = 20

if TYPE_CHECKING:
    from resgen.artifact.predict import Prediction


@click.command(
    epilog="""\b
Example:
  resgen predict build/resnet50 cat.jpg dog.png photos/

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
@click.option(
    "--top",
    metavar="N",
    type=Whole(),
    default=5,
    help="How many classes to show of each picture.",
)
@json_option
def command(folder: Path, images: tuple[Path, ...], top: int, *, as_json: bool) -> None:
    """Name the likeliest classes of pictures.

    DIR is a folder that `resgen build` has made. Pictures are prepared as its spec
    says, and run by ONNX Runtime.
    """
    from resgen.artifact.predict import predict

    found = predict(folder, list(images), top=top)
    if as_json:
        say_json([_record(prediction) for prediction in found.predictions])
    else:
        say(style(f"pictures: {found.pictures}", dim=True), err=True)
        for prediction in found.predictions:
            _show(prediction)
    failed = [p.failed for p in found.predictions if p.failed is not None]
    if len(failed) == 1:
        raise ResgenError(failed[0])
    if failed:
        raise ResgenError(
            f"{len(failed)} of {len(found.predictions)} pictures have no answer:\n"
            + "\n".join(f"  {why}" for why in failed)
        )


def _show(prediction: Prediction) -> None:
    if prediction.failed is not None:
        return
    say(style(printable(prediction.image.name), bold=True))
    for best in prediction.classes:
        label = f"class {best.index}" if best.label is None else printable(best.label)
        bar = "#" * round(BAR * best.probability)
        say(f"  {100 * best.probability:5.1f} %  {bar:<{BAR}}  {label}")


def _record(prediction: Prediction) -> dict[str, object]:
    if prediction.failed is not None:
        return {"image": str(prediction.image), "error": prediction.failed}
    return {
        "image": str(prediction.image),
        "classes": [
            {"index": c.index, "label": c.label, "probability": c.probability}
            for c in prediction.classes
        ],
    }
