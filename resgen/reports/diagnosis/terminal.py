"""A diagnosis as the terminal shows it: figures by depth, what is wrong, the mend."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from math import log, log10
from pathlib import Path
from typing import Final

from resgen.diagnosis.training.summary import accuracy, learns
from resgen.records.diagnosis import Arm, Diagnosis, Finding, Measures
from resgen.reports.diagnosis.arms import Spread, blocks, by_depth, fade, over
from resgen.reports.diagnosis.wording import number
from resgen.words.numbers import count, figure
from resgen.words.terminal import TEXT, blank, fitted, printable, style, table

#: Bars of a small chart, lowest first, and what stands for them in other encodings.
_BARS: Final = "▁▂▃▄▅▆▇█"
_PLAIN_BARS: Final = "12345678"
#: Columns of a small chart.
_CHART: Final = 28


def lines(
    found: Diagnosis, width: int = TEXT, *, unicode: bool = True
) -> Iterator[str]:
    """Figures of the networks side by side, and what is said of each.

    ``width`` is that of the terminal; ``unicode`` tells that it carries all letters.
    """
    rows = [("", *(arm.name for arm in found.arms)), *_figures(found, unicode)]
    yield from _side_by_side(rows, width)
    for arm in found.arms:
        yield ""
        yield from _verdict(arm, width)
        if found.settings["steps"] and found.data is not None:
            yield from _paragraph(_in_training(arm, found.data.classes), width)


def then(found: Diagnosis) -> Iterator[str]:
    """What to do next, a command or an option each."""
    codes = [finding.code for arm in found.arms for finding in arm.findings]
    if codes:
        yield f"`resgen check --explain {codes[0]}` tells more"
    if len(found.arms) == 1 and any(_has_sum(arm) for arm in found.arms):
        yield "--against plain shows what the shortcuts are good for"
    elif not found.settings["steps"]:
        yield "--train 150 shows whether it is true"


def _has_sum(arm: Arm) -> bool:
    return any(m.shortcut is not None for m in arm.runs[0].moments[0].parts)


# --- figures --------------------------------------------------------------------------


def _side_by_side(rows: Sequence[tuple[str, ...]], width: int) -> Iterator[str]:
    """Networks side by side, or below one another where the terminal is narrow."""
    whole = list(table(rows, 1))
    tables = [whole]
    if max(map(len, whole)) > width:
        columns = range(1, len(rows[0]))
        tables = [list(table([(row[0], row[i]) for row in rows], 1)) for i in columns]
    for head, *rest in tables:
        yield ""
        yield style(head, bold=True)
        yield from rest


def _figures(found: Diagnosis, unicode: bool) -> Iterator[tuple[str, ...]]:
    """Rows of the table: a name and a cell for each network."""
    arms = found.arms
    several = any(len(blocks(arm)) > 1 for arm in arms)
    yield "gradient, by block", *_charts(arms, "gradient", unicode)
    if several:
        yield "  first block over last", *(_spread(fade(arm)) for arm in arms)
    yield "variance, by block", *_charts(arms, "variance", unicode)
    if several:
        yield "  last block over first", *(_spread(_growth(arm)) for arm in arms)
    yield "common to all inputs, at end", *map(_percent, _at(arms, "alike", -1))
    agree = _at(arms, "correlation", 0)
    yield "neighbours' gradients agree", *(_spread(s, _correlation) for s in agree)
    if any(map(_has_sum, arms)):
        yield "branches' share of sums", *(_percent(_brought(arm)) for arm in arms)
    if found.data is not None:
        guessing = log(found.settings["classes"])
        yield f"loss (guessing: {guessing:.2f})", *map(_loss, arms)
    if found.settings["steps"]:
        yield from _trained(arms)


def _trained(arms: Sequence[Arm]) -> Iterator[tuple[str, ...]]:
    step = _evaluated(arms)
    name = "accuracy" if step is None else f"accuracy after {count(step, 'step')}"
    yield name, *(_accuracy(arm, step) for arm in arms)
    if any(arm.range_test is not None for arm in arms):
        yield "learning rate, fastest fall", *(_rate(a, "steepest") for a in arms)
        yield "learning rate, too high at", *(_rate(a, "limit") for a in arms)


def _charts(arms: Sequence[Arm], measure: str, unicode: bool) -> Iterator[str]:
    """A small chart for each network from its first block to its last, on one scale.

    The scale is logarithmic.
    """
    rows = [[by_depth(arm, 0, measure)[i] for i in blocks(arm)] for arm in arms]
    levels = [log10(s.middle) for row in rows for s in row if s and s.middle > 0]
    if not levels:
        yield from ("not finite" for _ in arms)
        return
    # Less than a decade from end to end is drawn as the little that it is.
    low = min(levels)
    span = max(max(levels) - low, 1.0)
    bars = _BARS if unicode else _PLAIN_BARS
    for row in rows:
        if len(row) > _CHART:
            row = [row[i * len(row) // _CHART] for i in range(_CHART)]
        yield "".join(
            bars[round((log10(s.middle) - low) / span * 7)] if s and s.middle > 0
            else "?" if s is None else bars[0]
            for s in row
        )  # fmt: skip


def _at(arms: Sequence[Arm], measure: str, block: int) -> Iterator[Spread | None]:
    """A measure of one block of each network."""
    for arm in arms:
        yield by_depth(arm, 0, measure)[blocks(arm)[block]]


def _growth(arm: Arm) -> Spread | None:
    """The variance of activations at the last block over that at the first."""
    first, last = blocks(arm)[0], blocks(arm)[-1]
    pairs = [
        (run.moments[0].parts[first].variance, run.moments[0].parts[last].variance)
        for run in arm.runs
    ]
    return over(end / begin if begin and end is not None else None
                for begin, end in pairs)  # fmt: skip


def _brought(arm: Arm) -> Spread | None:
    """How much of the sums' second moment the branches bring: the median block's."""
    seeds = (over(map(_of_sum, run.moments[0].parts)) for run in arm.runs)
    return over(None if seen is None else seen.middle for seen in seeds)


def _of_sum(m: Measures) -> float | None:
    if m.branch is None or m.shortcut is None or not m.branch + m.shortcut:
        return None
    return m.branch**2 / (m.branch**2 + m.shortcut**2)


def _loss(arm: Arm) -> str:
    seen = over(run.moments[0].loss for run in arm.runs)
    return _spread(seen) if seen else "not finite"


def _spread(of: Spread | None, write: Callable[[float], str] = figure) -> str:
    """The median, with the ends where they differ."""
    if of is None:
        return "-"
    low, middle, high = map(write, (of.low, of.middle, of.high))
    return middle if low == high else f"{middle} ({low} to {high})"


def _correlation(value: float) -> str:
    # What rounds to zero has no sign.
    return f"{round(value, 2) + 0.0:.2f}"


def _percent(of: Spread | None) -> str:
    """The same of shares."""
    return "-" if of is None else _shared(of.middle, (of.low, of.high))


def _shared(middle: float, ends: tuple[float, float] | None) -> str:
    """A share with its ends, in per cent."""
    low, high = (f"{100 * end:.1f}" for end in ends or (middle, middle))
    return f"{100 * middle:.1f} %" + (f" ({low} to {high})" if low != high else "")


# --- training -------------------------------------------------------------------------


def _evaluated(arms: Sequence[Arm]) -> int | None:
    """The last step after which every run that stayed finite was evaluated."""
    kept = [run for arm in arms for run in arm.runs if run.left is None]
    steps = [{seen.step for seen in run.evaluations} for run in kept]
    return max(set.intersection(*steps), default=None) if steps else None


def _accuracy(arm: Arm, step: int | None) -> str:
    lost = sum(run.left is not None for run in arm.runs)
    seen = [e for r in arm.runs if r.left is None for e in r.evaluations]
    ends = [evaluation for evaluation in seen if evaluation.step == step]
    told = accuracy(ends) if ends else None
    words = [] if told is None else [_shared(told.mean, told.interval)]
    if lost:
        words.append(f"{lost} of {len(arm.runs)} diverged")
    return " ".join(words) or "-"


def _rate(arm: Arm, which: str) -> str:
    test = arm.range_test
    if test is None:
        return "-"
    found: float | None = getattr(test, which)
    if found is not None:
        return figure(found)
    return "none" if which == "steepest" else f"over {test.rates[-1]:g}"


def _in_training(arm: Arm, classes: int) -> str:
    """What came of it, in a sentence."""
    lost = [run for run in arm.runs if run.left is not None]
    where = ", ".join(f"seed {run.seed} at step {run.left:,}" for run in lost)
    if any(run.stopped == "interrupted" for run in arm.runs):
        return "in training: interrupted"
    done = max(len(run.losses) for run in arm.runs)
    match learns(arm.runs, classes):
        case "diverges":
            return f"in training: the loss left the finite numbers, {where}"
        case "learns":
            but = f", but for {where}: the loss left the finite numbers" if lost else ""
            return f"in training: it learns{but}"
        case _:
            return f"in training: after {count(done, 'step')} it has learned little"


# --- verdict --------------------------------------------------------------------------


def _verdict(arm: Arm, width: int) -> Iterator[str]:
    name = style(arm.name, bold=True)
    if not arm.findings:
        fine = style("ok", fg="green", bold=True)
        yield f"{name}: {fine}, nothing at initialisation stands in the way of training"
        return
    for finding in arm.findings:
        code = style(finding.code, fg="red", bold=True)
        where = f"{printable(finding.place)}: " if finding.place else ""
        yield f"{name}: {where}{code}"
        yield from _paragraph(finding.message, width)
        yield from _quoted(finding)
        yield from _paragraph(f"mend: {finding.hint}", width)
        yield from _paragraph(
            f"measured {number(finding.value)}, against {figure(finding.threshold)} "
            f"({finding.source})",
            width,
            dim=True,
        )


def _paragraph(text: str, width: int, *, dim: bool = False) -> Iterator[str]:
    for line in textwrap.wrap(printable(text), min(width, TEXT) - 2):
        yield "  " + (style(line, dim=True) if dim else line)


def _quoted(finding: Finding) -> Iterator[str]:
    """The line of the spec that the finding is about, if the file is still there."""
    file, _, rest = (finding.place or "").rpartition(":")
    file, _, line = file.rpartition(":")
    if not file or not line.isdigit() or not rest.isdigit():
        return
    try:
        text = Path(file).read_text("utf-8").splitlines()[int(line) - 1]
    except (OSError, ValueError, IndexError):
        return
    shown = fitted(printable(text), TEXT)
    yield f"{line:>9} | {shown}"
    column = int(rest) - 1
    if column < len(shown):
        yield f"{'':>9} | {blank(shown[:column])}^"
