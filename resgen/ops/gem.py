"""Generalised mean over all positions."""

from __future__ import annotations

from resgen.ops.base import Case, OnnxWriter, Op, attribute, operator, spatial_suffix
from resgen.ops.initial import Init, initializer
from resgen.ops.types import Constant, Module, ParameterSpec, TensorType, Value, Window


@operator("gem")
class GeM(Op):
    """``y = (mean of max(x, eps) ^ p) ^ (1 / p)`` with a learned ``p: (1,)``.

    Between the mean (1) and the maximum (infinite) of each channel; the axes stay, with
    size 1. Radenovic et al. 2018, Fine-tuning CNN Image Retrieval with No Human
    Annotation, whose p starts at 3.
    """

    eps: float = attribute("number", "the least value", default=1e-6, minimum=0)
    init: Init = attribute("init", "for the role p; 3 unless said", default=())

    def infer(self, x: TensorType) -> TensorType:
        spatial_suffix(x, "pooling")
        return TensorType((x.channels, *(1 for _ in x.spatial)))

    def window(self, x: TensorType) -> Window:
        return Window(x.spatial, (1,) * len(x.spatial))

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        start = initializer(self.init, "p", (1,), Constant(3.0))
        return (ParameterSpec("p", (1,), start),)

    def torch(self, x: TensorType) -> Module:
        return Module("resgen.lower.modules.GeM", (float(self.eps),))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        p = to.operand("p") or ""
        least = to.emit("Clip", [x.name, to.floats([float(self.eps)], ())])
        mean = to.emit("GlobalAveragePool", [to.emit("Pow", [least, p])])
        root = to.emit("Div", [to.floats([1.0], ()), p])
        return to.emit("Pow", [mean, root])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return Case(cls(), ((4, 5, 6),)), Case(cls(eps=0.1), ((4, 7),))
