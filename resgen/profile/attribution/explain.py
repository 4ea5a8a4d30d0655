"""Where the time of an opened network goes, by its engine's own profiler."""

from __future__ import annotations

from resgen.errors import ResgenError
from resgen.profile.attribution.names import Names
from resgen.profile.bench import Bench
from resgen.profile.record import Breakdown, Ceilings, OperatorTime
from resgen.profile.subject import AS_BUILT

#: Runs whose operator times are taken.
RUNS = 10
#: What a breakdown by TensorRT's profiler says of its source.
IPROFILER = "IProfiler, in a pass of its own"


def explained(bench: Bench) -> tuple[Breakdown | None, Ceilings | None]:
    """Operator times charged to the network, beside what the machine could reach.

    Both are None for an engine whose profiler resgen does not read.
    """
    from resgen.profile.attribution import roofline

    if not _read(bench):
        return None, None
    job, precision = bench.job, bench.job.prepared.precision
    if precision == AS_BUILT:  # nobody knows which ceiling its layers have
        return charged(bench), None
    ceilings = roofline.ceilings(job.runtime, job.device, precision, job.threads)
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
    return job.runtime in ("torch", "tensorrt") or (job.runtime, job.device) == (
        "onnxruntime",
        "cpu",
    )


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
    if job.runtime == "tensorrt":
        return _tensorrt(bench)
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


def _tensorrt(bench: Bench) -> tuple[tuple[OperatorTime, ...], Names, str]:
    """Layers of an engine; without the network it was built of nothing leads on."""
    from resgen.profile.attribution import attribute, foreign
    from resgen.profile.operators import from_layers
    from resgen.runtime.tensorrt import TensorRtSession

    prepared, session = bench.job.prepared, bench.session
    if not isinstance(session, TensorRtSession):
        raise ResgenError(f"the profiler of {bench.engine.title} is not read here")
    times, layers = session.layer_times(bench.feeds, RUNS)
    if not times:
        raise ResgenError(f"the profiler of {session.name} reported no layer")
    if prepared.network is not None:
        names = attribute.names_of_graph(prepared.engine_graph)
    elif prepared.origin is not None:
        names = foreign.names_of_onnx(prepared.origin)
    else:
        names = Names({}, {}, frozenset(), ())
    return from_layers(times, layers), names, IPROFILER
