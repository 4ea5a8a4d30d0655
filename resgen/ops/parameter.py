"""A constant, learned or not."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import Case, OnnxWriter, Op, attribute, operator
from resgen.ops.initial import Init, initializer
from resgen.ops.types import Function, Normal, ParameterSpec, TensorType, Value
from resgen.spec.params import Param


@operator("parameter")
class Parameter(Op):
    """A learned value, the same for every input: a class token, positions.

    Of what it is given, it takes the batch alone. The parameter goes by the operator's
    own path, with an axis of 1 for the batch (as vision transformers store it) unless
    ``batch`` is false; normal with a deviation of 0.02, cut at two of them, unless
    ``init`` says otherwise (Dosovitskiy et al. 2021). One that is not ``learned`` is a
    number of the network itself, such as the sines of its positions: training leaves
    it as it is, and a checkpoint need not have it.
    """

    read: ClassVar[int | None] = 0

    shape: tuple[int, ...] = attribute(
        "list", "sizes without the batch", item=Param("channels", doc="size")
    )
    batch: bool = attribute("boolean", "stored with an axis of 1", default=True)
    learned: bool = attribute("boolean", "changed by training", default=True)
    init: Init = attribute("init", "of the values", default=())

    def infer(self, x: TensorType) -> TensorType:
        return TensorType(self.shape)

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        stored = (1, *self.shape) if self.batch else self.shape
        start = initializer(self.init, "", stored, Normal(0.02, truncate=2))
        return (ParameterSpec("", stored, start, trainable=self.learned),)

    def torch(self, x: TensorType) -> Function:
        views = (("", (1, *self.shape)),)
        return Function("resgen.lower.modules.repeated", parameters=views)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        value = to.operand("") or ""
        if not self.batch:
            value = to.emit("Unsqueeze", [value, to.integers([0])])
        batch = to.emit("Shape", [x.name], start=0, end=1)
        sizes = to.emit("Concat", [batch, to.integers(self.shape)], axis=0)
        return to.emit("Expand", [value, sizes])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(shape=(3, 4)), ((2, 5, 6),)),
            Case(cls(shape=(4,), batch=False), ((2, 5, 6),)),
            Case(cls(shape=(2,), learned=False), ((2, 5, 6),)),
        )
