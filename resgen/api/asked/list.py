"""What ``resgen list`` is asked."""

from __future__ import annotations

from dataclasses import dataclass

from resgen.options.group import Group, option
from resgen.options.kinds import FLAG


@dataclass(frozen=True, kw_only=True)
class Listing(Group):
    """How much is told."""

    long: bool = option("--long", FLAG, "With parameters and MACs (takes seconds).")
