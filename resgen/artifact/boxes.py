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
from resgen.ops.pick_boxes import PickBoxes
from resgen.ops.suppress_boxes import SuppressBoxes
from resgen.spec.expr import constant
from resgen.spec.model import Scalar, Spec, Use

#: The parameters of a head that have it give boxes instead of maps: all, or the best.
DECODE, SUPPRESS = "decode", "suppress"
#: What a head that decodes calls its outputs; the last is of the best alone.
BOXES, SCORES, CLASSES = "boxes", "scores", "classes"


def levels(graph: Graph) -> list[tuple[Node, DecodeBoxes]]:
    """The operators that make the boxes of a network, level by level."""
    return [(node, node.op) for node in graph.nodes if isinstance(node.op, DecodeBoxes)]


def described(spec: Spec, graph: Graph) -> dict[str, Any] | None:
    """How boxes are made of the maps of a network; None if it gives no such maps.

    ``decoded`` says whether the network does so itself, ``suppressed`` whether it gives
    only what is left of them then. ``choice`` are the arguments with which
    :func:`resgen.pictures.boxes.detections` chooses as the network does or would.
    ``score`` is a formula over the maps, ``classes`` how many each anchor has.
    ``input`` (height, width), ``stride`` and ``anchors`` (width, height, in the order
    of the channels) are in pixels; those of ``sizes`` and ``ratios`` (height / width)
    lie around the corner of each place of ``map``. Of ``deltas`` the first two are in
    sides of the anchor, the others logarithms of factors up to ``largest_factor``, all
    divided by ``weights`` first; ``distances`` (left, top, right, bottom) are in sides
    of the anchor.
    """
    suppressed = any(isinstance(node.op, SuppressBoxes) for node in graph.nodes)
    made = graph if suppressed else (_giving(spec, SUPPRESS) or graph)
    if not levels(made):
        return None
    first = levels(made)[0][1]
    found: dict[str, Any] = {
        "decoded": bool(levels(graph)),
        "suppressed": suppressed,
        "coder": first.coder,
        "input": list(first.input[1:]),
    }
    if first.coder == "deltas":
        found |= {"weights": [1.0] * 4, "largest_factor": LARGEST_FACTOR}
    picks = [(node, node.op) for node in made.nodes if isinstance(node.op, PickBoxes)]
    scores = picks[0][0].inputs[1] if picks else dict(made.outputs).get(SCORES)
    if scores is not None:
        raw = _giving(spec)
        names = {v: name.split(".")[0] for name, v in raw.outputs} if raw else {}
        found["classes"] = made.types[scores].shape[-1]
        found["score"] = _formula(scores, made, names)
    for node in made.nodes:
        if isinstance(node.op, SuppressBoxes) and picks:
            found["choice"] = {
                "threshold": float(node.op.threshold),
                "candidates": picks[0][1].most,
                "overlap": float(node.op.overlap),
                "most": node.op.most,
            }
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


def _giving(spec: Spec, what: str | None = None) -> Graph | None:
    """The network with a head that is told to do this, or neither; None without."""
    last = spec.head.elements[-1] if spec.head.elements else None
    use = last.form if last is not None else None
    if last is None or not isinstance(use, Use) or use.parameter:
        return None
    if not {DECODE, SUPPRESS} <= spec.definitions[use.target].params.keys():
        return None
    said = {
        name: Scalar(constant(name == what), last.at) for name in (DECODE, SUPPRESS)
    }
    use = replace(use, arguments={**use.arguments, **said})
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
