"""What ``resgen choose`` is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from resgen.api.asked.common import DEVICE, Leasing
from resgen.files.whole import require_file
from resgen.options.group import option
from resgen.options.kinds import (
    FLAG,
    THREADS,
    Kind,
    choice,
    number,
    path,
    text,
    told,
    whole,
)

_UNITS: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


def _duration(value: Any) -> float:
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+) ?(s|ms|us)", str(value), re.ASCII)
    seconds = float(found[1]) * _UNITS[found[2]] if found else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError(f"{told(value)} is no time such as 8ms")
    if not 0 < seconds < 1e6:
        raise ValueError(f"{told(value)} is no time that a network could take")
    return float(seconds)


#: A time in seconds, in words with its unit.
DURATION: Final = Kind("TIME", _duration, _duration, lambda s: f"{Decimal(repr(s)):f}s")


@dataclass(frozen=True, kw_only=True)
class Choosing(Leasing):
    """How fast a network has to be and where, and how good."""

    latency: float | None = option(
        "--latency", DURATION, "How long an answer may take, such as 8ms.", shown="none"
    )
    runtime: str = option(
        "--runtime", text("NAME"), "What runs the network.", default="onnxruntime"
    )
    device: str = option("--device", DEVICE, "What it runs on.", default="cpu")
    threads: int | None = option(
        "--threads",
        THREADS,
        "How many threads one operator uses on a processor.",
        shown="the cores that this process really has",
    )
    batch: int = option("--batch", whole(), "How many inputs at once.", default=1)
    min_top1: float = option(
        "--min-top1", number("P", 0, 100), "The least top-1 accuracy.", default=0.0
    )
    weights: Any = option(
        "--weights",
        choice("any", "loadable"),
        "Count all published accuracies, or only of weights that load.",
        default="any",
    )
    table: Path | None = option(
        "--table",
        path("TABLE"),
        "Predict from a table of `resgen measure blocks` what is worth timing.",
        shown="what those cost that were timed",
    )
    minutes: float = option(
        "--minutes",
        number("M", 0, 1440, exclusive=True),
        "How long networks are timed at most.",
        default=15.0,
    )
    fresh: bool = option("--fresh", FLAG, "Take no times of earlier runs.")
    out: Path | None = option(
        "--out", path("FILE"), "The page to write.", short="-o", shown="choice.html"
    )

    def refuse(self) -> None:
        """What cannot be written is told before hours of timing."""
        super().refuse()
        if self.out is not None:
            if self.out.suffix.lower() != ".html":
                raise self.refused("{out} is a page, so its name ends in .html")
            require_file(self.out)
