"""What a search came to: its words and tables, and a page with a plot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final

from resgen.proof.accuracy import wilson
from resgen.reports import page
from resgen.reports.page import items
from resgen.reports.tables import Cell, Table, size, time
from resgen.searching.halving import Reached
from resgen.searching.journal import Trial
from resgen.searching.outcome import Found, Outcome, Trained
from resgen.words.numbers import count, figure, scaled, seconds, share, share_interval

_SECTIONS: Final = {"summary": "Summary", "front": "Candidates", "thrown": "Thrown out"}
#: Scores that are numbers of something, and not of a formula.
COUNTS: Final = {"params": "", "macs": "MACs"}
HEAD: Final = ("network", "score", "params", "MACs", "memory", "median", "p95")
#: Candidates that the plot shows.
SHOWN: Final = 2000


def table(outcome: Outcome) -> Table:
    """The best, and what chance found."""
    rows = [_row(found, found.name, outcome.score) for found in outcome.winners]
    if outcome.by_chance is not None:
        name = f"{outcome.by_chance.name} (by chance)"
        rows.append(_row(outcome.by_chance, name, outcome.score))
    return Table("", HEAD, rows, left=1)


def shown(number: float, score: str) -> str:
    """A score, or a difference of two."""
    if score not in COUNTS:
        return figure(number)
    sign = "-" if number < 0 else ""
    return f"{sign}{scaled(abs(number), COUNTS[score])}"


def _row(found: Found, name: str, score: str) -> list[Cell]:
    price = found.price
    median, p95 = found.latency or (price.latency, None)
    about = "~" if found.latency is None and median is not None else ""
    return [
        (name, None),
        (shown(found.score, score), found.score),
        size(price.params),
        size(price.macs),
        size(price.memory, "B"),
        ("" if median is None else about + seconds(median), median),
        time(p95),
    ]


def sentences(outcome: Outcome) -> Iterator[str]:
    """What came of it, in words."""
    drawn = f"{count(outcome.drawn, 'candidate')} by {outcome.sampler}"
    chance = f" and {outcome.chance:,} by chance" if outcome.chance else ""
    yield (
        f"looked at {drawn}{chance}, {outcome.rate:,.0f} a second and core; "
        f"within the budget: {outcome.within:,}"
    )
    for fault in outcome.faults:
        yield f"no networks: {fault}"
    versus = outcome.against_chance
    if versus is not None:
        told = {"better": "better than", "worse": "worse than", "equal": "as good as"}
        verdict = (
            f"the search is {told[versus.verdict]} chance"
            if versus.verdict in told
            else "whether the search is better than chance is undecided"
        )
        more, low, high = (
            shown(each, outcome.score) for each in (versus.more, *versus.interval)
        )
        yield (
            f"{verdict}: of {len(versus.searched)} runs each, the best {outcome.score} "
            f"differ by {more} ({share(versus.confidence, 1, 0)}: {low} to {high})"
        )
    if outcome.trained is not None:
        yield from _learned(outcome, outcome.trained)
    for each in outcome.beside:
        said = f"beside {each.than} {each.name or 'the best'} is {each.verdict}"
        if each.ratio is not None and each.interval is not None:
            least, most = each.interval
            said += f": {each.ratio:.3f}x ({least:.3f} to {most:.3f})"
        yield said
    if outcome.conditions is not None:
        yield f"{outcome.conditions}; ~ is predicted, the rest was measured"
    for doubt in outcome.doubts:
        yield f"not promised: {doubt}"


def _learned(outcome: Outcome, trained: Trained) -> Iterator[str]:
    """What came of training."""
    rungs = ", then ".join(
        f"{len(each.reached)} for {count(each.rung.steps, 'step')}"
        for each in trained.rungs
    )
    yield f"trained on {trained.data}: {rungs}"
    for found, kind in ((outcome.winners[0], ""), (outcome.by_chance, " (by chance)")):
        if found is not None:
            reached = trained.last(found.name)
            yield f"{found.name}{kind} {_reached(reached)}"
    for each in trained.rungs:
        if each.undecided:
            yield (
                f"of those left behind after {count(each.rung.steps, 'step')} "
                f"{len(each.undecided)} may be as good as the last that went on"
            )


def _reached(reached: Reached) -> str:
    """How much of what it never saw a network told right, with a 95 % interval."""
    if reached.left is not None:
        return f"left the finite numbers after {count(reached.left, 'step')}"
    right, of = reached.unseen or (reached.correct, reached.count)
    where = "that chose nothing" if reached.unseen else "by which it was left behind"
    return (
        f"tells {share(right, of)} right ({share_interval(*wilson(right, of))}) of "
        f"{count(of, 'example')} {where}, after {count(reached.steps, 'step')}"
    )


def render(outcome: Outcome, trials: Sequence[Trial]) -> str:
    """The page; of many trials the plot shows some, the best among them."""
    best = sorted(trials, key=lambda trial: -trial.score)
    shown = best[: SHOWN // 4] + best[SHOWN // 4 :: max(len(best) // SHOWN, 1)]
    refused = Table(
        "",
        ("reason", "candidates"),
        [[(name, None), (f"{n:,}", n)] for name, n in outcome.refused.items()],
        left=1,
    )
    bounds = {
        "params": (outcome.bounds.params, ""),
        "macs": (outcome.bounds.macs, "MACs"),
        "memory": (outcome.bounds.memory, "B"),
    }
    told = [scaled(most, unit) for most, unit in bounds.values() if most is not None]
    if outcome.bounds.latency is not None:
        told.append(seconds(outcome.bounds.latency))
    return page.render(
        "search",
        title=f"a search of {outcome.space}",
        name=outcome.space,
        facts=f"the most {outcome.score} within {', '.join(told) or 'no bound'}",
        sections=_SECTIONS,
        parts={
            "sentences": items(sentences(outcome)),
            "score": escape(outcome.score),
            "winners": table(outcome).html(),
            "refused": refused.html(),
        },
        data={
            "score": outcome.score,
            "macs": outcome.bounds.macs,
            "points": [_point(trial) for trial in shown],
            "winners": [_named(found) for found in outcome.winners],
        },
        scripts=("charts.js",),
    )


def _point(trial: Trial) -> list[Any]:
    return [trial.price.macs, trial.score]


def _named(found: Found) -> list[Any]:
    return [found.price.macs, found.score, found.name]
