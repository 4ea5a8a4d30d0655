"""The network behind times that were taken elsewhere: its names, and its parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from resgen.profile.record import Part

if TYPE_CHECKING:
    from resgen.profile.attribution.names import Names

#: What may lie beside a result, best first: a spec tells most.
BESIDE = ("spec.json", "model.onnx")


def names_of(network: Path | None) -> tuple[Names, tuple[Part, ...]]:
    """Names by which layers are charged, and the parts of the network.

    ``network`` is an ONNX file, or a spec or the name of one; without it nothing can
    be charged. Errors are those of reading these files.
    """
    if network is None:
        from resgen.profile.attribution.names import Names

        return Names({}, {}, frozenset(), ()), ()
    if network.suffix == ".onnx":
        from resgen.profile.attribution.foreign import names_of_onnx

        return names_of_onnx(network), ()
    from resgen.graph.passes import apply
    from resgen.graph.passes.fold_norm import fold_norm
    from resgen.network import expand, load
    from resgen.profile.attribution.graph_names import names_of_graph
    from resgen.profile.attribution.parts import parts_of

    graph = expand(load(str(network)))
    return names_of_graph(apply(graph, fold_norm)), parts_of(graph)


def beside(path: Path) -> Path | None:
    """The network that lies in the same folder, if there is one."""
    found = (path.parent / name for name in BESIDE)
    return next((file for file in found if file.is_file()), None)
