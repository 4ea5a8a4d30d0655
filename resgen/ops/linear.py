"""Affine map of the channel axis."""

from __future__ import annotations

from math import sqrt

from resgen.ops.base import Case, OnnxWriter, Op, attribute, operator
from resgen.ops.initial import Init, initializer
from resgen.ops.types import Module, ParameterSpec, TensorType, Uniform, Value


@operator("linear")
class Linear(Op):
    """Affine map of the channel axis, at any rank: ``y[o] = sum W[o, i] x[i] + b[o]``.

    ``W: (out, channels)``, ``b: (out,)``. Both are initialised as torch's ``Linear``:
    uniform within ``1 / sqrt(channels)``.
    """

    out: int = attribute("channels", "output channels")
    bias: bool = attribute("boolean", "add a trainable bias", default=True)
    init: Init = attribute("init", "for the roles weight and bias", default=())

    def infer(self, x: TensorType) -> TensorType:
        return x.with_channels(self.out)

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        default = Uniform(1 / sqrt(x.channels))
        shapes = {"weight": (self.out, x.channels), "bias": (self.out,)}
        if not self.bias:
            del shapes["bias"]
        return tuple(
            ParameterSpec(role, shape, initializer(self.init, role, shape, default))
            for role, shape in shapes.items()
        )

    def macs(self, x: TensorType, y: TensorType) -> int:
        return y.size * x.channels

    def torch(self, x: TensorType) -> Module:
        target = "torch.nn.Linear" if x.rank == 1 else "resgen.lower.modules.Linear"
        return Module(target, (x.channels, self.out), {"bias": self.bias})

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        weight, bias = to.operand("weight") or "", to.operand("bias")
        shift = [] if bias is None else [bias]
        if x.type.rank == 1:
            return to.emit("Gemm", [x.name, weight, *shift], transB=1)
        if len(x.type.spatial) <= 3:
            # A convolution of size 1 needs no transpositions, and runtimes fuse it.
            axes = to.integers(range(2, x.type.rank + 1))
            kernel = to.emit("Unsqueeze", [weight, axes])
            return to.emit("Conv", [x.name, kernel, *shift])
        last = x.type.rank
        moved = to.emit("Transpose", [x.name], perm=(0, *range(2, last + 1), 1))
        y = to.emit("MatMul", [moved, to.emit("Transpose", [weight], perm=(1, 0))])
        for vector in shift:
            y = to.emit("Add", [y, vector])
        return to.emit("Transpose", [y], perm=(0, last, *range(1, last)))

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(out=6), ((4,),)),
            Case(cls(out=6, bias=False), ((4,),)),
            Case(cls(out=6), ((4, 5, 6),)),
            Case(cls(out=6, bias=False), ((4, 5),)),
            Case(cls(out=6), ((4, 2, 3, 4, 5),)),
        )
