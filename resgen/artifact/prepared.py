"""What a process that measures opens: files, and what is known of them beforehand."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from resgen.errors import ResgenError
from resgen.records.profile import Subject

if TYPE_CHECKING:
    import torch

    from resgen.attribution.names import Names
    from resgen.graph.ir import Graph
    from resgen.spec.model import Preprocess

#: What weights are called that :mod:`resgen.proof.probe` drew.
PROBE: Final = "probe"
#: The precision of an engine of which only the file is there.
AS_BUILT: Final = "as built"


class Graphs(NamedTuple):
    """A network at its precision, of which PyTorch's module is made; as its ONNX file
    and TensorRT's engine were written from it; and how a picture becomes its input.
    """

    lowered: Graph
    of_file: Graph
    of_engine: Graph
    preprocess: Preprocess


@dataclass(frozen=True)
class Prepared:
    """Files to open, and what is known of them without opening any.

    ``model`` is an ONNX file, ``engine`` TensorRT's; ``network`` holds the graphs of a
    spec, with ``weights`` beside it. ``origin`` is the ONNX file that the engine
    was built from. ``builds`` are engines of several builds, ``engine`` the first of
    them. What is None cannot be had. ``others`` are what a form has made, by what the
    engines that open it take, ``names`` those in an ONNX file that another tool wrote.
    """

    subject: Subject
    precision: str
    model: Path | None = None
    engine: Path | None = None
    network: Path | None = None
    weights: Path | None = None
    origin: Path | None = None
    builds: tuple[Path, ...] = ()
    others: Mapping[str, Path] = field(default_factory=dict)
    names: Names | None = None

    def file(self, takes: str) -> Path | None:
        """What an engine that ``takes`` this opens."""
        own = {"onnx": self.model, "module": self.network, "engine": self.engine}
        return own[takes] if takes in own else self.others.get(takes)

    def only(self, takes: str) -> Prepared:
        """The same without large files that an engine which takes this never reads."""
        own = {takes: self.others[takes]} if takes in self.others else {}
        if takes == "module":
            return replace(self, model=None, others=own)
        return replace(self, weights=None, others=own)

    def size(self, takes: str) -> int | None:
        """Bytes of what such an engine reads, what a file keeps beside it included."""
        file = self.weights if takes == "module" else self.file(takes)
        if file is None:
            return None
        beside: tuple[Path, ...] = ()
        if takes == "onnx":
            from resgen.onnxfile.external import check_external

            beside = check_external(file)
        return sum(path.stat().st_size for path in (file, *beside))

    @cached_property
    def graphs(self) -> Graphs:
        """The graphs of a network, which are not known of a file."""
        if self.network is None:
            raise ResgenError(f"{self.subject.name} is a file, not a network of a spec")
        # Written by this run into a folder of its own.
        found: Graphs = pickle.loads(self.network.read_bytes())
        return found

    def module(self) -> tuple[Graph, torch.nn.Module]:
        """The graph and PyTorch's module of it."""
        from resgen.lower.torch import to_torch
        from resgen.weights.safetensors import StoredWeights

        graph = self.graphs.lowered
        stored = StoredWeights(self.weights or "")
        arrays = {p.name: stored[p.name] for p in graph.parameters}
        return graph, to_torch(graph, arrays)
