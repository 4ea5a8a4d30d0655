"""About how long a network takes on a processor, where nobody has timed it."""

from __future__ import annotations

from math import prod
from typing import Final

from resgen.ops.base import is_map
from resgen.shrinking.cut import edited, left_of
from resgen.shrinking.labels import Labelled, Labels

#: What a number costs that a map reads or writes, and one of its weights, beside a
#: multiply-add: between what 300 convolutions of ResNet-50 and cuts of it have in
#: float32 (11 and 17) and in int8 (13 and 33), least squares, ONNX Runtime 1.32 on one
#: core with AVX-512.
MOVED: Final = 12.0
WEIGHT: Final = 32.0


def work(found: Labelled, gone: Labels) -> float:
    """What a network takes without some classes, in multiply-adds.

    Of its maps alone (convolutions and linear ones), which wait for what they read and
    write. What else runs goes over the same numbers.
    """
    kept, types = left_of(found, gone)
    total = 0.0
    for node in found.graph.nodes:
        if is_map(node.op):
            op, x, y = edited(node, kept), types[node.inputs[0]], types[node.name]
            weights = sum(prod(each.shape) for each in op.parameters(x))
            total += op.macs(x, y) + MOVED * (x.size + y.size) + WEIGHT * weights
    return total
