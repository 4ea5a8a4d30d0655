"""Put quantisers where an engine wants them.

A value that some operator reads quantised gets one quantiser and one dequantiser behind
it, and those operators read the latter; the scale is a parameter of the graph. Weights
are quantised by output channel: what the map consumes is the dequantised form of its
quantised weight, an expression, so scales follow weights that are trained.

Jacob et al. 2018 for the scheme, Nagel et al. 2021 (arXiv:2106.08295) for where.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import replace

from resgen.graph.ir import Graph, Node, Parameter
from resgen.graph.placement.base import Placement, Wiring, is_weighted
from resgen.ops.base import Op
from resgen.ops.conv import Conv
from resgen.ops.dequantize import Dequantize
from resgen.ops.linear import Linear
from resgen.ops.quantize import Quantize
from resgen.ops.types import Apply, Constant, DType, Operand, TensorType

#: The greatest number of each type that weights are quantised to.
WEIGHTS: Mapping[str, tuple[DType, int]] = {
    "int8": ("int8", 127),
    "fp8": ("float8_e4m3fn", 448),
}
#: The same for int8 where products of 8 bits saturate when two are added.
REDUCED = 63


def quantize(
    graph: Graph,
    placement: Placement,
    precisions: Mapping[str, str],
    *,
    reduce_range: bool = False,
) -> Graph:
    """The graph with the operators quantised whose precision is ``int8`` or ``fp8``.

    ``precisions`` are those of all operators by name. ``reduce_range`` leaves int8
    weights seven bits.
    """
    chosen = {
        node.name
        for node in graph.nodes
        if precisions[node.name] in WEIGHTS
        and placement.suits(graph, node, precisions[node.name])
    }
    return _Quantizing(graph, placement, precisions, chosen, reduce_range).run()


class _Quantizing:
    def __init__(
        self,
        graph: Graph,
        placement: Placement,
        precisions: Mapping[str, str],
        chosen: Set[str],
        reduce_range: bool,
    ) -> None:
        self.graph = graph
        self.placement = placement
        self.precisions = precisions
        self.chosen = chosen
        self.reduce_range = reduce_range
        self.ports = frozenset(placement.reads(graph, chosen))
        self.given_out = frozenset(placement.gives(graph, chosen))
        #: The type that each quantised value has.
        self.types: dict[str, DType] = {}
        for name, port in sorted(self.ports):
            node = graph.node[name]
            self.types.setdefault(node.inputs[port], self._activation(node))
        for value in sorted(self.given_out):
            self.types.setdefault(value, self._activation(graph.node[value]))
        self.owners = self._shared_scales()
        self.parameters: dict[str, Parameter] = {}

    def run(self) -> Graph:
        graph = self.graph
        nodes: list[Node] = []
        for given in graph.inputs:
            reader = next(iter(graph.consumers[given.name]), None)
            if reader is not None:
                at = replace(reader, name=given.name, scope=0, type=given.type)
                nodes.extend(self._quantizer(at))
        for node in graph.nodes:
            rewired = tuple(
                f"{self._base(value)}.dequantize"
                if (node.name, port) in self.ports
                else value
                for port, value in enumerate(node.inputs)
            )
            made = replace(node, inputs=rewired)
            if node.name in self.chosen and is_weighted(node):
                made = self._with_weight(made, graph.types[node.inputs[0]])
            nodes.append(made)
            nodes.extend(self._quantizer(node))
        outputs = tuple(
            (n, f"{self._base(v)}.dequantize" if v in self.given_out else v)
            for n, v in graph.outputs
        )
        return replace(
            graph,
            outputs=outputs,
            nodes=tuple(nodes),
            parameters=(*graph.parameters, *self.parameters.values()),
        )

    def _activation(self, node: Node) -> DType:
        precision = self.precisions[node.name]
        if precision not in self.placement.activations:
            # It is kept in a higher one, and reads what an int8 kernel yields.
            precision = "fp8" if "fp8" in self.precisions.values() else "int8"
        return self.placement.activations[precision]

    # --- activations ------------------------------------------------------------------

    def _shared_scales(self) -> dict[str, str]:
        """For each quantised value the one whose quantiser holds its scale."""
        nodes, wiring = self.graph.nodes, Wiring(self.graph)
        values = (*(i.name for i in self.graph.inputs), *(n.name for n in nodes))
        owners = {value: value for value in values}
        fixed = {node.name for node in nodes if self.placement.fixed(node)}

        def share(one: str, other: str) -> None:
            first, second = owners[one], owners[other]
            if {one, other} <= self.types.keys() and second not in fixed:
                owners.update({v: first for v, o in owners.items() if o == second})

        for node in nodes:
            if node.op.name in self.placement.alike:
                share(node.inputs[0], node.name)
            elif node.op.name in self.placement.joined:
                for value in node.inputs:
                    # What others read too keeps its own, and is rescaled.
                    if wiring.alone(value) is node and owners[value] not in fixed:
                        share(value, node.name)
        return owners

    def _base(self, value: str) -> str:
        """What the names of a value's quantisers begin with.

        LayerScale's parameter goes by the name of its operator, and so of its value;
        nothing in a state_dict can lie below a parameter.
        """
        return f"{value}_" if value in self.graph.parameter else value

    def _quantizer(self, at: Node) -> Iterator[Node]:
        """The quantiser and the dequantiser of what a node yields, if it has them."""
        value = at.name
        if value not in self.types:
            return
        base, owner = self._base(value), f"{self._base(self.owners[value])}.quantize"
        dtype = self.types[value]
        point = self.placement.zero_point and not dtype.startswith("float")
        down: Op = Quantize(to=dtype, zero_point=point)
        up: Op = Dequantize(to="float32", zero_point=point)
        x = at.type
        for op, name, source in (
            (down, f"{base}.quantize", value),
            (up, f"{base}.dequantize", f"{base}.quantize"),
        ):
            specs = op.parameters(x)
            names = {spec.role: f"{owner}.{spec.role}" for spec in specs}
            fixed = self._fixed(self.owners[value])
            for spec in specs:
                name_, init = names[spec.role], fixed.get(spec.role, spec.init)
                free = spec.trainable and not fixed
                self.parameters[name_] = Parameter(
                    name_, spec.shape, init, free, spec.dtype
                )
            operands = tuple(op.operands(names).items())
            x = op.result(x)
            yield Node(name, op, (source,), x, at.scope, at.origin, operands, owner)

    def _fixed(self, owner: str) -> Mapping[str, Constant]:
        """The scale and zero point by role that a value has whatever it holds."""
        node = self.graph.node.get(owner)
        found = None if node is None else self.placement.fixed(node)
        if found is None:
            return {}
        scale, point = found
        return {"scale": Constant(scale), "zero_point": Constant(point)}

    # --- weights ----------------------------------------------------------------------

    def _with_weight(self, node: Node, x: TensorType) -> Node:
        """The map with its weight quantised."""
        operands: dict[str, Operand] = dict(node.operands)
        op = node.op
        weight = operands["weight"]
        if isinstance(op, Linear) and 1 < x.rank <= 4:
            # As a convolution its weight needs no reshaping after it was quantised.
            sizes = (op.out, x.channels, *(1,) * (x.rank - 1))
            weight = Apply("reshape", (weight, *sizes))
            op = Conv(out=op.out, kernel=1, bias=op.bias)
        dtype, greatest = WEIGHTS[self.precisions[node.name]]
        if self.reduce_range and dtype == "int8":
            greatest = REDUCED
        scale = Apply("as_scale", (Apply("scale_of", (weight, greatest)), "float32"))
        quantized = Apply("quantize", (weight, scale, dtype))
        operands["weight"] = Apply("dequantize", (quantized, scale))
        return replace(node, op=op, operands=tuple(operands.items()))
