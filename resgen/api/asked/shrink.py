"""What ``resgen shrink`` is asked."""

from __future__ import annotations

import re
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any, Final

from resgen.api.asked.common import DEVICE, Leasing, Making, Reading, out
from resgen.options.group import option
from resgen.options.kinds import (
    FLAG,
    THREADS,
    Kind,
    choice,
    file_name,
    number,
    path,
    text,
    told,
    whole,
)
from resgen.shrinking import IMPORTANCE
from resgen.shrinking.choose import STEP
from resgen.shrinking.cut import Size

_UNITS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


@dataclass(frozen=True, slots=True)
class Amount:
    """So many, or such a share of what is there.

    A number with a point that is at most 1 is a share, from Python: 1.0 is the whole.
    """

    number: float
    relative: bool

    def of(self, there: int) -> float:
        """The number that is meant where ``there`` are."""
        return self.number * there if self.relative else self.number

    def after(self, way: float, there: int) -> Amount:
        """What is left after a share of the way to it, by equal factors."""
        return Amount(there * min(self.of(there) / there, 1) ** way, relative=False)

    def __str__(self) -> str:
        return f"{self.number!r}x" if self.relative else f"{self.number:.0f}"


def _amount(value: Any) -> Amount:
    if isinstance(value, Amount):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int | float) else ""
    found = re.fullmatch(r"([0-9]*\.?[0-9]+(?:e[0-9]+)?)\s*(x|%|k|m|g|)", word)
    if found is None or isinstance(value, bool):
        raise ValueError(f'{told(value)} is no amount such as "0.5x" or "2G"')
    number, unit = float(found[1]), found[2]
    if unit in ("x", "%") or (isinstance(value, float) and number <= 1):
        share = number / 100 if unit == "%" else number
        if not 0 < share <= 1:
            raise ValueError(f"{told(value)} is not above 0 and at most the whole")
        return Amount(share, relative=True)
    if number == 0:
        raise ValueError(f"{told(value)} is not above 0")
    most = number * _UNITS[unit]
    if most <= 1:  # which no network is, and somebody means a share by
        raise ValueError(f'{told(value)} is too little; a share is "{found[1]}x"')
    return Amount(most, relative=False)


@dataclass(frozen=True, slots=True)
class Time:
    """So many seconds, or such a share of what the whole takes."""

    number: float
    relative: bool

    def __str__(self) -> str:
        return f"{self.number!r}x" if self.relative else f"{1e3 * self.number!r}ms"


def _time(value: Any) -> Time:
    if isinstance(value, Time):
        return value
    word = str(value).strip().lower() if isinstance(value, str | float) else ""
    found = re.fullmatch(r"([0-9]*\.?[0-9]+(?:e-?[0-9]+)?)\s*(x|%|us|ms|s|)", word)
    unit = found[2] or ("x" if isinstance(value, float) else "") if found else ""
    if found is None or not unit:
        raise ValueError(f'{told(value)} is no time such as "8ms" or "0.6x"')
    scale = {"x": 1.0, "%": 0.01, "us": 1e-6, "ms": 1e-3, "s": 1.0}[unit]
    number, relative = float(found[1]) * scale, unit in "x%"
    if not 0 < number <= (1 if relative else 3600):
        most = "the whole" if relative else "an hour"
        raise ValueError(f"{told(value)} is not above 0 and at most {most}")
    return Time(number, relative)


#: Options that only what is timed needs.
PACED: Final = ("on", "runtime", "precision", "threads", "table")
TIME: Final = Kind("TIME|SHAREx", _time, _time, str)
AMOUNT: Final = Kind("N|SHAREx", _amount, _amount, str)


@dataclass(frozen=True, kw_only=True)
class Shrinking(Making, Reading, Leasing):
    """How small a network is to be, and what of it goes."""

    out: Path | None = out("The folder to make.", "shrunk/NAME")
    name: str | None = option(
        "--name", file_name("NAME"), "What is left is called.", shown="the network's"
    )
    macs: Any = option(
        "--macs",
        AMOUNT,
        'Multiply-adds that may be left: a share, or a number such as "2G".',
        shown="0.5x, unless something else is bounded",
    )
    params: Any = option(
        "--params", AMOUNT, 'Parameters that may be left: "0.5x", or "4M".'
    )
    memory: Any = option(
        "--memory",
        AMOUNT,
        'Bytes of float32 activations that may be alive at once: "0.5x", or "256k".',
    )
    latency: Any = option(
        "--latency",
        TIME,
        "Time that one inference may take, measured here: a share of what the whole "
        'takes, or 95 of 100 within such as "8ms".',
    )
    runtime: str = option(
        "--runtime",
        choice("onnxruntime", "openvino", "litert"),
        "Timing: what runs it.",
        default="onnxruntime",
    )
    precision: Any = option(
        "--precision",
        choice("fp32", "int8"),
        "Timing: the form that is timed, as `resgen export` would write it.",
        default="fp32",
    )
    threads: int | None = option(
        "--threads",
        THREADS,
        "Timing: how many threads one operator uses.",
        shown="the cores that this process really has",
    )
    table: Path | None = option(
        "--table",
        path("FILE"),
        "Times of `resgen measure blocks` to choose by, whatever has a bound; what is "
        "timed is added. It may be a new file.",
        shown="none; for a latency, that of a few cuts",
    )
    data: str | None = option(
        "--data",
        text("digits|FOLDER|FILE.npz"),
        "What it works on: its channels are compared by it, its norms take their "
        "statistics from it, and how much is told right is said. Without labels, the "
        "whole network's answers are.",
    )
    importance: str | None = option(
        "--importance",
        choice(*IMPORTANCE),
        "What channels are compared by: the size of their weights, the scale of their "
        "norms, what the loss changes by without them, or chance (to know what the "
        "others are worth).",
        shown="taylor with data, else magnitude",
    )
    finetune: int | None = option(
        "--finetune",
        whole(metavar="EPOCHS"),
        "Train what is left on the data for so many epochs.",
    )
    iterations: int = option(
        "--iterations",
        whole(1, 1000),
        "Training: go so many steps of equal factors, and train after each.",
        default=1,
    )
    distill: bool = option(
        "--distill", FLAG, "Training: learn the whole network's scores as well."
    )
    lr: float = option(
        "--lr",
        number("RATE", 0, 1e6, exclusive=True),
        "Training: the learning rate that it begins with (SGD, momentum 0.9).",
        default=0.02,
    )
    device: str | None = option(
        "--device",
        DEVICE,
        "Training: what it runs on. A GPU that has bfloat16 multiplies in it; weights, "
        "their momentum and the loss stay float32.",
        shown="cuda where PyTorch sees one, else cpu",
    )
    seed: int = option(
        "--seed",
        whole(0),
        "What data are held back, the order of the others, and chance's scores.",
        default=0,
    )
    resume: bool = option("--resume", FLAG, "Go on with training that was interrupted.")
    round: int | None = option(
        "--round",
        whole(1, 1024),
        "Channels stay in multiples of this.",
        shown="16, which kernels are written for; of narrow layers 8",
    )
    depth: int = option(
        "--depth",
        whole(0),
        "Take so many residual blocks away first, the least ones: what their shortcut "
        "passes on is left.",
        default=0,
    )
    keep: tuple[str, ...] = option(
        "--keep",
        text("PART"),
        "Leave a part as it is, and all that goes with its channels: a path such as "
        '"layer1.0"; may be repeated.',
        repeated=True,
    )
    report: bool = option(
        "--report", FLAG, "Write a page as well: widths before and after, by layer."
    )
    verify: bool = option(
        "--no-verify",
        FLAG,
        "Skip the proof that what is left computes what the whole does without the "
        "rest.",
        default=True,
    )
    force: bool = option(
        "--force", FLAG, "Keep what others put into the folder, and go on."
    )

    def refuse(self) -> None:
        """What the loss changes by is known on data only."""
        super().refuse()
        if self.importance == "taylor" and self.data is None:
            raise self.refused(
                "{importance} taylor is a matter of data",
                hint="name some in {data}; magnitude needs none",
            )
        if self.finetune is not None and self.data is None:
            raise self.refused("{finetune} is on data", hint="name some in {data}")
        if self.table is not None:
            if self.latency is None and self.budget == (None,) * 3:
                raise self.refused("{table} leads to a bound", hint="add {macs} 0.5x")
        elif self.latency is None:
            for name, _, _ in self.given():
                if name in PACED:
                    raise self.refused(
                        f"{{{name}}} is for a bound of {{latency}}, or for a {{table}}"
                    )
        if self.finetune is None:
            for name, _, _ in self.given():
                if name in ("device", "distill", "iterations", "lr", "resume"):
                    raise self.refused(
                        f"{{{name}}} is for training", hint="add {finetune} EPOCHS"
                    )
        if self.iterations > 1:
            if self.latency is not None and not self.latency.relative:
                raise self.refused(
                    f"{{iterations}} go by shares, which {{latency}} {self.latency} "
                    "is none",
                    hint="ask for a share of the time, such as 0.6x",
                )
            if self.latency is None and self.budget == (None,) * 3:
                raise self.refused(
                    "{iterations} lead to a bound", hint="add {macs} 0.5x"
                )

    def part(self, number: int, before: Size) -> Shrinking:
        """What the iteration of this number is asked, of a network of this size.

        Whole blocks go in the first.
        """
        if self.iterations == 1:
            return self
        way = number / self.iterations
        sizes = zip(self.budget, astuple(before), strict=True)
        macs, params, memory = (
            None if most is None else most.after(way, there) for most, there in sizes
        )
        time = self.latency and Time(self.latency.number**way, relative=True)
        return replace(
            self,
            macs=macs,
            params=params,
            memory=memory,
            latency=time,
            depth=self.depth if number == 1 else 0,
        )

    @property
    def measure(self) -> str:
        """What channels are compared by."""
        return self.importance or ("taylor" if self.data else "magnitude")

    @property
    def step(self) -> int | None:
        """What channels stay in multiples of; None is what kernels are written for."""
        return self.round or (STEP if self.precision == "int8" else None)

    @property
    def budget(self) -> tuple[Amount | None, Amount | None, Amount | None]:
        """Multiply-adds, parameters and bytes that may be left, of what has a bound."""
        bounds = (self.macs, self.params, self.memory)
        if bounds == (None,) * 3 and self.latency is None and not self.depth:
            return Amount(0.5, relative=True), None, None
        return bounds
