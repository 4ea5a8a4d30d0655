"""What the operators share that have one learned number for each channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resgen.ops.base import Case, OnnxWriter, Op, attribute
from resgen.ops.initial import Init, initializer
from resgen.ops.types import Constant, Function, ParameterSpec, TensorType, Value


@dataclass(frozen=True)
class Channelwise(Op):
    """An operator of each value and its channel's number, ``(channels,)`` of them.

    The parameter goes by the operator's own path.
    """

    #: The torch function, the ONNX operator, and where training starts.
    spelled: ClassVar[tuple[str, str, float]]

    init: Init = attribute(
        "init", "of the numbers; the identity unless said", default=()
    )

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        shape = (x.channels,)
        start = initializer(self.init, "", shape, Constant(self.spelled[2]))
        return (ParameterSpec("", shape, start),)

    def torch(self, x: TensorType) -> Function:
        shape = (x.channels, *(1 for _ in x.spatial))
        return Function(self.spelled[0], parameters=(("", shape),))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        numbers = to.operand("") or ""
        if x.type.rank > 1:
            axes = to.integers(range(1, x.type.rank))
            numbers = to.emit("Unsqueeze", [numbers, axes])
        return to.emit(self.spelled[1], [x.name, numbers])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(init=(("", 1e-6),)), ((4, 5, 6),)),
            Case(cls(), ((4,),)),
        )
