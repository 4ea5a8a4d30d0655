"""What max and average pooling share: torch's shape rule, and end padding for ONNX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from resgen.ops.base import (
    Axes,
    OnnxNode,
    Op,
    ShapeError,
    Unreadable,
    collapsed,
    per_axis,
    spatial_suffix,
)
from resgen.ops.onnx_windows import Windows
from resgen.ops.pad_same import lacking
from resgen.ops.types import TensorType


@dataclass(frozen=True, slots=True)
class Pooling:
    """The windows of a pooling on one input, one number an axis each.

    ``same`` pads as TensorFlow does, the larger half at the end.
    """

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil: bool
    same: bool = False

    @classmethod
    def of(
        cls,
        x: TensorType,
        kernel: Axes,
        stride: Axes | None,
        padding: Axes,
        ceil: bool,
        dilation: Axes = 1,
        same: bool = False,
    ) -> Pooling:
        """The windows on ``x``; no stride is the kernel's size, as in torch."""
        spatial_suffix(x, "pooling")
        made = cls(
            x.spatial,
            per_axis(kernel, x, "kernel"),
            per_axis(kernel if stride is None else stride, x, "stride"),
            per_axis(padding, x, "padding"),
            per_axis(dilation, x, "dilation"),
            ceil,
            same,
        )
        if not same:
            return made
        if ceil or any(made.padding):
            raise ShapeError(
                '"same" finds the padding and the number of windows by itself',
                attribute="same",
                code="RG112",
                hint='leave out "padding" and "ceil"',
            )
        return replace(made, padding=tuple(n // 2 for n in made.lacking))

    @property
    def lacking(self) -> tuple[int, ...]:
        """What TensorFlow's "same" pads on both sides together."""
        return lacking(self.size, self.extent, self.stride)

    @property
    def extent(self) -> tuple[int, ...]:
        """Positions from the first to the last of a window."""
        pairs = zip(self.kernel, self.dilation, strict=True)
        return tuple(d * (k - 1) + 1 for k, d in pairs)

    @property
    def output(self) -> tuple[int, ...]:
        """Number of windows, or :class:`ShapeError`.

        With ``ceil`` a last window may overhang, but never start in the end padding.
        """
        if self.same:
            pairs = zip(self.size, self.stride, strict=True)
            return tuple(-(-n // s) for n, s in pairs)
        counts = []
        rows = zip(self.size, self.extent, self.stride, self.padding, strict=True)
        for n, extent, s, p in rows:
            if 2 * p > extent:
                raise ShapeError(
                    f"a padding of {p} is more than half of the window of {extent}",
                    attribute="padding",
                    code="RG112",
                )
            room = n + 2 * p - extent
            count = (room + (s - 1 if self.ceil else 0)) // s + 1
            if self.ceil and (count - 1) * s >= n + p:
                count -= 1
            if count < 1:
                raise collapsed(f"a window of {extent}", n, p)
            counts.append(count)
        return tuple(counts)

    @property
    def options(self) -> dict[str, object]:
        """What torch's pooling of any kind is given beside the kernel."""
        said: dict[str, object] = {"stride": self.stride}
        if any(self.padding):
            said["padding"] = self.padding
        if any(d > 1 for d in self.dilation):
            said["dilation"] = self.dilation
        return {**said, "ceil_mode": True} if self.ceil else said

    def end_padding(self, dynamic: bool) -> tuple[int, ...]:
        """Padding at the end that makes the floor of ONNX count as ``ceil`` does.

        Runtimes disagree about ONNX's own ``ceil_mode``, so it is never used. Where
        sizes are dynamic it is the padding that is right for every size: one less than
        the stride rounds up, one less than the window keeps the last one from
        starting in the padding.
        """
        if self.same:
            return tuple(n - n // 2 for n in self.lacking)
        if not self.ceil:
            return self.padding
        rows = zip(
            self.size,
            self.extent,
            self.stride,
            self.padding,
            self.output,
            strict=True,
        )
        if dynamic:
            return tuple(min(p + s - 1, e - 1) for _, e, s, p, _ in rows)
        return tuple(max(p, (y - 1) * s + e - n - p) for n, e, s, p, y in rows)


def fitting(node: OnnxNode, found: Windows, make: Callable[[bool], Op]) -> Op | None:
    """The pool that yields what the node does, with ``ceil`` or without; or None.

    Windows that begin where the node's do are the node's, as far as there is a map.
    """
    if any(e < b for b, e in zip(found.padding, found.end, strict=True)):
        return None
    for ceil in (False, True):
        pool = make(ceil)
        try:
            sizes = pool.infer(node.x).spatial
        except ShapeError:
            continue
        if sizes == node.y[2:]:
            return pool
    return None


def whole(node: OnnxNode, kernel: tuple[int, ...], found: Windows) -> bool:
    """Whether the one window has all of the map in it."""
    rows = zip(node.x.spatial, kernel, found.padding, found.dilation, strict=True)
    covered = all(k - p >= n and d == 1 for n, k, p, d in rows)
    return covered and set(node.y[2:]) == {1}


def kernel_of(node: OnnxNode) -> tuple[int, ...]:
    """The window that the node says; outputs beside the pooled map are refused."""
    if node.given("storage_order", 0):
        raise Unreadable("it counts positions column by column")
    return tuple(node.given("kernel_shape"))
