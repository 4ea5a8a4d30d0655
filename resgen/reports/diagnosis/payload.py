"""The data of the charts: figures over the seeds, to five digits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil
from typing import Any, Final

from resgen.records.diagnosis import Arm, Part, RangeTest
from resgen.reports.diagnosis.arms import (
    NAMES,
    Spread,
    Titled,
    accuracy,
    blocks,
    by_depth,
    curve,
    steps,
)

#: Of a long training, so many steps can be looked at by depth.
STEPS: Final = 12
#: A curve of the loss has about so many points, each a mean over neighbouring steps.
POINTS: Final = 60


def payload(arms: Sequence[Titled]) -> dict[str, Any]:
    """What JSON can hold: ``width`` steps of training are one point of a loss curve."""
    longest = max((len(r.losses) for one in arms for r in one.arm.runs), default=0)
    width = max(ceil(longest / POINTS), 1)
    seen = sorted({step for one in arms for step in steps(one.arm)})
    shown = _some(seen)
    return {
        "width": width,
        "steps": shown,
        "arms": [{"title": one.title, **_arm(one.arm, shown, width)} for one in arms],
    }


def _arm(arm: Arm, shown: Sequence[int], width: int) -> dict[str, Any]:
    kept = blocks(arm)
    told = {"first": 0, "middle": len(kept) // 2, "last": len(kept) - 1}
    return {
        "plain": arm.plain,
        "seeds": len(arm.runs),
        "parts": [_part(part) for part in arm.parts],
        "depth": {
            step: {name: _spreads(by_depth(arm, step, name)) for name in NAMES}
            for step in shown
            if step in steps(arm)
        },
        "time": [
            {"which": which, "path": arm.parts[kept[i]].path, "points": [
                [step, *_ends(by_depth(arm, step, "gradient")[kept[i]])]
                for step in steps(arm)
            ]}
            for which, i in told.items()
        ] if kept else [],
        "loss": _curve(curve(arm.runs, width)),
        "accuracy": [[step, *_ends(spread)] for step, spread in accuracy(arm.runs)],
        "left": [[run.seed, run.left] for run in arm.runs if run.left is not None],
        "range": None if arm.range_test is None else _range(arm.range_test),
        "lengths": None if arm.lengths is None else {
            "paths": list(map(_short, arm.lengths.paths)),
            "gradient": list(map(_short, arm.lengths.gradient)),
        },
    }  # fmt: skip


def _part(part: Part) -> dict[str, Any]:
    above = part.path.rpartition(".")[0] if part.kind == "block" else ""
    return {"path": part.path, "label": part.label, "kind": part.kind,
            "section": above or part.path}  # fmt: skip


def _range(test: RangeTest) -> dict[str, Any]:
    return {
        "points": [
            [_short(rate), _short(loss)]
            for rate, loss in zip(test.rates, test.losses, strict=True)
        ],
        "steepest": test.steepest,
        "limit": test.limit,
    }


def _spreads(of: Iterable[Spread | None]) -> list[list[float | None]] | None:
    """None where a measure was not taken of any part."""
    found = [_ends(spread) for spread in of]
    return found if any(middle is not None for middle, *_ in found) else None


def _curve(of: Sequence[tuple[int, Spread | None]]) -> list[list[float | None]]:
    """Nothing where nobody told a loss."""
    if all(spread is None for _, spread in of):
        return []
    return [[step, *_ends(spread)] for step, spread in of]


def _ends(of: Spread | None) -> list[float | None]:
    if of is None:
        return [None, None, None]
    return [_short(of.middle), _short(of.low), _short(of.high)]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def _some(seen: Sequence[int]) -> list[int]:
    """At most :data:`STEPS` of these, evenly, with both ends."""
    last = len(seen) - 1
    if last < STEPS:
        return list(seen)
    return [seen[round(i * last / (STEPS - 1))] for i in range(STEPS)]
