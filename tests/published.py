"""What others have published of the zoo's networks: ``golden/zoo``, a file a family.

An entry has ``params`` and ``macs`` (of one input, without biases), the ``source`` of
both, and where another library has the network a ``peer``: "timm" or "torchvision",
"timm:NAME" if it has another name there, with ``options`` for its maker, the ``output``
that is ours where it gives out several, and the spatial ``size`` at which the two are
compared (64 x 64 unless said).
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "golden" / "zoo"
GOLDEN: dict[str, dict[str, Any]] = {
    name: entry
    for file in sorted(FOLDER.glob("*.json"))
    for name, entry in json.loads(file.read_text("utf-8")).items()
}


@cache
def _seed() -> str:
    """The commit, so that each one looks at others and a failure can be repeated."""
    asked = os.environ.get("ZOO_SEED")
    if asked is None:
        head = ["git", "-C", str(FOLDER), "rev-parse", "HEAD"]
        found = subprocess.run(head, check=False, capture_output=True, text=True)
        asked = found.stdout.strip()
    return asked


def sampled(names: Iterable[str], count: int, large: float = 50e6) -> list[Any]:
    """All of them as parameters of a test: those beyond ``count`` for a soak alone.

    So are those of more than ``large`` parameters.
    """
    everything = sorted(names)
    drawn_from = [name for name in everything if GOLDEN[name]["params"] <= large]
    count = min(count, len(drawn_from))
    drawn = set(random.Random(_seed()).sample(drawn_from, count))
    return [
        name if name in drawn else pytest.param(name, marks=pytest.mark.soak)
        for name in everything
    ]
