"""ONNX operators that move, merge or cut tensors, in terms of what sources call.

What has attributes of its own (convolutions, pools, norms) is read beside its writing,
in :mod:`resgen.ops`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Final

import numpy as np

from resgen.importing.onnx.quantized import QUANTIZED
from resgen.importing.onnx.source import owner_of, readers
from resgen.importing.pads import edged, surrounded, trimmed, wrapped
from resgen.importing.sums import summed
from resgen.importing.unspoken import CURVES, Curve, Take
from resgen.importing.views import Const, Seen, Unread, View, broadcast, plain
from resgen.ops.base import Unreadable
from resgen.ops.norm import EPS, Norm
from resgen.ops.pad import sides_of
from resgen.ops.types import TensorType
from resgen.ops.unit_norm import UnitNorm
from resgen.runtime.onnxruntime import OnnxRuntimeSession
from resgen.weights.evaluate import Array

if TYPE_CHECKING:
    from resgen.importing.calls import Calls
    from resgen.importing.onnx.source import Source
    from resgen.importing.onnx.trace import FileNode

#: How many channels are put in another order one by one.
_FEW: Final = 16
#: What is added to the score of a position that a mask hides; float16 has it.
_HIDDEN: Final = -1e4
#: What is below stands for minus infinity: no maximum is one.
_NEVER: Final = -1e30
#: What tells where new positions of a resized axis lie among the old ones.
_PLACES: Final = "coordinate_transformation_mode"
Handler = Callable[["Source", "FileNode"], "Seen | list[Seen]"]


def _axes(reader: Source, node: FileNode, position: int = 1) -> list[int] | None:
    """The axes that a node names, as an attribute or as an input, from 0 on."""
    held = reader.numbers(node, position)
    axes = node.attributes.get("axes") if held is None else held.reshape(-1).tolist()
    if axes is None:
        return None
    rank = len(reader.calls.shape(reader.value(node)))
    return [axis % rank for axis in axes]


# --- shapes ---------------------------------------------------------------------------


def _same(reader: Source, node: FileNode) -> Seen:
    return reader.value(node)


def _dropout(reader: Source, node: FileNode) -> Seen:
    training = reader.numbers(node, 2)
    if training is not None and training.any():
        raise Unread("it is written for training")
    return reader.value(node)


def _cast(reader: Source, node: FileNode) -> Seen:
    kind = reader.traced.values[node.outputs[0]].dtype
    if kind.kind not in "fV":
        raise Unread(f"it makes numbers of type {kind.name}")
    return reader.value(node)


def _transpose(reader: Source, node: FileNode) -> Seen:
    x = reader.value(node)
    rank = len(reader.calls.shape(x))
    return reader.calls.permute(x, node.attributes.get("perm", range(rank)[::-1]))


def _reshape(reader: Source, node: FileNode) -> Seen:
    return reader.calls.reshape(reader.value(node), reader.shape(node))


def _squeeze(reader: Source, node: FileNode) -> Seen:
    x = reader.value(node)
    sizes = reader.calls.shape(x)
    axes = _axes(reader, node)
    gone = (
        axes if axes is not None else [i for i, n in enumerate(sizes) if n == 1 and i]
    )
    kept = [i for i in range(len(sizes)) if i not in gone]
    if isinstance(x, Const):
        return reader.calls.reshape(x, reader.shape(node))
    return reader.calls.settled(View(x.value, tuple(x.axes[i] for i in kept)))


def _unsqueeze(reader: Source, node: FileNode) -> Seen:
    x = reader.value(node)
    if isinstance(x, Const):
        return reader.calls.reshape(x, reader.shape(node))
    rank = len(reader.shape(node))
    held = reader.numbers(node, 1)
    given = node.attributes.get("axes") if held is None else held.reshape(-1).tolist()
    new = {axis % rank for axis in given or ()}
    left = iter(x.axes)
    axes = tuple(() if at in new else next(left) for at in range(rank))
    return reader.calls.settled(View(x.value, axes))


def _expand(reader: Source, node: FileNode) -> Seen:
    x = reader.value(node)
    wanted = reader.shape(node)
    return reader.calls.expand(x, wanted)


# --- parts ----------------------------------------------------------------------------


def _slice(reader: Source, node: FileNode) -> Seen:
    x = reader.value(node)
    sizes = reader.calls.shape(x)
    if "starts" in node.attributes:  # before opset 10
        starts, ends = node.attributes["starts"], node.attributes["ends"]
        axes = node.attributes.get("axes", range(len(starts)))
        steps: Sequence[int] = (1,) * len(starts)
    else:
        held = [reader.numbers(node, i) for i in range(1, 5)]
        starts, ends, axes, steps = ([] if h is None else h.tolist() for h in held)
        axes = axes or range(len(starts))
        steps = steps or (1,) * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis %= len(sizes)
        places = range(*slice(start, end, step).indices(sizes[axis]))
        x = _picked(reader, x, axis, places)
    return x


def _picked(reader: Source, x: Seen, axis: int, places: Sequence[int]) -> Seen:
    """These positions of an axis: a part of it where they follow each other."""
    if not places:
        raise Unread(f"it takes no position of axis {axis}")
    first, count = places[0], len(places)
    if list(places) == list(range(first, first + count)):
        return reader.calls.slice(x, axis, first, count)
    if isinstance(x, Const):
        return broadcast(lambda a: a.take(places, axis), x)
    sizes = reader.calls.shape(x)
    step = places[1] - first if count > 1 else 1
    whole = step > 1 and sizes[axis] % step == 0
    if whole and list(places) == list(range(first % step, sizes[axis], step)):
        # One of each group of neighbours.
        split = (*sizes[:axis], sizes[axis] // step, step, *sizes[axis + 1 :])
        return reader.calls.select(reader.calls.reshape(x, split), axis + 1, first)
    x, own = reader.calls.single(x, axis)
    if own == 0 and count <= _FEW:
        each = [reader.calls.slice(x, axis, place, 1) for place in places]
        return reader.calls.concat(each, axis)
    made = reader.calls.emit(Take(axis=own, places=tuple(places)), [x.value])
    return View(made, x.axes)


def _split(reader: Source, node: FileNode) -> list[Seen]:
    x = reader.value(node)
    shapes = [reader.traced.shapes[name] for name in node.outputs]
    axis = node.attributes.get("axis", 0) % len(shapes[0])
    found: list[Seen] = []
    start = 0
    for shape in shapes:
        found.append(reader.calls.slice(x, axis, start, shape[axis]))
        start += shape[axis]
    return found


def _gather(reader: Source, node: FileNode) -> Seen:
    x, places = reader.value(node), reader.numbers(node, 1)
    sizes = reader.calls.shape(x)
    axis = node.attributes.get("axis", 0) % len(sizes)
    if places is not None and places.ndim > 1 and len(sizes) == 1:
        return _strided(reader, x, places)
    if places is None or places.ndim > 1:
        raise Unread("it takes from a table, at places that are computed or many")
    if isinstance(x, Const):
        raise Unread("it takes from a table")
    places = places % sizes[axis]
    if places.ndim == 0:
        return reader.calls.select(x, axis, int(places))
    return _picked(reader, x, axis, places.tolist())


def _strided(reader: Source, x: Seen, places: Array) -> Seen:
    """All of a tensor that was flattened, in another shape and order of its axes.

    So torch's second exporter writes ``as_strided``.
    """
    first = places.reshape(-1)[0]
    # An axis of size 1 stays before the one that follows it, and the batch is first.
    steps = [0] * (places.ndim + 1)
    for at in reversed(range(places.ndim)):
        next_to_first = tuple(int(axis == at) for axis in range(places.ndim))
        here = places.shape[at] > 1
        steps[at] = int(places[next_to_first] - first) if here else steps[at + 1]
    order = [0, *sorted(range(1, places.ndim), key=lambda at: -steps[at])]
    dense = np.arange(places.size).reshape([places.shape[at] for at in order])
    back = [order.index(at) for at in range(places.ndim)]
    whole = places.size == prod(reader.calls.shape(x))
    if not whole or not np.array_equal(dense.transpose(back), places):
        raise Unread("it takes from a table")
    return reader.calls.permute(reader.calls.reshape(x, dense.shape), back)


def _concat(reader: Source, node: FileNode) -> Seen:
    given = [reader.value(node, i) for i in range(len(node.inputs))]
    axis = node.attributes.get("axis", 1) % len(reader.shape(node))
    views = [x for x in given if isinstance(x, View)]
    if len(views) == len(given) and all(x.axes[axis] == () for x in views):
        layers = [View(x.value, x.axes[:axis] + x.axes[axis + 1 :]) for x in views]
        return reader.calls.stack(layers, axis)
    return reader.calls.concat(given, axis)


def _tile(reader: Source, node: FileNode) -> Seen:
    x, counts = reader.value(node), reader.numbers(node, 1)
    if counts is None:
        raise Unread("how often it repeats is computed")
    for axis, count in enumerate(counts.tolist()):
        if count > 1:
            x = reader.calls.concat([x] * count, axis)
    return x


def _pad(reader: Source, node: FileNode) -> Seen:
    """As both sources have it, or what only another operator gives a sense."""
    x, calls = reader.value(node), reader.calls
    kind = TensorType(calls.shape(x)[1:])
    sides, number = sides_of(reader.asked(node, kind))
    x, grown = trimmed(calls, x, sides)
    mode = node.attributes.get("mode", "constant")
    if isinstance(x, View) and (scale := reader.scales.get(x.value)) is not None:
        number = (number - scale.point) * scale.scale
    if not grown or (mode == "constant" and number > _NEVER):
        return surrounded(calls, x, grown, number)
    if mode == "wrap":
        return wrapped(calls, x, grown)
    return edged(calls, x, grown, mode, number)


def _resize(reader: Source, node: FileNode) -> Seen:
    """As the operator reads it, or by a matrix for each axis, which says anything."""
    try:
        return reader.operator(readers()["Resize"], node)
    except (Unread, Unreadable):
        x, sizes = reader.value(node), reader.shape(node)
        shape = reader.calls.shape(x)
        of_box = node.attributes.get(_PLACES) == "tf_crop_and_resize"
        if "axes" in node.attributes or shape[:2] != sizes[:2] or of_box:
            raise
    scales = reader.numbers(node, 2)
    matrices = {}
    for axis, (before, after) in enumerate(zip(shape, sizes, strict=True)):
        if before != after:
            given = None if scales is None or not scales.size else scales[axis]
            matrices[axis] = _interpolated(node, before, after, given)
    return reader.calls.along(x, matrices)


def _interpolated(
    node: FileNode, before: int, after: int, scale: float | None
) -> Array:
    """What ONNX Runtime's resize makes of one axis, as ``before x after``."""
    from onnx import TensorProto, helper, numpy_helper

    held = np.array([before, 1, after, 1], np.int64)
    names = ["x", "", "", "by"]
    if scale is not None:
        held, names = np.array([1, 1, scale, 1], np.float32), ["x", "", "by"]
    graph = helper.make_graph(
        [helper.make_node("Resize", names, ["y"], **node.attributes)],
        "axis",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (before, 1, before, 1))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (before, 1, after, 1))],
        [numpy_helper.from_array(held, "by")],
    )
    sets = [helper.make_opsetid("", 18 if "antialias" in node.attributes else 13)]
    model = helper.make_model(graph, opset_imports=sets, ir_version=8)
    eye = np.eye(before, dtype=np.float32).reshape(before, 1, before, 1)
    with OnnxRuntimeSession(
        model.SerializeToString(), optimize=False, any_placement=True
    ) as session:
        made: Array = session.run({"x": eye})["y"]
    return made.reshape(before, after)


# --- element by element ---------------------------------------------------------------


def _merge(kind: str, reader: Source, node: FileNode) -> Seen:
    given = [reader.value(node, i) for i in range(len(node.inputs))]
    return given[0] if len(given) == 1 else reader.calls.merge(kind, given)


def _mean(reader: Source, node: FileNode) -> Seen:
    return reader.calls.scaled(_merge("add", reader, node), 1 / len(node.inputs))


def _negative(reader: Source, x: Seen) -> Seen:
    return reader.calls.scaled(x, -1.0)


def _sub(reader: Source, node: FileNode) -> Seen:
    a, b = reader.value(node), reader.value(node, 1)
    return reader.calls.merge("add", [a, _negative(reader, b)])


def _div(reader: Source, node: FileNode) -> Seen:
    a, b = reader.value(node), reader.value(node, 1)
    if isinstance(b, Const) and b.scalar is not None:
        return reader.calls.scaled(a, 1 / b.scalar)
    return reader.calls.merge("multiply", [a, reader.calls.power(b, -1.0)])


def _pow(reader: Source, node: FileNode) -> Seen:
    x, exponent = reader.value(node), reader.value(node, 1)
    if isinstance(exponent, Const) and exponent.array.size == 1:
        return reader.calls.power(x, plain(exponent.array))
    raise Unread("its exponent is learned, or computed")


def _power(exponent: float, reader: Source, node: FileNode) -> Seen:
    return reader.calls.power(reader.value(node), exponent)


def _neg(reader: Source, node: FileNode) -> Seen:
    return _negative(reader, reader.value(node))


def _curve(reader: Source, node: FileNode) -> Seen:
    return reader.calls.unary(Curve(of=node.op_type), reader.value(node))


def _absolute(reader: Source, node: FileNode) -> Seen:
    return reader.calls.absolute(reader.value(node))


def _layer_norm(reader: Source, node: FileNode) -> Seen:
    rank = len(reader.calls.shape(reader.value(node)))
    first = node.attributes.get("axis", -1) % rank
    scale, shift = (reader.given(node, at) for at in (1, 2))
    if first == rank - 1 or isinstance(scale, View) or isinstance(shift, View):
        return reader.operator(Norm, node)
    eps = node.attributes.get("epsilon", EPS)
    return reader.calls.norm_from(reader.value(node), first, eps, scale, shift)


def _prelu(reader: Source, node: FileNode) -> Seen:
    slope = reader.value(node, 1)
    if not isinstance(slope, Const):
        raise Unread("its slope is computed from the input")
    path = next(filter(None, map(owner_of, slope.sources)), reader.calls.leaf)
    if path and slope.path is None:
        slope = replace(slope, path=f"{path}.weight")
    return reader.calls.prelu(reader.value(node), slope, path=path)


def _matmul(reader: Source, node: FileNode) -> Seen:
    a, b = reader.value(node), reader.value(node, 1)
    vectors = [len(reader.calls.shape(x)) == 1 for x in (a, b)]
    if vectors[0]:
        a = reader.calls.reshape(a, (1, -1))
    if vectors[1]:
        b = reader.calls.reshape(b, (-1, 1))
    y = reader.calls.matmul(a, b)
    return reader.calls.reshape(y, reader.shape(node)) if any(vectors) else y


def _einsum(reader: Source, node: FileNode) -> Seen:
    tensors = [reader.value(node, at) for at in range(len(node.inputs))]
    return summed(reader.calls, node.attributes["equation"], tensors)


def _gemm(reader: Source, node: FileNode) -> Seen:
    """As a linear map where its matrix is constant, else as a product."""
    from resgen.ops.linear import Linear

    if reader.numbers(node, 1) is not None:
        return reader.operator(Linear, node)
    a, b = reader.value(node), reader.value(node, 1)
    flips = (node.attributes.get("transA", 0), node.attributes.get("transB", 0))
    a, b = (
        reader.calls.permute(x, (1, 0)) if flip else x
        for x, flip in zip((a, b), flips, strict=True)
    )
    y = reader.calls.scaled(
        reader.calls.matmul(a, b), node.attributes.get("alpha", 1.0)
    )
    c = reader.given(node, 2)
    if c is None:
        return y
    return reader.calls.merge(
        "add", [y, reader.calls.scaled(c, node.attributes.get("beta", 1.0))]
    )


# --- along axes -----------------------------------------------------------------------


def _softmax(reader: Source, node: FileNode) -> Seen:
    x, log = reader.value(node), node.op_type == "LogSoftmax"
    sizes = reader.calls.shape(x)
    newer = reader.traced.opset >= 13
    axis = node.attributes.get("axis", -1 if newer else 1) % len(sizes)
    if newer or all(n == 1 for n in sizes[axis + 1 :]):
        return reader.calls.softmax(x, axis, log=log)
    # Older sets take all axes from there on as one.
    merged = reader.calls.reshape(x, (*sizes[:axis], -1))
    return reader.calls.reshape(reader.calls.softmax(merged, axis, log=log), sizes)


def _reduce(kind: str, reader: Source, node: FileNode) -> Seen:
    x = reader.value(node)
    axes = _axes(reader, node)
    if not axes:
        if axes is None and node.attributes.get("noop_with_empty_axes", 0):
            return x
        axes = list(range(len(reader.calls.shape(x))))
    keep = bool(node.attributes.get("keepdims", 1))
    calls = reader.calls
    if kind == "min":
        return calls.scaled(
            calls.reduce("max", calls.scaled(x, -1.0), axes, keep), -1.0
        )
    if kind in ("square", "length"):
        found = calls.reduce("sum", calls.power(x, 2.0), axes, keep)
        return calls.power(found, 0.5) if kind == "length" else found
    return calls.reduce(kind, x, axes, keep)


def _attention(reader: Source, node: FileNode) -> Seen:
    """Of queries, keys and values, ``(batch, heads, positions, size)`` or merged."""
    given, calls = node.attributes.get, reader.calls
    sides = ("left_window_size", "right_window_size")
    if given("softcap", 0) or any(given(name, -1) != -1 for name in sides):
        raise Unread("it hides positions by how far they are, or caps scores")
    if len(node.inputs) > 4 or len(node.outputs) > 1:
        raise Unread("it keeps keys and values")
    inputs = [reader.value(node, at) for at in range(3)]
    merged = len(calls.shape(inputs[0])) == 3
    if merged:  # heads are parts of the last axis
        counts = [node.attributes[f"{name}_num_heads"] for name in ("q", "kv", "kv")]
        inputs = [_in_heads(calls, x, n) for x, n in zip(inputs, counts, strict=True)]
    queries, keys, values = inputs
    if calls.shape(queries)[1] != calls.shape(keys)[1]:
        raise Unread("several heads of queries have one of keys")
    bias = _added(reader, node, (calls.shape(queries)[2], calls.shape(keys)[2]))
    scale = given("scale", calls.shape(queries)[-1] ** -0.5)
    found = calls.attention(queries, keys, values, bias, scale)
    if not merged:
        return found
    return calls.reshape(calls.permute(found, (0, 2, 1, 3)), reader.shape(node))


def _in_heads(calls: Calls, x: Seen, heads: int) -> Seen:
    batch, positions, _ = calls.shape(x)
    return calls.permute(calls.reshape(x, (batch, positions, heads, -1)), (0, 2, 1, 3))


def _added(reader: Source, node: FileNode, scores: tuple[int, int]) -> Seen | None:
    """What is added to scores of so many queries and keys: what is hidden, too."""
    bias = reader.given(node, 3)
    if isinstance(bias, Const) and bias.array.dtype == bool:
        bias = _hidden(bias.array, bias.sources)
    if not node.attributes.get("is_causal", 0):
        return bias
    later = _hidden(np.tri(*scores, dtype=bool), ())
    return later if bias is None else reader.calls.merge("add", [bias, later])


def _hidden(seen: Array, sources: tuple[str, ...]) -> Const:
    if not seen.any(-1).all():
        raise Unread("it hides all positions of one")
    return Const(np.where(seen, 0, _HIDDEN).astype(np.float32), sources)


def _unit(reader: Source, node: FileNode) -> Seen:
    x = reader.value(node)
    if node.attributes.get("p", 2) != 2 or isinstance(x, Const):
        raise Unread("a norm other than the root of squares")
    axis = node.attributes.get("axis", -1) % len(x.axes)
    x, own = reader.calls.single(x, axis)
    return View(reader.calls.emit(UnitNorm(axis=own), [x.value]), x.axes)


HANDLERS: Final[dict[str, Handler]] = {
    "Identity": _same, "Cast": _cast, "Dropout": _dropout,
    "Transpose": _transpose, "Reshape": _reshape, "Flatten": _reshape,
    "Squeeze": _squeeze, "Unsqueeze": _unsqueeze, "Expand": _expand,
    "Slice": _slice, "Split": _split, "Gather": _gather, "Concat": _concat,
    "Tile": _tile, "Pad": _pad, "Resize": _resize,
    "Add": partial(_merge, "add"), "Sum": partial(_merge, "add"),
    "Mul": partial(_merge, "multiply"), "Max": partial(_merge, "maximum"),
    "Min": partial(_merge, "minimum"), "Mean": _mean, "Sub": _sub, "Div": _div,
    "Pow": _pow, "Sqrt": partial(_power, 0.5), "Reciprocal": partial(_power, -1.0),
    "Neg": _neg, "MatMul": _matmul, "Gemm": _gemm, "Softmax": _softmax,
    "Einsum": _einsum,
    "LogSoftmax": _softmax, "PRelu": _prelu, "LayerNormalization": _layer_norm,
    "ReduceMean": partial(_reduce, "mean"), "ReduceSum": partial(_reduce, "sum"),
    "ReduceMax": partial(_reduce, "max"), "ReduceMin": partial(_reduce, "min"),
    "ReduceSumSquare": partial(_reduce, "square"),
    "ReduceL2": partial(_reduce, "length"), "LpNormalization": _unit,
    "Attention": _attention,
    "Abs": _absolute, **dict.fromkeys(CURVES, _curve),
    **QUANTIZED,
}  # fmt: skip
