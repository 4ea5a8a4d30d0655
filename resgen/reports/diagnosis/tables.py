"""The tables of a diagnosis, which page, Markdown and terminal lay out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log, log10
from typing import Final

from resgen.diagnosis.training.summary import accuracy
from resgen.diagnosis.verdict.rule import coefficient
from resgen.proof.accuracy import wilson
from resgen.records.diagnosis import Arm, Diagnosis, Run
from resgen.reports.diagnosis.arms import (
    NAMES,
    Spread,
    Titled,
    adds,
    at,
    blocks,
    brought,
    by_depth,
    fade,
    growth,
    over,
    steps,
    titled,
)
from resgen.reports.diagnosis.wording import number, shares, spread
from resgen.reports.tables import Cell, Table
from resgen.words.numbers import count, figure, flat, shape, share, share_interval

#: Bars of a small chart, lowest first, and what stands for them in other encodings.
_BARS: Final = "▁▂▃▄▅▆▇█"
_PLAIN_BARS: Final = "12345678"
#: Columns of a small chart.
_CHART: Final = 28


# --- networks side by side ------------------------------------------------------------


def figures(diagnoses: Sequence[Diagnosis], *, unicode: bool = True) -> Table:
    """The networks before training, side by side: medians over the seeds.

    ``unicode`` tells that bars can be drawn.
    """
    found = titled(diagnoses)
    arms = [one.arm for one in found]
    several = any(len(blocks(arm)) > 1 for arm in arms)
    rows = [("gradient, by block", *_charts(arms, "gradient", unicode))]
    if several:
        rows += [("  first block over last", *(spread(fade(arm)) for arm in arms))]
    rows += [("variance, by block", *_charts(arms, "variance", unicode))]
    if several:
        rows += [("  last block over first", *(spread(growth(arm)) for arm in arms))]
    common = [_block(arm, "alike", -1) for arm in arms]
    agree = [_block(arm, "correlation", 0) for arm in arms]
    rows += [
        ("common to all inputs, at end", *map(shares, common)),
        ("neighbours' gradients agree", *(spread(x, coefficient) for x in agree)),
    ]
    if any(map(adds, arms)):
        rows += [("branches' share of sums", *(shares(brought(arm)) for arm in arms))]
    classes = {s["classes"] for s in (d.settings for d in diagnoses) if "classes" in s}
    guessing = ", ".join(f"{log(n):.2f}" for n in sorted(classes))
    if guessing:
        rows += [(f"loss (guessing: {guessing})", *map(_first_loss, arms))]
    names = [one.title for one in found]
    return Table.words("Before training", ("figure", *names), rows, left=1)


def training(diagnosis: Diagnosis) -> Table:
    """What short training came to, side by side; no rows where there was none."""
    found = titled([diagnosis])
    arms = [one.arm for one in found]
    rows: list[tuple[str, ...]] = []
    if diagnosis.settings.get("steps"):
        step = _evaluated(arms)
        name = "accuracy" if step is None else f"accuracy after {count(step, 'step')}"
        rows += [(name, *(_accuracy(arm, step) for arm in arms))]
    if any(arm.range_test is not None for arm in arms):
        rows += [
            ("learning rate, fastest fall", *(_rate(arm, "steepest") for arm in arms)),
            ("learning rate, too high at", *(_rate(arm, "limit") for arm in arms)),
        ]
    names = [one.title for one in found]
    return Table.words("Short training", ("figure", *names), rows, left=1)


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


def _block(arm: Arm, measure: str, block: int) -> Spread | None:
    return by_depth(arm, 0, measure)[blocks(arm)[block]]


def _first_loss(arm: Arm) -> str:
    seen = over(moment.loss for moment in at(arm, 0))
    return spread(seen) if seen else "not finite"


def _evaluated(arms: Sequence[Arm]) -> int | None:
    """The last step after which every run that stayed finite was evaluated."""
    kept = [run for arm in arms for run in arm.runs if run.left is None]
    seen = [{one.step for one in run.evaluations} for run in kept]
    return max(set.intersection(*seen), default=None) if seen else None


def _accuracy(arm: Arm, step: int | None) -> str:
    lost = sum(run.left is not None for run in arm.runs)
    seen = [e for r in arm.runs if r.left is None for e in r.evaluations]
    ends = [evaluation for evaluation in seen if evaluation.step == step]
    told = accuracy(ends)
    words = []
    if told is not None:
        mean, (low, high) = told
        words.append(f"{share(mean, 1)} (95 %: {share_interval(low, high)})")
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


# --- parts and runs -------------------------------------------------------------------


def parts(arms: Sequence[Titled]) -> Table:
    """One row a part of a network, as it was when it was first looked at."""
    head = [
        "network", "part", "what", *NAMES.values(), "not finite",
        "in the spec",
    ]  # fmt: skip
    rows = [row for one in arms for row in _parts(one)]
    return Table("Every part, medians over the seeds", head, rows, left=3)


def _parts(one: Titled) -> Iterator[list[Cell]]:
    arm = one.arm
    seen = steps(arm)
    if not seen:
        return
    columns = {name: by_depth(arm, seen[0], name) for name in NAMES}
    moments = at(arm, seen[0])
    for i, part in enumerate(arm.parts):
        lost = sum(moment.parts[i].nonfinite for moment in moments)
        cells: list[Cell] = [(one.title, None), (part.path, None), (part.label, None)]
        for name in NAMES:
            found = columns[name][i]
            taken = any(known is not None for known in columns[name])
            if found is not None:
                cells.append((figure(found.middle), found.middle))
            else:
                cells.append(("not finite" if taken and lost else "", None))
        cells.append((f"{lost:,}" if lost else "", float(lost) if lost else None))
        cells.append((part.place or part.pointer or "", None))
        yield cells


def runs(arms: Sequence[Titled]) -> Table:
    """One row a trained network: where its loss and accuracy came to."""
    head = [
        "network", "seed", "ended", "steps", "first loss", "last loss",
        "held-back loss", "accuracy", "95 % interval",
    ]  # fmt: skip
    rows: list[list[Cell]] = [
        [(one.title, None), (str(run.seed), float(run.seed)), *_run(run)]
        for one in arms
        for run in one.arm.runs
        if run.losses
    ]
    return Table("Every training run", head, rows, left=3)


def _run(run: Run) -> list[Cell]:
    ended: str = run.stopped or ""
    if run.left is not None:
        ended = f"{ended or 'left the finite numbers'} at step {run.left:,}"
    cells: list[Cell] = [
        (ended, None),
        (f"{len(run.losses):,}", float(len(run.losses))),
        _loss(run, 1),
        _loss(run, len(run.losses)),
    ]
    if not run.evaluations or not run.evaluations[-1].count:
        return [*cells, ("", None), ("", None), ("", None)]
    seen = run.evaluations[-1]
    right = seen.correct / seen.count
    low, high = wilson(seen.correct, seen.count)
    return [
        *cells,
        (number(seen.loss), seen.loss),
        (share(right, 1), right),
        (share_interval(low, high), low),
    ]


def _loss(run: Run, step: int) -> Cell:
    """Empty where nobody told it."""
    loss = run.losses[step - 1]
    lost = run.left is not None and run.left <= step
    return (number(loss) if loss is not None or lost else "", loss)


def settings(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    """What was learned from, and what else decided the figures."""
    rows: list[tuple[str, str]] = []
    data = diagnosis.data
    if data is not None:
        rows += [
            ("data", data.origin),
            ("examples", f"{data.count:,}"),
            ("of them held back", f"{data.held_back:,}"),
            ("shape", shape(data.shape, "×")),
            ("classes", f"{data.classes:,}"),
            *(("note", note) for note in data.notes),
        ]
    rows += [(name.replace("_", " "), text) for name, text in flat(diagnosis.settings)]
    return rows + [("note", note) for note in diagnosis.notes]
