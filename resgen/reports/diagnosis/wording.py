"""What a diagnosis says in words, alike on the page and in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from resgen.diagnosis.training.summary import learns
from resgen.records.diagnosis import Diagnosis, Finding
from resgen.reports.diagnosis.arms import Spread, Titled, accuracy, fade, steps
from resgen.words.numbers import count, figure, share, when

#: Steps before which a network that has learned little may still learn: a convention
#: of ours, two thirds of the 150 that the help proposes.
FEW: Final = 100


def verdict(one: Titled) -> str:
    """``ok``, the codes, or that training was only watched: that has no verdict."""
    if one.classes is None:
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
            f"The gradient's norm at the first block is {spread(ratio)} times that at "
            f"the last{_seeds(ratio)}."
        )
    if told := accuracy(arm.runs):
        step, right = told[-1]
        yield (
            f"After {step:,} steps it tells {shares(right)} of the held-back data "
            f"right{_seeds(right)}."
        )
    if came := outcome(one):
        yield f"{came[:1].upper()}{came[1:]}."


def outcome(one: Titled) -> str:
    """What training came to; empty where there was none."""
    runs = one.arm.runs
    lost = [run for run in runs if run.left is not None]
    where = ", ".join(f"seed {run.seed} at step {run.left:,}" for run in lost)
    left = f"the loss left the finite numbers, {where}"
    cut = sum(run.stopped == "interrupted" for run in runs)
    if cut:
        told = f"interrupted, so {cut} of {len(runs)} runs are shorter than asked"
        return f"in training: {told}; {left}" if lost else f"in training: {told}"
    done = max((len(run.losses) for run in runs), default=0)
    if not done or one.classes is None:
        return f"in training: {left}" if lost else ""
    match learns(runs, one.classes):
        case "diverges":
            return f"in training: {left}"
        case "learns":
            return "in training: it learns" + (f", but {left}" if lost else "")
        case _:
            told = f"in training: after {count(done, 'step')} it has learned little"
            return told + (", which so few steps do not decide" if done < FEW else "")


def spread(
    of: Spread | None, write: Callable[[float], str] = figure, unit: str = ""
) -> str:
    """The median, with the ends where they differ.

    >>> spread(Spread(28.3, 25.0, 31.2, 3))
    '28.3 (25.0 to 31.2)'
    """
    if of is None:
        return "-"
    low, middle, high = map(write, (of.low, of.middle, of.high))
    return middle + unit + (f" ({low} to {high})" if low != high else "")


def shares(of: Spread | None) -> str:
    """The same of shares, in per cent."""
    return spread(of, lambda part: share(part, 1).removesuffix(" %"), " %")


def _seeds(of: Spread) -> str:
    return f", over {of.seeds} seeds" if of.seeds > 1 else ""


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
        count(seeds, "seed"),
        f"{trained:,} training steps" if trained else "",
        f"{when(one.created)} UTC",
        f"resgen {one.resgen}",
    ]
    return " · ".join(word for word in words if word)
