"""Options of what comes with resgen; a file of its own, so that a list is quick."""

from __future__ import annotations

from dataclasses import dataclass

from resgen.options.group import Group, option
from resgen.options.kinds import FLAG


@dataclass(frozen=True, kw_only=True)
class Listing(Group):
    """How much is told."""

    long: bool = option("--long", FLAG, "With parameters and MACs (takes seconds).")
