"""How long each layer of an engine takes, and what it is: TensorRT's own account.

The profiler is called once a layer and slows inference, so it belongs into a pass of
its own. The inspector describes layers by the same names.
"""

from __future__ import annotations

import json
from statistics import median
from typing import Any

from resgen.tensorrt.api import ICudaEngine, IExecutionContext, TensorRT


def profiler_of(trt: TensorRT) -> Any:
    """A profiler; ``passes`` gets milliseconds by layer in each run since :meth:`next`.

    A context does not keep its profiler alive: its owner has to.
    """

    class Profiler(trt.IProfiler):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)
            self.passes: list[dict[str, float]] = []

        def next(self) -> None:
            self.passes.append({})

        def report_layer_time(self, name: str, ms: float) -> None:
            times = self.passes[-1]
            times[name] = times.get(name, 0.0) + ms

    return Profiler()


def seconds_of(passes: list[dict[str, float]]) -> dict[str, float]:
    """Seconds of every layer, the median over the runs, in the order of the first.

    A layer that a run did not report took no time in it.

    >>> seconds_of([{"conv": 2.0}, {"conv": 4.0}, {"conv": 3.0}])
    {'conv': 0.003}
    """
    names = dict.fromkeys(name for times in passes for name in times)
    return {n: median(times.get(n, 0.0) for times in passes) / 1e3 for n in names}


def inspected(trt: TensorRT, engine: ICudaEngine, context: IExecutionContext) -> Any:
    """What the inspector says of the layers, as JSON; None where it says nothing.

    The context tells it the sizes that are open in the engine.
    """
    inspector = engine.create_engine_inspector()
    inspector.execution_context = context
    text = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "Layers" in found else None
