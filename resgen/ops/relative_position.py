"""A learned bias for how far two positions lie apart."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import Case, OnnxWriter, attribute, operator
from resgen.ops.initial import Init, initializer
from resgen.ops.relative_lookup import Relative, counts, rows
from resgen.ops.types import Function, Normal, ParameterSpec, TensorType, Value


@operator("relative_position")
class RelativePosition(Relative):
    """``heads x queries x keys``, learned for each way from one to another.

    A bias of attention in a map of this size, or in its windows. Of what it is given,
    it takes the batch alone. The parameter goes by the operator's own path: a row a
    way, a column a head, normal with a deviation of 0.02, cut at two of them, unless
    ``init`` says otherwise (Liu et al. 2021, Swin). Rows stand as ``relative_lookup``
    wants them.
    """

    read: ClassVar[int | None] = 0

    heads: int = attribute("channels", "heads of the attention")
    init: Init = attribute("init", "of the values", default=())

    def infer(self, x: TensorType) -> TensorType:
        return TensorType((self.heads, *counts(self)))

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        shape = (self.ways, self.heads)
        start = initializer(self.init, "", shape, Normal(0.02, truncate=2))
        return (ParameterSpec("", shape, start),)

    def torch(self, x: TensorType) -> Function:
        target = "resgen.lower.modules.relative_position"
        held = (("", (self.ways, self.heads)),)
        return Function(target, kwargs=self.asked, parameters=held)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        shape = self.infer(x.type).shape
        ways = to.integers(rows(self))
        chosen = to.emit("Gather", [to.operand("") or "", ways])
        turned = to.emit("Transpose", [chosen], perm=(1, 0))
        value = to.emit("Reshape", [turned, to.integers([1, *shape])])
        batch = to.emit("Shape", [x.name], start=0, end=1)
        sizes = to.emit("Concat", [batch, to.integers(shape)], axis=0)
        return to.emit("Expand", [value, sizes])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(size=(2, 3), heads=4), ((2, 5, 6),)),
            Case(cls(size=(5,), heads=2), ((3, 7),)),
            Case(cls(size=(3, 2), heads=2, token=True), ((3, 7),)),
        )
