"""Attention among positions."""

from __future__ import annotations

from functools import partial
from math import sqrt
from typing import Any, ClassVar, Final

from resgen.ops.base import Case, OnnxWriter, Op, ShapeError, attribute, operator
from resgen.ops.cast import CODES
from resgen.ops.reshaping import write_reshape
from resgen.ops.types import Function, TensorType, Value

#: The first operator set of ONNX that has it as one node.
ONE_NODE: Final = 23
_FLOAT32: Final = CODES["float32"]


@operator("attention")
class Attention(Op):
    """Scaled dot-product attention among positions, the last axis: Vaswani et al. 2017.

    Queries, keys and values are ``channels x ... x positions``; each index of the axes
    between is by itself. A head has an equal share of the channels, and of it ``y =
    values softmax(scale x keys^T queries + bias)``. The bias, a kept value of ``heads x
    queries x keys``, may have the axes between before these.
    """

    arity: ClassVar[int | None] = 3

    keys: str = attribute("value", "the kept value with the keys")
    values: str = attribute("value", "the kept value with what is weighed")
    heads: int = attribute("integer", "among how many heads", default=1, minimum=1)
    scale: float | None = attribute(
        "number", "of scores; 1 / sqrt(channels of a head) unless said", default=None
    )
    bias: str | None = attribute(
        "value", "the kept value that is added to scores", default=None
    )

    def factor(self, x: TensorType) -> float:
        """What scores of these queries are multiplied by."""
        scale = sqrt(self.heads / x.channels) if self.scale is None else self.scale
        return float(scale)

    def infer(
        self, x: TensorType, keys: TensorType, values: TensorType, *bias: TensorType
    ) -> TensorType:
        between, positions = x.shape[1:-1], x.shape[-1]
        for name, given in (("heads", x), ("values", values)):
            if given.rank < 2 or given.channels % self.heads:
                raise ShapeError(
                    f"attention in {self.heads} heads of {given}: the first axis is "
                    "shared out among heads, and the last one is positions",
                    attribute=name,
                    code="RG112",
                )
        if keys.shape[:-1] != x.shape[:-1] or values.shape[1:] != keys.shape[1:]:
            raise ShapeError(
                f"attention of queries {x}, keys {keys} and values {values}: keys "
                "have the channels of queries and the positions of values, and axes "
                "between are equal",
                attribute="keys",
                code="RG112",
            )
        fits = (self.heads, positions, keys.shape[-1])
        for given in bias:
            if given.shape not in (fits, (*between, *fits)):
                raise ShapeError(
                    f"a bias of {given} does not fit scores of {TensorType(fits)}",
                    attribute="bias",
                    code="RG112",
                )
        return TensorType((values.channels, *between, positions))

    def macs(
        self, x: TensorType, keys: TensorType, values: TensorType, *others: TensorType
    ) -> int:
        return (x.size + others[-1].size) * keys.shape[-1]

    def effective(self, x: TensorType) -> dict[str, Any]:
        return {"heads": self.heads, "scale": self.factor(x)}

    def torch(self, x: TensorType) -> Function:
        options = {"heads": self.heads, "scale": self.factor(x)}
        return Function("resgen.lower.modules.attention", kwargs=options)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        x, keys, values, *bias = inputs
        between = x.type.shape[1:-1]
        count, last = len(between), x.type.rank + 1
        # Open sizes of axes between cannot be put into the batch and out of it again.
        fused = to.opset >= ONE_NODE and not (to.dynamic and between)
        # (N, heads, size, between, L) becomes (N, between, heads, L, size).
        order = (0, *range(3, last), 1, last, 2)
        turned = order if fused else (*order[:-2], 2, last)
        q, k, v = (
            to.emit("Transpose", [self._split(to, value)], perm=perm)
            for value, perm in ((x, order), (keys, turned), (values, order))
        )
        added = [self._spread(to, value, count) for value in bias]
        if fused:
            y = self._node(to, (q, k, v, *added), inputs)
        else:
            y = self._products(to, (q, k, v, *added), x.type)
        # And back.
        order = (0, count + 1, count + 3, *range(1, count + 1), count + 2)
        size = values.type.channels // self.heads
        split = TensorType((self.heads, size, *between, x.type.shape[-1]))
        y = to.emit("Transpose", [y], perm=order)
        return write_reshape(to, Value(y, split), 0, [values.type.channels], 1)

    def _split(self, to: OnnxWriter, value: Value) -> str:
        """With the channels of each head in an axis of their own, the third."""
        sizes = (self.heads, value.type.channels // self.heads)
        return write_reshape(to, value, 0, sizes, 0)

    def _spread(self, to: OnnxWriter, bias: Value, count: int) -> str:
        """The bias with an axis for each of those between."""
        if bias.type.rank == 3 + count:
            return bias.name
        return to.emit("Unsqueeze", [bias.name, to.integers(range(1, count + 1))])

    def _products(self, to: OnnxWriter, parts: tuple[str, ...], x: TensorType) -> str:
        """As two products of matrices with a softmax between, in float32."""
        q, k, v, *bias = parts
        scaled = to.emit("Mul", [q, to.floats([self.factor(x)], ())])
        scores = to.emit("MatMul", [scaled, k])
        for value in bias:
            scores = to.emit("Add", [scores, value])
        if x.dtype != "float32":
            scores = to.emit("Cast", [scores], to=_FLOAT32)
        weights = to.emit("Softmax", [scores], axis=-1)
        if x.dtype != "float32":
            weights = to.emit("Cast", [weights], to=CODES[x.dtype])
        return to.emit("MatMul", [weights, v])

    def _node(
        self, to: OnnxWriter, parts: tuple[str, ...], inputs: tuple[Value, ...]
    ) -> str:
        """As ONNX's own operator, which takes axes between as part of the batch."""
        x, keys, values = (value.type for value in inputs[:3])
        between, heads = x.shape[1:-1], self.heads
        if between:
            queries, positions = x.shape[-1], keys.shape[-1]
            shapes = [
                (heads, queries, x.channels // heads),
                (heads, positions, x.channels // heads),
                (heads, positions, values.channels // heads),
            ]
            q, k, v, *bias = parts
            if bias:
                size = to.integers([1, *between, 1, 1, 1])
                bias = [to.emit("Expand", [bias[0], size])]
                shapes.append((heads, queries, positions))
            parts = tuple(
                to.emit("Reshape", [part, to.integers([-1, *shape])])
                for part, shape in zip((q, k, v, *bias), shapes, strict=True)
            )
        options = {} if x.dtype == "float32" else {"softmax_precision": _FLOAT32}
        y = to.emit("Attention", parts, scale=self.factor(x), **options)
        if between:
            sizes = (heads, x.shape[-1], values.channels // heads)
            y = to.emit("Reshape", [y, to.integers([-1, *between, *sizes])])
        return y

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        row, windows = (8, 5), (8, 3, 5)
        op = partial(cls, keys="k", values="v")
        return (
            Case(op(heads=2), (row, row, row)),
            Case(op(scale=0.5), (row, (8, 6), (4, 6))),
            Case(op(heads=4), (windows, windows, windows)),
            Case(op(heads=2, bias="b"), (row, row, row, (2, 5, 5))),
            Case(
                op(heads=2, bias="b"),
                (windows, windows, windows, (2, 5, 5)),
            ),
            Case(
                op(heads=2, bias="b"),
                (windows, (8, 3, 6), (6, 3, 6), (3, 2, 5, 6)),
            ),
        )
