"""LiteRT's times, charged to what they are of."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resgen
from resgen.attribution.operators.litert import Event, Operator, matched
from resgen.errors import ResgenError

CONV = "Convolution (NHWC, F32) IGEMM"

SPEC: dict[str, Any] = {
    "resgen": 1,
    "name": "small",
    "input": [3, 16, 16],
    "stem": {"op": "conv", "out": 8, "kernel": 3, "stride": 2},
    "stages": [{"block": "basic", "width": 8, "depth": 2}],
    "head": {"classes": 3},
}


def test_kernels_are_matched_by_kind_and_order() -> None:
    operators = [
        Operator("PAD", "a.conv/pad"),  # which the convolution does, too
        Operator("CONV_2D", "a.conv;a.act"),
        Operator("ADD", "a.add"),
        Operator("MAX_POOL_2D", "b.pool"),
        Operator("PAD", "b.pad"),
        Operator("RESHAPE", "c.flat"),
        Operator("FULLY_CONNECTED", "c.fc"),
    ]
    events = [
        Event(CONV, 5e-6), Event("Add (ND)", 1e-6), Event("Clamp (NC)", 2e-6),
        Event("MAX_POOL_2D", 4e-6, 3), Event("Constant Pad (ND, X32)", 3e-6),
        Event("Fully Connected (NC, F32) GEMM", 6e-6),
    ]  # fmt: skip
    found = matched(operators, events, "x.tflite")
    assert [(each.nodes, each.seconds) for each in found] == [
        (("a.conv", "a.act"), 5e-6), (("a.add",), 1e-6), (("a.add",), 2e-6),
        (("b.pool",), 4e-6), (("b.pad",), 3e-6), (("c.fc",), 6e-6),
    ]  # fmt: skip
    with pytest.raises(ResgenError, match="not one by one the operators of x"):
        matched(operators, events[1:], "x.tflite")


@pytest.mark.slow
def test_all_time_and_all_work_is_charged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ai_edge_litert")
    from resgen.attribution.operators.litert import profile_litert

    made = resgen.export(SPEC, tmp_path / "out", to="litert", verify=False)
    # What a folder was exported for is what times it, unless said.
    record = resgen.profile(made.folder, time=0.1, batch=2).record
    (run,) = record.runs
    assert run.runtime == "litert"
    found = run.breakdown
    assert found is not None
    assert found.coverage == 1
    sections = [each for each in found.charges if each.kind == "section"]
    assert [each.path for each in sections] == ["stem", "layer1", "head"]
    assert sum(each.macs or 0 for each in sections) == 2 * (record.subject.macs or 0)
    graph = resgen.expand(resgen.load(SPEC))
    assert {node for each in found.operators for node in each.nodes} <= {*graph.node}
    assert {each.path for each in found.charges} >= {"layer1.0", "layer1.1"}
    monkeypatch.setattr(metadata, "version", lambda name: "1.9.0")
    with pytest.raises(ResgenError, match=r"LiteRT 1\.9\.0 is not read here, that of"):
        profile_litert(made.folder / "model.tflite", {"input": np.zeros(3)})
