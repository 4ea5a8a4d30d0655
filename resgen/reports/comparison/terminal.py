"""A comparison as the terminal shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from resgen.records.comparison import Comparison
from resgen.reports.comparison import tables
from resgen.reports.comparison.wording import accuracy, open_question, sentence
from resgen.words.numbers import scaled, share
from resgen.words.terminal import style

_COLOURS: Final = {"faster": "green", "slower": "red"}
#: Blocks of a part that are named.
_BLOCKS: Final = 3


def lines(found: Comparison) -> Iterator[str]:
    """What was measured, the verdict, and the parts that make it."""
    if found.ratio is None:
        yield from _saved(found)
        return
    yield (
        f"{len(found.pairs)} pairs of processes, ABBA · A/A floor "
        f"{share(found.floor or 0.0, 1)} · {found.seconds:.0f} s"
    )
    verdict = style(found.verdict, fg=_COLOURS.get(found.verdict), bold=True)
    yield sentence(found, verdict)
    if found.verdict == "undecided":
        yield f"  {open_question(found)}"
    for side in (found.a, found.b):
        facts = [scaled(side.bytes, "B") if side.bytes else "", accuracy(side)]
        if any(facts):
            yield f"  {side.name}: {', '.join(filter(None, facts))}"
    wide = max((len(step.part) for step in found.differences), default=0)
    for step in found.differences:
        change = f"{1e3 * step.seconds:+8.3f} ms"
        yield f"  {step.part:<{wide}}  {change}   {step.why}".rstrip()
        for path, changed in step.blocks[:_BLOCKS]:
            yield f"  {'':<{wide}}  {1e3 * changed:+8.3f} ms   of it in {path}"
    for note in found.notes:
        yield f"  {note}"


def _saved(found: Comparison) -> Iterator[str]:
    if found.runs:
        yield f"A is {found.a.name}, B is {found.b.name}"
        yield from tables.runs(found).lines()
    if found.why is not None:
        yield found.why
    told = "on what they were made of measures both side by side"
    yield f"next: resgen compare A B {told}"
