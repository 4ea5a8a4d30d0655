"""``resgen.measure``: the times of blocks on this machine, for networks to come."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from resgen.api.asked.measure import Timing
from resgen.api.specs import SPEC
from resgen.errors import UsageError
from resgen.expansion.arguments import Source
from resgen.files.whole import require_file
from resgen.graph.ir import Graph
from resgen.latency.checks import Check, Checks
from resgen.latency.table import Network, Table
from resgen.machine.process import Failure
from resgen.options.kinds import argument, choice, several
from resgen.words.progress import SILENT, Progress, Told, listening
from resgen.words.terminal import TEXT, Shown

if TYPE_CHECKING:
    from resgen.latency.measure import Recorder

T = TypeVar("T")
WHAT: Final = choice("blocks")
#: Stands for all networks that come with resgen.
ZOO: Final = "zoo"
#: The share of the time that goes to networks by which predictions are checked, and how
#: often each of them is timed.
CHECKED: Final = 0.25
VISITS: Final = 3
#: Where the table goes unless something is said.
OUT: Final = Path("latency.json")


@dataclass(frozen=True, slots=True)
class Measured(Shown):
    """A table, the file that it is in, and how well it predicted what came last."""

    table: Table
    path: Path
    checks: Checks

    def to_dict(self) -> dict[str, Any]:
        """What ``resgen measure --json`` prints: what the table holds, in short."""
        from resgen.document.files import plain

        record = self.table.record
        return {
            "table": str(self.path),
            "conditions": plain(record.conditions),
            "networks": len(record.networks),
            "kernels": len(record.kernels),
            "unsteady": sum(bool(network.notes) for network in record.networks),
            "within_10_percent": self.table.close(),
            "within_10_percent_of_variants": self.table.close(variants=True),
            "checks": self.checks.to_dict(),
        }

    def lines(self, width: int = TEXT) -> Iterator[str]:
        """What the terminal shows."""
        yield from self.table.lines()
        yield from self.checks.lines()
        yield f"next: resgen inspect SPEC --latency {self.path}"


def measure(
    specs: Source | Sequence[Source],
    what: str = "blocks",
    *,
    progress: Told = None,
    **options: Any,
) -> Measured:
    """Time the blocks of networks here, to predict others by.

    ``what`` is blocks, which are timed kernel by kernel inside whole networks: those of
    ``specs`` ("zoo" is all of the zoo), then the same at other widths and sizes, and
    candidates of spaces that stand among them, until the time is up. The last ones are
    predicted before they are timed, so that the result says how well that went.
    ``options`` are those of
    :class:`~resgen.api.asked.measure.Timing`, which are the command's. The table is in
    the file within a minute, or once interrupted; :func:`resgen.inspect` takes it.
    """
    argument("what", WHAT, what)
    asked, heard = Timing.of(options), listening(progress)
    given = (specs,) if isinstance(specs, Mapping) else several(specs)
    if not given:
        raise UsageError(f'specs: there is none; "{ZOO}" is all of the zoo')
    each = tuple(argument("specs", SPEC, spec) for spec in given)
    return run(() if each == (ZOO,) else each, asked, progress=heard)


def run(
    specs: Sequence[Source], asked: Timing, *, progress: Progress = SILENT
) -> Measured:
    """As :func:`measure`; without specs of the zoo."""
    from resgen.api import drawn
    from resgen.api.search import bounds_of
    from resgen.latency.measure import Recorder, conditions
    from resgen.leases.lease import leased

    path = asked.out or OUT
    require_file(path)
    drawn.require(specs)  # what is no network is told before anything is timed
    with leased(asked.on, progress=progress) as place:
        told = place.ask(conditions, asked.runtime, asked.threads, asked.batch)
        recorder = Recorder(path, told, place)
        bounds = drawn.USUAL if asked.budget is None else bounds_of(asked.budget)
        session = _Session(recorder, 60 * asked.minutes, progress)
        try:
            checks = session.run(drawn.graphs(specs, bounds))
        finally:  # an interrupt keeps what there is
            recorder.table()
    table = recorder.done()
    if session.failure is not None and not table.record.networks:
        raise session.failure.error()
    return Measured(table, path, checks)


class _Session:
    """Networks timed until the time is up, the last of them to check predictions."""

    def __init__(self, recorder: Recorder, limit: float, progress: Progress) -> None:
        self.failure: Failure | None = None
        self._recorder, self._limit, self._progress = recorder, limit, progress
        self._begin = time.monotonic()

    def run(self, graphs: Iterator[Graph]) -> Checks:
        """Time networks; those of the last part are predicted before they are."""
        for graph in self._until(1 - CHECKED, graphs):
            self._tell(graph, self._recorder.time(graph))
        table = self._recorder.done()
        if table.within is None:  # too few to predict by: more of them help more
            for graph in self._until(1, graphs):
                self._tell(graph, self._recorder.time(graph))
            return Checks(())
        found: list[tuple[Graph, Check]] = []
        for graph in self._until(1 - CHECKED * (1 - 1 / VISITS), graphs):
            check = self._recorder.check(graph, table)
            self._tell(graph, check)
            if isinstance(check, Check):
                found.append((graph, check))
        # Again one after the other: a time may be that of a slow minute.
        for at in self._until(1, iter([*range(len(found))] * (VISITS - 1))):
            graph, check = found[at]
            found[at] = graph, self._recorder.again(graph, check)
        return Checks(tuple(check for _, check in found))

    def _until(self, part: float, items: Iterator[T]) -> Iterator[T]:
        """Items until this part of the time has gone; the one under way is ended."""
        while (gone := time.monotonic() - self._begin) <= part * self._limit:
            item = next(items, None)
            if item is None:
                return
            self._progress.advance("seconds", round(gone), round(self._limit))
            yield item

    def _tell(self, graph: Graph, found: Network | Check | Failure | None) -> None:
        if isinstance(found, Failure):
            self.failure = self.failure or found
            self._progress.say("left out", f"{graph.name}: {found.message}")
        elif found is not None:
            self._progress.say("timed", f"{graph.name}: {found}")
