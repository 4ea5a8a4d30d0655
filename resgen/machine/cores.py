"""How many threads a runtime is given when nobody says how many."""

from __future__ import annotations

import os
from pathlib import Path

from resgen.machine.files import Tree
from resgen.machine.limits import usable


def available_cores(root: Path = Path("/")) -> int:
    """Physical cores that this process really has: affinity and quota are honoured.

    A runtime's own default counts the machine's cores, and in a container that may use
    two of 64 its threads then wait for each other.
    """
    return usable(Tree(root))


def free_cores(root: Path = Path("/")) -> int:
    """Of these, as many as nobody else keeps busy, at least one.

    Threads of one operator wait for the slowest of them: two on a machine that has one
    core to spare are slower than one. What is busy is the system's load over the last
    minute; where it tells none, nothing is.
    """
    try:
        busy = os.getloadavg()[0]
    except (AttributeError, OSError):
        busy = 0.0
    return max(1, available_cores(root) - round(busy))
