"""Numbers looked up by how far two positions lie apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

from resgen.ops.base import Case, OnnxWriter, Op, ShapeError, attribute, operator
from resgen.ops.types import Function, TensorType, Value
from resgen.spec.params import Param


@dataclass(frozen=True, kw_only=True)
class Relative(Op):
    """An operator of numbers by how far positions of a map lie apart."""

    size: tuple[int, ...] = attribute(
        "list", "of the map, by axis", item=Param("channels", doc="positions")
    )
    absolute: bool = attribute(
        "boolean", "there and back is the same way", default=False
    )
    query_stride: int = attribute(
        "integer", "queries are at every so many positions", default=1, minimum=1
    )
    key_stride: int = attribute(
        "integer", "keys are at every so many positions", default=1, minimum=1
    )
    token: bool = attribute(
        "boolean", "one more position, which is nowhere", default=False
    )

    @property
    def ways(self) -> int:
        """How many there are."""
        each = (n if self.absolute else 2 * n - 1 for n in self.size)
        return prod(each) + 3 * self.token

    @property
    def asked(self) -> dict[str, Any]:
        """What of it the functions of PyTorch have to know."""
        return {
            "size": self.size,
            "absolute": self.absolute,
            "strides": (self.query_stride, self.key_stride),
            "token": self.token,
        }


@operator("relative_lookup")
class RelativeLookup(Relative):
    """``heads x ways`` as ``heads x queries x keys``: of each pair its way's number.

    Ways along an axis of ``n`` positions are numbered from the farthest back to the
    farthest forth, ``2 n - 1`` of them (Liu et al. 2021, Swin); ``absolute`` ones by
    how far, ``n`` of them (Graham et al. 2021, LeViT). The last axis is the fastest.
    ``token`` is one more position, before the others: the last three ways are from it,
    to it and to itself (Bao et al. 2021, BEiT).
    """

    def infer(self, x: TensorType) -> TensorType:
        if x.rank != 2 or x.shape[1] != self.ways:
            raise ShapeError(
                f"{x} has no number for each of the {self.ways} ways on a map of "
                f"{TensorType(self.size)}",
                attribute="size",
                code="RG112",
            )
        return TensorType((x.channels, *counts(self)))

    def torch(self, x: TensorType) -> Function:
        return Function("resgen.lower.modules.relative_lookup", kwargs=self.asked)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        ways = to.integers(rows(self), counts(self))
        return to.emit("Gather", [x.name, ways], axis=2)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(size=(2, 3)), ((4, 15),)),
            Case(cls(size=(5,), key_stride=2), ((2, 9),)),
            Case(cls(size=(4, 3), absolute=True, query_stride=2), ((2, 12),)),
            Case(cls(size=(2, 2), token=True), ((3, 12),)),
        )


def counts(op: Relative) -> tuple[int, int]:
    """How many queries and keys there are."""
    queries, keys = (
        prod(-(-n // stride) for n in op.size) + op.token
        for stride in (op.query_stride, op.key_stride)
    )
    return queries, keys


@lru_cache(64)
def rows(op: Relative) -> tuple[int, ...]:
    """Which way is from a query to a key, for all pairs of them in order."""
    sides = [
        list(product(*(range(0, n, stride) for n in op.size)))
        for stride in (op.query_stride, op.key_stride)
    ]
    farthest = sides[1][-1]
    found = []
    for query in sides[0]:
        for key in sides[1]:
            row = 0
            for q, k, n, last in zip(query, key, op.size, farthest, strict=True):
                if op.absolute:
                    row = row * n + abs(q - k)
                else:
                    row = row * (2 * n - 1) + q - k + last
            found.append(row)
    if not op.token:
        return tuple(found)
    width, ways = len(sides[1]), op.ways
    lines = [found[at : at + width] for at in range(0, len(found), width)]
    first = (ways - 1, *[ways - 3] * width)
    return (*first, *(row for line in lines for row in (ways - 2, *line)))
