"""What torch lacks of the way from a camera's picture to a network's input.

Constants are buffers, so that they follow the module to a device, and are no part of
its state: they are written in the spec, not learned.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from resgen.ops.luma import HALF, UNIT, WEIGHTS
from resgen.ops.resampling import Taps, digits, matrix, passes
from resgen.ops.truncate import SLACK


def luma(x: Tensor) -> Tensor:
    """Red, green and blue as one channel; see :class:`resgen.ops.luma.Luma`."""
    red, green, blue = (x[:, c : c + 1] * w for c, w in enumerate(WEIGHTS))
    return ((red + green + blue + HALF) * UNIT).floor()


def truncate(x: Tensor) -> Tensor:
    """Whole numbers of sums; see :class:`resgen.ops.truncate.Truncate`."""
    return (x + SLACK).floor().clamp(0, 255)


class _Product(nn.Module):
    """Sums along one axis, by a constant matrix."""

    matrix: Tensor

    def __init__(self, rows: Sequence[Taps], size: int, axis: int) -> None:
        super().__init__()
        self.axis = axis
        dense = torch.tensor(matrix(rows, size))
        self.register_buffer("matrix", dense.view(len(rows), size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix.mT if self.axis == 3 else self.matrix @ x


class _Exactly(nn.Module):
    """One pass with Pillow's rounding; see :class:`resgen.ops.resampling.Digits`."""

    def __init__(self, rows: Sequence[Taps], size: int, axis: int) -> None:
        super().__init__()
        parts = digits(rows)
        self.high = _Product(parts.high, size, axis)
        self.low = _Product(parts.low, size, axis)
        self.factors = (parts.unit, parts.half, parts.step)

    def forward(self, x: Tensor) -> Tensor:
        unit, half, step = self.factors
        low = (self.low(x) * unit).floor()
        y: Tensor = ((self.high(x) + low + half) * step).floor()
        return y.clamp(0, 255)


class _Take(nn.Module):
    """These positions of one axis."""

    places: Tensor

    def __init__(self, rows: Sequence[Taps], axis: int) -> None:
        super().__init__()
        self.axis = axis
        places = torch.tensor([first for first, _ in rows])
        self.register_buffer("places", places, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x.index_select(self.axis, self.places)


class Resample(nn.Module):
    """Interpolation by constants; see :class:`resgen.ops.resample.Resample`."""

    def __init__(
        self,
        before: Sequence[int],
        after: Sequence[int],
        part: Sequence[int],
        interpolation: str,
        antialias: bool,
    ) -> None:
        super().__init__()
        down, across = passes(before, after, part, interpolation, antialias)
        steps: list[nn.Module] = []
        for axis, rows in ((3, across), (2, down)):
            if rows is None:
                continue
            if interpolation == "nearest":
                steps.append(_Take(rows, axis))
            else:
                kind = _Exactly if antialias else _Product
                steps.append(kind(rows, before[axis - 2], axis))
        self.steps = nn.Sequential(*steps)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.steps(x)
        return y


class Normalize(nn.Module):
    """Scale, mean and deviation; see :class:`resgen.ops.normalize.Normalize`."""

    mean: Tensor
    std: Tensor

    def __init__(
        self, scale: float, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__()
        self.scale = scale
        for name, values in (("mean", mean), ("std", std)):
            held = torch.tensor(values, dtype=torch.float32).view(-1, 1, 1)
            self.register_buffer(name, held, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.scale - self.mean) / self.std
