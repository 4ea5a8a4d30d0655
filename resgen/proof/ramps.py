"""Every activation of a file on a ramp, from far below 0 to far above.

What flows in a network of probe parameters is of unit size, and seldom reaches the 6 of
a relu6. An activation is asked alone anyway, so it may as well be given every number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from resgen.graph.ir import Graph, Node
from resgen.ops.act import Act
from resgen.runtime.base import Array

if TYPE_CHECKING:
    from onnx import ModelProto

#: Beyond every bound that an activation has, and with 0 and whole numbers in it.
RAMP: Final = np.linspace(-10, 10, 81, dtype=np.float32)


def activations(graph: Graph) -> list[Node]:
    """What takes one number to another."""
    return [node for node in graph.nodes if isinstance(node.op, Act)]


def with_ramps(
    graph: Graph, model: ModelProto, named: Mapping[str, str]
) -> tuple[ModelProto, dict[str, Array]]:
    """A model of the file's activations alone, and the input of each by its name.

    ``model`` computes in float32, ``named`` are its tensors by the values of the graph.
    """
    from onnx import ModelProto

    from resgen.onnxfile.check import info

    alone = ModelProto()
    alone.CopyFrom(model)
    kept = alone.graph
    for part in (kept.node, kept.input, kept.output, kept.value_info):
        del part[:]
    feeds = {}
    for node in activations(graph):
        given = f"{node.name}/ramp"
        new = {named[node.inputs[0]]: given}
        for found in model.graph.node:
            if found.name.partition("/")[0] != node.name:
                continue
            added = kept.node.add()
            added.CopyFrom(found)
            added.input[:] = [new.get(name, name) for name in found.input]
            new[found.output[0]] = added.output[0] = f"{given}/{found.output[0]}"
        rest = (1,) * (len(node.type.shape) - 1)
        ramp = np.repeat(RAMP[:, None], node.type.channels, axis=1)
        feeds[given] = ramp.reshape(*ramp.shape, *rest)
        kept.input.append(info(given, feeds[given].shape))
        kept.output.append(info(new[named[node.name]], feeds[given].shape))
    read = {name for node in kept.node for name in node.input}
    weights = [tensor for tensor in kept.initializer if tensor.name in read]
    del kept.initializer[:]
    kept.initializer.extend(weights)
    return alone, feeds
