"""What is reduced along axes, and a softmax, which is composed of such."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from resgen.lower.emitted import Constant, Unwritable, integers, left
from resgen.lower.litert.nodes.elementwise import (
    DIV,
    MUL,
    SUB,
    Write,
    tensor,
    unary,
)
from resgen.lower.litert.values import Tensor, Value
from resgen.lower.litert.writer import Writer


def _global(reduce: str) -> Write:
    def write(to: Writer, x: Value) -> Value:
        given = tensor(x)
        axes = range(2, len(given.shape))
        return reduced(to, given, axes, keep=True, code=reduce)

    return write


def reduced(to: Writer, x: Tensor, axes: Sequence[int], *, keep: bool, code: str
            ) -> Tensor:  # fmt: skip
    """What ``code`` makes of the elements along these axes."""
    stored = sorted(x.at(axis) for axis in axes)
    shape, order, places = left(x, axes, keep=keep)
    return to.add(code, [x, to.integer(*stored)], shape, order, options="Reducer",
                  keepDims=keep, places=places, positive=x.positive)  # fmt: skip


def _reduce(code: str) -> Write:
    def write(
        to: Writer,
        x: Value,
        axes: Value | Sequence[int] | None = None,
        *,
        keepdims: int = 1,
        **more: Any,
    ) -> Tensor:
        found = more.get("axes", axes)
        if found is None:
            raise Unwritable("it reduces the batch")
        listed = integers(found) if isinstance(found, Constant) else list(found)
        return reduced(to, tensor(x), listed, keep=bool(keepdims), code=code)

    return write


def _length(to: Writer, x: Value, axes: Value, *, keepdims: int = 1) -> Value:
    square = tensor(MUL(to, x, x))
    total = reduced(to, square, integers(axes), keep=bool(keepdims), code="SUM")
    return unary("SQRT", positive=True)(to, total)


def _softmax(to: Writer, x: Value, *, axis: int = -1) -> Value:
    given = tensor(x)
    at = axis % len(given.shape)
    if given.at(at) != len(given.shape) - 1:
        # SOFTMAX is along what lies last, and moving the axis would cost more.
        _, power, total = _powers(to, given, at)
        return DIV(to, power, total)
    return unary("SOFTMAX", "Softmax", positive=True)(to, given, beta=1.0)


def _log_softmax(to: Writer, x: Value, *, axis: int = -1) -> Value:
    given = tensor(x)
    less, _, total = _powers(to, given, axis % len(given.shape))
    return SUB(to, less, unary("LOG")(to, total))


def _powers(to: Writer, x: Tensor, axis: int) -> tuple[Value, Tensor, Tensor]:
    """``x`` less its largest along an axis, the powers of e of that, and their sum."""
    less = SUB(to, x, reduced(to, x, [axis], keep=True, code="REDUCE_MAX"))
    power = tensor(unary("EXP", "Exp", positive=True)(to, less))
    return less, power, reduced(to, power, [axis], keep=True, code="SUM")


NODES: Final[Mapping[str, Write]] = {
    "GlobalAveragePool": _global("MEAN"), "GlobalMaxPool": _global("REDUCE_MAX"),
    "ReduceMean": _reduce("MEAN"), "ReduceSum": _reduce("SUM"),
    "ReduceMax": _reduce("REDUCE_MAX"), "ReduceL2": _length,
    "Softmax": _softmax, "LogSoftmax": _log_softmax,
}  # fmt: skip
