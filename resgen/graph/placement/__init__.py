"""Placements of quantisers, one file for each engine that files are written for."""

from __future__ import annotations

from typing import Final

from resgen.graph.placement.base import Placement
from resgen.graph.placement.litert import PLACEMENT as LITERT
from resgen.graph.placement.onnxruntime import PLACEMENT as ONNXRUNTIME
from resgen.graph.placement.tensorrt import PLACEMENT as TENSORRT

#: By the name that ``--for`` takes.
PLACEMENTS: Final[dict[str, Placement]] = {
    p.name: p for p in (ONNXRUNTIME, TENSORRT, LITERT)
}
