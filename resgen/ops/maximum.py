"""The largest of several values."""

from __future__ import annotations

from resgen.ops.base import operator
from resgen.ops.merging import Elementwise


@operator("maximum")
class Maximum(Elementwise):
    """The largest of inputs of one shape, element by element."""

    spelled = ("take the largest of", "Max")
