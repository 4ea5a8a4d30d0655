"""A folder of images as onnxruntime's calibration reads them, each prepared anew.

Reading and preparing are resgen's, so both sides pay the same for them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onnxruntime.quantization import CalibrationDataReader

from resgen.expansion.network import load
from resgen.pictures.find import pictures_of
from resgen.pictures.preprocess import prepare, read


class Images(CalibrationDataReader):
    def __init__(self, spec: str, folder: str) -> None:
        self._preprocess = load(spec).preprocess
        self._paths = iter(pictures_of(Path(folder)))

    def get_next(self) -> dict[str, Any] | None:
        path = next(self._paths, None)
        if path is None:
            return None
        image = prepare(read(path), self._preprocess, (3, 224, 224))
        return {"input": image[None]}
