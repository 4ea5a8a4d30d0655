"""Does an operator have constants that its element type rounds?

Gelu has the root of 2, which 16 bits hold to three digits, so its results may be off by
more than those of operators whose constants are 0 and 6. The operator is asked by
letting it write its nodes to nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from resgen.graph.ir import Graph, Node
from resgen.ops.types import DType, Value
from resgen.weights.evaluate import np_dtype


def rounds_constants(graph: Graph, node: Node, opset: int) -> bool:
    """Whether the operator, written in this opset, has a constant that is rounded."""
    inputs = [Value(name, graph.types[name]) for name in node.inputs]
    nowhere = _Nowhere(node, inputs[0].type.dtype, opset)
    node.op.onnx(nowhere, *inputs)
    return nowhere.rounded


class _Nowhere:
    """An :class:`~resgen.ops.base.OnnxWriter` that only looks at constants."""

    dynamic = False

    def __init__(self, node: Node, dtype: DType, opset: int) -> None:
        self.opset = opset
        self.rounded = False
        self._roles = {role for role, _ in node.operands}
        self._dtype = np_dtype(dtype)

    def emit(self, op_type: str, inputs: Sequence[str], **attributes: Any) -> str:
        return op_type

    def further(self, dtype: DType) -> str:
        return dtype

    def operand(self, role: str) -> str | None:
        return role if role in self._roles else None

    def floats(
        self, values: Sequence[float], shape: Sequence[int] | None = None
    ) -> str:
        exact = np.asarray(values, np.float64)
        held = exact.astype(self._dtype).astype(np.float64)
        self.rounded |= not np.array_equal(held, exact)
        return "constant"

    def integers(
        self, values: Sequence[int], shape: Sequence[int] | None = None
    ) -> str:
        return "constant"

    def zero(self, dtype: DType) -> str:
        return "constant"
