"""What others have published of the zoo's networks: ``golden/zoo``, a file a family.

An entry has ``params`` and ``macs`` (of one input, without biases), the ``source`` of
both, and where another library has the network a ``peer``: "timm" or "torchvision",
"timm:NAME" if it has another name there, with ``options`` for its maker, the ``output``
that is ours where it gives out several, and the spatial ``size`` at which the two are
compared (64 x 64 unless said).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from draws import draw

FOLDER = Path(__file__).parent / "golden" / "zoo"
GOLDEN: dict[str, dict[str, Any]] = {
    name: entry
    for file in sorted(FOLDER.glob("*.json"))
    for name, entry in json.loads(file.read_text("utf-8")).items()
}


def sampled(names: Iterable[str], count: int, large: float = 50e6) -> list[Any]:
    """All of them as parameters of a test: those beyond ``count`` for a soak alone.

    So are those of more than ``large`` parameters.
    """
    everything = sorted(names)
    drawn = draw([n for n in everything if GOLDEN[n]["params"] <= large], count)
    return [
        name if name in drawn else pytest.param(name, marks=pytest.mark.soak)
        for name in everything
    ]
