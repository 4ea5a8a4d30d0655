"""Charge the times of an engine's kernels to the operators and blocks of a network.

A kernel is charged to a block only if everything that it computes lies in that block.
What was fused across blocks is a bucket of its own that names them, and so is what no
name leads to: nothing is split, and nothing is guessed from the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from resgen.attribution.names import Named, Names, Work
from resgen.attribution.roofline import attainable
from resgen.records.profile import Breakdown, Ceilings, Charge, OperatorTime

#: The role of a kernel that changes the layout or the type of a tensor and computes
#: nothing; its ``nodes`` are what made the tensor, until it is charged.
CONVERSION: Final = "conversion"


def charge(
    operators: Sequence[OperatorTime],
    names: Names,
    *,
    source: str = "",
    batch: int = 1,
    ceilings: Ceilings | None = None,
) -> Breakdown:
    """Where the time of these kernels goes.

    ``nodes`` of a kernel are the engine's names of what it computes (its own name,
    where there are none). ``batch`` is the number of inputs that ran at once. With
    ``ceilings`` every charge says what the machine could attain.
    """
    counted: set[str] = set()
    # An operator's multiplications are those of the kernel that has its name, and not
    # of one that gets the input ready for it.
    placed = {
        index: _place(operators[index], names, batch, counted)
        for index in sorted(
            range(len(operators)), key=lambda index: not _named(operators[index])
        )
    }
    charged = tuple(placed[index] for index in range(len(operators)))
    total = sum(op.seconds for op in charged)
    found = sum(op.seconds for op in charged if op.section is not None)
    return Breakdown(
        source=source,
        operators=charged,
        charges=tuple(_charges(charged, names, ceilings)),
        coverage=found / total if total else 0.0,
        operator_sum=total,
    )


def _place(
    op: OperatorTime, names: Names, batch: int, counted: set[str]
) -> OperatorTime:
    """A kernel with what it computes, where that lies and what it costs."""
    found: dict[str, Work] = {}
    whole: set[str] = set()
    for name in op.nodes or (op.name,):
        for work, entire in names.find(name):
            found[work.name] = work
            if entire:
                whole.add(work.name)
    works = list(found.values())
    telling = [work for work in works if not work.helper] or works
    places = {(work.section, work.block) for work in telling if work.section}
    single = len(places) == 1
    section, block = next(iter(places)) if single else (None, None)
    across = () if single else _in_order({w.path for w in telling if w.path}, names)
    placed = replace(op, section=section, block=block, across=across)
    if op.role == CONVERSION:
        return replace(placed, nodes=(), macs=0)
    size = op.bytes
    if works and whole == found.keys():
        # An engine leaves out weights that it packed beforehand, and names do not tell
        # of weights that another kernel has dequantised: who errs, errs downwards.
        counted_here = names.bytes_of(works, batch)
        size = max((n for n in (size, counted_here) if n is not None), default=None)
    return replace(
        placed,
        nodes=tuple(found),
        role=_role(telling),
        macs=_macs([found[name] for name in found if name in whole], batch, counted)
        if works
        else None,
        bytes=size,
    )


def _named(op: OperatorTime) -> bool:
    """Whether a kernel is called after an operator that it computes."""
    return any(op.name.startswith(node) for node in op.nodes or (op.name,))


def _macs(works: Iterable[Work], batch: int, counted: set[str]) -> int | None:
    """Multiply-adds; those of an operator that two kernels compute count once."""
    total = 0
    for work in works:
        if work.name in counted:
            continue
        counted.add(work.name)
        if work.macs is None:
            return None
        total += work.macs * batch
    return total


def _role(works: Sequence[Work]) -> str | None:
    """The role of all, or of the maps among them; None where these differ too."""
    maps = [work for work in works if work.macs]
    for chosen in (works, maps):
        roles = {work.role for work in chosen}
        if len(roles) == 1:
            return roles.pop()
    return None


def _in_order(paths: Iterable[str], names: Names) -> tuple[str, ...]:
    wanted = set(paths)
    return tuple(part.path for part in names.parts if part.path in wanted)


def _charges(
    operators: Sequence[OperatorTime], names: Names, ceilings: Ceilings | None
) -> Iterable[Charge]:
    """A sum for every part of the network, and for what lies in none."""
    section = ""
    for part in names.parts:
        section = part.path if part.block is None else section
        own = [
            op
            for op in operators
            if op.section == section and part.block in (None, op.block)
        ]
        empty = Charge(part.path, "section" if part.block is None else "block", 0.0)
        yield _sum(own, empty, part, ceilings)
    rest = [op for op in operators if op.section is None]
    if across := [op for op in rest if op.across]:
        yield _sum(across, Charge("across", "across", 0.0), None, ceilings)
    if unknown := [op for op in rest if not op.across]:
        yield _sum(unknown, Charge("unknown", "unknown", 0.0), None, ceilings)


def _sum(
    operators: Sequence[OperatorTime],
    empty: Charge,
    part: Named | None,
    ceilings: Ceilings | None,
) -> Charge:
    macs = [op.macs for op in operators if op.macs is not None]
    sizes = [op.bytes for op in operators if op.bytes is not None]
    known = len(macs) == len(sizes) == len(operators)
    least = None
    if ceilings is not None and known:
        pairs = zip(macs, sizes, strict=True)
        least = sum(attainable(m, b, ceilings) for m, b in pairs)
    return replace(
        empty,
        seconds=sum(op.seconds for op in operators),
        macs=sum(macs) if len(macs) == len(operators) else None,
        bytes=sum(sizes) if len(sizes) == len(operators) else None,
        attainable=least,
        pointer=part.pointer if part else None,
        label=part.label if part else None,
    )
