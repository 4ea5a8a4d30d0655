"""How many threads a runtime is given when nobody says how many."""

from __future__ import annotations

from pathlib import Path

from resgen.machine.files import Tree
from resgen.machine.limits import usable


def available_cores(root: Path = Path("/")) -> int:
    """Physical cores that this process really has: affinity and quota are honoured.

    A runtime's own default counts the machine's cores, and in a container that may use
    two of 64 its threads then wait for each other.
    """
    return usable(Tree(root))
