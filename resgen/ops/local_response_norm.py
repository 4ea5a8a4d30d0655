"""Local response normalisation."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import (
    Case,
    OnnxNode,
    OnnxWriter,
    Op,
    Read,
    ShapeError,
    attribute,
    operator,
)
from resgen.ops.types import Module, TensorType, Value


@operator("local_response_norm")
class LocalResponseNorm(Op):
    """``y = x / (k + alpha / size * sum of x^2 over size channels) ^ beta``.

    The channels are those around each; Krizhevsky et al. 2012.
    """

    onnx_types: ClassVar[tuple[str, ...]] = ("LRN",)

    size: int = attribute("integer", "channels in the sum", default=5, minimum=1)
    alpha: float = attribute("number", "factor of the sum", default=1e-4, minimum=0)
    beta: float = attribute("number", "exponent", default=0.75)
    k: float = attribute("number", "added to the sum", default=1.0, minimum=0)

    def infer(self, x: TensorType) -> TensorType:
        if len(x.spatial) != 2:
            raise ShapeError(
                f"local response norm needs 2 spatial axes, but its input is {x}",
                code="RG111",
            )
        if self.size % 2 == 0:
            raise ShapeError(
                f"a size of {self.size} has no middle, and runtimes disagree about it",
                attribute="size",
                code="RG112",
                hint="use an odd size",
            )
        return x

    def torch(self, x: TensorType) -> Module:
        args = (self.size, float(self.alpha), float(self.beta), float(self.k))
        return Module("torch.nn.LocalResponseNorm", args)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        return to.emit(
            "LRN",
            [x.name],
            size=self.size,
            alpha=float(self.alpha),
            beta=float(self.beta),
            bias=float(self.k),
        )

    @classmethod
    def from_onnx(cls, node: OnnxNode) -> Read:
        return Read(
            cls(
                size=node.given("size"),
                alpha=node.given("alpha", 1e-4),
                beta=node.given("beta", 0.75),
                k=node.given("bias", 1.0),
            )
        )

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(), ((8, 5, 6),)),
            Case(cls(size=3, alpha=0.5, beta=1.0, k=2.0), ((8, 5, 6),)),
        )
