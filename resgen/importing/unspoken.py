"""What activations are made of until they are recognised: functions of a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from resgen.ops.base import Op, attribute
from resgen.ops.types import TensorType
from resgen.spec.params import Param

#: Functions of one number that the language has no word for, as ONNX calls them.
CURVES: Final = (
    "Ceil", "Cos", "Erf", "Floor", "Log", "Round", "Sign", "Sin",
)  # fmt: skip


@dataclass(frozen=True)
class Curve(Op):
    """One of these functions, element by element; no spec can say it."""

    name: ClassVar[str] = "curve"

    of: str = attribute("enum", "which function", choices=CURVES)


@dataclass(frozen=True)
class Padded(Op):
    """Padding with what is not zero, by axis: a number, or what lies at the edge."""

    name: ClassVar[str] = "padded"

    begin: tuple[int, ...] = attribute(
        "list", "before each axis", item=Param("integer", doc="places")
    )
    end: tuple[int, ...] = attribute(
        "list", "after each axis", item=Param("integer", doc="places")
    )
    mode: str = attribute("enum", "as ONNX", choices=("constant", "edge", "reflect"))
    value: float = attribute("number", "of constant", default=0.0)

    def infer(self, x: TensorType) -> TensorType:
        rows = zip(x.shape, self.begin, self.end, strict=True)
        return TensorType(tuple(n + b + e for n, b, e in rows))


@dataclass(frozen=True)
class Take(Op):
    """Positions of one axis, in an order of their own."""

    name: ClassVar[str] = "take"

    axis: int = attribute("integer", "which axis")
    places: tuple[int, ...] = attribute(
        "list", "the positions", item=Param("integer", doc="position")
    )

    def infer(self, x: TensorType) -> TensorType:
        sizes = list(x.shape)
        sizes[self.axis] = len(self.places)
        return TensorType(tuple(sizes))


@dataclass(frozen=True)
class Spread(Op):
    """Axes of size 1 repeated, as what is added to a larger value is."""

    name: ClassVar[str] = "spread"

    to: tuple[int, ...] = attribute(
        "list", "sizes of the result", item=Param("integer", doc="size")
    )

    def infer(self, x: TensorType) -> TensorType:
        return TensorType(self.to)


@dataclass(frozen=True)
class Unknown(Op):
    """What nobody read, of a known shape, so that what follows can be looked at."""

    name: ClassVar[str] = "unknown"

    shape: tuple[int, ...] = attribute(
        "list", "of the result", item=Param("integer", doc="size")
    )

    def infer(self, *_: TensorType) -> TensorType:
        return TensorType(self.shape)


#: What no spec can say: where one is left, the network cannot be imported.
UNSPOKEN: Final = (Curve, Padded, Take, Spread, Unknown)
