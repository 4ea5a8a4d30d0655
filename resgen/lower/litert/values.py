"""Tensors and operators of a LiteRT file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np

from resgen.lower.channels_last import Array, Laid
from resgen.lower.emitted import Constant
from resgen.ops.types import DType

#: How the ends of a file are: channels last, in PyTorch's order, or whole numbers of a
#: type, channels last, and by how much those are above the numbers of 8 bits inside.
NHWC: Final = "nhwc"
NCHW: Final = "nchw"
CODES: Final[Mapping[DType, int]] = {"int8": 0, "uint8": 128}


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


@dataclass(slots=True)
class Operation:
    """An operator of the file; ``inputs`` are tensors by index, -1 is none."""

    code: str
    inputs: tuple[int, ...]
    output: int
    version: int = 1
    options: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Stored:
    """A tensor as the file declares it; ``constant`` are its numbers, if it has any.

    ``open`` tells that its first axis is the batch.
    """

    name: str
    shape: tuple[int, ...]
    dtype: DType = "float32"
    constant: Constant | None = None
    steps: Steps | None = None
    open: bool = True
