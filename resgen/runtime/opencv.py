"""OpenCV's ``cv2.dnn`` as an engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from resgen.errors import ResgenError
from resgen.onnxfile.ends import ends_of
from resgen.runtime.base import Array, Session, load, reason
from resgen.runtime.engines import Engine, Opening


class OpenCvSession(Session):
    """Runs an ONNX file through ``cv2.dnn`` on the processor, in float32.

    ``threads`` holds for the whole process: OpenCV has one pool.
    """

    name = "OpenCV"

    def __init__(self, model: Path, *, threads: int | None = None) -> None:
        self._cv2 = load("cv2", "OpenCV", "the ONNX file cannot be run by it", "opencv")
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
    text = reason(error)
    return text.partition(" error: ")[2] or text


def _open(opening: Opening) -> Session:
    return OpenCvSession(opening.file, threads=opening.threads)


ENGINE: Final = Engine(
    "OpenCV", "onnx", ("cpu",), ("cv2",), "opencv", _open, {"backend": "default"}
)
