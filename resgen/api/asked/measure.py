"""What ``resgen measure`` is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resgen.api.asked.common import Leasing
from resgen.api.asked.search import BUDGET
from resgen.options.group import option
from resgen.options.kinds import THREADS, choice, number, path, whole


@dataclass(frozen=True, kw_only=True)
class Timing(Leasing):
    """On what blocks are timed, for how long, and where the times go."""

    runtime: Any = option(
        "--runtime",
        choice("onnxruntime", "litert", "openvino"),
        "What runs the networks: engines whose profiler is read.",
        default="onnxruntime",
    )
    precision: Any = option(
        "--precision",
        choice("fp32", "int8"),
        "The form that is timed, as `resgen export` would write it.",
        default="fp32",
    )
    threads: int | None = option(
        "--threads",
        THREADS,
        "How many threads one operator uses.",
        shown="the cores that this process really has",
    )
    batch: int = option("--batch", whole(), "How many inputs at once.", default=1)
    budget: Any = option(
        "--budget",
        BUDGET,
        "The most that candidates of a space may cost, as in macs=2G,params=10M.",
        shown="macs=8G",
    )
    minutes: float = option(
        "--minutes",
        number("M", 0, 1440, exclusive=True),
        "How long networks are timed; the one under way is ended.",
        default=20.0,
    )
    out: Path | None = option(
        "--out",
        path("FILE"),
        "The table; one that is there is gone on with.",
        short="-o",
        shown="latency.json",
    )

    def refuse(self) -> None:
        """What is to be measured bounds nothing."""
        super().refuse()
        if self.budget is not None and self.budget.latency is not None:
            raise self.refused(
                "{budget} bounds a latency, which is what is measured",
                hint="macs=2G bounds it, too",
            )
