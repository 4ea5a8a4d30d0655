"""What the operators share that see a map as windows side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from resgen.ops.base import Axes, OnnxWriter, Op, ShapeError, attribute, per_axis
from resgen.ops.types import TensorType

#: What is added to scores of positions that may not see each other: Liu et al. 2021.
HIDDEN = -100.0


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows on one map, a number an axis each; ``counts`` are windows."""

    map: tuple[int, ...]
    size: tuple[int, ...]
    shift: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(n // s for n, s in zip(self.map, self.size, strict=True))

    @property
    def split(self) -> tuple[int, ...]:
        """Sizes with each axis of the map as that of windows and that inside."""
        pairs = zip(self.counts, self.size, strict=True)
        return tuple(n for pair in pairs for n in pair)

    @property
    def order(self) -> tuple[int, ...]:
        """Which of the split axes come first: those of windows, then those inside."""
        last = 2 * len(self.size)
        return (*range(0, last, 2), *range(1, last, 2))

    @property
    def back(self) -> tuple[int, ...]:
        """The order that undoes the other one."""
        rank = len(self.size)
        return tuple(axis for i in range(rank) for axis in (i, rank + i))

    def regions(self) -> list[list[tuple[int, ...]]]:
        """Of each window the part of the map that each of its positions was in.

        What a shift has brought from one edge to the other is a part by itself.
        """
        rows = zip(self.map, self.size, self.shift, strict=True)
        parts = [
            [(i >= n - size) + (i >= n - shift) if shift else 0 for i in range(n)]
            for n, size, shift in rows
        ]
        return [
            [
                tuple(
                    part[at * size + i]
                    for part, at, i, size in zip(
                        parts, window, inside, self.size, strict=True
                    )
                )
                for inside in product(*map(range, self.size))
            ]
            for window in product(*map(range, self.counts))
        ]


@dataclass(frozen=True, kw_only=True)
class Windowed(Op):
    """An operator of windows that fill a map and may be moved round its edges."""

    size: Axes = attribute("axes", "positions of a window, by axis", minimum=1)
    shift: Axes = attribute(
        "axes", "by how many positions windows are moved", default=0, minimum=0
    )

    def windows(self, of: TensorType) -> Windows:
        """The windows on a map, or :class:`ShapeError`."""
        size = per_axis(self.size, of, "size")
        shift = per_axis(self.shift, of, "shift")
        if not size or any(n % s for n, s in zip(of.spatial, size, strict=True)):
            raise ShapeError(
                f"windows of {TensorType(size)} do not fill a map of {of}",
                attribute="size",
                code="RG112",
                hint='an input of other sizes, or a "pad" before it, makes them fit',
            )
        if any(move >= s for move, s in zip(shift, size, strict=True)):
            raise ShapeError(
                f"windows of {TensorType(size)} cannot be moved by {TensorType(shift)}",
                attribute="shift",
                code="RG112",
                hint="half of a window is what is usual",
            )
        return Windows(of.spatial, size, shift)

    def effective(self, x: TensorType) -> dict[str, Any]:
        # How many axes the map has is not told by an input that is no map.
        return {"size": self.size, "shift": self.shift}

    def check_open(self, x: TensorType) -> None:
        raise ShapeError("its windows fill a map of one size", code="RG112")


def roll(to: OnnxWriter, x: str, shift: Sequence[int]) -> str:
    """Each spatial axis, its first ``shift`` positions (the last, if < 0) moved on."""
    for axis, move in enumerate(shift, start=2):
        if move:
            at, along = to.integers([move]), to.integers([axis])
            rest = to.integers([2**63 - 1])
            first = to.emit("Slice", [x, to.integers([0]), at, along])
            x = to.emit(
                "Concat", [to.emit("Slice", [x, at, rest, along]), first], axis=axis
            )
    return x
