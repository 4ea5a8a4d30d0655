"""Anti-aliased subsampling."""

from __future__ import annotations

from dataclasses import replace
from math import comb

from resgen.ops.base import (
    Axes,
    Case,
    OnnxWriter,
    Op,
    ShapeError,
    attribute,
    collapsed,
    operator,
    per_axis,
    spatial_suffix,
)
from resgen.ops.types import Module, TensorType, Value, Window

#: What the modes are called in torch and in ONNX.
MODES = {
    "reflect": ("reflect", "reflect"),
    "replicate": ("replicate", "edge"),
    "zeros": ("constant", "constant"),
}


@operator("blur_pool")
class BlurPool(Op):
    """A fixed binomial filter before the stride, Zhang 2019.

    Every channel is convolved with the outer product of
    ``comb(kernel - 1, i) / 2 ** (kernel - 1)`` over the axes; there are no parameters.
    Sizes and padding are those of timm's ``BlurPool2d``.
    """

    kernel: int = attribute("integer", "filter size", default=3, minimum=2)
    stride: Axes = attribute("axes", "stride", default=2, minimum=1)
    padding_mode: str = attribute(
        "enum", "what lies around the map", default="reflect", choices=tuple(MODES)
    )

    def _axes(self, x: TensorType) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Stride and padding, one number an axis each."""
        stride = per_axis(self.stride, x, "stride")
        return stride, tuple((s - 1 + self.kernel - 1) // 2 for s in stride)

    def padding(self, x: TensorType) -> tuple[int, ...]:
        """What lies around the map, by axis."""
        return self._axes(x)[1]

    def infer(self, x: TensorType) -> TensorType:
        spatial_suffix(x, "blur pooling")
        sizes = []
        for n, s, p in zip(x.spatial, *self._axes(x), strict=True):
            if self.padding_mode == "reflect" and p >= n:
                raise ShapeError(
                    f"{n} positions are too few to reflect {p} of them",
                    attribute="kernel",
                    code="RG106",
                    hint="use a larger input, fewer stages, or another padding_mode",
                )
            size = (n + 2 * p - self.kernel) // s + 1
            if size < 1:
                raise collapsed(f"a filter of {self.kernel}", n, p)
            sizes.append(size)
        return TensorType((x.channels, *sizes))

    def window(self, x: TensorType) -> Window:
        stride, _ = self._axes(x)
        return Window((self.kernel,) * len(stride), stride)

    def unstrided(self, dilation: int, *, undo: bool) -> tuple[Op, ...]:
        # The filter stays as it is, as in timm's dilated networks.
        return (replace(self, stride=1) if undo else self,)

    def torch(self, x: TensorType) -> Module:
        stride, padding = self._axes(x)
        mode, _ = MODES[self.padding_mode]
        args = (x.channels, self.kernel, stride, padding, mode)
        return Module("resgen.lower.modules.BlurPool", args)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        stride, padding = self._axes(x.type)
        _, mode = MODES[self.padding_mode]
        pads = to.integers((0, 0, *padding) * 2)
        padded = to.emit("Pad", [x.name, pads], mode=mode)
        kernel = (self.kernel,) * len(stride)
        row = [
            comb(self.kernel - 1, i) / 2 ** (self.kernel - 1) for i in range(kernel[0])
        ]
        weights = [1.0]
        for _ in kernel:
            weights = [a * b for a in weights for b in row]
        channels = x.type.channels
        weight = to.floats(weights * channels, (channels, 1, *kernel))
        return to.emit(
            "Conv",
            [padded, weight],
            kernel_shape=kernel,
            strides=stride,
            group=channels,
        )

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(), ((4, 9, 8),)),
            Case(cls(kernel=4, padding_mode="replicate"), ((4, 9, 8),)),
            Case(cls(kernel=5, stride=(1, 2), padding_mode="zeros"), ((4, 9, 8),)),
            Case(cls(stride=3), ((4, 11),)),
        )
