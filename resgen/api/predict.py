"""What a network says of pictures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from resgen.api.asked.looking import Predicting
from resgen.artifact.predict import Predicted
from resgen.artifact.predict import predict as answer
from resgen.options.kinds import argument, path, several


def predict(
    folder: str | Path, images: str | Path | Iterable[str | Path], **options: Any
) -> Predicted:
    """Tell what a network finds on pictures, and draw it if asked.

    ``folder`` is what :func:`resgen.build` has made; ``images`` are pictures, or
    folders of them, which are prepared as its spec says and run by ONNX Runtime.
    ``options`` are those of :class:`~resgen.api.asked.looking.Predicting`, which are
    the command's. What is wrong with one picture is told of it, and is no error.
    """
    asked = Predicting.of(options)
    opened = argument("folder", path("FOLDER"), folder)
    pictures = [argument("images", path(), image) for image in several(images)]
    return answer(opened, pictures, asked.top, asked.output, asked.draw)
