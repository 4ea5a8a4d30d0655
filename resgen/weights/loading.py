"""What is taken of the weights that a user gives, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Loading:
    """How weights are loaded.

    ``ema`` asks for their moving average, ``key`` for those at a place in the file
    (``state_dict/model``), ``prefix`` for those whose names begin so.
    ``ignore_extra`` leaves out what the network has no parameter for. ``adapt`` loads
    on purpose by half: see :mod:`resgen.weights.adapting`.
    """

    ema: bool = False
    key: str | None = None
    prefix: str | None = None
    ignore_extra: bool = False
    adapt: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """Arrays under the network's names, and a line on each that is not the file's."""

    arrays: Mapping[str, np.ndarray[Any, Any]]
    notes: tuple[str, ...] = ()
