"""Merge convolutions of one value that meet in a sum, as RepVGG's and MobileOne's do.

A convolution is linear in its weight, so the sum of several with one stride and as many
groups is the convolution whose weight is the sum of theirs, each placed in the kernel
that holds them all, and whose bias is the sum of theirs. A batch norm of the value
itself is such a convolution too: 1 x 1, with its scale on the diagonal. Ding et al.
2021, RepVGG, section 3.3.

To be applied after batch norms are folded. The node keeps the name of the largest of
the convolutions and yields what the sum yielded; all others are in its ``absorbed``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain

from resgen.graph.ir import Graph, Node
from resgen.graph.passes import recorded
from resgen.graph.passes.fold_norm import scale_and_bias
from resgen.ops.add import Add
from resgen.ops.base import per_axis
from resgen.ops.conv import Conv
from resgen.ops.norm import Norm
from resgen.ops.types import Apply, Operand, TensorType


@recorded
def merge_branches(graph: Graph) -> Graph:
    """The graph with a convolution in place of every such sum."""
    given_out = {value for _, value in graph.outputs}
    merged: dict[str, Node] = {}  # by the sum's name
    gone: set[str] = set()
    for node in graph.nodes:
        if not isinstance(node.op, Add):
            continue
        branches = [graph.node[name] for name in node.inputs if name in graph.node]
        alone = all(
            len(graph.consumers[b.name]) == 1 and b.name not in given_out
            for b in branches
        )
        if alone and len(branches) == len(node.inputs) > 1:
            found = _merge(graph, node, branches)
            if found is not None:
                merged[node.name] = found
                gone.update(node.inputs)
    if not merged:
        return graph
    moved = {name: node.name for name, node in merged.items()}
    kept = (merged.get(n.name, n) for n in graph.nodes if n.name not in gone)
    return replace(
        graph,
        nodes=tuple(
            replace(node, inputs=tuple(moved.get(v, v) for v in node.inputs))
            for node in kept
        ),
        outputs=tuple((name, moved.get(value, value)) for name, value in graph.outputs),
    )


@dataclass(frozen=True, slots=True)
class _Branch:
    """A convolution's kernel and padding, one number an axis, and what it consumes."""

    kernel: tuple[int, ...]
    padding: tuple[int, ...]
    weight: Operand
    bias: Operand | None


def _merge(graph: Graph, total: Node, nodes: Sequence[Node]) -> Node | None:
    """The convolution that all of these are, if they are one."""
    source = nodes[0].inputs[0]
    x = graph.types[source]
    sizes = {
        node.name: per_axis(node.op.kernel, x, "kernel")
        for node in nodes
        if isinstance(node.op, Conv)
    }
    alike = all(
        node.inputs == (source,) and node.precision == nodes[0].precision
        for node in nodes
    )
    main = max(nodes, key=lambda node: sizes.get(node.name, ()))
    like = main.op
    if not (alike and isinstance(like, Conv)):
        return None
    branches = [_branch(node, like, x) for node in nodes]
    known = [branch for branch in branches if branch is not None]
    if len(known) < len(nodes):
        return None
    # The window of each begins its own padding before the place that it is read at.
    axes = range(len(x.spatial))
    padding = tuple(max(b.padding[i] for b in known) for i in axes)
    kernel = tuple(
        max(padding[i] - b.padding[i] + b.kernel[i] for b in known) for i in axes
    )
    weights, biases = [], []
    for branch in known:
        before = [padding[i] - branch.padding[i] for i in axes]
        after = [kernel[i] - branch.kernel[i] - before[i] for i in axes]
        placed = Apply("enlarge", (branch.weight, *before, *after))
        weights.append(placed if any((*before, *after)) else branch.weight)
        if branch.bias is not None:
            biases.append(branch.bias)
    operands = {"weight": _sum(weights)}
    if biases:
        operands["bias"] = _sum(biases)
    others = (node for node in nodes if node is not main)
    # A dilation that had one place to act on would have more in a larger kernel.
    op = replace(like, kernel=kernel, padding=padding, dilation=1, bias=bool(biases))
    return replace(
        main,
        op=op,
        type=total.type,
        operands=tuple(operands.items()),
        absorbed=(
            *main.absorbed,
            *chain.from_iterable((node.name, *node.absorbed) for node in others),
            total.name,
        ),
    )


def _branch(node: Node, like: Conv, x: TensorType) -> _Branch | None:
    """What a node does to ``x`` as a convolution like this one, if it does that."""
    own, op = dict(node.operands), node.op
    one, two = (1,) * len(x.spatial), len(x.spatial) + 2
    stride = per_axis(like.stride, x, "stride")
    if isinstance(op, Norm) and op.type == "batch" and stride == one:
        scale, bias = scale_and_bias(node)
        weight = Apply("diagonal", (scale, x.channels // like.groups, two))
        return _Branch(one, (0,) * len(one), weight, bias)
    if not isinstance(op, Conv) or op.groups != like.groups:
        return None
    about = op.effective(x)
    if per_axis(op.stride, x, "stride") != stride or about["dilation"] != one:
        return None
    kernel = per_axis(op.kernel, x, "kernel")
    return _Branch(kernel, about["padding"], own["weight"], own.get("bias"))


def _sum(operands: Sequence[Operand]) -> Operand:
    return reduce(lambda a, b: Apply("add", (a, b)), operands)
