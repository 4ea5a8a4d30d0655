"""What is told of a network that was made smaller: which channels stayed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from resgen.artifact.described import (
    FORMAT,
    Described,
    DescribedFolder,
    write_described,
)
from resgen.document.files import Format
from resgen.files.names import MARKS, SHRINK
from resgen.recovery.imported import Imported
from resgen.shrinking.cut import Size
from resgen.words.numbers import seconds, share, share_interval


@dataclass(frozen=True, slots=True)
class Right:
    """How many inputs are told right, and the 95 % interval of their share."""

    count: int
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """How many of ``inputs`` that were held back are told right.

    ``labels`` are the data's, or what the whole network tells of them where the data
    have none: then it is how often both agree. ``before`` is the whole network,
    ``after`` what is left of it, and ``tuned`` the same once it was trained.
    """

    data: str
    inputs: int
    labels: Literal["data", "network"]
    before: Right
    after: Right
    tuned: Right | None = None

    def lines(self) -> Iterator[str]:
        """What is told of it."""
        what = "right" if self.labels == "data" else "as the whole network"
        told = {"what is left": self.after, "trained": self.tuned}
        if self.labels == "data":
            told = {"the whole": self.before, **told}
        for name, right in told.items():
            if right is not None:
                yield (
                    f"{name}: {share(right.count, self.inputs)} {what} "
                    f"({share_interval(*right.interval)})"
                )


@dataclass(frozen=True, slots=True)
class Tuning:
    """How what is left was trained: SGD, its ``rate`` falling along half a cosine.

    ``seed`` gives the order of inputs; ``distilled`` tells that it has learned the
    whole network's scores as well. Of several ``iterations``, in each of which channels
    went before, it is one. It ran on a ``device``, and ``mixed`` tells that sums were
    in bfloat16 there.
    """

    epochs: int
    steps: int
    batch: int
    rate: float
    seed: int
    distilled: bool
    iterations: int = 1
    device: str = "cpu"
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that could lose channels: how many it had, and how many it has.

    ``losses`` are what the importance says is lost with the least quarter, half and
    three quarters of its channels alone: the sums of their scores. ``measured`` is by
    how much the loss is then larger on data, where it was looked at.
    """

    name: str
    before: int
    after: int
    losses: tuple[float, ...]
    measured: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of one inference: the median and the 95th percentile."""

    median: float
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """That a network meets a ``budget``, as the two were measured side by side.

    ``conditions`` say by what engine, where and how. ``verdict`` is that of a
    comparison: ``after``, what is left, is faster than ``before`` or not, and takes
    ``ratio`` of its time, with an interval at 95 %. ``rounds`` are the cuts that were
    measured until one met it, ``notes`` what was unsteady.
    """

    budget: str
    conditions: str
    before: Pace
    after: Pace
    verdict: str
    ratio: float
    interval: tuple[float, float]
    rounds: int
    notes: tuple[str, ...] = ()

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the budget is not promised to hold.

        What disturbs a machine moves a time. A share is of two networks that are timed
        in turns, which are disturbed alike, and the interval tells by how much.
        """
        share = self.budget.endswith("x")
        return () if share else tuple(f"while it was timed, {n}" for n in self.notes)

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{seconds(self.after.median)}, p95 {seconds(self.after.p95)}, against "
            f"{seconds(self.before.median)}: {self.verdict}, {self.ratio:.2f}x "
            f"({low:.2f} to {high:.2f}) of the time"
        )


@dataclass(frozen=True, kw_only=True)
class Smaller:
    """What is left of a network of which channels were taken away.

    ``before`` and ``after`` are what it cost and costs. ``importance`` is what channels
    were compared by. ``kept`` has for each parameter that lost some, by its name in the
    spec, the positions that stayed along each of its axes, or null where all did.
    ``names`` has for each parameter what the whole network calls it; what a module
    computes of others, as with weight norm, it has no name for. ``blocks`` are the
    sums whose residual branch went whole, ``layers`` those that could lose channels.
    ``accuracy`` is null without data, ``tuning`` without training, ``latency`` unless
    that was bounded. ``proven`` is what was proven and how closely, null where the
    proof was left out.
    """

    before: Size
    after: Size
    importance: str
    kept: Mapping[str, tuple[tuple[int, ...] | None, ...]]
    names: Mapping[str, str]
    blocks: tuple[str, ...] = ()
    layers: tuple[Layer, ...] = ()
    accuracy: Accuracy | None = None
    tuning: Tuning | None = None
    latency: Latency | None = None
    proven: Mapping[str, Any] | None = None

    def since(self, first: Smaller) -> Smaller:
        """What is told of the whole, where this is told of what was left ``first``."""
        kept = {}
        for ours, between in self.names.items():
            then, now = first.kept.get(between), self.kept.get(ours)
            if then is None or now is None:
                axes = then or now
            else:
                axes = tuple(map(_through, then, now))
            if axes is not None:
                kept[ours] = axes
        proven = self.proven
        if proven is not None and first.proven is not None:
            # Each is of one cut: together they are as close as the worst of them.
            key = "largest_difference"
            apart = [each[key] for each in (first.proven, proven) if key in each]
            proven = {**proven, key: max(apart)} if apart else proven
        return replace(
            self,
            kept=kept,
            names={ours: first.names[between] for ours, between in self.names.items()},
            blocks=first.blocks,
            proven=proven,
        )


def _through(
    then: tuple[int, ...] | None, now: tuple[int, ...] | None
) -> tuple[int, ...] | None:
    """The positions along an axis that stayed twice."""
    if then is None or now is None:
        return then or now
    return tuple(then[at] for at in now)


@dataclass(frozen=True, kw_only=True)
class Record(Smaller, Described):
    """The same of a network in a folder."""


RECORD: Final = Format(
    mark=MARKS[3],
    version=FORMAT,
    kind=Record,
    name="record of a smaller network",
    title="What is left of a network that resgen made smaller",
    made_by="resgen shrink",
    hint="`resgen shrink SPEC` makes a folder with one",
)


def write_shrunk(
    found: Imported,
    out: Path,
    told: Smaller,
    *,
    source: str,
    page: tuple[str, str] | None = None,
    force: bool = False,
) -> DescribedFolder[Record]:
    """Write the folder of a smaller network; ``source`` is what it was made of.

    ``page`` is a report's name and its text.
    """
    more = dict(vars(told))
    proven = more.pop("proven")
    return write_described(
        found,
        out,
        SHRINK,
        RECORD,
        more,
        source=source,
        proven=proven,
        page=page,
        force=force,
    )
