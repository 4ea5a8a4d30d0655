"""Where the time of an opened network goes, by its engine's own profiler."""

from __future__ import annotations

from resgen.errors import ResgenError
from resgen.profile.attribution.names import Names
from resgen.profile.bench import Bench
from resgen.profile.document.record import Breakdown, Ceilings, OperatorTime

#: Runs whose operator times are averaged.
RUNS = 10


def explained(bench: Bench) -> tuple[Breakdown | None, Ceilings | None]:
    """Operator times charged to the network, beside what the machine could reach.

    Both are None for an engine whose profiler resgen does not read.
    """
    from resgen.profile.attribution import roofline

    if not _read(bench):
        return None, None
    job = bench.job
    ceilings = roofline.ceilings(
        job.runtime, job.device, job.prepared.precision, job.threads
    )
    return charged(bench, ceilings), ceilings


def charged(bench: Bench, ceilings: Ceilings | None = None) -> Breakdown:
    """Operator times charged to the network."""
    from resgen.profile.attribution import attribute

    found, names, source = _operators(bench)
    return attribute.charge(
        found, names, source=source, batch=bench.job.batch, ceilings=ceilings
    )


def _read(bench: Bench) -> bool:
    """Whether the engine's profiler is read here."""
    job = bench.job
    return job.runtime == "torch" or (job.runtime, job.device) == ("onnxruntime", "cpu")


def _operators(bench: Bench) -> tuple[tuple[OperatorTime, ...], Names, str]:
    from resgen.profile import operators
    from resgen.profile.attribution import attribute, foreign

    job, prepared = bench.job, bench.job.prepared
    if job.runtime == "torch":
        import torch

        graph, module = prepared.module()
        module.eval().to(job.device)
        inputs = [torch.from_numpy(bench.feeds[i.name]) for i in graph.inputs]
        on_device = [tensor.to(job.device) for tensor in inputs]
        found = operators.profile_torch(module, on_device, runs=RUNS)
        return found, attribute.names_of_graph(graph), "torch.profiler"
    if not _read(bench) or prepared.model is None:
        raise ResgenError(f"the profiler of {bench.engine.title} is not read here")
    found = operators.profile_onnxruntime(
        prepared.model, bench.feeds, threads=job.threads, runs=RUNS
    )
    if prepared.network is not None:
        names = attribute.names_of_graph(prepared.file_graph)
    else:
        names = foreign.names_of_onnx(prepared.model)
    return found, names, "onnxruntime profile"
