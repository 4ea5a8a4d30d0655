"""What an engine computes, how long it takes, and where."""

from __future__ import annotations

import ctypes
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from resgen.kit.script.files import Stop
from resgen.kit.script.tensors import Bound, decode

#: Runs whose layer times are read.
PROFILED_RUNS = 20


def outputs_of(run: Bound) -> dict[str, Any]:
    """Run once, and bring every output to the host."""
    run.end_to_end()
    run.wait()
    return {name: decode(t.host, t.dtype) for name, t in run.outputs.items()}


@contextmanager
def graphed(run: Bound) -> Iterator[Callable[[], None] | None]:
    """One launch for the whole network; None where it cannot be recorded.

    Else Python's launches of an engine of many short kernels would be in its time. The
    engine has run before: it allocates and chooses kernels in its first run.
    """
    asked = getattr(run.context, "is_stream_capturable", None)
    cuda, made = run.cuda, []
    try:
        if asked is None or asked(run.stream):
            made = recorded(run)
    except Stop:
        pass
    try:
        yield (
            (lambda: cuda.on("cudaGraphLaunch", made[1], run.stream)) if made else None
        )
    finally:
        if made:
            cuda.on("cudaGraphExecDestroy", made[1])
            cuda.on("cudaGraphDestroy", made[0])


def recorded(run: Bound) -> list[int]:
    """The graph of a run, and what launches it."""
    cuda, stream = run.cuda, ctypes.c_void_p(run.stream)
    # cudaStreamCaptureModeThreadLocal: what other threads do is none of it.
    cuda.call("cudaStreamBeginCapture", stream, ctypes.c_int(1))
    graph = ctypes.c_void_p()
    try:
        run.compute()
    finally:  # else the stream records for ever
        cuda.call("cudaStreamEndCapture", stream, ctypes.byref(graph))
    launch = ctypes.c_void_p()
    cuda.call("cudaGraphInstantiateWithFlags", ctypes.byref(launch), graph,
              ctypes.c_ulonglong(0))  # fmt: skip
    return [graph.value or 0, launch.value or 0]


def samples(
    run: Bound, work: Callable[[], None], runs: int, warm_up: float, origin: float
) -> list[list[float]]:
    """Time ``work`` after ``warm_up`` seconds of it; the rows are ``COLUMNS``.

    Every run ends before the next begins, so that none hides behind another.
    """
    ready = time.perf_counter() + warm_up
    while True:
        work()
        run.wait()
        if time.perf_counter() >= ready:
            break
    cuda, rows = run.cuda, []
    begin, end = cuda.handle("cudaEventCreate"), cuda.handle("cudaEventCreate")
    try:
        for _ in range(runs):
            start = time.perf_counter()
            cuda.on("cudaEventRecord", begin, run.stream)
            work()
            cuda.on("cudaEventRecord", end, run.stream)
            run.wait()
            took = time.perf_counter() - start
            rows.append([start - origin, cuda.elapsed(begin, end), took * 1e3])
    finally:
        cuda.on("cudaEventDestroy", begin)
        cuda.on("cudaEventDestroy", end)
    return rows


def layer_times(trt: Any, run: Bound) -> list[dict[str, Any]]:
    """Milliseconds of every layer in each of ``PROFILED_RUNS`` runs."""
    passes: list[dict[str, float]] = []

    class Profiler(trt.IProfiler):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)

        def report_layer_time(self, name: str, ms: float) -> None:
            passes[-1][name] = passes[-1].get(name, 0.0) + ms

    # The context does not keep its profiler alive: this name does.
    profiler = run.context.profiler = Profiler()
    for _ in range(PROFILED_RUNS):
        passes.append({})
        run.compute()
        run.wait()
    del profiler
    names = list(dict.fromkeys(name for times in passes for name in times))
    return [{"name": n, "ms": [t.get(n, 0.0) for t in passes]} for n in names]


def inspect_layers(trt: Any, engine: Any, context: Any) -> Any:
    """What the inspector says of the engine, or None where it says nothing."""
    inspector = engine.create_engine_inspector()
    inspector.execution_context = context
    text = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
    try:
        return json.loads(text)
    except ValueError:
        return text or None
