"""Fold batch norms into the convolutions and linear maps that feed them.

Outside training a batch norm is ``y = gamma * (x - mean) / sqrt(var + eps) + beta``, an
affine map of each channel; so is the bias of a convolution, and the two compose:

    weight' = weight * s        bias' = (bias - mean) * s + beta
    s = gamma / sqrt(var + eps)

Jacob et al. 2018, section 3.2. Only forward, into an operator that no one else reads:
folding into what follows a norm would be wrong where that pads with zeros.

The node keeps its operator's name, since that is what runs, and yields what the norm
yielded: the norm's name is appended to its ``absorbed``, and what read the norm reads
the node. Parameters stay as they are; each node has its own expression over them, so
parameters that several nodes share fold into each differently.
"""

from __future__ import annotations

from dataclasses import replace

from resgen.graph.ir import Graph, Node
from resgen.graph.passes import recorded
from resgen.ops.conv import Conv
from resgen.ops.linear import Linear
from resgen.ops.norm import Norm
from resgen.ops.types import Apply, Operand, references


@recorded
def fold_norm(graph: Graph) -> Graph:
    """The graph with every batch norm folded that can be."""
    given_out = {value for _, value in graph.outputs}
    nodes: dict[str, Node] = {}  # of the new graph, by name
    moved: dict[str, str] = {}  # values that go by another name now
    for node in graph.nodes:
        before = node.inputs[0]
        into = nodes.get(moved.get(before, before))
        alone = len(graph.consumers[before]) == 1 and before not in given_out
        folded = _fold(graph, into, node) if into and alone else None
        if folded:
            nodes[folded.name] = folded
            moved[node.name] = folded.name
        else:
            if not moved.keys().isdisjoint(node.inputs):
                inputs = tuple(moved.get(value, value) for value in node.inputs)
                node = replace(node, inputs=inputs)
            nodes[node.name] = node
    return replace(
        graph,
        nodes=tuple(nodes.values()),
        outputs=tuple((name, moved.get(value, value)) for name, value in graph.outputs),
    )


def _fold(graph: Graph, into: Node, norm: Node) -> Node | None:
    """``into`` with the norm's affine map in its weight and bias, if it can have it."""
    if not (isinstance(norm.op, Norm) and norm.op.type == "batch"):
        return None
    if not isinstance(into.op, Conv | Linear):
        return None
    own = dict(into.operands)
    weight = own["weight"]
    scale, own["bias"] = scale_and_bias(norm, own.get("bias"))
    per_output = Apply("per_output", (scale, _rank(graph, weight)))
    own["weight"] = Apply("multiply", (weight, per_output))
    return replace(
        into,
        op=replace(into.op, bias=True),
        operands=tuple(own.items()),
        absorbed=(*into.absorbed, norm.name),
    )


def scale_and_bias(norm: Node, bias: Operand | None = None) -> tuple[Apply, Apply]:
    """``s`` and ``bias'`` of a batch norm whose input has had a bias added, or not."""
    if not isinstance(norm.op, Norm):
        raise TypeError(f"{norm.name} is no norm")
    affine = dict(norm.operands)
    mean = affine["running_mean"]
    variance = Apply("add", (affine["running_var"], float(norm.op.eps)))
    scale = Apply("divide", (affine.get("weight", 1.0), Apply("sqrt", (variance,))))
    centre = mean if bias is None else Apply("subtract", (mean, bias))
    shift = Apply("multiply", (centre, scale))
    return scale, Apply("subtract", (affine.get("bias", 0.0), shift))


def _rank(graph: Graph, weight: Operand) -> int:
    """The rank of a weight: no expression changes that of the parameter it is of."""
    return len(graph.parameter[next(references(weight))].shape)
