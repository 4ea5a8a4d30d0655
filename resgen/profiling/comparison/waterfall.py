"""Which parts of two networks make the difference between their times.

Operator times are taken in fresh processes, A and B in turns, and summed by stage; what
lies on shortcuts is a part of its own. A difference that is no larger than what the
same network shows from process to process is noise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Final

from resgen.errors import UsageError, did_you_mean
from resgen.graph.ir import Graph, Node
from resgen.graph.parts import sections
from resgen.machine.process import Failure, Process
from resgen.profiling.bench import Job
from resgen.profiling.comparison.compare import of_build
from resgen.profiling.worker import Worker
from resgen.records.comparison import Difference, PartTimes
from resgen.records.profile import Breakdown, Subject

#: Processes of either network.
ROUNDS: Final = 3
SHORTCUTS: Final = "shortcuts"
REST: Final = "the rest"
#: What lies in no one section: across several, or nobody knows where.
NOWHERE: Final = ("across", "unknown")
QUIET: Final = "within noise"
#: Numbers that are words in a sentence.
_WORDS: Final = ("no", "one", "two", "three", "four", "five", "six")


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The parts that differ by more than noise, the largest first, then the rest.

    ``parts`` are all of them as they were timed, sections in the order of the network,
    each before its blocks.
    """

    steps: tuple[Difference, ...] = ()
    parts: tuple[PartTimes, ...] = ()


def waterfall(a: Job, b: Job, named: Sequence[str] = ()) -> Waterfall:
    """Time the parts of both, and say where they differ.

    Parts that are ``named`` are told however little they differ; one that neither
    network has is a UsageError. A process that fails is a ResgenError, and so is an
    engine whose profiler is not read.
    """
    taken: tuple[list[Breakdown], ...] = ([], [])
    for turn in range(2 * ROUNDS):
        side = (0, 1, 1, 0)[turn % 4]
        with Process(Worker) as process:
            answer = process.ask("charge", of_build((a, b)[side], turn // 2))
        if isinstance(answer, Failure):
            raise answer.error()
        taken[side].append(answer)
    found = _timed(taken, by_part, a, b)
    steps = [*map(_step, found)]
    known = [step.part for step in steps]
    _require(named, known)
    shown = [step for step in steps if _loud(step) or step.part in named]
    told = sorted(shown, key=lambda step: -abs(step.seconds))
    hidden = [step for step in steps if step not in shown]
    reasons = _reasons(a, b)
    inner = _timed(taken, by_block, a, b)
    blocks = sorted(
        filter(_loud, map(_step, inner)), key=lambda step: -abs(step.seconds)
    )
    falls = [
        replace(
            step,
            why=reasons.get(step.part, "") or ("" if _loud(step) else QUIET),
            blocks=tuple(
                (block.part, block.seconds)
                for block in blocks
                if block.part.rpartition(".")[0] == step.part
            ),
        )
        for step in told
    ]
    if hidden:
        total, noise = sum(s.seconds for s in hidden), sum(s.noise for s in hidden)
        falls.append(Difference(REST, total, noise, QUIET))
    return Waterfall(tuple(falls), _in_order([*found, *inner], a, b))


def require_parts(named: Sequence[str], subjects: Sequence[Subject]) -> None:
    """Raise a UsageError for a part that none of these has, before anything is timed.

    Where the parts of one are not known before it runs, nothing can be said.
    """
    if all(subject.parts for subject in subjects):
        of_each = (part for subject in subjects for part in subject.parts)
        known = dict.fromkeys(p.path for p in of_each if p.kind == "section")
        _require(named, [*known, SHORTCUTS], NOWHERE)


def _require(
    named: Sequence[str], known: Sequence[str], more: Sequence[str] = ()
) -> None:
    for part in named:
        if part not in (*known, *more):
            near = did_you_mean(part, known)
            raise UsageError(
                f'neither network has a part "{part}"{near}',
                hint=f"their parts are {', '.join(known)}",
            )


Sums = dict[str, float]


def _timed(
    taken: Sequence[Sequence[Breakdown]],
    sums_of: Callable[[Breakdown], Sums],
    a: Job,
    b: Job,
) -> list[PartTimes]:
    """Every part on both sides, and how much either changes by itself."""
    sides = [[sums_of(breakdown) for breakdown in side] for side in taken]
    ones, others = ({p.path: p for p in job.prepared.subject.parts} for job in (a, b))
    timed = []
    for part in dict.fromkeys(key for side in sides for sums in side for key in sums):
        times = [[sums.get(part, 0.0) for sums in side] for side in sides]
        noise = max(max(side) - min(side) for side in times)
        known = [found[part] for found in (ones, others) if part in found]
        kind: Any = known[0].kind if known else "other"
        macs = [found[part].macs if part in found else None for found in (ones, others)]
        first, second = map(median, times)
        timed.append(PartTimes(part, kind, first, second, noise, (macs[0], macs[1])))
    return timed


def _step(part: PartTimes) -> Difference:
    return Difference(part.path, part.second - part.first, part.noise)


def _in_order(parts: Sequence[PartTimes], a: Job, b: Job) -> tuple[PartTimes, ...]:
    """As they lie in the network; what lies nowhere comes last."""
    told = [part.path for job in (b, a) for part in job.prepared.subject.parts]
    places = {path: i for i, path in enumerate(dict.fromkeys(told))}
    return tuple(sorted(parts, key=lambda part: places.get(part.path, len(places))))


def _loud(step: Difference) -> bool:
    return abs(step.seconds) > step.noise


def by_part(breakdown: Breakdown) -> Sums:
    """Seconds by section, of shortcuts, and of what lies in no one section."""
    sums: Sums = {}
    for operator in breakdown.operators:
        across, unknown = NOWHERE
        part = operator.section or (across if operator.across else unknown)
        if operator.role == "shortcut":
            part = SHORTCUTS
        sums[part] = sums.get(part, 0.0) + operator.seconds
    return sums


def by_block(breakdown: Breakdown) -> Sums:
    """Seconds by block."""
    return {
        charge.path: charge.seconds
        for charge in breakdown.charges
        if charge.kind == "block"
    }


def _reasons(a: Job, b: Job) -> dict[str, str]:
    """What each part of B has that A has not, and the other way round."""
    if a.prepared.network is None or b.prepared.network is None:
        return {}
    ones, others = (_built(job.prepared.graphs.lowered) for job in (a, b))
    return {
        part: difference(ones.get(part, Counter()), others.get(part, Counter()))
        for part in ones | others
    }


def _built(graph: Graph) -> dict[str, Counter[str]]:
    """Operators that take time, in words, by part."""
    found: dict[str, Counter[str]] = {}
    for section in sections(graph):
        for node in section.nodes:
            words = _words(node)
            if words:
                shortcut = node.origin.role == "shortcut"
                part = SHORTCUTS if shortcut else section.name
                found.setdefault(part, Counter())[words] += 1
    return found


def _words(node: Node) -> str:
    name = node.op.name.replace("_", " ")
    kernel = getattr(node.op, "kernel", None)
    if kernel is None:
        return name if node.op.name in ("resize", "blur_pool") else ""
    sizes: Sequence[int] = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    size = "x".join(map(str, sizes))
    return f"{size} {name}"


def difference(ones: Counter[str], others: Counter[str]) -> str:
    """What is new, and what it stands instead of.

    >>> difference(Counter({"7x7 conv": 1}), Counter({"3x3 conv": 3}))
    'three 3x3 conv instead of one 7x7 conv'
    """
    new, gone = others - ones, ones - others
    if not new and not gone:
        return ""
    if not new:
        return f"without {_listed(gone)}"
    return _listed(new) + (f" instead of {_listed(gone)}" if gone else " more")


def _listed(counts: Counter[str]) -> str:
    numbers = (
        (_WORDS[n] if n < len(_WORDS) else str(n), words)
        for words, n in counts.most_common()
    )
    return ", ".join(f"{number} {words}" for number, words in numbers)
