"""``resgen.measure``: the times of blocks on this machine, for networks to come."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from resgen.api.asked.common import Reading
from resgen.api.asked.measure import Timing
from resgen.api.specs import SPEC, network
from resgen.errors import ResgenError, UsageError
from resgen.expansion.arguments import Source
from resgen.files.whole import require_file
from resgen.graph.cost import analyse
from resgen.graph.ir import Graph
from resgen.latency.table import Table
from resgen.machine.process import Failure
from resgen.options.kinds import argument, choice, several
from resgen.words.progress import SILENT, Progress, Told, listening
from resgen.words.terminal import TEXT, Shown

WHAT: Final = choice("blocks")
#: Stands for all networks that come with resgen.
ZOO: Final = "zoo"
#: Where the table goes unless something is said.
OUT: Final = Path("latency.json")
#: Networks of the zoo that take more multiply-adds are left out: each would take the
#: time of many others.
MOST_MACS: Final = 8_000_000_000


@dataclass(frozen=True, slots=True)
class Measured(Shown):
    """A table, and the file that it is in."""

    table: Table
    path: Path

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
        }

    def lines(self, width: int = TEXT) -> Iterator[str]:
        """What the terminal shows."""
        yield from self.table.lines()
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
    ``specs`` ("zoo" is all of the zoo), then the same at other widths and sizes, until
    the time is up. ``options`` are those of
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
    from resgen.latency.measure import Recorder, conditions
    from resgen.leases.lease import leased

    path = asked.out or OUT
    require_file(path)
    for spec in specs:  # what is no network is told before anything is timed
        network(spec, Reading())
    failure: Failure | None = None
    with leased(asked.on, progress=progress) as place:
        told = place.ask(conditions, asked.runtime, asked.threads, asked.batch)
        recorder = Recorder(path, told, place)
        begin, limit = time.monotonic(), 60 * asked.minutes
        try:
            for graph in _graphs(specs):
                gone = time.monotonic() - begin
                if gone > limit:
                    break
                progress.advance("seconds", round(gone), round(limit))
                found = recorder.time(graph)
                if isinstance(found, Failure):
                    failure = failure or found
                    progress.say("left out", f"{graph.name}: {found.message}")
                elif found is not None:
                    unsteady = f" ({found.notes[0]})" if found.notes else ""
                    progress.say(
                        "timed", f"{graph.name}: {1e3 * found.seconds:.2f} ms{unsteady}"
                    )
        finally:  # an interrupt keeps what there is
            recorder.table()
    table = recorder.done()
    if failure is not None and not table.record.networks:
        raise failure.error()
    return Measured(table, path)


def _graphs(specs: Sequence[Source]) -> Iterator[Graph]:
    """Networks without an end: each as it is, then narrower and at another size.

    As many different ones as there are come first: what they alone have, such as an
    operator, no other tells.
    """
    import numpy as np

    from resgen.latency.variants import narrowed, sized
    from resgen.spec.zoo import names

    generator = np.random.default_rng(0)
    sources = [*specs]
    if not sources:
        zoo = list(names())
        sources = [zoo[at] for at in generator.permutation(len(zoo))]
    left: list[tuple[Source, tuple[int, ...]]] = []
    for source in sources:
        spec, graph, _ = network(source, Reading())
        if specs or analyse(graph).macs <= MOST_MACS:
            left.append((source, spec.input))
            yield graph
    while left:
        for source, shape in left:
            size = list(sized(shape, generator))
            try:
                graph = network(source, Reading(set=(f"/input={size}",)))[1]
            except ResgenError:  # it takes no other size
                graph = network(source, Reading())[1]
            yield narrowed(graph, generator)
