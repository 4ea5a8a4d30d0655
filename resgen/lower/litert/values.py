"""Tensors of a LiteRT file, and numbers that are known when it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from resgen.lower.channels_last import Array, Laid, Places
from resgen.weights.evaluate import Weights


@dataclass(frozen=True, slots=True)
class Steps:
    """What whole numbers stand for: ``(number - point) * scale``.

    Of a weight or a bias each entry along the stored ``axis`` has its own scale, and
    ``point`` is 0.
    """

    scale: Constant
    point: Constant
    axis: int = 0


@dataclass(frozen=True, slots=True)
class Tensor(Laid):
    """A tensor of the file, held by its index; with ``steps`` it has 8 bits."""

    steps: Steps | None = None

    @property
    def index(self) -> int:
        """Which of the file's tensors it is."""
        found: int = self.held
        return found

    def logical(self, array: Array) -> Array:
        """What is stored, in PyTorch's order."""
        found = array.transpose(np.argsort(self.order))
        for axis, places in self.places.items():
            found = found.take(np.argsort(places), axis)
        return found


@dataclass(frozen=True, slots=True)
class Constant:
    """Numbers that are known when the file is written, in PyTorch's order.

    ``key`` tells one from another without making it: ``make`` computes it of the
    weights. ``codes`` are the whole numbers that it has in a quantised network, and the
    scale of each. ``given`` says that its numbers are a parameter's.
    """

    key: Any
    shape: tuple[int, ...]
    make: Callable[[Weights], Array] = field(compare=False)
    codes: tuple[Constant, Constant] | None = field(default=None, compare=False)
    given: bool = False

    @classmethod
    def of(cls, array: Array) -> Constant:
        """Numbers that no weight takes part in."""
        key = (array.dtype.str, array.shape, array.tobytes())
        return cls(key, array.shape, lambda weights: array)

    @property
    def numbers(self) -> Array:
        """Them, where no weight takes part."""
        return self.make({})

    @property
    def root(self) -> Any:
        """The operand that its numbers are, moved about."""
        key = self.key
        while isinstance(key, tuple):
            key = key[0]
        return key

    def then(self, what: Any, function: Callable[[Array], Array]) -> Constant:
        """What a function makes of it that only moves numbers, named ``what``."""
        shape = function(np.broadcast_to(np.float32(0), self.shape)).shape
        codes = None
        if self.codes is not None:
            numbers, scales = self.codes
            codes = numbers.then(what, function), scales.then(what, function)
        return Constant(
            (self.key, what), shape, lambda w: function(self.make(w)), codes, self.given
        )

    def transposed(self, order: Sequence[int]) -> Constant:
        """With other axes first."""
        if tuple(order) == tuple(range(len(self.shape))):
            return self
        return self.then(("transpose", tuple(order)), lambda a: a.transpose(order))

    def reshaped(self, shape: Sequence[int]) -> Constant:
        """In another shape."""
        if tuple(shape) == self.shape:
            return self
        return self.then(("reshape", tuple(shape)), lambda a: a.reshape(shape))

    def taken(self, places: Places | None, axis: int) -> Constant:
        """Elements along an axis as ``places`` has them, where it has any."""
        if places is None:
            return self
        return self.then(("take", places, axis), lambda a: a.take(places, axis))

    def with_(self, other: Constant, function: Callable[..., Array]) -> Constant:
        """What a NumPy function makes of both."""
        name = function.__name__
        shape = np.broadcast_shapes(self.shape, other.shape)
        return Constant(
            (name, self.key, other.key),
            shape,
            lambda w: function(self.make(w), other.make(w)),
        )


Value: TypeAlias = "Tensor | Constant"
