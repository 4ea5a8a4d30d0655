"""What a diagnosis says in words, alike on the page and in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from resgen.records.diagnosis import Diagnosis, Finding, Run
from resgen.reports.diagnosis.arms import Spread, Titled, accuracy, fade, steps
from resgen.words.numbers import figure

#: How a measure is called where there is room for few words.
NAMES: Final[Mapping[str, str]] = {
    "mean": "mean",
    "variance": "variance",
    "alike": "in common",
    "gradient": "gradient",
    "correlation": "gradient correlation",
    "parameter_gradient": "parameter gradient",
    "relative_gradient": "relative gradient",
    "branch": "branch",
    "shortcut": "shortcut",
    "gain": "gain",
    "branch_gain": "branch gain",
    "shortcut_gain": "shortcut gain",
    "dead": "dead",
}


def verdict(one: Titled) -> str:
    """``ok``, the codes, or that training was only watched: that has no verdict."""
    if one.watched:
        return "watched"
    return ", ".join(finding.code for finding in one.arm.findings) or "ok"


def sentences(arms: Sequence[Titled]) -> list[str]:
    """A few sentences for each network, most important first."""
    return [f"{one.title}: {' '.join(_of(one))}" for one in arms]


def _of(one: Titled) -> Iterator[str]:
    arm = one.arm
    known = {
        "ok": "nothing is wrong with it at initialisation.",
        "watched": "watched in training, so there is no verdict.",
    }
    found = verdict(one)
    yield known.get(found, f"{found}.")
    seen = steps(arm)
    ratio = fade(arm, seen[0]) if seen else None
    if ratio is not None:
        yield (
            "The gradient's norm at the first block is "
            f"{spread(ratio)} times that at the last."
        )
    told = accuracy(arm.runs)
    if told:
        step, right = told[-1]
        yield (
            f"After {step:,} steps it tells {spread(right, percent)} of the held-back "
            "data right."
        )
    yield from _troubles(arm.runs)


def _troubles(runs: Sequence[Run]) -> Iterator[str]:
    lost = [run for run in runs if run.left is not None]
    if lost:
        which = ", ".join(f"seed {run.seed} at step {run.left:,}" for run in lost)
        yield f"The loss left the finite numbers: {which}."
    cut = sum(run.stopped == "interrupted" for run in runs)
    if cut:
        yield f"Interrupted, so {cut} of {len(runs)} runs are shorter than asked."


def percent(share: float) -> str:
    """Per cent, with one digit after the point."""
    return f"{100 * share:.1f} %"


def spread(of: Spread, write: Callable[[float], str] = figure) -> str:
    """The median, and the ends where there are several seeds.

    >>> spread(Spread(28.3, 25.0, 31.2, 3))
    '28.3 (25.0 to 31.2 over 3 seeds)'
    """
    if of.seeds < 2:
        return write(of.middle)
    ends = f"{write(of.low)} to {write(of.high)}"
    return f"{write(of.middle)} ({ends} over {of.seeds} seeds)"


def number(value: float | None) -> str:
    """A figure that may have left the finite numbers."""
    return "not finite" if value is None else figure(value)


def details(finding: Finding) -> list[tuple[str, str]]:
    """What a finding says beside its message: a name and a text each."""
    where = finding.first
    if finding.last != finding.first:
        where = f"{finding.first} to {finding.last}"
    spec = finding.place or finding.pointer
    return [
        ("where", where),
        *([("in the spec", spec)] if spec else []),
        (
            "measured",
            f"{number(finding.value)}, against {figure(finding.threshold)} "
            f"({finding.source})",
        ),
        ("mend", finding.hint),
    ]


def facts(diagnoses: Sequence[Diagnosis]) -> str:
    """What was looked at, in a line."""
    one = diagnoses[0]
    if len(diagnoses) > 1:
        return f"{len(diagnoses)} diagnoses"
    seeds = max((len(arm.runs) for arm in one.arms), default=0)
    trained = max((len(r.losses) for arm in one.arms for r in arm.runs), default=0)
    words = [
        one.data.origin if one.data is not None else "",
        f"{seeds} {'seed' if seeds == 1 else 'seeds'}",
        f"{trained:,} training steps" if trained else "",
        f"{one.created[:16].replace('T', ' ')} UTC",
        f"resgen {one.resgen}",
    ]
    return " · ".join(word for word in words if word)
