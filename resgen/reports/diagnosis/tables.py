"""The tables and findings of a diagnosis that stand in its page as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from resgen.records.diagnosis import Diagnosis, Finding, Run
from resgen.reports.diagnosis.arms import MEASURES, Titled, at, by_depth, steps
from resgen.reports.diagnosis.wording import NAMES, details, number, percent
from resgen.reports.tables import Cell, pairs, table
from resgen.words.numbers import figure, flat, shape


def findings(arms: Sequence[Titled]) -> Iterator[str]:
    """What is wrong with each network, and what mends it."""
    for one in arms:
        if one.arm.findings:
            yield f"<div><h3>{escape(one.title)}</h3>"
            yield from map(_finding, one.arm.findings)
            yield "</div>"


def _finding(finding: Finding) -> str:
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(words)}</dd></div>"
        for name, words in details(finding)
    )
    return (
        f'<article class="finding"><p><b>{escape(finding.code)}</b> '
        f"{escape(finding.message)}</p><dl>{rows}</dl></article>"
    )


def parts(arms: Sequence[Titled]) -> str:
    """One row a part of a network, as it was when it was first looked at."""
    head = [
        "network", "part", "what", *(NAMES[name] for name in MEASURES), "not finite",
        "in the spec",
    ]  # fmt: skip
    rows = [row for one in arms for row in _parts(one)]
    return table("Every part, medians over the seeds", head, rows, text=3)


def _parts(one: Titled) -> Iterator[list[Cell]]:
    arm = one.arm
    seen = steps(arm)
    if not seen:
        return
    columns = {name: by_depth(arm, seen[0], name) for name in MEASURES}
    moments = at(arm, seen[0])
    for i, part in enumerate(arm.parts):
        lost = sum(moment.parts[i].nonfinite for moment in moments)
        cells: list[Cell] = [(one.title, None), (part.path, None), (part.label, None)]
        for name in MEASURES:
            spread = columns[name][i]
            taken = any(known is not None for known in columns[name])
            if spread is not None:
                cells.append((figure(spread.middle), spread.middle))
            else:
                cells.append(("not finite" if taken and lost else "", None))
        cells.append((f"{lost:,}" if lost else "", float(lost) if lost else None))
        cells.append((part.place or part.pointer or "", None))
        yield cells


def runs(arms: Sequence[Titled]) -> str:
    """One row a trained network: where its loss and accuracy came to."""
    head = [
        "network", "seed", "ended", "steps", "first loss", "last loss",
        "held-back loss", "accuracy", "95 % interval",
    ]  # fmt: skip
    rows = [
        [(one.title, None), (str(run.seed), float(run.seed)), *_run(run)]
        for one in arms
        for run in one.arm.runs
        if run.losses
    ]
    return table("Every training run", head, rows, text=3) if rows else ""


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
    from resgen.proof.accuracy import wilson

    seen = run.evaluations[-1]
    share = seen.correct / seen.count
    low, high = wilson(seen.correct, seen.count)
    return [
        *cells,
        (number(seen.loss), seen.loss),
        (percent(share), share),
        (f"{100 * low:.1f} to {100 * high:.1f} %", low),
    ]


def _loss(run: Run, step: int) -> Cell:
    """Empty where nobody told it."""
    loss = run.losses[step - 1]
    lost = run.left is not None and run.left <= step
    return (number(loss) if loss is not None or lost else "", loss)


def settings(diagnosis: Diagnosis) -> str:
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
    rows += [("note", note) for note in diagnosis.notes]
    return pairs(rows, "data and settings")
