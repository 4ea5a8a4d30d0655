"""Average pooling over one to three spatial axes."""

from __future__ import annotations

from dataclasses import replace
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
    plain_axes,
    spatial_suffix,
)
from resgen.ops.global_pool import GlobalPool
from resgen.ops.onnx_windows import raw_windows
from resgen.ops.pad import Pad
from resgen.ops.pooling import Pooling, fitting, kernel_of, whole
from resgen.ops.types import Module, TensorType, Value, Window


@operator("avg_pool")
class AvgPool(Op):
    """The mean of each window: ``y[p] = mean over k of x[s*p + k - pad]``.

    With ``count_padding`` the zeros of the padding are part of the mean; what a window
    overhangs with ``ceil`` never is. Sizes and means follow torch's ``AvgPool2d``.
    """

    onnx_types: ClassVar[tuple[str, ...]] = ("AveragePool",)

    kernel: Axes = attribute("axes", "window size", minimum=1)
    stride: Axes | None = attribute(
        "axes", "stride; unless said, the kernel", default=None, minimum=1
    )
    padding: Axes = attribute(
        "axes", "zeros on each side, at most half the window", default=0, minimum=0
    )
    ceil: bool = attribute(
        "boolean", "keep a last window that overhangs the end", default=False
    )
    count_padding: bool = attribute(
        "boolean", "count the zeros of the padding", default=True
    )

    def _on(self, x: TensorType) -> Pooling:
        return Pooling.of(x, self.kernel, self.stride, self.padding, self.ceil)

    def infer(self, x: TensorType) -> TensorType:
        windows = self._on(x)
        small = any(n < k for n, k in zip(x.spatial, windows.kernel, strict=True))
        if small and len(x.spatial) == 3:
            raise ShapeError(
                f"torch averages no volume that is smaller than the window: {x}",
                attribute="kernel",
                code="RG106",
                hint="use a larger input, a smaller stride or fewer stages",
            )
        return TensorType((x.channels, *windows.output))

    def window(self, x: TensorType) -> Window:
        windows = self._on(x)
        return Window(windows.extent, windows.stride)

    def unstrided(self, dilation: int, *, undo: bool) -> tuple[Op, ...]:
        """A stride that falls away leaves the size as it is.

        What the window lacks for that is padded with zeros, the larger half at the
        end, as timm's ``AvgPool2dSame`` does for a dilated ResNet-D.
        """
        stride = self.kernel if self.stride is None else self.stride
        if not undo or set(_many(stride)) == {1}:
            return (self,)
        pool = replace(self, stride=1)
        axes = max(len(_many(value)) for value in (self.kernel, self.padding))
        pairs = zip(_many(self.kernel, axes), _many(self.padding, axes), strict=True)
        lacking = [max(0, k - 1 - 2 * p) for k, p in pairs]
        if not any(lacking):
            return (pool,)
        begin = tuple(n // 2 for n in lacking)
        end = tuple(n - n // 2 for n in lacking)
        if isinstance(self.kernel, int) and isinstance(self.padding, int):
            return Pad(begin=begin[0], end=end[0]), pool
        return Pad(begin=begin, end=end), pool

    def effective(self, x: TensorType) -> dict[str, Any]:
        windows = self._on(x)
        found = {**super().effective(x), "stride": windows.stride}
        if not any(windows.padding):
            del found["count_padding"]
        return found

    def torch(self, x: TensorType) -> Module:
        windows = self._on(x)
        options = windows.options
        if not self.count_padding:
            options["count_include_pad"] = False
        target = f"torch.nn.AvgPool{spatial_suffix(x, 'pooling')}"
        return Module(target, (windows.kernel,), options)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        windows = self._on(x.type)
        source, begin, end = x.name, windows.padding, windows.end_padding(to.dynamic)
        counted = self.count_padding and any(begin)
        if counted and end != begin:
            # The padding counts but the overhang does not: ONNX has one flag for both.
            pads = to.integers((0, 0, *begin, 0, 0, *begin))
            source = to.emit("Pad", [source, pads])
            end = tuple(e - p for e, p in zip(end, begin, strict=True))
            begin = (0,) * len(begin)
            counted = False
        return to.emit(
            "AveragePool",
            [source],
            kernel_shape=windows.kernel,
            strides=windows.stride,
            pads=begin + end,
            count_include_pad=int(counted),
        )

    @classmethod
    def from_onnx(cls, node: OnnxNode) -> Read:
        kernel = kernel_of(node)
        found = raw_windows(node, kernel)
        if any(d > 1 < k for k, d in zip(kernel, found.dilation, strict=True)):
            raise Unreadable("its windows are dilated")
        counted = bool(node.given("count_include_pad", 0)) and any(
            found.padding + found.end
        )
        if not counted and whole(node, kernel, found):
            return Read(GlobalPool())

        def made(ceil: bool, padding: tuple[int, ...] = found.padding) -> AvgPool:
            same = found.stride == kernel
            return cls(
                kernel=plain_axes(kernel),
                stride=None if same else plain_axes(found.stride),
                padding=plain_axes(padding),
                ceil=ceil,
                count_padding=counted or not any(padding),
            )

        pool = None
        if not counted or found.padding == found.end:
            pool = fitting(node, found, made)
        if pool is not None:
            return Read(pool)
        if not counted:
            raise Unreadable("it pads unevenly or far, and does not count that")
        sides = Pad(begin=plain_axes(found.padding), end=plain_axes(found.end))
        return Read(made(False, (0,) * len(kernel)), {}, (sides,))

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        ceil = cls(kernel=2, ceil=True)
        return (
            Case(cls(kernel=2), ((4, 9, 8),)),
            Case(cls(kernel=3, stride=2, padding=1), ((4, 9, 8),)),
            Case(cls(kernel=3, stride=1, padding=1, count_padding=False), ((4, 9, 8),)),
            Case(replace(ceil, count_padding=False), ((4, 9, 8),)),
            Case(ceil, ((4, 9, 8),)),
            Case(replace(ceil, kernel=3, stride=2, padding=1), ((4, 9, 8),)),
            Case(cls(kernel=(1, 3), stride=(1, 2), padding=(0, 1)), ((4, 9, 8),)),
            Case(cls(kernel=3, stride=2, padding=1, ceil=True), ((4, 10),)),
            Case(cls(kernel=2), ((4, 4, 5, 6),)),
        )


def _many(value: Axes, axes: int = 1) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else value
