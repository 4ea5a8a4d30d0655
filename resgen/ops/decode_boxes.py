"""From what a detector says of each place of a map to boxes on the picture."""

from __future__ import annotations

from math import floor, log, prod, sqrt
from typing import Any, Final

from resgen.ops.base import Case, OnnxWriter, Op, ShapeError, attribute, operator
from resgen.ops.types import Function, TensorType, Value
from resgen.spec.params import Param

#: No box grows beyond this many times its anchor: torchvision's, after Detectron.
LARGEST_FACTOR: Final = 1000 / 16


@operator("decode_boxes")
class DecodeBoxes(Op):
    """Boxes of a map's anchors, x1 y1 x2 y2 in pixels of the input, clipped to it.

    At each place of the map lie anchors of all ``sizes`` in all ``ratios``, the ratios
    outermost, around the first pixel of the place; four numbers of each, the anchors
    outermost, are in the map's channels. ``deltas`` are a move of the centre in sides
    of the anchor and the logarithms of two factors (Girshick et al. 2014);
    ``distances`` lie between the centre and the sides of the box, in sides of the
    anchor (Tian et al. 2019). One row an anchor comes out, places in order. Steps and
    rounding are torchvision's.
    """

    coder: str = attribute(
        "enum", "what the numbers mean", choices=("deltas", "distances")
    )
    input: tuple[int, ...] = attribute(
        "list",
        "the network's input: channels, height and width",
        item=Param("channels", doc="size"),
    )
    size: float = attribute("number", "side of the smallest anchor, in pixels")
    ratios: tuple[float, ...] = attribute(
        "list",
        "height / width of anchors of equal area",
        item=Param("number", doc="ratio"),
    )
    sizes: int = attribute(
        "integer",
        "how many sizes an octave has: each is 2^(1/sizes) times the one before",
        default=1,
        minimum=1,
    )

    def sides(self) -> list[int]:
        """Sides of the anchors of ratio 1, in pixels, rounded down."""
        return [floor(self.size * 2 ** (k / self.sizes)) for k in range(self.sizes)]

    def anchors(self) -> list[tuple[float, float]]:
        """Width and height of each anchor of a place, in pixels."""
        roots = [sqrt(ratio) for ratio in self.ratios]
        return [
            (2.0 * round(side / root / 2), 2.0 * round(side * root / 2))
            for root in roots
            for side in self.sides()
        ]

    def steps(self, x: TensorType) -> tuple[int, int]:
        """Height and width of a place of the map, in pixels."""
        (height, width), (rows, columns) = self.input[1:], x.spatial
        return height // rows, width // columns

    def infer(self, x: TensorType) -> TensorType:
        if len(x.spatial) != 2 or len(self.input) != 3:
            raise ShapeError(
                f"boxes lie on pictures, but the map is {x} of an input of "
                f"{TensorType(self.input)}",
                code="RG111",
            )
        if not self.ratios or min(self.ratios) <= 0 or self.size < 1:
            raise ShapeError(
                f"there are no anchors of {float(self.size):g} pixels in the ratios "
                f"{[float(r) for r in self.ratios]}",
                attribute="ratios" if self.size >= 1 else "size",
                code="RG112",
            )
        count = self.sizes * len(self.ratios)
        if x.channels != 4 * count:
            raise ShapeError(
                f"{x.channels} channels are not 4 numbers for each of {count} anchors "
                f"({self.sizes} sizes in {len(self.ratios)} ratios)",
                attribute="ratios",
                code="RG112",
            )
        for axis, n, step in zip("yx", x.spatial, self.steps(x), strict=True):
            whole = self.input["yx".index(axis) + 1]
            if whole - n * step >= max(step, 1):
                raise ShapeError(
                    f"a map of {TensorType(x.spatial)} does not divide an input of "
                    f"{TensorType(self.input[1:])}: steps of {step} pixels leave "
                    f"{whole - n * step} of {whole} over",
                    attribute="input",
                    code="RG112",
                    hint='an "input" of multiples of 32 is divided',
                )
        return TensorType((prod(x.spatial) * count, 4))

    def check_open(self, x: TensorType) -> None:
        raise ShapeError("its anchors lie on an input of one size", code="RG112")

    def effective(self, x: TensorType) -> dict[str, Any]:
        return {
            "coder": self.coder,
            "input": self.input[1:],
            "anchors": tuple(self.anchors()),
        }

    def torch(self, x: TensorType) -> Function:
        options = {
            "picture": self.input[1:],
            "anchors": tuple(self.anchors()),
            "largest": log(LARGEST_FACTOR) if self.coder == "deltas" else None,
        }
        return Function("resgen.lower.modules.decode_boxes", (), options)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        (rows, columns), (down, across) = x.type.spatial, self.steps(x.type)
        anchors = self.anchors()
        places = [float(n) for i in range(rows) for j in range(columns)
                  for n in (j * across, i * down)]  # fmt: skip
        centers = to.floats(places, (rows, columns, 1, 2))
        sides = to.floats([n for anchor in anchors for n in anchor], (len(anchors), 2))
        # Places come before what is said of them, and each pair of numbers by itself.
        code = to.emit("Transpose", [x.name], perm=(0, 2, 3, 1))
        split = (0, rows, columns, len(anchors), 4)
        code = to.emit("Reshape", [code, to.integers(split)])
        first, second = (
            to.emit(
                "Slice",
                [code, to.integers([a]), to.integers([a + 2]), to.integers([4])],
            )
            for a in (0, 2)
        )
        if self.coder == "deltas":
            moved = to.emit("Add", [to.emit("Mul", [first, sides]), centers])
            factors = to.emit("Min", [second, to.floats([log(LARGEST_FACTOR)], ())])
            whole = to.emit("Mul", [to.emit("Exp", [factors]), sides])
            half = to.emit("Mul", [whole, to.floats([0.5], ())])
            low, high = to.emit("Sub", [moved, half]), to.emit("Add", [moved, half])
        else:
            low = to.emit("Sub", [centers, to.emit("Mul", [first, sides])])
            high = to.emit("Add", [centers, to.emit("Mul", [second, sides])])
        boxes = to.emit("Concat", [low, high], axis=4)
        boxes = to.emit("Max", [boxes, to.floats([0.0], ())])
        height, width = (float(n) for n in self.input[1:])
        boxes = to.emit("Min", [boxes, to.floats([width, height] * 2)])
        count = rows * columns * len(anchors)
        return to.emit("Reshape", [boxes, to.integers([0, count, 4])])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        anchors = cls(
            coder="deltas", input=(3, 40, 56), size=20, sizes=2, ratios=(0.5, 2.0)
        )
        return (
            Case(anchors, ((16, 5, 7),)),
            # The map of 3 rows is of steps of 13 pixels, and one is over.
            Case(anchors, ((16, 3, 4),)),
            Case(
                cls(coder="distances", input=(1, 40, 56), size=8, ratios=(1.0,)),
                ((4, 5, 7),),
            ),
        )
