"""Quantised files: the numbers that their integers stand for, and the scales.

What is quantised and dequantised again is one value here, of which the scale is kept.
Weights are dequantised. ONNX Runtime's quantiser drops an activation where the range
of what follows has it: integers from the least that there is on stand for numbers from
0 on, so that a ReLU is read where what yields those may be negative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from resgen.importing.flat import Scale
from resgen.importing.signs import never_negative
from resgen.importing.views import Const, Seen, Unread, View
from resgen.ops.act import Act
from resgen.ops.avg_pool import AvgPool
from resgen.ops.base import Op
from resgen.ops.conv import Conv
from resgen.ops.global_pool import GlobalPool

if TYPE_CHECKING:
    from resgen.importing.onnx.source import Source
    from resgen.importing.onnx.trace import FileNode

#: The largest number of float8_e4m3fn (Micikevicius et al. 2022).
E4M3: Final = 448.0
#: What resgen calls a file of these integers, or floats.
_PRECISIONS: Final = {"int8": "int8", "uint8": "int8", "float8_e4m3fn": "fp8"}


def _quantize(reader: Source, node: FileNode) -> Seen:
    kind = reader.traced.values[node.outputs[0]].dtype
    return _ranged(reader, node, reader.value(node), 1, kind)


def _dequantize(reader: Source, node: FileNode) -> Seen:
    return reader.value(node)


def _ranged(
    reader: Source, node: FileNode, x: Seen, at: int, kind: np.dtype[np.generic]
) -> Seen:
    """A value in the range that a node gives its integers; ``at`` is the scale."""
    scale, point = reader.numbers(node, at), reader.numbers(node, at + 1)
    precision = _PRECISIONS.get(kind.name)
    if scale is None or precision is None:
        raise Unread(f"it quantises to {kind.name}, or by a scale that is computed")
    if not (scale > 0).all():
        raise Unread(f"it quantises by a scale of {scale.min():g}, not above 0")
    if not isinstance(x, View):
        return x
    reader.precision = precision
    if kind.kind in "iu" and point is not None:
        bounds = np.iinfo(kind.name)
        lowest = point.reshape(-1)[0] == bounds.min
        if scale.size == 1 and lowest and _signed(reader, x.value):
            most = float(scale.reshape(())) * (bounds.max - bounds.min)
            kept = Act(type="relu6" if abs(most - 6) < 1e-3 else "relu")
            x = replace(x, value=reader.calls.emit(kept, [x.value]))
    if scale.size == 1:
        ends = (-E4M3, E4M3)
        if kind.kind in "iu":
            ends = float(np.iinfo(kind.name).min), float(np.iinfo(kind.name).max)
        zero = 0 if point is None else int(point.reshape(-1)[0])
        step = float(scale.reshape(()))
        reader.scales.setdefault(
            x.value,
            Scale(reader.placed(node.outputs[0], x), step, zero, kind.name, ends),
        )
    return x


def _signed(reader: Source, value: str) -> bool:
    """Whether a value may be negative, but for what its range leaves out.

    What has a range from 0 on already is not, and neither is the network's input:
    numbers that it never has are not cut off by an activation.
    """
    known: tuple[Op, Sequence[str]] = Act(type="relu"), ()

    def made(name: str) -> tuple[Op, Sequence[str]]:
        scale = reader.scales.get(name)
        if scale is not None and scale.point == scale.bounds[0]:
            return known
        return reader.calls.made.get(name, known)

    return not never_negative(value, made)


def _float(reader: Source, node: FileNode, at: int, *, axis: int = 0) -> Const | None:
    """A constant integer tensor, its scale and zero point behind it, as numbers."""
    held = reader.given(node, at)
    if not isinstance(held, Const):
        return None
    scale, point = reader.numbers(node, at + 1), reader.numbers(node, at + 2)
    if scale is None:
        raise Unread("it has weights of a scale that is computed")
    shape = [1] * held.array.ndim
    if scale.size > 1:
        shape[axis] = -1
    numbers = held.array.astype(np.float64)
    if point is not None:
        numbers = numbers - point.astype(np.float64).reshape(shape)
    numbers = numbers * scale.astype(np.float64).reshape(shape)
    return Const(numbers.astype(np.float32), held.sources)


def _bias(reader: Source, node: FileNode, held: Const) -> Const:
    """A bias in units of the input's scale times the weight's, as numbers."""
    x, weight = reader.numbers(node, 1), reader.numbers(node, 4)
    if x is None or weight is None:
        raise Unread("it has a bias of a scale that is computed")
    unit = x.astype(np.float64).reshape(-1) * weight.astype(np.float64).reshape(-1)
    return Const((held.array.reshape(-1) * unit).astype(np.float32), held.sources)


def _conv(reader: Source, node: FileNode) -> Seen:
    weight = _float(reader, node, 3)
    if weight is None:
        raise Unread("its weight is computed from the input")
    names = [node.inputs[0], f"{node.name}/weight"]
    reader.seen[names[1]] = weight
    bias = reader.given(node, 8)
    if isinstance(bias, Const):
        names.append(f"{node.name}/bias")
        reader.seen[names[2]] = _bias(reader, node, bias)
    made = reader.operator(Conv, replace(node, op_type="Conv", inputs=tuple(names)))
    kind = reader.traced.values[node.outputs[0]].dtype
    return _ranged(reader, node, made, 6, kind)


def _matmul(reader: Source, node: FileNode) -> Seen:
    held = _float(reader, node, 3, axis=-1)
    other = reader.value(node, 3) if held is None else held
    made = reader.calls.matmul(reader.value(node), other)
    return _ranged(reader, node, made, 6, reader.traced.values[node.outputs[0]].dtype)


def _gemm(reader: Source, node: FileNode) -> Seen:
    """ONNX Runtime's own: ``a b + c``, c in units of both scales."""
    turned = node.attributes.get("transB", 0)
    weight = _float(reader, node, 3, axis=0 if turned else 1)
    x = reader.value(node)
    if weight is None or node.attributes.get("transA", 0):
        raise Unread("a product of matrices that the input makes")
    if not turned:
        weight = Const(weight.array.T, weight.sources)
    bias = reader.given(node, 6)
    numbers = None
    if isinstance(bias, Const):
        numbers = _bias(reader, node, bias)
    made = reader.calls.linear(x, weight, numbers)
    return _ranged(reader, node, made, 7, reader.traced.values[node.outputs[0]].dtype)


def _both(kind: str) -> Handler:
    def read(reader: Source, node: FileNode) -> Seen:
        given = [_float(reader, node, at) or reader.value(node, at) for at in (0, 3)]
        dtype = reader.traced.values[node.outputs[0]].dtype
        return _ranged(reader, node, reader.calls.merge(kind, given), 6, dtype)

    return read


def _concat(reader: Source, node: FileNode) -> Seen:
    given = [reader.value(node, at) for at in range(2, len(node.inputs), 3)]
    made = reader.calls.concat(given, node.attributes["axis"])
    return _ranged(reader, node, made, 0, reader.traced.values[node.outputs[0]].dtype)


def _softmax(reader: Source, node: FileNode) -> Seen:
    """Along one axis; before set 13, which ``opset`` tells, those behind it as well."""
    last = len(reader.shape(node)) - 1
    axis = node.attributes.get("axis", -1) % (last + 1)
    if node.attributes.get("opset", 1) < 13 and axis < last:
        raise Unread("it takes several axes as one")
    made = reader.calls.softmax(reader.value(node), axis)
    return _ranged(reader, node, made, 3, reader.traced.values[node.outputs[0]].dtype)


def _alone(op: type[Op], plain: str) -> Handler:
    """What has one input, and works on its integers as ``plain`` does on numbers."""

    def read(reader: Source, node: FileNode) -> Seen:
        if node.attributes.get("channels_last", 0):
            raise Unread("it has channels last")
        made = reader.operator(op, replace(node, op_type=plain, inputs=node.inputs[:1]))
        dtype = reader.traced.values[node.outputs[0]].dtype
        return _ranged(reader, node, made, 3, dtype)

    return read


Handler = Callable[["Source", "FileNode"], "Seen"]
QUANTIZED: Final[Mapping[str, Handler]] = {
    "QuantizeLinear": _quantize, "DequantizeLinear": _dequantize,
    "QLinearConv": _conv, "QLinearMatMul": _matmul,
    "com.microsoft.QGemm": _gemm, "com.microsoft.QLinearAdd": _both("add"),
    "com.microsoft.QLinearMul": _both("multiply"),
    "com.microsoft.QLinearConcat": _concat,
    "com.microsoft.QLinearSoftmax": _softmax,
    **{
        f"com.microsoft.QLinear{name}": _alone(op, name)
        for name, op in (
            ("AveragePool", AvgPool), ("GlobalAveragePool", GlobalPool),
            ("LeakyRelu", Act), ("Sigmoid", Act),
        )
    },
}  # fmt: skip
