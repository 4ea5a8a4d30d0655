"""Transposed convolution over one to three spatial axes."""

from __future__ import annotations

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
    operator,
    per_axis,
    plain_axes,
    spatial_suffix,
)
from resgen.ops.initial import Init, fan_out, weight_and_bias
from resgen.ops.types import Module, ParameterSpec, TensorType, Value


@operator("conv_transpose")
class ConvTranspose(Op):
    """The gradient of a convolution as a layer: it upsamples by its stride.

    ``W: (channels, out / groups, *kernel)``, ``b: (out,)``. A size n becomes
    ``(n - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 + output_padding``.
    Initialised as ``conv``.
    """

    onnx_types: ClassVar[tuple[str, ...]] = ("ConvTranspose",)

    out: int = attribute("channels", "output channels")
    kernel: Axes = attribute("axes", "kernel size", minimum=1)
    stride: Axes = attribute("axes", "stride", default=1, minimum=1)
    padding: Axes = attribute("axes", "taken off each side", default=0, minimum=0)
    output_padding: Axes = attribute(
        "axes", "added at the end; less than the stride", default=0, minimum=0
    )
    dilation: Axes = attribute("axes", "spacing of the kernel", default=1, minimum=1)
    groups: int = attribute(
        "integer", "groups of channels that do not mix", default=1, minimum=1
    )
    bias: bool = attribute("boolean", "add a trainable bias", default=False)
    init: Init = attribute("init", "for the roles weight and bias", default=())

    def _axes(self, x: TensorType) -> tuple[tuple[int, ...], ...]:
        """Kernel, stride, padding, output padding and dilation, by axis."""
        return (
            per_axis(self.kernel, x, "kernel"),
            per_axis(self.stride, x, "stride"),
            per_axis(self.padding, x, "padding"),
            per_axis(self.output_padding, x, "output_padding"),
            per_axis(self.dilation, x, "dilation"),
        )

    def infer(self, x: TensorType) -> TensorType:
        spatial_suffix(x, "a transposed convolution")
        for channels, noun in ((x.channels, "input"), (self.out, "output")):
            if channels % self.groups:
                raise ShapeError(
                    f"{self.groups} groups do not divide {channels} {noun} channels",
                    attribute="groups",
                    code="RG105",
                )
        sizes = []
        for n, k, s, p, more, d in zip(x.spatial, *self._axes(x), strict=True):
            if more >= s:
                raise ShapeError(
                    f"an output_padding of {more} is not less than the stride of {s}",
                    attribute="output_padding",
                    code="RG112",
                )
            size = (n - 1) * s - 2 * p + d * (k - 1) + 1 + more
            if size < 1:
                raise ShapeError(
                    f"the map collapses: a padding of {p} takes all of it away",
                    attribute="padding",
                    code="RG106",
                )
            sizes.append(size)
        return TensorType((self.out, *sizes))

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        kernel, out = per_axis(self.kernel, x, "kernel"), self.out // self.groups
        fan = fan_out((self.out, x.channels // self.groups, *kernel))
        bias = self.out if self.bias else None
        return weight_and_bias(self.init, (x.channels, out, *kernel), fan, bias)

    def macs(self, x: TensorType, y: TensorType) -> int:
        kernel = prod(per_axis(self.kernel, x, "kernel"))
        return x.size * (self.out // self.groups) * kernel

    def torch(self, x: TensorType) -> Module:
        suffix = spatial_suffix(x, "a transposed convolution")
        kernel, stride, padding, more, dilation = self._axes(x)
        options: dict[str, Any] = {
            "stride": stride,
            "padding": padding,
            "output_padding": more,
            "bias": self.bias,
        }
        if self.groups > 1:
            options["groups"] = self.groups
        if any(d > 1 for d in dilation):
            options["dilation"] = dilation
        target = f"torch.nn.ConvTranspose{suffix}"
        return Module(target, (x.channels, self.out, kernel), options)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        kernel, stride, padding, more, dilation = self._axes(x.type)
        apart: dict[str, Any] = {"group": self.groups} if self.groups > 1 else {}
        if any(d > 1 for d in dilation):
            apart["dilations"] = dilation
        operands = [x.name, to.operand("weight"), to.operand("bias")]
        return to.emit(
            "ConvTranspose",
            [name for name in operands if name is not None],
            kernel_shape=kernel,
            strides=stride,
            pads=padding + padding,
            output_padding=more,
            **apart,
        )

    @classmethod
    def from_onnx(cls, node: OnnxNode) -> Read:
        weight = node.numbers(1)
        if weight is None:
            raise Unreadable("its weight is computed from the input")
        _, out, *kernel = weight.shape
        ones, none = (1,) * len(kernel), (0,) * len(kernel)
        stride = tuple(node.given("strides", ones))
        dilation, groups = tuple(node.given("dilations", ones)), node.given("group", 1)
        # Whatever says how much is taken off: together it is what is not there.
        rows = zip(node.x.spatial, kernel, stride, dilation, node.y[2:], strict=True)
        over = [(n - 1) * s + d * (k - 1) + 1 - size for n, k, s, d, size in rows]
        if node.given("auto_pad", "NOTSET") == "NOTSET" and not node.given(
            "output_shape"
        ):
            pads = tuple(node.given("pads", none * 2))
            begin = pads[: len(kernel)]
        else:
            lower = node.given("auto_pad") == "SAME_LOWER"
            begin = tuple((n + lower) // 2 for n in over)
        more = [2 * b - n for b, n in zip(begin, over, strict=True)]
        if any(not 0 <= m < s for m, s in zip(more, stride, strict=True)):
            raise Unreadable("it takes more off one side than off the other")
        biased = node.numbers(2) is not None
        made = cls(
            out=out * groups,
            kernel=plain_axes(kernel),
            stride=plain_axes(stride),
            padding=plain_axes(begin),
            output_padding=plain_axes(more),
            dilation=plain_axes(dilation),
            groups=groups,
            bias=biased,
        )
        return Read(made, {"weight": 1} | ({"bias": 2} if biased else {}))

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        odd = cls(out=5, kernel=3, stride=2, padding=1, output_padding=1)
        return (
            Case(cls(out=5, kernel=2, stride=2, bias=True), ((4, 5, 6),)),
            Case(odd, ((4, 5, 6),)),
            Case(cls(out=5, kernel=(1, 3), stride=(1, 2)), ((4, 5, 6),)),
            Case(cls(out=5, kernel=4, stride=2, padding=1), ((4, 7),)),
            Case(cls(out=4, kernel=4, stride=2, padding=1, groups=2), ((6, 5, 4),)),
            Case(cls(out=6, kernel=3, dilation=2, groups=3, bias=True), ((3, 5, 4),)),
        )
