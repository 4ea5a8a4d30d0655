"""Conditions that fail a build: a verdict, a time, or a budget without noise."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from resgen.attribution.parts import total
from resgen.errors import UsageError, did_you_mean
from resgen.onnxfile.stored import read_stored

if TYPE_CHECKING:
    from resgen.records.profile import Breakdown, Subject

VERDICTS: Final = ("faster", "slower", "equal", "undecided")
#: Times, in seconds, and counts; B's are judged.
TIMES: Final = ("median", "p90", "p95", "p99")
COUNTS: Final = ("macs", "bytes", "params", "reformats", "unquantised-additions")
_UNITS: Final[Mapping[str, float]] = {
    "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 1e3, "MB": 1e6, "GB": 1e9,
    "s": 1, "ms": 1e-3, "us": 1e-6,
}  # fmt: skip
_LIMIT: Final = re.compile(r"([a-z0-9-]+)>([0-9.]+)([A-Za-z]*)")
#: Kinds of kernels that only change how a tensor is stored.
REFORMATS: Final = ("reorder", "reformat", "transpose", "cast")


@dataclass(frozen=True, slots=True)
class Condition:
    """``text`` as given: a verdict, or a metric of B with the most that it may be."""

    text: str
    metric: str
    most: float | None = None


def parse(text: str) -> Condition:
    """A condition of ``--fail-if``; another text is a UsageError.

    >>> parse("p99>5ms").most
    0.005
    """
    if text in VERDICTS:
        return Condition(text, text)
    found = _LIMIT.fullmatch(text.replace(" ", ""))
    known = (*TIMES, *COUNTS)
    name = re.split(r"[>=<]", text)[0].strip()
    if found is None and name in known:
        example = f"{name}>{'5ms' if name in TIMES else '4.2G'}"
        raise UsageError(
            f'"{text}" does not say how much is too much', hint=f"{example}, say"
        )
    if found is None or found[1] not in known:
        raise UsageError(
            f'"{text}" is no condition{did_you_mean(name, (*VERDICTS, *known))}',
            hint=f"{', '.join(VERDICTS)}, or a limit such as p99>5ms or macs>4.2G, of "
            f"{', '.join(known)}",
        )
    timed = found[1] in TIMES
    if found[3] not in _UNITS or (found[3] in ("s", "ms", "us")) != timed:
        raise UsageError(
            f'"{text}" has the unit "{found[3]}", but '
            + ("times are in s, ms or us" if timed else "counts are in k, M, G or MiB")
        )
    try:
        value = float(found[2])
    except ValueError:
        raise UsageError(f'"{found[2]}" of "{text}" is not a number') from None
    return Condition(text, found[1], value * _UNITS[found[3]])


Metrics = Mapping[str, Callable[[], float | None]]


def unmet(conditions: Sequence[Condition], verdict: str, metrics: Metrics) -> list[str]:
    """What fails, in words; a metric that is not known fails as well."""
    found = []
    for condition in conditions:
        if condition.most is None:
            if condition.metric == verdict:
                found.append(f"the verdict is {verdict}")
            continue
        value = metrics[condition.metric]()
        if value is None:
            timed = condition.metric in TIMES
            more = ": there are too few samples for it, and more time brings more"
            found.append(
                f"{condition.metric} is not known, so {condition.text} is open"
                f"{more if timed else ''}"
            )
        elif value > condition.most:
            timed = condition.metric in TIMES
            said = f"{1e3 * value:.4g} ms" if timed else f"{value:,.0f}"
            found.append(f"{condition.metric} is {said}, and {condition.text} holds")
    return found


def metrics_of(
    subject: Subject,
    seconds: Sequence[float],
    model: Path | None,
    breakdown: Callable[[], Breakdown | None],
) -> Metrics:
    """The metrics of B, each found when it is asked for."""
    return {
        **{name: _percentile(seconds, name) for name in TIMES},
        "macs": lambda: subject.macs,
        "params": lambda: subject.params,
        "bytes": lambda: (
            total(part.bytes for part in subject.parts if part.kind == "section")
            or None
        ),
        "reformats": lambda: _reformats(breakdown()),
        "unquantised-additions": lambda: None if model is None else additions(model),
    }


def _percentile(seconds: Sequence[float], name: str) -> Callable[[], float | None]:
    def find() -> float | None:
        import numpy as np

        from resgen.profiling.statistics.stats import percentile

        taken = np.asarray(seconds)
        if not len(taken):
            return None
        if name == "median":
            return float(np.median(taken))
        return percentile(taken, int(name[1:]) / 100)[0]

    return find


def _reformats(breakdown: Breakdown | None) -> float | None:
    if breakdown is None:
        return None
    return sum(
        any(word in operator.kind.lower() for word in REFORMATS)
        for operator in breakdown.operators
    )


def additions(model: Path) -> int:
    """Additions of two computed values in a file that add what is not quantised."""
    graph = read_stored(model).model.graph
    makers = {value: node.op_type for node in graph.node for value in node.output}
    return sum(
        node.op_type == "Add"
        and all(value in makers for value in node.input)
        and not any(makers[value] == "DequantizeLinear" for value in node.input)
        for node in graph.node
    )
