"""A learned bias for how far two positions lie apart."""

from __future__ import annotations

from functools import cache
from itertools import product
from math import prod
from typing import ClassVar

from resgen.ops.base import Case, OnnxWriter, Op, attribute, operator
from resgen.ops.initial import Init, initializer
from resgen.ops.types import Function, Normal, ParameterSpec, TensorType, Value
from resgen.spec.params import Param


@operator("relative_position")
class RelativePosition(Op):
    """``heads x positions x positions``, learned for each way from one to another.

    A bias of attention in a map of this size, or in its windows. Of what it is given,
    it takes the batch alone. The parameter goes by the operator's own path: a row a
    way, a column a head, normal with a deviation of 0.02, cut at two of them, unless
    ``init`` says otherwise (Liu et al. 2021, Swin).
    """

    read: ClassVar[int | None] = 0

    size: tuple[int, ...] = attribute(
        "list", "of the map, by axis", item=Param("channels", doc="positions")
    )
    heads: int = attribute("channels", "heads of the attention")
    init: Init = attribute("init", "of the values", default=())

    @property
    def shape(self) -> tuple[int, int]:
        """Of the parameter."""
        return prod(2 * n - 1 for n in self.size), self.heads

    def infer(self, x: TensorType) -> TensorType:
        return TensorType((self.heads, prod(self.size), prod(self.size)))

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        start = initializer(self.init, "", self.shape, Normal(0.02, truncate=2))
        return (ParameterSpec("", self.shape, start),)

    def torch(self, x: TensorType) -> Function:
        held = (("", self.shape),)
        target = "resgen.lower.modules.relative_position"
        return Function(target, (self.size,), parameters=held)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        shape = self.infer(x.type).shape
        chosen = to.emit("Gather", [to.operand("") or "", to.integers(rows(self.size))])
        turned = to.emit("Transpose", [chosen], perm=(1, 0))
        value = to.emit("Reshape", [turned, to.integers([1, *shape])])
        batch = to.emit("Shape", [x.name], start=0, end=1)
        sizes = to.emit("Concat", [batch, to.integers(shape)], axis=0)
        return to.emit("Expand", [value, sizes])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(size=(2, 3), heads=4), ((2, 5, 6),)),
            Case(cls(size=(5,), heads=2), ((3, 7),)),
        )


@cache
def rows(size: tuple[int, ...]) -> tuple[int, ...]:
    """Which row is of the way from a key to a query, for all pairs of them in order."""
    places = list(product(*map(range, size)))
    found = []
    for query, key in product(places, places):
        row = 0
        for q, k, n in zip(query, key, size, strict=True):
            row = row * (2 * n - 1) + q - k + n - 1
        found.append(row)
    return tuple(found)
