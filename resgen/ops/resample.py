"""A picture at another size, as Pillow makes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from resgen.ops.base import OnnxWriter, Op, attribute, operator
from resgen.ops.resampling import Taps, digits, matrix, passes
from resgen.ops.types import Module, TensorType, Value
from resgen.spec.params import Param

#: To bring the width or the height to where channels are, and back.
_TURNS: Final = {3: ((0, 3, 1, 2), (0, 2, 3, 1)), 2: ((0, 2, 1, 3), (0, 2, 1, 3))}

_PIXELS = Param("integer", doc="pixels", minimum=0)


@operator("resample")
class Resample(Op):
    """Whole numbers from 0 to 255, interpolated as Pillow's ``resize`` does it.

    Products with constant matrices, along the width and then along the height:
    TensorRT has no antialiased Resize, and other runtimes round in ways of their own.
    Without ``antialias`` it is Pillow's ``transform`` with an affine map, as far as the
    sums, which ``truncate`` makes whole numbers of.
    """

    placed: ClassVar[bool] = True

    to: tuple[int, ...] = attribute("list", "height and width after it", item=_PIXELS)
    part: tuple[int, ...] = attribute(
        "list", "what is kept of that: top, left, height, width", item=_PIXELS
    )
    interpolation: str = attribute(
        "enum", "the filter", choices=("bilinear", "bicubic", "lanczos", "nearest")
    )
    antialias: bool = attribute("boolean", "what shrinks is smoothed", default=True)

    def infer(self, x: TensorType) -> TensorType:
        return TensorType((x.channels, *self.part[2:]))

    def torch(self, x: TensorType) -> Module:
        size = (x.spatial, self.to, self.part)
        return Module(
            "resgen.lower.torch_pictures.Resample",
            (*size, self.interpolation, self.antialias),
        )

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        height, width = before = x.type.spatial
        down, across = passes(
            before, self.to, self.part, self.interpolation, self.antialias
        )
        y = x.name
        if self.interpolation == "nearest":
            for axis, positions in ((3, across), (2, down)):
                if positions is not None:
                    places = to.integers([first for first, _ in positions])
                    y = to.emit("Gather", [y, places], axis=axis)
            return y
        for axis, rows, size in ((3, across, width), (2, down, height)):
            if rows is not None:
                there, back = _TURNS[axis]
                y = to.emit("Transpose", [y], perm=there)
                y = self._pass(to, y, rows, size)
                y = to.emit("Transpose", [y], perm=back)
        return y

    def _pass(self, to: OnnxWriter, x: str, rows: Sequence[Taps], size: int) -> str:
        """One pass along the axis of channels; see :class:`Digits` for its rounding."""
        if not self.antialias:
            return _product(to, x, rows, size)
        parts = digits(rows)
        low = _product(to, x, parts.low, size)
        low = to.emit("Mul", [low, to.floats([parts.unit], ())])
        low = to.emit("Floor", [low])
        y = to.emit("Add", [_product(to, x, parts.high, size), low])
        y = to.emit("Add", [y, to.floats([parts.half], ())])
        y = to.emit("Mul", [y, to.floats([parts.step], ())])
        y = to.emit("Floor", [y])
        if self.interpolation in ("bicubic", "lanczos"):  # they overshoot
            y = to.emit("Clip", [y, to.floats([0.0], ()), to.floats([255.0], ())])
        return y


def _product(to: OnnxWriter, x: str, rows: Sequence[Taps], size: int) -> str:
    # A convolution, since TensorRT has no float32 MatMul on some devices (sm_75).
    weights = to.floats(matrix(rows, size), (len(rows), size, 1, 1))
    return to.emit("Conv", [x, weights])
