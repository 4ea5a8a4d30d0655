"""Interpolation to the size of another value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor
from struct import pack, unpack
from typing import Any, ClassVar, Final

from resgen.ops.base import (
    Case,
    OnnxNode,
    OnnxWriter,
    Op,
    ShapeError,
    Unreadable,
    attribute,
    operator,
    spatial_suffix,
)
from resgen.ops.types import Function, TensorType, Value

#: How ONNX rounds a position.
_ROUNDED: Final[dict[str, Callable[[float], int]]] = {
    "floor": floor,
    "ceil": ceil,
    "round_prefer_floor": lambda at: ceil(at - 0.5),
    "round_prefer_ceil": lambda at: floor(at + 0.5),
}


@operator("resize")
class Resize(Op):
    """The map, interpolated to the spatial size of a kept value.

    As ``torch.nn.functional.interpolate``; ``bilinear`` is linear along each axis, of
    which there may be one to three.
    """

    arity: ClassVar[int | None] = 2
    read: ClassVar[int | None] = 1

    like: str = attribute("value", "the kept value whose spatial size is taken")
    mode: str = attribute(
        "enum", "interpolation", default="nearest", choices=("nearest", "bilinear")
    )
    align_corners: bool = attribute(
        "boolean", "bilinear: corners stay where they are", default=False
    )

    def infer(self, x: TensorType, like: TensorType) -> TensorType:
        spatial_suffix(x, "resizing")
        if like.rank != x.rank:
            raise ShapeError(
                f"an input of {x} cannot take the size of {like}, which has another "
                "number of axes",
                attribute="like",
                code="RG112",
            )
        return TensorType((x.channels, *like.spatial))

    def effective(self, x: TensorType) -> dict[str, Any]:
        found = super().effective(x)
        if self.mode == "nearest":
            del found["align_corners"]
        return found

    def torch(self, x: TensorType) -> Function:
        options: dict[str, object] = {"mode": "nearest"}
        if self.mode == "bilinear":
            options["mode"] = linear(x)
            options["align_corners"] = self.align_corners
        return Function("resgen.lower.modules.resize", (), options)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        x, like = inputs
        pairs = tuple(zip(x.type.spatial, like.type.spatial, strict=True))
        if (
            self.mode == "nearest"
            and not to.dynamic
            and any(after % before for before, after in pairs)
        ):
            # Runtimes round the factor, and then some positions, in ways of their own.
            y = x.name
            for axis, (before, after) in enumerate(pairs, start=2):
                if before != after:
                    places = to.integers(neighbours(before, after))
                    y = to.emit("Gather", [y, places], axis=axis)
            return y
        if to.dynamic:
            size = to.emit("Shape", [like.name], start=2)
        else:
            size = to.integers(like.type.spatial)
        kept = to.emit("Shape", [x.name], end=2)
        sizes = to.emit("Concat", [kept, size], axis=0)
        options = placing(self.mode, self.align_corners)
        return to.emit("Resize", [x.name, "", "", sizes], **options)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        down, up = ((3, 9, 8), (2, 5, 3)), ((3, 5, 6), (2, 10, 13))
        line = ((3, 5), (2, 9))
        return (
            Case(cls(like="y"), up),
            Case(cls(like="y"), down),
            Case(cls(like="y"), ((3, 14, 5), (2, 4, 15))),
            Case(cls(like="y"), line),
            Case(cls(like="y", mode="bilinear"), up),
            Case(cls(like="y", mode="bilinear"), down),
            Case(cls(like="y", mode="bilinear"), line),
            Case(cls(like="y", mode="bilinear", align_corners=True), up),
        )


def linear(x: TensorType) -> str:
    """What torch calls an interpolation that is linear along each axis of ``x``."""
    modes = {"1d": "linear", "2d": "bilinear", "3d": "trilinear"}
    return modes[spatial_suffix(x, "resizing")]


def placing(mode: str, align_corners: bool) -> dict[str, str]:
    """ONNX's attributes for torch's ``nearest``, or what is linear along each axis."""
    if mode == "nearest":
        return {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
    places = "align_corners" if align_corners else "half_pixel"
    return {"mode": "linear", "coordinate_transformation_mode": places}


def mode_of(
    node: OnnxNode, before: Sequence[int], after: Sequence[int]
) -> tuple[str, bool]:
    """The mode of a ``Resize`` or ``Upsample``, and whether corners stay.

    What its modes come to is compared for these sizes, since one result has several.
    """
    places = node.given("coordinate_transformation_mode", "half_pixel")
    if node.op_type == "Upsample" or node.opset < 11:
        places = "asymmetric"
    if node.given("antialias", 0) or node.given("exclude_outside", 0):
        raise Unreadable("it resizes with antialiasing")
    pairs = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    if node.given("mode", "nearest") == "nearest":
        older = "floor" if node.opset < 11 else "round_prefer_floor"
        rounded = _ROUNDED[node.given("nearest_mode", older)]
        for old, new in pairs:
            found = [
                min(max(rounded(_origin(places, i, old, new)), 0), old - 1)
                for i in range(new)
            ]
            if found != neighbours(old, new):
                raise Unreadable("it takes other neighbours than torch does")
        return "nearest", False
    if node.given("mode") not in ("linear", "bilinear"):
        raise Unreadable(f"it interpolates by {node.given('mode')} functions")
    if places == "pytorch_half_pixel" and all(new > 1 for _, new in pairs):
        places = "half_pixel"
    if places not in ("half_pixel", "align_corners"):
        raise Unreadable(f"it interpolates between positions that are {places}")
    return "bilinear", places == "align_corners"


def _origin(places: str, at: int, before: int, after: int) -> float:
    """Where a new position lies among the old ones."""
    factor = after / before
    if places == "asymmetric":
        return at / factor
    if places == "align_corners":
        return at * (before - 1) / (after - 1) if after > 1 else 0.0
    if places == "pytorch_half_pixel" and after == 1:
        return 0.0
    if places not in ("half_pixel", "pytorch_half_pixel"):
        raise Unreadable(f"it takes neighbours of positions that are {places}")
    return (at + 0.5) / factor - 0.5


def neighbours(before: int, after: int) -> list[int]:
    """The position that torch takes for each new one: it computes in float32."""
    factor = _float32(before / after)
    return [min(int(_float32(i * factor)), before - 1) for i in range(after)]


def _float32(value: float) -> float:
    rounded: float = unpack("f", pack("f", value))[0]
    return rounded
