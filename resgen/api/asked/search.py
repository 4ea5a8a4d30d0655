"""What ``resgen search`` is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from resgen.api.asked.choose import DURATION
from resgen.api.asked.common import DEVICE, Leasing, out
from resgen.errors import did_you_mean
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
from resgen.searching.price import Bounds

_UNITS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
#: What a time holds for, which is measured or of a table.
CONDITIONS: Final = ("runtime", "device", "threads", "batch")
#: What candidates are compared by, and how they are chosen.
SCORES: Final = choice("params", "macs", "zen", "health")
SAMPLERS: Final = choice("evolution", "random", "grid", "optuna")


def _written(bounds: Bounds) -> str:
    said = {field.name: getattr(bounds, field.name) for field in fields(Bounds)}
    return ",".join(
        f"{name}={DURATION.write(most) if name == 'latency' else _plain(most)}"
        for name, most in said.items()
        if most is not None
    )


def _plain(value: float) -> str:
    return f"{Decimal(repr(value)):f}".removesuffix(".0")


def _count(value: Any) -> float:
    word = str(value).strip().lower() if isinstance(value, str | int | float) else ""
    found = re.fullmatch(r"([0-9]*\.?[0-9]+(?:e\+?[0-9]+)?)\s*([kmg]?)", word)
    if found is None or isinstance(value, bool) or not 0 < float(found[1]) < 1e18:
        raise ValueError(f'{told(value)} is no amount such as "10M"')
    return float(Decimal(found[1]) * _UNITS[found[2]])


def _budget(value: Any) -> Bounds:
    if isinstance(value, Bounds):
        return value
    parts: Mapping[Any, Any]
    if isinstance(value, str):
        words = [word.partition("=") for word in value.split(",")]
        parts = {name.strip(): most.strip() for name, _, most in words}
        if len(parts) < len(words):
            raise ValueError(f"{told(value)} bounds something twice")
    elif isinstance(value, Mapping):
        parts = value
    else:
        raise ValueError(f'{told(value)} is no budget such as "latency=8ms,params=10M"')
    known = [field.name for field in fields(Bounds)]
    found = {}
    for name, most in parts.items():
        if name not in known:
            near = did_you_mean(str(name), known) or f"; {', '.join(known)} are"
            raise ValueError(f"{told(name)} is nothing that has a bound{near}")
        found[name] = DURATION.check(most) if name == "latency" else _count(most)
    if not found:
        raise ValueError("nothing has a bound")
    return Bounds(**found)


BUDGET: Final = Kind("NAME=MOST,...", _budget, _budget, _written)


@dataclass(frozen=True, kw_only=True)
class Searching(Leasing):
    """What a network may cost, how many are looked at, and what is the best."""

    budget: Any = option(
        "--budget",
        BUDGET,
        "The most that a network may cost, as in latency=8ms,params=10M; also macs, "
        "and memory, the bytes of float32 activations alive at once.",
        shown="none",
    )
    score: Any = option(
        "--score",
        SCORES,
        "What is better the more of it there is: parameters, multiply-adds, the Zen "
        "score, or the health of gradients.",
        default="params",
    )
    sampler: Any = option(
        "--sampler",
        SAMPLERS,
        "How candidates are chosen: regularised evolution, by chance, all in order, or "
        "as Optuna does.",
        shown="grid if the space is no larger than the trials, else evolution; random "
        "where nothing predicts a latency that is bounded",
    )
    trials: int = option(
        "--trials",
        whole(),
        "How many candidates are looked at; a search that learns looks at as many by "
        "chance as well.",
        default=10_000,
    )
    seed: int = option("--seed", whole(0), "What chance begins with.", default=0)
    processes: int | None = option(
        "--processes",
        whole(1, 1024),
        "How many processes look at candidates.",
        shown="the cores that this process really has",
    )
    table: Path | None = option(
        "--table",
        path("TABLE"),
        "Throw out by latency as a table of `resgen measure blocks` predicts it.",
        shown="only what is named is timed",
    )
    winners: int = option(
        "--winners", whole(1, 100), "How many of the best are named.", default=3
    )
    train: int | None = option(
        "--train",
        whole(metavar="EPOCHS"),
        "Train the best by score, and judge them by what they learn: all a little, and "
        "one in three further, the last for so many epochs.",
    )
    contenders: int = option(
        "--contenders", whole(2, 1000), "Training: how many begin.", default=27
    )
    data: str | None = option(
        "--data",
        text("digits|FOLDER|FILE.npz"),
        "Training: what is learned.",
        shown="digits",
    )
    lr: float = option(
        "--lr",
        number("RATE", 0, 1e6, exclusive=True),
        "Training: the learning rate that it begins with (SGD, momentum 0.9).",
        default=0.05,
    )
    cluster: str | None = option(
        "--cluster",
        text("ADDRESS|local"),
        "Training: on a Ray cluster, such as ray://head:10001.",
        shown="in this process",
    )
    runtime: str = option(
        "--runtime", text("NAME"), "Timing: what runs them.", default="onnxruntime"
    )
    device: str = option("--device", DEVICE, "Timing: what they run on.", default="cpu")
    threads: int | None = option(
        "--threads",
        THREADS,
        "How many threads one operator uses on a processor.",
        shown="training 1, so that it gives the same anywhere; timing the cores that "
        "this process really has",
    )
    batch: int = option(
        "--batch", whole(), "Timing: how many inputs at once.", default=1
    )
    minutes: float = option(
        "--minutes",
        number("M", 0, 1440, exclusive=True),
        "Timing: for how long at most.",
        default=10.0,
    )
    measure: bool = option(
        "--no-measure", FLAG, "Time nothing, so that nothing is promised.", default=True
    )
    out: Path | None = out("The folder to make, or to go on with.", "searched/NAME")

    @property
    def bounds(self) -> Bounds:
        """What the budget bounds; nothing without one."""
        found: Bounds = self.budget or Bounds()
        return found

    @property
    def blind(self) -> bool:
        """Whether there is a bound of latency, and no table tells what is over it."""
        return self.bounds.latency is not None and self.table is None

    def usual(self, size: int) -> str:
        """How candidates of so large a space are chosen unless something is said."""
        if size <= self.trials:
            return "grid"
        return "random" if self.blind else "evolution"

    def refuse(self) -> None:
        """A time is promised by a measurement alone, and predicted by a table."""
        super().refuse()
        if self.train is None:
            for name, _, _ in self.given():
                if name in ("contenders", "data", "lr", "cluster"):
                    raise self.refused(
                        f"{{{name}}} is for training", hint="add {train} EPOCHS"
                    )
        if not self.measure:
            used = CONDITIONS if self.table is not None else ()
            if self.train is not None:
                used = (*used, "threads")
            for name, _, _ in self.given():
                if name in (*CONDITIONS, "minutes", "on") and name not in used:
                    raise self.refused(
                        f"{{{name}}} is for timing, which {{measure}} leaves out",
                        hint=f"leave out {{{name}}}, or {{measure}}",
                    )
        hint = "name a table in {table}, which predicts it"
        if not self.measure and self.blind:
            raise self.refused(
                "{measure} leaves a bound of latency that nothing tells of", hint=hint
            )
        if self.sampler in ("evolution", "optuna") and self.blind:
            raise self.refused(
                "{sampler} " + self.sampler + " learns nothing of the latency that is "
                "bounded",
                hint=hint,
            )
