"""The network behind times that were taken elsewhere: its names, and its parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resgen.records.profile import Breakdown, OperatorTime, Part

if TYPE_CHECKING:
    from resgen.attribution.names import Names

#: What may lie beside a result, best first: a spec tells most.
BESIDE = ("spec.json", "model.onnx")


def names_of(network: Path | None) -> tuple[Names | None, tuple[Part, ...]]:
    """Names by which layers are charged, and the parts of the network.

    ``network`` is an ONNX file, or a spec or the name of one; without it neither is
    known. Errors are those of reading these files.
    """
    if network is None:
        return None, ()
    if network.suffix == ".onnx":
        from resgen.attribution.foreign import read_onnx
        from resgen.attribution.parts import parts_of_file

        names, costs = read_onnx(network)
        return names, parts_of_file(names, costs)
    from resgen.attribution.graph_names import names_of_graph
    from resgen.attribution.parts import parts_of
    from resgen.expansion.network import expand, load
    from resgen.graph.passes.inference import for_inference

    graph = expand(load(str(network)))
    return names_of_graph(for_inference(graph)), parts_of(graph)


def charged(
    operators: Sequence[OperatorTime], names: Names | None, *, source: str, batch: int
) -> Breakdown:
    """Layers charged to a network; without one, by what their own names say."""
    from resgen.attribution.attribute import charge
    from resgen.attribution.foreign import names_of_layers

    known = names_of_layers(operators) if names is None else names
    return charge(operators, known, source=source, batch=batch)


def beside(path: Path) -> Path | None:
    """The network that lies in the same folder, if there is one."""
    found = (path.parent / name for name in BESIDE)
    return next((file for file in found if file.is_file()), None)
