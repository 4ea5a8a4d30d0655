"""What a part of the table is made of: commands in turn, and the lines they give."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from measure import (
    ROOT,
    Failed,
    Line,
    Quantity,
    compare,
    compare_pairs,
    in_turn,
    run,
)

HERE = Path(__file__).resolve().parent
RESNET50 = str(ROOT / "specs" / "resnet50.json")


@dataclass(frozen=True)
class Asked:
    """A line of the table: which two commands, what of them, and the ratio to reach."""

    what: str
    ours: str
    peer: str
    target: float | None
    quantity: Quantity = "wall"


@dataclass(frozen=True)
class Group:
    """Commands that are run in turn, and the lines that come of them.

    Those of ``before`` are run once, untimed: they make what the others need.
    """

    commands: dict[str, list[str]]
    lines: tuple[Asked, ...]
    rounds: int
    before: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass
class Found:
    """What a part of the table came to."""

    lines: list[Line] = field(default_factory=list)
    commands: dict[str, list[str]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def script(path: str, *arguments: str) -> list[str]:
    """A script beside this one, run by the same Python."""
    return [sys.executable, str(HERE / path), *arguments]


def resgen(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "resgen", *arguments]


def grouped(make: Callable[[Path], Group]) -> Callable[[Path, bool], Found]:
    """A part of the table that is nothing but commands in turn."""

    def measure(tmp: Path, quick: bool) -> Found:
        group, found = make(tmp), Found()
        if not prepared(found, group.before):
            return found
        runs, failures = in_turn(group.commands, 1 if quick else group.rounds)
        found.commands.update(group.commands)
        found.failures.extend(failures)
        found.lines.extend(
            compare(a.what, a.quantity, runs[a.ours], runs[a.peer], a.peer, a.target)
            for a in group.lines
            if runs[a.ours] and runs[a.peer]
        )
        return found

    return measure


def prepared(found: Found, commands: Mapping[str, list[str]]) -> bool:
    """Run commands once, untimed; False where one fails, which ``found`` then tells."""
    for name, command in commands.items():
        print(f"before: {name}", file=sys.stderr)
        found.commands[name] = command
        try:
            run(command)
        except Failed as error:
            found.failures.append(str(error))
            return False
    return True


def abba(
    found: Found, what: str, ours: Path, peer: Path, peer_name: str,
    target: float | None, *, quick: bool,
) -> None:  # fmt: skip
    """A line for two files' latency, in processes that open them in either order."""
    processes, pairs = (2, 10) if quick else (6, 30)
    commands = [
        script("latency.py", "run", str(ours), str(peer), str(pairs), first)
        for first in ("ours", "peer")
    ]
    found.commands[what] = commands[0]
    runs = []
    try:
        for turn in range(processes):
            print(f"{what}: process {turn + 1} of {processes}", file=sys.stderr)
            runs.append(json.loads(run(commands[turn % 2]).output))
    except Failed as error:
        found.failures.append(str(error))
        return
    found.lines.append(compare_pairs(what, runs, peer_name, target))
