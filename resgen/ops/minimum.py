"""The least of several values."""

from __future__ import annotations

from resgen.ops.base import operator
from resgen.ops.merging import Elementwise


@operator("minimum")
class Minimum(Elementwise):
    """The least of inputs of one shape, element by element."""

    spelled = ("take the least of", "Min")
