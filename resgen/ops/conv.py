"""Convolution over one to three spatial axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any, ClassVar

from resgen.ops.base import (
    Axes,
    Case,
    OnnxNode,
    OnnxWriter,
    Op,
    Read,
    ShapeError,
    Unreadable,
    attribute,
    collapsed,
    multiplied,
    operator,
    per_axis,
    plain_axes,
    spacing,
    spatial_suffix,
)
from resgen.ops.initial import Init, fan_out, initializer, weight_and_bias
from resgen.ops.linear import Linear
from resgen.ops.onnx_windows import windows
from resgen.ops.types import (
    Apply,
    Constant,
    Module,
    Operand,
    ParameterSpec,
    Ref,
    TensorType,
    Value,
    Window,
)


@operator("conv")
class Conv(Op):
    """Convolution; its rank follows its input.

    ``y[o] = sum over i, k of W[o, i, k] x[i, s*p + d*k - pad] (+ b[o])`` with
    ``W: (out, channels / groups, *kernel)``. The default padding keeps the size at
    stride 1 when the kernel is odd. Initialised as He et al. 2015 (fan out, ReLU), the
    bias at zero.
    """

    onnx_types: ClassVar[tuple[str, ...]] = ("Conv",)

    out: int = attribute("channels", "output channels")
    kernel: Axes = attribute("axes", "kernel size", minimum=1)
    stride: Axes = attribute("axes", "stride", default=1, minimum=1)
    padding: Axes | None = attribute(
        "axes", "zeros on each side; unless said, dilation * (kernel - 1) // 2",
        default=None, minimum=0,
    )  # fmt: skip
    dilation: Axes = attribute("axes", "spacing of the kernel", default=1, minimum=1)
    groups: int = attribute(
        "integer", "groups of channels that do not mix", default=1, minimum=1
    )
    bias: bool = attribute("boolean", "add a trainable bias", default=False)
    standardize: bool = attribute(
        "boolean", "weight standardisation, Qiao et al. 2019", default=False
    )
    standardize_eps: float = attribute(
        "number",
        "added to the variance of a standardised weight",
        default=1e-6,
        minimum=0,
    )
    gain: float | None = attribute(
        "number",
        "a standardised weight is scaled: a trainable factor for each output, times "
        "this, over the root of how many numbers the output sums; Brock et al. 2021",
        default=None,
    )
    init: Init = attribute("init", "for the roles weight, bias and gain", default=())

    def _axes(self, x: TensorType) -> tuple[tuple[int, ...], ...]:
        """Kernel, stride, padding and dilation, one number an axis each."""
        kernel = per_axis(self.kernel, x, "kernel")
        stride = per_axis(self.stride, x, "stride")
        dilation = per_axis(self.dilation, x, "dilation")
        if self.padding is None:
            same = ((d * (k - 1)) // 2 for k, d in zip(kernel, dilation, strict=True))
            return kernel, stride, tuple(same), dilation
        return kernel, stride, per_axis(self.padding, x, "padding"), dilation

    def infer(self, x: TensorType) -> TensorType:
        spatial_suffix(x, "a convolution")
        if self.gain is not None and not self.standardize:
            message = "a gain scales a standardised weight, and this one is not"
            raise ShapeError(message, attribute="gain", code="RG112")
        for count, noun in ((x.channels, "input"), (self.out, "output")):
            if count % self.groups:
                raise ShapeError(
                    f"{self.groups} groups do not divide {count} {noun} channels",
                    attribute="groups",
                    code="RG105",
                )
        sizes = []
        for n, k, s, p, d in zip(x.spatial, *self._axes(x), strict=True):
            size = (n + 2 * p - d * (k - 1) - 1) // s + 1
            if size < 1:
                raise collapsed(f"a kernel of {d * (k - 1) + 1}", n, p)
            sizes.append(size)
        return TensorType((self.out, *sizes))

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        shape = (
            self.out,
            x.channels // self.groups,
            *per_axis(self.kernel, x, "kernel"),
        )
        bias = self.out if self.bias else None
        made = weight_and_bias(self.init, shape, fan_out(shape), bias)
        if self.gain is None:
            return made
        scale = (self.out, *(1,) * (len(shape) - 1))
        start = initializer(self.init, "gain", scale, Constant(1.0))
        return (*made, ParameterSpec("gain", scale, start))

    def operands(self, names: Mapping[str, str]) -> dict[str, Operand]:
        operands: dict[str, Operand] = {role: Ref(name) for role, name in names.items()}
        if self.standardize:
            scale: tuple[Operand | float, ...] = ()
            if self.gain is not None:
                scale = (operands.pop("gain"), float(self.gain))
            args = (operands["weight"], float(self.standardize_eps), *scale)
            operands["weight"] = Apply("standardize", args)
        return operands

    @property
    def bare(self) -> Op:
        return replace(self, standardize=False, gain=None)

    def macs(self, x: TensorType, y: TensorType) -> int:
        kernel = prod(per_axis(self.kernel, x, "kernel"))
        return y.size * (x.channels // self.groups) * kernel

    def window(self, x: TensorType) -> Window:
        kernel, stride, _, dilation = self._axes(x)
        extent = (d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
        return Window(tuple(extent), stride)

    def unstrided(self, dilation: int, *, undo: bool) -> tuple[Op, ...]:
        # A stated padding grows with the kernel's extent, so that sizes stay.
        padding = None if self.padding is None else multiplied(self.padding, dilation)
        stride = 1 if undo else self.stride
        wider = multiplied(self.dilation, dilation)
        return (replace(self, stride=stride, padding=padding, dilation=wider),)

    def effective(self, x: TensorType) -> dict[str, Any]:
        kernel, _, padding, dilation = self._axes(x)
        found = {**super().effective(x), "padding": padding}
        found["dilation"] = spacing(kernel, dilation)
        if not self.standardize:
            del found["standardize_eps"]
        if self.gain is None:
            del found["gain"]
        return found

    def torch(self, x: TensorType) -> Module:
        suffix = spatial_suffix(x, "a convolution")
        kernel, stride, padding, dilation = self._axes(x)
        options: dict[str, object] = {"stride": stride, "padding": padding}
        if any(d > 1 for d in dilation):
            options["dilation"] = dilation
        if self.groups > 1:
            options["groups"] = self.groups
        options["bias"] = self.bias
        if self.standardize:
            target = f"resgen.lower.modules.StdConv{suffix}"
            options["eps"] = float(self.standardize_eps)
            if self.gain is not None:
                options["gain"] = float(self.gain)
        else:
            target = f"torch.nn.Conv{suffix}"
        return Module(target, (x.channels, self.out, kernel), options)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        kernel, stride, padding, dilation = self._axes(x.type)
        operands = [x.name, to.operand("weight"), to.operand("bias")]
        return to.emit(
            "Conv",
            [name for name in operands if name is not None],
            kernel_shape=kernel,
            strides=stride,
            pads=padding + padding,
            dilations=dilation,
            group=self.groups,
        )

    @classmethod
    def from_onnx(cls, node: OnnxNode) -> Read:
        weight = node.numbers(1)
        if weight is None:
            raise Unreadable("its weight is computed from the input")
        out, _, *kernel = weight.shape
        biased = node.numbers(2) is not None
        roles = {"weight": 1} | ({"bias": 2} if biased else {})
        if node.stored_rank(1) == 2:  # a linear map, as resgen writes it
            return Read(Linear(out=out, bias=biased), roles)
        found = windows(node, tuple(kernel))
        usual = tuple(
            d * (k - 1) // 2 for k, d in zip(kernel, found.dilation, strict=True)
        )
        made = cls(
            out=out,
            kernel=plain_axes(kernel),
            stride=plain_axes(found.stride),
            padding=None if found.padding == usual else plain_axes(found.padding),
            dilation=plain_axes(found.dilation),
            groups=node.given("group", 1),
            bias=biased,
        )
        return Read(made, roles, found.before)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(out=6, kernel=3), ((4, 9, 9),)),
            Case(cls(out=6, kernel=(1, 7), stride=2, bias=True), ((4, 9, 16),)),
            Case(cls(out=6, kernel=3, groups=2, dilation=2), ((4, 11, 11),)),
            Case(cls(out=4, kernel=2, stride=2, padding=0), ((3, 8, 8),)),
            Case(cls(out=6, kernel=3, standardize=True), ((4, 9, 9),)),
            Case(
                cls(out=6, kernel=3, standardize=True, standardize_eps=0.1),
                ((4, 9, 9),),
            ),
            Case(cls(out=6, kernel=3, standardize=True, gain=1.7), ((4, 9, 9),)),
            Case(cls(out=5, kernel=5), ((3, 20),)),
            Case(cls(out=5, kernel=3, stride=2), ((3, 6, 7, 8),)),
        )
