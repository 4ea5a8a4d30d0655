"""Times of layers as TensorRT reports them, to a profiler of its own class."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from resgen.tensorrt.flavor import load
from resgen.tensorrt.profiler import inspected, profiler_of, seconds_of


def test_a_profiler_keeps_what_tensorrt_reports(rtx):
    profiler = profiler_of(load(rtx, "it is tested"))
    for conv in (2.0, 9.0, 3.0):
        profiler.next()
        profiler.report_layer_time("conv", conv)
        profiler.report_layer_time("pool", 0.5)
        profiler.report_layer_time("pool", 0.5)  # two kernels of one name
    assert seconds_of(profiler.passes) == pytest.approx({"conv": 3e-3, "pool": 1e-3})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"Layers": [{"Name": "conv"}]}', {"Layers": [{"Name": "conv"}]}),
        ('{"I/O Tensors": []}', None),
        ("", None),
        ("Layers:\nName: conv", None),
    ],
)
def test_what_the_inspector_says_is_read_if_it_says_something(text, expected):
    asked = SimpleNamespace(get_engine_information=lambda form: text)
    trt = SimpleNamespace(LayerInformationFormat=SimpleNamespace(JSON="json"))
    engine = SimpleNamespace(create_engine_inspector=lambda: asked)
    assert inspected(trt, engine, "context") == expected
    assert asked.execution_context == "context"
