"""OpenCV's ``cv2.dnn`` as an engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

from resgen.errors import MissingComponent, ResgenError
from resgen.onnxfile.ends import ends_of
from resgen.runtime.base import Array, Session
from resgen.runtime.engines import Engine, Opening

INSTALL: Final = 'pip install "resgen[opencv]"'


def load_opencv(why: str) -> ModuleType:
    """The cv2 package, or :class:`~resgen.errors.MissingComponent`.

    ``why`` ends the sentence "OpenCV is not installed, so ...".
    """
    try:
        import cv2
    except ModuleNotFoundError as missing:
        if missing.name != "cv2":
            raise
        raise MissingComponent("OpenCV", why, INSTALL) from missing
    found: ModuleType = cv2
    return found


class OpenCvSession(Session):
    """Runs an ONNX file through ``cv2.dnn`` on the processor, in float32.

    ``threads`` holds for the whole process: OpenCV has one pool.
    """

    name = "OpenCV"

    def __init__(self, model: Path, *, threads: int | None = None) -> None:
        self._cv2 = load_opencv("the ONNX file cannot be run by it")
        self._label = str(model)
        ends = ends_of(model)
        self.inputs, self.outputs = ends.inputs, ends.outputs
        self.dtypes = ends.dtypes
        if threads is not None:
            self._cv2.setNumThreads(threads)
        # OpenCV logs to stderr what its exceptions say as well.
        self._cv2.utils.logging.setLogLevel(self._cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            self._net: Any = self._cv2.dnn.readNetFromONNX(str(model))
        except self._cv2.error as error:
            raise ResgenError(
                f"OpenCV {self._cv2.__version__} does not load {model}: "
                f"{_reason(error)}",
                hint="another runtime runs it, or another precision suits OpenCV",
            ) from error

    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        names = list(self.outputs)
        try:
            for name, array in feeds.items():
                self._net.setInput(np.ascontiguousarray(array), name)
            results = self._net.forward(names)
        except self._cv2.error as error:
            raise ResgenError(
                f"OpenCV {self._cv2.__version__} does not run {self._label}: "
                f"{_reason(error)}"
            ) from error
        return dict(zip(names, map(np.asarray, results), strict=True))

    def close(self) -> None:
        self._net = None


def _reason(error: Exception) -> str:
    """OpenCV's message on one line, without the place in its sources."""
    text = " ".join(str(error).split())
    return text.partition(" error: ")[2] or text


def _open(opening: Opening) -> Session:
    if opening.model is None:
        raise ResgenError("OpenCV reads ONNX files, and there is none")
    return OpenCvSession(opening.model, threads=opening.threads)


ENGINE: Final = Engine(
    "OpenCV", "onnx", ("cpu",), ("cv2",), "opencv", _open, {"backend": "default"}
)
