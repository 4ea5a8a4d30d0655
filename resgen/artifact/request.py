"""An ONNX file on its way: how it is wanted, and what it was made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from resgen.artifact.folder import MODEL
from resgen.artifact.source import Source
from resgen.calibrate.lowered import Lowered
from resgen.calibrate.ranges import Method
from resgen.graph.ir import Graph
from resgen.graph.precision import Precision
from resgen.lower.onnx import Written


@dataclass(frozen=True, slots=True)
class Wishes:
    """How the ONNX file is to be.

    ``batch`` fixes the batch size, ``dynamic`` opens the spatial sizes, ``opset`` asks
    for a version of the operators. ``calibration`` is a folder of pictures or an .npz
    file, ``method`` how ranges come from it. ``evaluation`` is another of either, which
    the precision is judged on, and ``tolerated`` the share of top-1 that it may lose
    there. ``camera`` is the height and width of the
    pictures that the file takes instead of prepared inputs. With ``search`` parts are
    kept in higher precision until the tolerance holds; without ``verify`` nothing is
    judged.
    """

    precision: Precision = field(default_factory=Precision)
    batch: int | None = None
    opset: int | None = None
    dynamic: bool = False
    calibration: Path | None = None
    method: Method = "minmax"
    camera: tuple[int, int] | None = None
    search: bool = False
    verify: bool = True
    evaluation: Path | None = None
    tolerated: float | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """An ONNX file in a folder that is not at its place yet.

    ``source`` holds the spec as exported, ``graph`` is what the file was written from.
    ``exact`` tells that all files are byte for byte what they are derived to.
    """

    folder: Path
    source: Source
    wishes: Wishes
    lowered: Lowered
    graph: Graph
    written: Written
    exact: bool = True

    @property
    def model(self) -> Path:
        """The ONNX file."""
        return self.folder / MODEL
