"""Affine map of the channel axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import sqrt
from typing import Any, ClassVar

from resgen.ops.base import (
    Case,
    OnnxNode,
    OnnxWriter,
    Op,
    Read,
    ShapeError,
    Unreadable,
    attribute,
    operator,
)
from resgen.ops.initial import Init, initializer
from resgen.ops.types import (
    Function,
    Module,
    Operand,
    ParameterSpec,
    Ref,
    Spelling,
    TensorType,
    Uniform,
    Value,
)


@operator("linear")
class Linear(Op):
    """Affine map of the channel axis, at any rank: ``y[o] = sum W[o, i] x[i] + b[o]``.

    ``W: (out, channels)``, ``b: (out,)``. Both are initialised as torch's ``Linear``:
    uniform within ``1 / sqrt(channels)``. With ``own_path`` ``W`` goes by the path of
    the operator, as ``in_proj_weight`` of torch's attention, and there is no ``b``.
    """

    onnx_types: ClassVar[tuple[str, ...]] = ("Gemm",)

    out: int = attribute("channels", "output channels")
    bias: bool = attribute("boolean", "add a trainable bias", default=True)
    own_path: bool = attribute(
        "boolean", "the weight goes by the operator's own path", default=False
    )
    init: Init = attribute("init", "for the roles weight and bias", default=())

    def infer(self, x: TensorType) -> TensorType:
        if self.own_path and self.bias:
            raise ShapeError(
                "a linear map whose weight goes by its own path has no bias",
                attribute="bias",
                code="RG112",
            )
        return x.with_channels(self.out)

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        default = Uniform(1 / sqrt(x.channels))
        shapes = {"weight": (self.out, x.channels), "bias": (self.out,)}
        if not self.bias:
            del shapes["bias"]
        return tuple(
            ParameterSpec(
                "" if self.own_path else role,
                shape,
                initializer(self.init, role, shape, default),
            )
            for role, shape in shapes.items()
        )

    def operands(self, names: Mapping[str, str]) -> dict[str, Operand]:
        return {role or "weight": Ref(name) for role, name in names.items()}

    @property
    def bare(self) -> Linear:
        return replace(self, own_path=False)

    def macs(self, x: TensorType, y: TensorType) -> int:
        return y.size * x.channels

    def torch(self, x: TensorType) -> Spelling:
        if self.own_path:
            held = (("", (self.out, x.channels)),)
            home = "torch.nn.functional" if x.rank == 1 else "resgen.lower.modules"
            return Function(f"{home}.linear", parameters=held)
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
    def from_onnx(cls, node: OnnxNode) -> Read:
        weight, bias = node.numbers(1), node.numbers(2)
        if weight is None or node.given("transA", 0):
            raise Unreadable("a product of matrices that the input makes")
        weight = weight if node.given("transB", 0) else weight.T
        weight = weight * weight.dtype.type(node.given("alpha", 1.0))
        roles: dict[str, int | tuple[int, Any]] = {"weight": (1, weight)}
        out = int(weight.shape[0])
        if bias is not None:
            if bias.size not in (1, out):
                raise Unreadable("it adds a matrix")
            bias = bias * bias.dtype.type(node.given("beta", 1.0))
            roles["bias"] = (2, bias.reshape(-1).repeat(out // bias.size))
        return Read(cls(out=out, bias=bias is not None), roles)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(out=6), ((4,),)),
            Case(cls(out=6, bias=False), ((4,),)),
            Case(cls(out=6), ((4, 5, 6),)),
            Case(cls(out=6, bias=False), ((4, 5),)),
            Case(cls(out=6), ((4, 2, 3, 4, 5),)),
            Case(cls(out=6, bias=False, own_path=True), ((4,),)),
            Case(cls(out=6, bias=False, own_path=True), ((4, 5),)),
        )
