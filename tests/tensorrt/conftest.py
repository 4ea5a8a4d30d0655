"""Networks at every precision, as ONNX files, and a cache of engines of their own."""

from __future__ import annotations

import pytest

import resgen
from resgen.artifact.ready import locate_from_graph
from resgen.graph.precision import Precision, at_precision
from resgen.lower.onnx import write
from resgen.tensorrt.flavor import FLAVORS
from resgen.weights.initialize import initialize


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Where engines are kept during the test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("RESGEN_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def rtx():
    """TensorRT for RTX, which builds engines on a machine without a GPU."""
    pytest.importorskip("tensorrt_rtx")
    return FLAVORS["rtx"]


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    """Writes a network as TensorRT wants it: the file, and places of its nodes."""
    folder = tmp_path_factory.mktemp("networks")
    made = {}

    def written(name, precision="fp32", changes=(), **options):
        key = (str(name), precision, *changes, *options.items())
        if key not in made:
            graph = resgen.expand(resgen.load(name, list(changes)))
            low = at_precision(graph, Precision(precision, "tensorrt"))
            path = folder / f"{len(made)}.onnx"
            write(low, initialize(low.parameters, 0), path, **options)
            made[key] = path, locate_from_graph(low)
        return made[key]

    return written
