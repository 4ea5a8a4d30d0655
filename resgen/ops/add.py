"""Sum of several values."""

from __future__ import annotations

from resgen.ops.base import operator
from resgen.ops.merging import Elementwise


@operator("add")
class Add(Elementwise):
    """The sum of inputs of one shape, element by element."""

    spelled = ("add", "Add")
