"""What the numbers of a detector mean, for whoever makes boxes of them.

It travels in the ONNX file under ``resgen.boxes`` and in the manifest under ``boxes``,
whether the network decodes them itself or gives the maps alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from resgen.errors import SpecError
from resgen.expansion.network import expand
from resgen.graph.ir import Graph, Node
from resgen.ops.act import Act
from resgen.ops.decode_boxes import LARGEST_FACTOR, DecodeBoxes
from resgen.ops.joint_sigmoid import JointSigmoid
from resgen.spec.expr import constant
from resgen.spec.model import Scalar, Spec, Use

#: The parameter of a head that has it give boxes instead of maps.
DECODE = "decode"
#: What a head that decodes calls its outputs.
BOXES, SCORES = "boxes", "scores"


def levels(graph: Graph) -> list[tuple[Node, DecodeBoxes]]:
    """The operators that make the boxes of a network, level by level."""
    return [(node, node.op) for node in graph.nodes if isinstance(node.op, DecodeBoxes)]


def described(spec: Spec, graph: Graph) -> dict[str, Any] | None:
    """How boxes are made of the maps of a network; None if it gives no such maps.

    ``decoded`` says whether the network does so itself. ``score`` is a formula over the
    maps, ``classes`` how many each anchor has. ``input`` (height, width), ``stride``
    and ``anchors`` (width, height, in the order of the channels) are in pixels; those
    of ``sizes`` and ``ratios`` (height / width) lie around the corner of each place of
    ``map``. Of ``deltas`` the first two are in sides of the anchor, the others
    logarithms of factors up to ``largest_factor``, all divided by ``weights`` first;
    ``distances`` (left, top, right, bottom) are in sides of the anchor.
    """
    made = graph if levels(graph) else _decoding(spec, True)
    if made is None or not levels(made):
        return None
    outputs = dict(made.outputs)
    first = levels(made)[0][1]
    found: dict[str, Any] = {
        "decoded": made is graph,
        "coder": first.coder,
        "input": list(first.input[1:]),
    }
    if first.coder == "deltas":
        found |= {"weights": [1.0] * 4, "largest_factor": LARGEST_FACTOR}
    if SCORES in outputs:
        raw = _decoding(spec, False)
        names = {v: name.split(".")[0] for name, v in raw.outputs} if raw else {}
        found["classes"] = made.types[outputs[SCORES]].shape[-1]
        found["score"] = _formula(outputs[SCORES], made, names)
    found["levels"] = [
        {
            "map": list(x.spatial),
            "stride": list(op.steps(x)),
            "sizes": op.sides(),
            "ratios": [float(ratio) for ratio in op.ratios],
            "anchors": [list(anchor) for anchor in op.anchors()],
        }
        for x, op in ((made.types[node.inputs[0]], op) for node, op in levels(made))
    ]
    return found


def _decoding(spec: Spec, decode: bool) -> Graph | None:
    """The network with a head that decodes, or does not; None if it has none."""
    last = spec.head.elements[-1] if spec.head.elements else None
    use = last.form if last is not None else None
    if last is None or not isinstance(use, Use) or use.parameter:
        return None
    if DECODE not in spec.definitions[use.target].params:
        return None
    said = Scalar(constant(decode), last.at)
    use = replace(use, arguments={**use.arguments, DECODE: said})
    elements = (*spec.head.elements[:-1], replace(last, form=use))
    try:
        return expand(replace(spec, head=replace(spec.head, elements=elements)))
    except SpecError:  # the head's numbers, or the input's size, make no boxes
        return None


def _formula(value: str, graph: Graph, maps: Mapping[str, str]) -> str:
    """A value in terms of maps; what only moves numbers is left out."""
    if value in maps or value not in graph.node:
        return maps.get(value, value)
    node = graph.node[value]
    parts = list(dict.fromkeys(_formula(x, graph, maps) for x in node.inputs))
    match node.op:
        case Act(type=kind):
            return f"{kind}({parts[0]})"
        case JointSigmoid():
            return f"({' * '.join(f'sigmoid({part})' for part in parts)}) ^ 0.5"
        case _:
            return parts[0]
