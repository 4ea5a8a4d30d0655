"""Networks of the zoo as LiteRT files, proven operator by operator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from published import GOLDEN, sampled

import resgen
from resgen.artifact.judging import with_statistics
from resgen.calibrate.lowered import Calibrator
from resgen.calibrate.samples import gather
from resgen.graph.passes.inference import for_inference
from resgen.graph.precision import Precision
from resgen.lower.onnx import write
from resgen.runtime.onnxruntime import OnnxRuntimeSession
from resgen.weights.initialize import initialize
from tests.zoo.test_zoo import LARGEST, smallest

pytest.importorskip("ai_edge_litert")


@pytest.mark.parametrize("name", sampled(set(GOLDEN) - LARGEST, 2))
@pytest.mark.slow
def test_a_network_is_proven(name: str, tmp_path: Path) -> None:
    from resgen.lower.litert.write import derive
    from resgen.proof.litert import prove_litert

    graph = resgen.expand(resgen.load(name, [smallest(name)])).inference
    folded = for_inference(graph)
    plan = derive(folded)
    assert plan.transposes == 0
    weights = initialize(graph.parameters, 0)
    file = tmp_path / "model.tflite"
    with file.open("wb") as out:
        out.writelines(plan.pieces(weights))
    x = np.random.default_rng(0).standard_normal(
        (2, *graph.inputs[0].type.shape), np.float32
    )
    found = prove_litert(graph, folded, plan, file, weights, x)
    assert found.operators


@pytest.mark.parametrize("name", ["efficientnet_b0", "mobilenetv2_100", "resnet50"])
@pytest.mark.slow
def test_int8_has_no_more_noise_than_in_onnxruntime(name: str, tmp_path: Path) -> None:
    """Each by the file that is written for it, half a decibel apart at most."""
    from resgen.lower.litert.write import derive
    from resgen.runtime.litert import LiteRtSession

    spec = resgen.load(name, ["/input=[3, 128, 128]"])
    graph = resgen.expand(spec).inference
    samples = gather(None, graph, spec.preprocess)
    samples = replace(samples, count=min(8, samples.count))
    weights = initialize(graph.parameters, 0)
    wide = Calibrator(graph, weights, samples).at(Precision())
    calibrator = with_statistics(wide).calibrator
    lite = calibrator.at(Precision("int8", "litert"))
    file = tmp_path / "model.tflite"
    with file.open("wb") as out:
        out.writelines(derive(lite.shipped).pieces(lite.weights))
    onnx = calibrator.at(Precision("int8", "onnxruntime"))
    write(onnx.shipped, onnx.weights, tmp_path / "model.onnx")
    with (
        LiteRtSession(file) as ours,
        OnnxRuntimeSession(tmp_path / "model.onnx", any_placement=True) as theirs,
    ):
        assert lite.measured(ours).snr >= onnx.measured(theirs).snr - 0.5
