"""Product of matrices."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import Case, OnnxWriter, Op, ShapeError, attribute, operator
from resgen.ops.types import Function, TensorType, Value


@operator("matmul")
class MatMul(Op):
    """The product with a kept value, of matrices that lie in the last two axes.

    ``(..., m, k)`` by ``(..., k, n)`` is ``(..., m, n)``; the axes before them are
    equal. Attention is two of these with a softmax between (Vaswani et al. 2017).
    """

    arity: ClassVar[int | None] = 2

    by: str = attribute("value", "the kept value on the right")
    transpose: bool = attribute("boolean", "swap the left one's axes", default=False)
    transpose_by: bool = attribute(
        "boolean", "swap the right one's axes", default=False
    )

    def _matrices(self, x: TensorType, by: TensorType) -> tuple[int, int, int, int]:
        """Rows and columns of both sides."""
        m, k = reversed(x.shape[-2:]) if self.transpose else x.shape[-2:]
        q, n = reversed(by.shape[-2:]) if self.transpose_by else by.shape[-2:]
        return m, k, q, n

    def infer(self, x: TensorType, by: TensorType) -> TensorType:
        if min(x.rank, by.rank) < 2:
            raise ShapeError(
                f"a product of matrices of {x} and {by}: each needs two axes",
                attribute="by",
                code="RG111",
            )
        m, k, q, n = self._matrices(x, by)
        if x.shape[:-2] != by.shape[:-2] or k != q:
            raise ShapeError(
                f"cannot multiply {m} x {k} by {q} x {n}, in {x} and {by}: columns on "
                "the left and rows on the right are equal, and so are the axes before",
                attribute="by",
                code="RG112",
                hint='"transpose" and "transpose_by" swap the two axes of a side',
            )
        return TensorType((*x.shape[:-2], m, n))

    def macs(self, x: TensorType, by: TensorType, y: TensorType) -> int:
        return y.size * x.shape[-2 if self.transpose else -1]

    def torch(self, x: TensorType) -> Function:
        options = {"transpose": self.transpose, "transpose_by": self.transpose_by}
        return Function("resgen.lower.modules.matmul", kwargs=options)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        swapped = (self.transpose, self.transpose_by)
        sides = []
        for side, swap in zip(inputs, swapped, strict=True):
            last = side.type.rank
            order = (*range(last - 1), last, last - 1)
            sides.append(
                to.emit("Transpose", [side.name], perm=order) if swap else side.name
            )
        return to.emit("MatMul", sides)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(by="y"), ((2, 4, 5), (2, 5, 3))),
            Case(cls(by="y", transpose=True), ((5, 4), (5, 3))),
            Case(cls(by="y", transpose_by=True), ((2, 3, 4, 5), (2, 3, 6, 5))),
            Case(cls(by="y", transpose=True, transpose_by=True), ((5, 4), (3, 5))),
        )
