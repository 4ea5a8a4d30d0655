"""What a comparison says in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from resgen.artifact.prepared import PROBE
from resgen.records.comparison import Accuracy, Comparison, Side
from resgen.words.numbers import count, scaled, seconds, share, share_interval


def sentence(found: Comparison, verdict: str) -> str:
    """The verdict (given as it is to be shown) with its figures."""
    a, b = found.a.name, found.b.name
    first, second = found.medians or (0.0, 0.0)
    low, high = found.interval or (0.0, 0.0)
    said = {
        "equal": f"{b} and {a} are {verdict} within the floor",
        "undecided": f"{b} against {a}: {verdict}",
    }.get(found.verdict, f"{b} is {verdict} than {a}")
    return (
        f"{said}: {found.ratio:.3f} of {a}'s time ({share(found.level or 0.0, 1, 0)} "
        f"interval {low:.3f} to {high:.3f}), {seconds(second)} and {seconds(first)}"
    )


def open_question(found: Comparison) -> str:
    """Why it is undecided, and what would decide it."""
    low, high = found.interval or (0.0, 0.0)
    floor = found.floor or 0.0
    if low <= 1 <= high:
        why = "the interval holds 1, so either may be faster"
    else:
        why = "so few pairs of processes may differ so by chance"
    if max(1 - low, high - 1) > floor:
        why += f", and reaches beyond the {share(floor, 1)} that A differs from itself"
    return f"{why}; {_more(found)}"


def _more(found: Comparison) -> str:
    if found.more_seconds is None:
        return "more pairs would hardly decide it on this machine"
    whole = (found.seconds or 0.0) + found.more_seconds
    return (
        f"about {found.more_seconds:.0f} s more, {whole:.0f} s in all, would decide it"
    )


def verdict(found: Comparison) -> str:
    """The verdict in one sentence that needs no knowledge of statistics."""
    a, b = found.a.name, found.b.name
    if found.ratio is None or found.interval is None or found.medians is None:
        return (
            f"{b} and {a} were measured on different occasions, so which one is faster "
            "is not known."
        )
    what = "one input" if found.batch == 1 else f"a batch of {found.batch}"
    times = " and ".join(map(seconds, found.medians))
    if found.verdict == "equal":
        return (
            f"{b} and {a} are equally fast: they differ by less than {a} from itself "
            f"({times} for {what})."
        )
    if found.verdict == "undecided":
        return f"Whether {b} is faster than {a} is not decided ({times} for {what})."
    low, high = sorted(abs(1 - end) for end in found.interval)
    return (
        f"{b} takes {share(abs(1 - found.ratio), 1)} "
        f"{'less' if found.verdict == 'faster' else 'more'} time than {a} for {what} "
        f"(between {share(low, 1)} and {share(high, 1)})."
    )


def sentences(found: Comparison) -> Iterator[str]:
    """What else there is to say, the most important first."""
    a, b = found.a, found.b
    if a.bytes and b.bytes:
        yield f"{_sized(a, b, a.bytes, b.bytes)}."
    for side in (a, b):
        if told := accuracy(side):
            yield f"{side.name}: {told}."
    if found.verdict == "undecided" and found.ratio is not None:
        told = open_question(found)
        yield f"{told[:1].upper()}{told[1:]}."
    loud = [d for d in found.differences if d.why and d.why != "within noise"]
    for step in loud[:3]:
        yield (
            f"{step.part} takes {seconds(abs(step.seconds))} "
            f"{'more' if step.seconds > 0 else 'less'}: {step.why}."
        )
    yield from (f"{note[:1].upper()}{note[1:]}." for note in found.notes)
    yield from (f"A condition failed: {line}." for line in found.failed)


def accuracy(side: Side) -> str:
    """What is known of a side's accuracy; empty where nobody would ask for it."""
    known = side.accuracy
    if known is None:
        asked = side.weights == PROBE and side.precision != "fp32"
        return "accuracy not measured: fresh weights know no classes" if asked else ""
    low, high = known.interval
    told = (
        f"{share(known.share, 1)} of {known.inputs:,} inputs {counted(known)} "
        f"(95 % interval {share_interval(low, high)})"
    )
    if known.float32 is None:
        return told
    return f"{told}, float32 {share(known.float32, 1)}"


def counted(known: Accuracy) -> str:
    """What is said of the inputs that count."""
    what = "right" if known.counts == "right" else "of float32's class"
    return what if known.output is None else f'{what} by "{known.output}"'


def facts(found: Comparison) -> str:
    """How it was measured, in a line."""
    runtimes = " and ".join(dict.fromkeys([found.a.runtime, found.b.runtime]))
    told = [
        f"{runtimes} on {found.device}" if found.device else runtimes,
        f"batch {found.batch}" if found.batch else "",
        found.mode or "",
        count(found.threads, "thread")
        if found.threads and found.device == "cpu"
        else "",
    ]
    return " · ".join(filter(None, told))


def _sized(a: Side, b: Side, first: int, second: int) -> str:
    if first == second:
        return f"Both files are {scaled(first, 'B')}"
    grown = "larger" if second > first else "smaller"
    return (
        f"{b.name} is {share(abs(1 - second / first), 1)} {grown}: "
        f"{scaled(second, 'B')} instead of {scaled(first, 'B')}"
    )
