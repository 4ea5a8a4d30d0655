"""A learned factor for each channel."""

from __future__ import annotations

from resgen.ops.base import operator
from resgen.ops.channelwise import Channelwise


@operator("channel_scale")
class ChannelScale(Channelwise):
    """``y = gamma[c] * x`` with ``gamma: (channels,)``; Touvron et al. 2021.

    LayerScale. The parameter goes by the operator's own path, and starts at 1.
    """

    spelled = ("torch.mul", "Mul", 1.0)
