"""What a network says of pictures."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from resgen import forms
from resgen.api.asked.looking import Predicting
from resgen.api.sources import device_of
from resgen.artifact.opened import Artifact
from resgen.artifact.predict import Predicted
from resgen.artifact.predict import predict as answer
from resgen.errors import ResgenError
from resgen.machine.cores import available_cores
from resgen.options.kinds import argument, path, several
from resgen.runtime.base import Session
from resgen.runtime.engines import Opening, find


def predict(
    folder: str | Path, images: str | Path | Iterable[str | Path], **options: Any
) -> Predicted:
    """Tell what a network finds on pictures, and draw it if asked.

    ``folder`` is what :func:`resgen.build` has made; ``images`` are pictures, or
    folders of them, which are prepared as its spec says.
    ``options`` are those of :class:`~resgen.api.asked.looking.Predicting`, which are
    the command's. What is wrong with one picture is told of it, and is no error.
    """
    asked = Predicting.of(options)
    opened = argument("folder", path("FOLDER"), folder)
    pictures = [argument("images", path(), image) for image in several(images)]
    return answer(
        opened,
        pictures,
        partial(_session, asked.runtime),
        asked.top,
        asked.output,
        asked.draw,
    )


def _session(runtime: str, artifact: Artifact) -> Session:
    """What an engine makes of a folder's file, where it has one for it."""
    engine = find(runtime)
    device = device_of(None, [runtime])
    engine.require(device, "no picture can be looked at")
    form = artifact.manifest.form
    opens = forms.find(form).opens if form in forms.names() else {}
    file = {"onnx": artifact.model.name, **opens}.get(engine.takes, "")
    if file not in artifact.manifest.files:
        raise ResgenError(
            f"{artifact.folder} has no file that {engine.title} opens",
            hint="`resgen export --to FORM` makes a folder with one for other engines",
        )

    def network() -> NoReturn:
        raise TypeError(f"{engine.title} opens a file")

    return engine.open(
        Opening(artifact.folder / file, network, device, available_cores())
    )
