"""What ``resgen compare`` is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resgen.api.asked.common import Measuring
from resgen.options.group import option
from resgen.options.kinds import choice, number, path, text, whole


@dataclass(frozen=True, kw_only=True)
class Comparing(Measuring):
    """How two networks are measured beside each other, and what fails a build."""

    runtime: tuple[str, ...] = option(
        "--runtime",
        text("NAME"),
        "What runs both; given twice, what runs A and what runs B.",
        repeated=True,
        shown="what both were exported for, else onnxruntime",
    )
    batch: int = option("--batch", whole(), "The batch size.", default=1)
    mode: Any = option(
        "--mode",
        choice("compute", "latency", "end-to-end"),
        "As for `resgen profile`.",
        default="latency",
    )
    time: float = option(
        "--time",
        number("SECONDS", 1, 86400),
        "About how long to measure; less where the verdict is clear before.",
        default=60.0,
    )
    part: tuple[str, ...] = option(
        "--part",
        text("PART"),
        "Tell of this part (a stage, shortcuts), however little it differs; may be "
        "repeated.",
        repeated=True,
    )
    fail_if: tuple[str, ...] = option(
        "--fail-if",
        text("CONDITION"),
        "Exit with 1 if it holds, as in slower or p99>5ms; may be repeated.",
        repeated=True,
    )
    out: Path | None = option(
        "--out",
        path("FILE"),
        "Write a page (.html), Markdown (.md), the parts (.csv) or the data (.json).",
        short="-o",
        shown="none",
    )

    def refuse(self) -> None:
        """Two networks are run by two engines at most."""
        super().refuse()
        if len(self.runtime) > 2:
            raise self.refused("{runtime} is for A and for B, and three are given")
