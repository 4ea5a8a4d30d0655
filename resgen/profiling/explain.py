"""Where the time of an opened network goes, by its engine's own profiler."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from resgen.artifact.prepared import AS_BUILT
from resgen.attribution import foreign, operators, roofline
from resgen.attribution.attribute import charge
from resgen.attribution.graph_names import names_of_graph
from resgen.attribution.names import Names
from resgen.errors import ResgenError
from resgen.profiling.bench import Bench
from resgen.records.profile import Breakdown, Ceilings, OperatorTime

#: Runs whose operator times are taken: enough for a steady figure of each, and of a
#: small network as many as fit into a time that nobody notices.
RUNS: Final = (10, 100)
SECONDS: Final = 0.3
#: What a breakdown by TensorRT's profiler says of its source.
IPROFILER: Final = "IProfiler, in a pass of its own"
#: Why the profiler of an engine is not read.
UNREAD: Final = {
    "onnxruntime": "ONNX Runtime's profile is read on the processor only",
    "torch-compile": "the kernels that torch.compile fuses do not name what they "
    "compute",
    "opencv": "OpenCV does not name what its layers have fused",
}

#: Operator times, the names that lead from them to the network, and their source.
Read: TypeAlias = tuple[tuple[OperatorTime, ...], Names, str]


def explained(bench: Bench) -> tuple[Breakdown, Ceilings | None]:
    """Operator times charged to the network, beside what the machine could reach.

    An engine whose profiler resgen does not read is a ResgenError. There are no
    ceilings where nobody knows the precision.
    """
    reader(bench)  # the ceilings take a second, in vain if nothing is read
    job, precision = bench.job, bench.job.prepared.precision
    if precision == AS_BUILT:
        return charged(bench), None
    ceilings = roofline.ceilings(job.runtime, job.device, precision, job.threads)
    return charged(bench, ceilings), ceilings


def charged(bench: Bench, ceilings: Ceilings | None = None) -> Breakdown:
    """Operator times charged to the network."""
    found, names, source = reader(bench)(bench)
    return charge(found, names, source=source, batch=bench.job.batch, ceilings=ceilings)


def reader(bench: Bench) -> Callable[[Bench], Read]:
    """What reads the engine's profiler."""
    runtime = bench.job.runtime
    found = _READERS.get(runtime)
    if found is None or (runtime == "onnxruntime" and bench.job.device != "cpu"):
        unread = f"the profiler of {bench.engine.title} is not read here"
        raise ResgenError(UNREAD.get(runtime, unread))
    return found


def _runs(bench: Bench) -> int:
    """How many runs to look at: fewer where fewer samples are asked for, too."""
    least, most = min(RUNS[0], bench.job.limits.least), RUNS[1]
    took = []
    for _ in range(3):
        begin = time.perf_counter()
        bench.session.run(bench.feeds)
        took.append(time.perf_counter() - begin)
    return max(least, min(most, int(SECONDS / max(min(took), 1e-9))))


def _torch(bench: Bench) -> Read:
    import torch

    device = bench.job.device
    graph, module = bench.job.prepared.module()
    module.eval().to(device)
    inputs = [torch.from_numpy(bench.feeds[i.name]).to(device) for i in graph.inputs]
    found = operators.profile_torch(module, inputs, runs=_runs(bench))
    return found, names_of_graph(graph), "torch.profiler"


def _onnxruntime(bench: Bench) -> Read:
    profile, source = operators.profile_onnxruntime, "onnxruntime profile"
    return _of_file(bench, "ONNX Runtime", profile), _names_of_file(bench), source


def _litert(bench: Bench) -> Read:
    job = bench.job
    file = job.prepared.file("litert")
    if file is None:
        raise ResgenError("LiteRT's profiler needs a LiteRT file")
    found = operators.profile_litert(
        file, bench.feeds, threads=job.threads, runs=_runs(bench)
    )
    source = "LiteRT's profiler, kernels of XNNPACK matched by kind and order"
    return found, _names_of_file(bench), source


def _openvino(bench: Bench) -> Read:
    profile, source = operators.profile_openvino, "OpenVINO's profiling of a request"
    return _of_file(bench, "OpenVINO", profile), _names_of_file(bench), source


def _of_file(
    bench: Bench, title: str, profile: Callable[..., tuple[OperatorTime, ...]]
) -> tuple[OperatorTime, ...]:
    """Operator times of an engine on the processor that reads the ONNX file."""
    job = bench.job
    if job.prepared.model is None:
        raise ResgenError(f"{title}'s profiler needs an ONNX file")
    return profile(
        job.prepared.model, bench.feeds, threads=job.threads, runs=_runs(bench)
    )


def _names_of_file(bench: Bench) -> Names:
    """The names in the ONNX file that engines read."""
    prepared = bench.job.prepared
    if prepared.names is not None:
        return prepared.names
    return names_of_graph(prepared.graphs.of_file)


def _tensorrt(bench: Bench) -> Read:
    """Layers of an engine; without the network it was built of, by their own names."""
    from resgen.runtime.tensorrt import TensorRtSession

    prepared, session = bench.job.prepared, bench.session
    if not isinstance(session, TensorRtSession):
        raise ResgenError(f"the profiler of {bench.engine.title} is not read here")
    times, layers = session.layer_times(bench.feeds, RUNS[0])
    if not times:
        raise ResgenError(f"the profiler of {session.name} reported no layer")
    found = operators.from_layers(times, layers)
    if prepared.network is not None:
        names = names_of_graph(prepared.graphs.of_engine)
    elif prepared.names is not None:
        names = prepared.names
    elif prepared.origin is not None:
        names = foreign.names_of_onnx(prepared.origin, bench.job.shapes)
    else:
        names = foreign.names_of_layers(found)
    return found, names, IPROFILER


_READERS: Final[Mapping[str, Callable[[Bench], Read]]] = {
    "litert": _litert,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "tensorrt": _tensorrt,
    "torch": _torch,
}
