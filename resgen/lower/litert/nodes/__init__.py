"""What a LiteRT file has of each node that operators state themselves in.

A function takes the writer, the node's inputs (None is one left out) and its
attributes, as the ONNX operator of its name defines them. Versions are those in which
LiteRT's schema brought what is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from resgen.lower import emitted
from resgen.lower.litert.nodes import (
    axes,
    elementwise,
    maps,
    norms,
    positions,
    reductions,
    windows,
)
from resgen.lower.litert.nodes.elementwise import Write

#: What is written of each ONNX operator.
NODES: Final[Mapping[str, Write]] = {
    **emitted.NODES,
    **elementwise.NODES,
    **reductions.NODES,
    **norms.NODES,
    **maps.NODES,
    **windows.NODES,
    **positions.NODES,
    **axes.NODES,
}
