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
    from onnx import ModelProto, NodeProto

#: Beyond every bound that an activation has, and with 0 and whole numbers in it.
RAMP: Final = np.linspace(-10, 10, 81, dtype=np.float32)


def activations(graph: Graph) -> list[Node]:
    """What takes one number to another."""
    return [node for node in graph.nodes if isinstance(node.op, Act)]


def with_ramps(
    graph: Graph,
    model: ModelProto,
    named: Mapping[str, str],
    held: Mapping[str, Array],
) -> tuple[ModelProto, dict[str, Array]]:
    """A model of the file's activations alone, and the input of each by its name.

    ``model`` computes in float32 and takes ``held`` as inputs; ``named`` are its
    tensors by the values of the graph.
    """
    from onnx import ModelProto
    from onnx.numpy_helper import from_array

    from resgen.onnxfile.check import info

    alone = ModelProto(ir_version=model.ir_version)
    alone.opset_import.extend(model.opset_import)
    kept = alone.graph
    kept.name = model.graph.name
    parts: dict[str, list[NodeProto]] = {}
    for found in model.graph.node:
        parts.setdefault(found.name.partition("/")[0], []).append(found)
    feeds = {}
    for node in activations(graph):
        given = f"{node.name}/ramp"
        new = {named[node.inputs[0]]: given}
        for found in parts.get(node.name, ()):
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
    kept.initializer.extend(t for t in model.graph.initializer if t.name in read)
    kept.initializer.extend(from_array(held[n], n) for n in sorted(read & held.keys()))
    return alone, feeds
