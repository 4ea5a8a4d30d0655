"""What others have published of the accuracy of networks of the zoo."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FACTS: Final = Path(__file__).with_name("published.json")


@dataclass(frozen=True, slots=True)
class Published:
    """Weights of a network of the zoo: top-1 on ImageNet-1k in per cent, at a size.

    ``weights`` is the tag of the ``source``, and ``loads`` whether they can be had
    there under names that the network's spec takes.
    """

    network: str
    weights: str
    size: int
    top1: float
    source: str
    loads: bool


def published() -> list[Published]:
    """All that is known, the most accurate first."""
    known = json.loads(_FACTS.read_text("utf-8"))["sources"]
    found = [
        Published(network, weights, size, top1, each["source"], each["loads"])
        for each in known
        for network, weights, size, top1 in each["weights"]
    ]
    return sorted(found, key=lambda each: -each.top1)
