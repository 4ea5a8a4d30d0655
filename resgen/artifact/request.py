"""How an artifact is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resgen.calibrate.ranges import Method
from resgen.graph.ir import Graph
from resgen.graph.precision import Precision, precisions


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to be made of a network.

    ``precision`` is that of the ONNX file; None is float32 throughout, whatever the
    spec says of its parts, and with ``keep_batchnorm`` its norms stay. ``batch`` fixes
    the batch size, ``dynamic`` opens the spatial sizes, ``opset`` asks for a version of
    the operators. ``camera`` is the height and width of the pictures that the file
    takes instead of prepared inputs.

    ``calibration`` is a folder of pictures or an .npz file, ``method`` how ranges come
    from it. ``evaluation`` is another of either, which the precision is judged on, and
    ``tolerated`` the share of top-1 that it may lose there. With ``search`` parts are
    kept in higher precision until the tolerance holds. ``images`` is a folder of
    pictures that a float32 file is proven on. Without ``verify`` nothing is judged.

    ``form`` is what is made of the file, and ``options`` what that was asked.
    """

    precision: Precision | None = None
    keep_batchnorm: bool = False
    batch: int | None = None
    opset: int | None = None
    dynamic: bool = False
    camera: tuple[int, int] | None = None
    calibration: Path | None = None
    method: Method = "minmax"
    evaluation: Path | None = None
    tolerated: float | None = None
    search: bool = False
    images: Path | None = None
    verify: bool = True
    form: str = "onnx"
    options: Mapping[str, Any] = field(default_factory=dict)

    def precisions(self, graph: Graph) -> set[str]:
        """Those that the operators of a network will have."""
        if self.precision is None:
            return {"fp32"}
        return {*precisions(graph, self.precision).values()} or {"fp32"}

    def exact(self, graph: Graph) -> bool:
        """Whether the file is to compute what the network does, up to rounding."""
        return self.precisions(graph) == {"fp32"} and self.camera is None
