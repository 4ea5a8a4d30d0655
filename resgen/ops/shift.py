"""A learned number added to each channel."""

from __future__ import annotations

from resgen.ops.base import operator
from resgen.ops.channelwise import Channelwise


@operator("shift")
class Shift(Channelwise):
    """``y = x + bias[c]`` with ``bias: (channels,)``, a bias without a map.

    The parameter goes by the operator's own path, and starts at 0.
    """

    spelled = ("torch.add", "Add", 0.0)
