"""Faults of ONNX models that tests of several proofs draw.

A fault changes the model and says whether it could. ``draw`` is NumPy's generator.
"""

from __future__ import annotations

from collections.abc import Callable

from onnx import helper


def nodes(model, *kinds):
    return [node for node in model.graph.node if node.op_type in kinds]


def pick(draw, choices):
    return choices[draw.integers(len(choices))] if choices else None


def attribute(node, name):
    return next((a for a in node.attribute if a.name == name), None)


def set_attribute(node, name, value):
    old = attribute(node, name)
    if old is not None:
        node.attribute.remove(old)
    node.attribute.append(helper.make_attribute(name, value))


def change_numbers(kinds, name, change) -> Callable:
    """An attribute of one node is what ``change(old, draw)`` makes of it."""

    def fault(model, draw):
        able = [n for n in nodes(model, *kinds) if attribute(n, name) is not None]
        node = pick(draw, able)
        if node is None:
            return False
        old = helper.get_attribute_value(attribute(node, name))
        new = change(list(old) if not isinstance(old, int | float) else old, draw)
        if new is None or new == old:
            return False
        set_attribute(node, name, new)
        return True

    return fault


def move_pad(pads, draw):
    half = len(pads) // 2
    axis = int(draw.integers(half))
    if not pads[axis]:
        return None
    pads[axis] -= 1
    pads[axis + half] += 1
    return pads


def drop_bias(model, draw):
    node = pick(draw, [n for n in nodes(model, "Conv", "Gemm") if len(n.input) > 2])
    if node is None:
        return False
    del node.input[2]
    return True
