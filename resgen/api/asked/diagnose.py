"""What ``resgen diagnose`` is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from resgen.api.asked.common import Changing, out, require_folder
from resgen.options.group import option
from resgen.options.kinds import FLAG, THREADS, number, text, whole


@dataclass(frozen=True, kw_only=True)
class Diagnosing(Changing):
    """What a network is looked at beside, on what data, and whether it is trained."""

    against: tuple[str, ...] = option(
        "--against",
        text("SPEC|plain"),
        "Another network to look at beside it, or the same without its shortcuts; "
        "may be repeated.",
        repeated=True,
    )
    data: str | None = option(
        "--data",
        text("digits|FOLDER|FILE.npz"),
        "What it is to learn from.",
        shown="digits",
    )
    seeds: int = option("--seeds", whole(), "How many seeds.", default=3)
    train: int | None = option(
        "--train",
        whole(metavar="STEPS"),
        "Train each network from each seed for so many steps, and test the learning "
        "rates that it bears.",
    )
    lr: float = option(
        "--lr",
        number("RATE", 0, 1e6, exclusive=True),
        "The learning rate that it is meant for (SGD, momentum 0.9).",
        default=0.05,
    )
    batch: int | None = option(
        "--batch",
        whole(8),
        "Inputs in a batch.",
        shown="64, fewer for a large network",
    )
    threads: int | None = option(
        "--threads",
        THREADS,
        "How many threads one operator uses.",
        shown="the cores that nobody else keeps busy; with --resume as before",
    )
    lr_test: bool = option(
        "--no-lr-test",
        FLAG,
        "With --train: leave out the test of learning rates.",
        default=True,
    )
    output: str | None = option(
        "--output",
        text("NAME"),
        "The output whose loss is taken, where a network has several.",
    )
    resume: bool = option("--resume", FLAG, "Go on with training that was interrupted.")
    keep_weights: bool = option(
        "--keep-weights",
        FLAG,
        "Keep the trained weights, for `resgen build --weights`.",
    )
    out: Path | None = out(
        "The folder for diagnosis.html and diagnosis.json.", "build/NAME-diagnosis"
    )

    def refuse(self) -> None:
        """What has no effect is refused."""
        if self.train is None:
            for name, _, _ in self.given():
                if name in ("resume", "keep_weights", "lr_test"):
                    raise self.refused(
                        f"{{{name}}} is for training", hint="add {train} STEPS"
                    )
        if self.out is not None:
            require_folder(self.out)
