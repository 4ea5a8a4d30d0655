"""Max pooling over one to three spatial axes."""

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
    attribute,
    multiplied,
    operator,
    plain_axes,
    spacing,
    spatial_suffix,
)
from resgen.ops.global_pool import GlobalPool
from resgen.ops.onnx_windows import raw_windows
from resgen.ops.pad import Pad
from resgen.ops.pad_same import open_pads
from resgen.ops.pooling import Pooling, fitting, kernel_of, whole
from resgen.ops.types import Module, TensorType, Value, Window


@operator("max_pool")
class MaxPool(Op):
    """The largest value of each window: ``y[p] = max over k of x[s*p + d*k - pad]``.

    Padding never wins. Sizes follow torch's ``MaxPool2d``, with ``ceil`` as well.
    """

    onnx_types: ClassVar[tuple[str, ...]] = ("MaxPool",)

    kernel: Axes = attribute("axes", "window size", minimum=1)
    stride: Axes | None = attribute(
        "axes", "stride; unless said, the kernel", default=None, minimum=1
    )
    padding: Axes = attribute(
        "axes", "on each side, at most half the window", default=0, minimum=0
    )
    dilation: Axes = attribute("axes", "spacing of the window", default=1, minimum=1)
    ceil: bool = attribute(
        "boolean", "keep a last window that overhangs the end", default=False
    )
    same: bool = attribute(
        "boolean",
        "pad as TensorFlow does, to `ceil(n / stride)` places of n; without `padding` "
        "and `ceil`",
        default=False,
    )

    def _on(self, x: TensorType) -> Pooling:
        return Pooling.of(
            x, self.kernel, self.stride, self.padding, self.ceil, self.dilation,
            self.same,
        )  # fmt: skip

    def infer(self, x: TensorType) -> TensorType:
        return TensorType((x.channels, *self._on(x).output))

    def window(self, x: TensorType) -> Window:
        windows = self._on(x)
        return Window(windows.extent, windows.stride)

    def unstrided(self, dilation: int, *, undo: bool) -> tuple[Op, ...]:
        # The padding grows with the window, so that sizes stay.
        return (
            replace(
                self,
                stride=1 if undo else self.stride,
                padding=multiplied(self.padding, dilation),
                dilation=multiplied(self.dilation, dilation),
            ),
        )

    def effective(self, x: TensorType) -> dict[str, Any]:
        windows = self._on(x)
        spaces = spacing(windows.kernel, windows.dilation)
        return {**super().effective(x), "stride": windows.stride, "dilation": spaces}

    def torch(self, x: TensorType) -> Module:
        windows = self._on(x)
        if self.same:
            args = (windows.kernel, windows.stride, windows.dilation)
            return Module("resgen.lower.modules.SameMaxPool", args)
        pairs = zip(windows.padding, windows.kernel, strict=True)
        if any(2 * p > k for p, k in pairs):
            # torch measures the padding that it takes by a window without dilation.
            sides = zip(windows.padding, windows.end_padding(True), strict=True)
            pads = tuple(side for axis in reversed(tuple(sides)) for side in axis)
            padded = (windows.kernel, windows.stride, pads, windows.dilation)
            return Module("resgen.lower.modules.PaddedMaxPool", padded)
        target = f"torch.nn.MaxPool{spatial_suffix(x, 'pooling')}"
        return Module(target, (windows.kernel,), windows.options)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        windows = self._on(x.type)
        source, begin, end = x.name, windows.padding, windows.end_padding(to.dynamic)
        wide = any(p >= k for p, k in zip(begin + end, windows.kernel * 2, strict=True))
        by_size = self.same and to.dynamic
        if wide or by_size:
            # A dilated window may reach further than the padding that runtimes take,
            # and ONNX Runtime's own "same" forgets dilation and long strides.
            pads = (
                open_pads(to, x.name, windows.extent, windows.stride)
                if by_size
                else to.integers((0, 0, *begin, 0, 0, *end))
            )
            source = to.emit("Pad", [source, pads, to.floats([float("-inf")], ())])
            begin = end = (0,) * len(begin)
        return to.emit(
            "MaxPool",
            [source],
            kernel_shape=windows.kernel,
            strides=windows.stride,
            pads=begin + end,
            dilations=windows.dilation,
        )

    @classmethod
    def from_onnx(cls, node: OnnxNode) -> Read:
        kernel = kernel_of(node)
        found = raw_windows(node, kernel)
        if whole(node, kernel, found):
            return Read(GlobalPool(type="max"))

        def made(ceil: bool, padding: tuple[int, ...] = found.padding) -> MaxPool:
            same = found.stride == kernel
            return cls(
                kernel=plain_axes(kernel),
                stride=None if same else plain_axes(found.stride),
                padding=plain_axes(padding),
                dilation=plain_axes(found.dilation),
                ceil=ceil,
            )

        pool = fitting(node, found, made)
        if pool is not None:
            return Read(pool)
        bare = made(False, (0,) * len(kernel))
        same = replace(bare, same=True)
        as_tensorflow = same._on(node.x)
        if (found.padding, found.end, node.y[2:]) == (
            as_tensorflow.padding,
            as_tensorflow.end_padding(False),
            as_tensorflow.output,
        ):
            return Read(same)
        # Zeros stand for what never wins: whoever reads the file tells whether they do.
        sides = Pad(begin=plain_axes(found.padding), end=plain_axes(found.end))
        return Read(bare, {}, (sides,))

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(kernel=3, stride=2, padding=1), ((4, 9, 8),)),
            Case(cls(kernel=2), ((4, 9, 8),)),
            Case(cls(kernel=2, stride=2, ceil=True), ((4, 9, 8),)),
            Case(cls(kernel=(1, 3), stride=(1, 2), padding=(0, 1)), ((4, 9, 8),)),
            Case(cls(kernel=1, stride=2), ((4, 9, 8),)),
            Case(cls(kernel=3, stride=1, padding=4, dilation=4), ((4, 9, 8),)),
            Case(
                cls(kernel=3, stride=2, padding=2, dilation=2, ceil=True),
                ((4, 10, 9),),
            ),
            Case(cls(kernel=3, stride=2, same=True), ((4, 9, 8),)),
            Case(cls(kernel=2, stride=1, same=True), ((4, 9, 8),)),
            Case(cls(kernel=3, stride=2), ((4, 11),)),
            Case(cls(kernel=2, stride=2), ((4, 4, 5, 6),)),
        )
