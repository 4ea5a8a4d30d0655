"""OpenVINO's times of the nodes of an ONNX file, on the processor.

The plugin's own graph says of each node which nodes of the file it was fused from
(``originalLayersNames``); names of the plugin's own are among them, which lead nowhere.
A node of no origin is a conversion that the plugin has put in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from resgen.attribution.attribute import CONVERSION
from resgen.attribution.operators.typical import typical
from resgen.errors import ResgenError
from resgen.records.profile import OperatorTime
from resgen.runtime.base import Array, reason
from resgen.runtime.openvino import compiled

_ORIGINS: Final = "originalLayersNames"
#: What OpenVINO adds to the name of a convolution whose bias it adds separately.
_BARE: Final = "/WithoutBiases"


def profile_openvino(
    model: Path,
    feeds: Mapping[str, Array],
    *,
    threads: int | None = None,
    runs: int = 10,
    warm_up: int = 2,
) -> tuple[OperatorTime, ...]:
    """Every node that runs, with its typical time of ``runs`` inferences.

    ``nodes`` are the nodes of the file that it computes. They follow ``warm_up`` other
    inferences. A file that does not load or run is a
    :class:`~resgen.errors.ResgenError`.
    """
    network = compiled(model, threads=threads, profiled=True)
    spent: dict[str, list[float]] = {}
    kinds: dict[str, str] = {}
    try:
        request = network.create_infer_request()
        for turn in range(warm_up + runs):
            request.infer(dict(feeds))
            if turn < warm_up:
                continue
            for node in request.get_profiling_info():
                if node.status.name == "EXECUTED":
                    kinds[node.node_name] = node.node_type
                    took = node.real_time.total_seconds()
                    spent.setdefault(node.node_name, []).append(took)
        graph = _Graph(network.get_runtime_model())
    except Exception as error:  # the runtime's exceptions have no common base
        raise ResgenError(
            f"OpenVINO does not profile {model}: {reason(error)}"
        ) from error
    return tuple(
        OperatorTime(
            name=name,
            kind=kinds[name],
            seconds=typical(seconds, runs),
            nodes=graph.origins.get(name) or graph.converted(name),
            role=None if graph.origins.get(name) else CONVERSION,
        )
        for name, seconds in spent.items()
    )


class _Graph:
    """What runs: of what each node was made, and what it is next to."""

    def __init__(self, model: Any) -> None:
        self.origins: dict[str, tuple[str, ...]] = {}
        self._makers: dict[str, list[str]] = {}
        self._readers: dict[str, list[str]] = {}
        for node in model.get_ordered_ops():
            name = node.get_friendly_name()
            told = node.get_rt_info()[_ORIGINS].astype(str)
            names = (part.removesuffix(_BARE) for part in told.split(",") if part)
            self.origins[name] = tuple(dict.fromkeys(names))
            makers = [v.get_node().get_friendly_name() for v in node.input_values()]
            self._makers[name] = makers
            for maker in makers:
                self._readers.setdefault(maker, []).append(name)

    def converted(self, name: str) -> tuple[str, ...]:
        """The node that made what is converted; of an input, those that read it."""
        maker = next(iter(self._makers.get(name, ())), None)
        if maker is not None and self._makers[maker]:
            return self.origins[maker][-1:]
        readers = self._readers.get(name, ())
        return tuple(origin for reader in readers for origin in self.origins[reader])
