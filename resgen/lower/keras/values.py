"""What flows in a Keras model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from resgen.lower.channels_last import Laid
from resgen.lower.emitted import Constant
from resgen.ops.types import Operand


@dataclass(frozen=True, slots=True)
class Tensor(Laid):
    """A KerasTensor; the batch stands as 1.

    What is ``free`` is made of parameters alone, has no batch and lies as PyTorch has
    it.
    """

    free: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """What a node consumes of the parameters, of which nothing is made yet."""

    operand: Operand
    shape: tuple[int, ...]


Value: TypeAlias = "Tensor | Constant | Held"
