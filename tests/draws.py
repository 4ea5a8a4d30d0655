"""What of many cases one run of the suite looks at: others at each commit."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")


@cache
def _seed() -> str:
    """The commit, so that each one looks at others and a failure can be repeated."""
    asked = os.environ.get("ZOO_SEED")
    if asked is None:
        head = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
        found = subprocess.run(head, check=False, capture_output=True, text=True)
        asked = found.stdout.strip()
    return asked


def draw(items: Sequence[Item], count: int) -> list[Item]:
    """So many of them, or all where there are no more."""
    return random.Random(_seed()).sample(items, min(count, len(items)))
