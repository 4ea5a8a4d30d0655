"""Tensors of a LiteRT file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from resgen.lower.channels_last import Array, Laid
from resgen.lower.emitted import Constant


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


Value: TypeAlias = "Tensor | Constant"
