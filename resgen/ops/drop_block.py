"""Dropout of whole regions."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import Case, Op, attribute, operator, spatial_suffix
from resgen.ops.types import Module, TensorType


@operator("drop_block")
class DropBlock(Op):
    """In training, zero regions of the map in all channels; Ghiasi et al. 2018.

    Regions have ``size`` positions an axis and cover a share of about ``rate``; what
    is kept is scaled up by as much. In inference it is the identity.
    """

    training_only: ClassVar[bool] = True

    rate: float = attribute(
        "number", "share of the map", default=0.1, minimum=0, maximum=1
    )
    size: int = attribute("integer", "positions an axis", default=7, minimum=1)

    @property
    def vanishes(self) -> bool:
        return self.rate == 0

    def infer(self, x: TensorType) -> TensorType:
        spatial_suffix(x, "drop_block")
        return x

    def torch(self, x: TensorType) -> Module:
        return Module("resgen.lower.modules.DropBlock", (float(self.rate), self.size))

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (Case(cls(rate=0.2, size=3), ((4, 5, 6),)),)
