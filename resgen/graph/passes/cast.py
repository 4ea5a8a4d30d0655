"""Let operators compute in 16 bits, with casts where types change.

A value is cast once for each type that it is read in, right behind what makes it. What
an operator consumes of the parameters is rounded once, from the exact expression, so
that folding never goes through 16 bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from resgen.graph.ir import Graph, Node
from resgen.ops.cast import Cast
from resgen.ops.dequantize import Dequantize
from resgen.ops.norm import Norm
from resgen.ops.quantize import Quantize
from resgen.ops.types import Apply, DType, Operand, Ref

#: Sums over many squares or exponentials: 16 bits overflow or lose them. Those over the
#: pixels of a picture are exact in float32 alone, and so are places on it.
SENSITIVE: Final = frozenset({
    "decode_boxes", "gem", "global_response_norm", "joint_sigmoid",
    "local_response_norm", "luma", "normalize", "pick_boxes", "power", "resample",
    "softmax", "suppress_boxes", "truncate", "unit_norm",
})  # fmt: skip


def cast(graph: Graph, types: Mapping[str, DType], *, low_ends: bool = False) -> Graph:
    """The graph with each operator in the type that ``types`` gives by its name.

    Quantisers follow the value that they read. Inputs and outputs stay float32, unless
    ``low_ends`` gives them the types of the operators that they are read and made by.
    """
    return _Casting(graph, types, low_ends).run()


class _Casting:
    def __init__(
        self, graph: Graph, types: Mapping[str, DType], low_ends: bool
    ) -> None:
        self.graph = graph
        self.given = types
        self.low_ends = low_ends
        self.computes: dict[str, DType] = {}  # by operator
        self.yields: dict[str, DType] = {}  # by value
        self.casts: dict[str, set[DType]] = {}

    def run(self) -> Graph:
        graph = self.graph
        for given in graph.inputs:
            readers = graph.consumers[given.name]
            # A camera's picture stays in bytes.
            able = self.low_ends and readers and given.type.dtype == "float32"
            low = self._wanted(readers[0]) if able else None
            self.yields[given.name] = low or given.type.dtype
        for node in graph.nodes:
            self._decide(node)
        for node in graph.nodes:
            for value in node.inputs:
                self._need(value, self._reads(node, value))
        if not self.low_ends:
            for _, value in graph.outputs:
                self._need(value, "float32")
        inputs = tuple(
            replace(i, type=i.type.of(self.yields[i.name])) for i in graph.inputs
        )
        nodes: list[Node] = []
        for given in inputs:
            readers = graph.consumers[given.name]
            if readers:
                at = replace(readers[0], name=given.name, scope=0, type=given.type)
                nodes.extend(self._casts(at))
        for node in graph.nodes:
            made = self._typed(node)
            nodes.append(made)
            nodes.extend(self._casts(made))
        outputs = tuple(
            (name, value if self.low_ends else self._as(value, "float32"))
            for name, value in graph.outputs
        )
        return replace(graph, inputs=inputs, nodes=tuple(nodes), outputs=outputs)

    # --- decisions --------------------------------------------------------------------

    def _wanted(self, node: Node) -> DType:
        """The type that an operator computes in."""
        sensitive = node.op.name in SENSITIVE or (
            isinstance(node.op, Norm) and node.op.type != "batch"
        )
        return "float32" if sensitive else self.given.get(node.name, "float32")

    def _decide(self, node: Node) -> None:
        if isinstance(node.op, Quantize | Cast):
            self.computes[node.name] = self.yields[node.inputs[0]]
            self.yields[node.name] = node.op.to
        elif isinstance(node.op, Dequantize):
            readers = self.graph.consumers[node.name]
            wanted = self._wanted(readers[0]) if readers else "float32"
            self.computes[node.name] = self.yields[node.name] = wanted
        else:
            self.computes[node.name] = self.yields[node.name] = self._wanted(node)

    def _reads(self, node: Node, value: str) -> DType:
        """The type in which a node reads a value."""
        integers = isinstance(node.op, Dequantize)
        return self.yields[value] if integers else self.computes[node.name]

    def _need(self, value: str, dtype: DType) -> None:
        if self.yields[value] != dtype:
            self.casts.setdefault(value, set()).add(dtype)

    # --- the new graph ----------------------------------------------------------------

    def _as(self, value: str, dtype: DType) -> str:
        return value if self.yields[value] == dtype else f"{value}.to_{dtype}"

    def _casts(self, at: Node) -> Iterator[Node]:
        for dtype in sorted(self.casts.get(at.name, ())):
            op = Cast(to=dtype)
            yield Node(
                self._as(at.name, dtype),
                op,
                (at.name,),
                op.result(at.type),
                at.scope,
                at.origin,
            )

    def _typed(self, node: Node) -> Node:
        dtype = self.computes[node.name]
        op = node.op
        if isinstance(op, Dequantize):
            op = replace(op, to=dtype)
        inputs = tuple(self._as(v, self._reads(node, v)) for v in node.inputs)
        operands = node.operands
        if dtype != "float32":
            rounding = "as_scale" if isinstance(op, Quantize | Dequantize) else "cast"
            operands = tuple(
                (role, self._rounded(operand, dtype, rounding))
                for role, operand in operands
            )
        return replace(
            node,
            op=op,
            inputs=inputs,
            operands=operands,
            type=node.type.of(self.yields[node.name]),
        )

    def _rounded(self, operand: Operand, dtype: DType, rounding: str) -> Operand:
        """An operand in this type; of a quantised one, its scale is."""
        if isinstance(operand, Ref):
            whole = self.graph.parameter[operand.name].dtype != "float32"
            return operand if whole else Apply(rounding, (operand, dtype))
        if operand.function != "dequantize":
            return Apply(rounding, (operand, dtype))
        quantized, scale = operand.args
        if not (isinstance(quantized, Apply) and isinstance(scale, Apply)):
            raise TypeError("a dequantised operand has a quantised one and a scale")
        low = replace(scale, args=(scale.args[0], dtype))
        weight, _, to = quantized.args
        return Apply("dequantize", (Apply("quantize", (weight, low, to)), low))
