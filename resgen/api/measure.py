"""``resgen.measure``: the times of blocks on this machine, for networks to come."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from resgen.api.asked.measure import Timing
from resgen.api.specs import SPEC
from resgen.errors import UsageError
from resgen.expansion.arguments import Source
from resgen.files.whole import require_file
from resgen.graph.ir import Graph
from resgen.latency.checks import Check, Checks
from resgen.latency.table import Table
from resgen.machine.process import Failure
from resgen.options.kinds import argument, choice, several
from resgen.words.numbers import seconds
from resgen.words.progress import SILENT, Progress, Told, listening
from resgen.words.terminal import TEXT, Shown

if TYPE_CHECKING:
    from resgen.latency.measure import Recorder

WHAT: Final = choice("blocks")
#: Stands for all networks that come with resgen.
ZOO: Final = "zoo"
#: The share of the time in which networks are timed that are held out: so much at the
#: beginning, and as many once more in the middle and at the end.
VISIT: Final = 1 / 10
#: Where the table goes unless something is said.
OUT: Final = Path("latency.json")


@dataclass(frozen=True, slots=True)
class Measured(Shown):
    """A table, the file that it is in, and how well it predicted what was held out."""

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
    candidates of spaces that stand among them, until the time is up. The first ones are
    held out until the end, so that the result says how well they are predicted.
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
    from resgen.latency.measure import Recorder, conditions
    from resgen.leases.lease import leased

    path = asked.out or OUT
    require_file(path)
    drawn.require(specs)  # what is no network is told before anything is timed
    with leased(asked.on, progress=progress) as place:
        how = asked.runtime, asked.threads, asked.batch
        told = place.ask(conditions, *how, precision=asked.precision)
        recorder = Recorder(path, told, place)
        bounds = asked.budget or drawn.USUAL
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
    """Networks timed until the time is up, some of them to check predictions by.

    These are timed at the beginning, in the middle and at the end, since a shared
    machine is faster in one minute than in another. What the table predicts of them it
    says before it has any of their kernels.
    """

    def __init__(self, recorder: Recorder, limit: float, progress: Progress) -> None:
        self.failure: Failure | None = None
        self._recorder, self._limit, self._progress = recorder, limit, progress
        self._begin = time.monotonic()
        self._held: list[tuple[Graph, list[float]]] = []

    def run(self, graphs: Iterator[Graph]) -> Checks:
        """Time networks: what became of those that were held out."""
        for graph in self._until(VISIT, graphs):
            self._visit(graph, [])
        self._train((1 - VISIT) / 2, graphs)
        held, self._held = self._held, []
        for graph, took in held:
            self._visit(graph, took)
        self._train(1 - 2 * VISIT, graphs)  # the last visit looks at kernels, too
        table = self._recorder.done()
        if table.within is None:  # too few to predict others by
            for graph, _ in self._held:
                self._tell(graph, self._recorder.time(graph))
            return Checks(())
        found = []
        for graph, took in self._held:
            check = self._recorder.check(graph, table, took)
            self._tell(graph, check)
            if isinstance(check, Check):
                found.append(check)
        return Checks(tuple(found))

    def _visit(self, graph: Graph, took: list[float]) -> None:
        found = self._recorder.whole(graph)
        if isinstance(found, float):
            self._held.append((graph, [*took, found]))
        self._tell(graph, seconds(found) if isinstance(found, float) else found)

    def _train(self, part: float, graphs: Iterator[Graph]) -> None:
        for graph in self._until(part, graphs):
            self._tell(graph, self._recorder.time(graph))

    def _until(self, part: float, graphs: Iterator[Graph]) -> Iterator[Graph]:
        """Networks until this part of the time has gone; the one under way is ended."""
        while (gone := time.monotonic() - self._begin) <= part * self._limit:
            graph = next(graphs, None)
            if graph is None:
                return
            self._progress.advance("seconds", round(gone), round(self._limit))
            yield graph

    def _tell(self, graph: Graph, found: object) -> None:
        if isinstance(found, Failure):
            self.failure = self.failure or found
            self._progress.say("left out", f"{graph.name}: {found.message}")
        elif found is not None:
            self._progress.say("timed", f"{graph.name}: {found}")
