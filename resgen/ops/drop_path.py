"""Stochastic depth."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import Case, Op, attribute, operator
from resgen.ops.types import Module, TensorType


@operator("drop_path")
class DropPath(Op):
    """In training, zero the whole sample with probability ``p``; Huang et al. 2016.

    What is kept is divided by ``1 - p``; in inference it is the identity.
    """

    training_only: ClassVar[bool] = True

    p: float = attribute("number", "probability", minimum=0, maximum=1)

    @property
    def vanishes(self) -> bool:
        return self.p == 0

    def torch(self, x: TensorType) -> Module:
        return Module("resgen.lower.modules.DropPath", (float(self.p),))

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (Case(cls(p=0.3), ((4, 5, 6),)),)
