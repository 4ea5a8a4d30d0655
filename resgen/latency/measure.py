"""Times of the kernels of whole networks, where caches and layouts are as they are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any, Final

from resgen._version import __version__
from resgen.artifact.folder import MODEL
from resgen.artifact.prepared import PROBE, Prepared
from resgen.attribution.graph_names import names_of_graph
from resgen.errors import ResgenError
from resgen.files.aside import temporary_folder
from resgen.graph.ir import Graph
from resgen.graph.passes.inference import for_inference
from resgen.graph.precision import Name, Precision, as_shipped, at_precision
from resgen.latency.checks import Check
from resgen.latency.choosing import Timed
from resgen.latency.kernels import Kernel, Run, identity, runs
from resgen.latency.table import (
    TABLE,
    Conditions,
    Held,
    Network,
    Record,
    Table,
    held_out,
)
from resgen.machine.cores import available_cores
from resgen.machine.place import HERE, Place
from resgen.machine.process import Failure, Process
from resgen.profiling import worker
from resgen.profiling.bench import Bench, Job
from resgen.profiling.comparison.compare import Measured, measured
from resgen.profiling.explain import reader
from resgen.profiling.sampling import Limits, sample
from resgen.records.profile import OperatorTime, Subject
from resgen.runtime.engines import find
from resgen.words.numbers import stamp
from resgen.words.progress import SILENT, Progress

#: Of a network as a whole, beside which its kernels are timed: a fraction of a second,
#: and of slow ones a few runs. More networks tell more than a closer look at one.
LIMITS: Final = Limits(
    seconds=0.6, warm_up=0.3, window=0.05, half_width=0.005, least=5, least_seconds=0.2
)

#: Seconds between two times that a table is written while it grows: a large one takes a
#: second or two, in which nothing is timed.
EVERY: Final = 60.0


@dataclass(frozen=True, slots=True)
class Looked:
    """One run: seconds of the whole, those of its kernels, and what was unsteady."""

    seconds: float
    operators: tuple[OperatorTime, ...]
    notes: tuple[str, ...]


class Worker(worker.Worker):
    """What can be asked of a process that times kernels."""

    def look(self, job: Job) -> Looked:
        """Time the job's network, and what runs in it."""
        from resgen import machine

        self._job = job
        bench = Bench(job)
        states: list[dict[str, Any]] = []
        taken = sample(
            bench.timed().call,
            job.limits,
            warm=lambda: states.append(machine.snapshot(job.device)),
        )
        after = machine.snapshot(job.device)
        operators, _, _ = reader(bench)(bench)
        notes = machine.unsteady(states[0], after, taken.samples)
        return Looked(median(taken.samples.seconds), operators, notes)


@contextmanager
def written(
    graph: Graph, takes: Collection[str] = (), precision: Name = "fp32"
) -> Iterator[Prepared]:
    """A network with numbers that keep values finite, as a file for an engine.

    Those of a quantised one are cut off at 1: what is calibrated lies within what its
    activation lets through, so that engines see nothing left for that to do.
    """
    from resgen.calibrate.scales import quantized_values, scales
    from resgen.lower.onnx import write
    from resgen.proof.probe import draw

    graph = graph.inference
    wanted = None
    weights = draw(graph, 0)
    of_file = for_inference(graph)
    if precision != "fp32":
        consumer = "litert" if "litert" in takes else "onnxruntime"
        wanted = Precision(precision, consumer)
        lowered = at_precision(graph, wanted)
        ranges = dict.fromkeys(quantized_values(lowered), (0.0, 1.0))
        weights |= scales(lowered, ranges)
        of_file = as_shipped(lowered, wanted)
    with temporary_folder() as folder:
        others = {}
        model = Path(folder, MODEL)
        write(of_file, weights, model)
        if "litert" in takes:
            from resgen.lower.litert.write import FILE, derive, stored

            others["litert"] = Path(folder, FILE)
            with others["litert"].open("wb") as file:
                stands, half = stored(graph, of_file, wanted)
                file.writelines(derive(stands, half=half).pieces(weights))
        yield Prepared(
            Subject(
                graph.name, "spec", None, graph.inputs[0].type.shape, weights=PROBE
            ),
            precision,
            model=model,
            others=others,
            names=names_of_graph(of_file),
        )


class Recorder:
    """Times networks, and keeps a table of them in a file.

    A table that is there already is gone on with: what it holds is not timed again, and
    other conditions are a :class:`ResgenError`. What a run gave is in the file within a
    minute, or when the table is asked for.
    ``place`` is where they are timed.
    """

    def __init__(self, path: Path, conditions: Conditions, place: Place = HERE) -> None:
        self.path = path
        self._where = place
        self._conditions = conditions
        before = TABLE.load(path) if path.exists() else None
        if before is not None and before.conditions != conditions:
            raise ResgenError(
                f"{path} holds times of {before.conditions}, not of {conditions}",
                hint="name another file",
            )
        there = () if before is None else before.kernels
        self._kernels = {kernel: at for at, kernel in enumerate(there)}
        self._networks = [] if before is None else [*before.networks]
        self._saved = -inf

    def time(self, graph: Graph) -> Network | Failure | None:
        """Time a network and note it; None where the table has all its kernels."""
        ran = runs(graph)
        if all(run.kernel in self._kernels for run in ran):
            return None
        return self._noted(graph, ran)

    def whole(self, graph: Graph) -> float | Failure | None:
        """What a network takes as a whole, which is not noted; None where it was."""
        sha256 = identity([run.kernel for run in runs(graph)])
        if any(sha256 == network.sha256 for network in self._networks):
            return None
        found = self._where.ask(timed, graph, self._conditions, LIMITS)
        return found if isinstance(found, Failure) else found.median

    def check(
        self, graph: Graph, table: Table, took: Sequence[float]
    ) -> Check | Failure:
        """Predict a network that took so much before, then time and note it."""
        told = table.predict(graph)
        found = self._noted(graph, runs(graph))
        if isinstance(found, Failure):
            return found
        return Check(graph.name, told.seconds, told.interval, (*took, found.seconds))

    def _noted(self, graph: Graph, ran: Sequence[Run]) -> Network | Failure:
        """What timing a network gave, which is in the table then."""
        found = self._where.time(looked, graph, self._conditions)
        if isinstance(found, Failure):
            return found
        spent = charged(graph, ran, found)
        places = (self._place(run.kernel) for run in ran)
        network = Network(
            graph.name,
            identity([run.kernel for run in ran]),
            found.seconds,
            tuple(zip(places, spent, strict=True)),
            found.notes,
        )
        self._networks.append(network)
        if monotonic() - self._saved > EVERY:
            self._write()
        return network

    def table(self) -> Table:
        """The table as far as it is, which does not know how well it predicts."""
        return Table(self._write())

    def done(self) -> Table:
        """The whole table, with how well it predicts what it has not seen."""
        return Table(self._write(held_out(tuple(self._kernels), self._networks)))

    def _place(self, kernel: Kernel) -> int:
        return self._kernels.setdefault(kernel, len(self._kernels))

    def _write(self, held: tuple[Held, ...] = ()) -> Record:
        record = Record(
            self._conditions,
            tuple(self._kernels),
            tuple(self._networks),
            held,
            stamp(),
            __version__,
        )
        TABLE.save(record, self.path)
        self._saved = monotonic()
        return record


def conditions(
    runtime: str,
    threads: int | None,
    batch: int = 1,
    device: str = "cpu",
    precision: Name = "fp32",
) -> Conditions:
    """What times of this machine hold for; an engine that is not here is refused."""
    from resgen.machine import environment

    engine = find(runtime)
    engine.require(device, "nothing can be timed with it")
    processor = environment()["processor"]["model"] or "an unknown processor"
    threads = threads or available_cores()
    return Conditions(
        runtime, engine.version, device, processor, threads, batch, precision
    )


def beside(
    whole: Graph,
    other: Graph,
    told: Conditions,
    seconds: float,
    *,
    progress: Progress = SILENT,
) -> Measured:
    """Two networks compared under these conditions; see :func:`measured`."""
    with job(whole, told) as a, job(other, told) as b:
        return measured(a, b, seconds, progress=progress)


def looked(graph: Graph, conditions: Conditions) -> Looked | Failure:
    """A network and its kernels timed under these conditions."""
    found: Looked | Failure = _asked("look", graph, conditions, LIMITS)
    return found


def timed(graph: Graph, conditions: Conditions, limits: Limits) -> Timed | Failure:
    """A whole network timed under these conditions, as a profile times it."""
    run = _asked("measure", graph, conditions, limits)
    if isinstance(run, Failure):
        return run
    if run.summary is None:
        raise RuntimeError("a run without an error has figures")
    p95 = run.summary.p95 or max(run.samples.seconds)
    return Timed(run.summary.median, p95, () if run.steady else run.notes)


def _asked(what: str, graph: Graph, conditions: Conditions, limits: Limits) -> Any:
    """The answer of a process of its own to a job, or a Failure.

    It starts while the network is written.
    """
    with Process(Worker) as process, job(graph, conditions, limits) as asked:
        return process.ask(what, asked)


@contextmanager
def job(graph: Graph, told: Conditions, limits: Limits | None = None) -> Iterator[Job]:
    """A network as it is timed under these conditions."""
    with written(graph, {find(told.runtime).takes}, told.precision) as prepared:
        yield Job(
            prepared,
            told.runtime,
            device=told.device,
            threads=told.threads,
            batch=told.batch,
            limits=limits or Limits(),
            breakdown=False,
        )


def charged(graph: Graph, ran: Sequence[Run], found: Looked) -> list[float]:
    """The times of an engine's kernels, given to the kernels of the graph.

    What computes several is given to the one with most multiply-adds, or in equal parts
    to those that have as many, and what only changes a layout to the one that made the
    tensor. An addition of two tensors may be computed behind either: whose first node
    is not there has no part in the kernel.
    """
    names = names_of_graph(for_inference(graph.inference))
    place = {node.name: at for at, run in enumerate(ran) for node in run.nodes}
    begins = {run.nodes[0].name for run in ran}
    spent = [0.0] * len(ran)
    for operator in found.operators:
        given = operator.nodes or (operator.name,)
        works = [work for name in given for work, _ in names.find(name)]
        at = {place[work.name] for work in works if work.name in place}
        begun = {place[w.name] for w in works if w.name in begins}
        shares = begun or at
        most = max((ran[index].kernel.macs for index in shares), default=0)
        first = [index for index in shares if ran[index].kernel.macs == most]
        for index in first:
            spent[index] += operator.seconds / len(first)
    return spent
