"""A network that is measured in milliseconds, and made ready without PyTorch."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TESTS = Path(__file__).parent
SPEC = {
    "resgen": 1,
    "name": "small",
    "input": [3, 32, 32],
    "stem": "cifar",
    "defaults": {"block": "basic", "shortcut": "projection"},
    "stages": [{"width": 16, "depth": 1}, {"width": 32, "depth": 1}],
    "head": {"classes": 10},
}


def onnx_file(path: Path, name: str = "tiny", *, open_sizes: bool = False) -> Path:
    """One convolution and one addition; ``name`` is the graph's."""
    sizes = ["batch", 3, "height", "width"] if open_sizes else ["batch", 3, 16, 16]
    given = helper.make_tensor_value_info("input", TensorProto.FLOAT, sizes)
    given_out = helper.make_tensor_value_info("output", TensorProto.FLOAT, None)
    weight = np.random.default_rng(0).normal(size=(3, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node(
                "Conv", ["input", "layer1.0.conv.weight"], ["layer1.0.conv"],
                name="layer1.0.conv", pads=[1, 1, 1, 1],
            ),
            helper.make_node(
                "Relu", ["layer1.0.conv"], ["layer1.0.act"], name="layer1.0.act"
            ),
            helper.make_node(
                "Add", ["layer1.0.act", "layer1.0.conv"], ["output"],
                name="layer1.0.add",
            ),
        ],
        name, [given], [given_out],
        [numpy_helper.from_array(weight, "layer1.0.conv.weight")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)
    return path


def find_stand_ins(monkeypatch) -> None:
    """Let processes that this one starts import ``stand_in_engines``."""
    inherited = os.environ.get("PYTHONPATH")
    both = os.pathsep.join(filter(None, [str(TESTS), inherited]))
    monkeypatch.setenv("PYTHONPATH", both)


class Here:
    """Answers as a process to measure in does, and takes no time to start.

    What real processes add (that they die, that they differ) is in test_worker.py and
    test_comparisons_soak.py.
    """

    def __init__(self, worker, environment=None):
        self._worker = worker(self)
        self._answer = None
        self._progress = None

    def __enter__(self):
        gc.freeze()  # a new process has little to collect before it samples
        return self

    def __exit__(self, *_):
        gc.unfreeze()

    def give(self, kind, value):
        """What the worker tells while it measures."""
        if self._progress is not None:
            self._progress(value)

    def ask(self, name, *arguments, progress=None):
        self._progress = progress
        self.tell(name, *arguments)
        return self.hear()

    def tell(self, name, *arguments):
        try:
            self._answer = getattr(self._worker, name)(*arguments)
        except Exception as error:
            self._answer = self._worker.explain(error)

    def hear(self):
        return self._answer


def measure_here(monkeypatch) -> None:
    """Let this process measure, and no other start."""
    find_stand_ins(monkeypatch)
    for module in ("profile", "comparison.compare", "comparison.waterfall"):
        monkeypatch.setattr(f"resgen.profiling.{module}.Process", Here)
