"""The scales of an int8 file are those that calibration finds, or told as learned."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import resgen
from resgen.artifact.make import make
from resgen.artifact.request import Wishes
from resgen.artifact.source import from_spec
from resgen.errors import ResgenError
from resgen.graph.precision import Precision
from resgen.weights.safetensors import StoredWeights
from tests.manifests import resealed

SPEC = {
    "resgen": 1,
    "name": "tiny",
    "input": [3, 16, 16],
    "stem": {"op": "conv", "out": 8, "kernel": 3},
    "stages": [{"block": "basic", "width": 8, "depth": 1}],
    "head": {"classes": 3},
}


def exported(out: Path, precision: Precision, factor: float | None = None) -> Path:
    """An int8 folder of fresh weights, one of its scales times ``factor``."""
    source = from_spec(resgen.load(SPEC), seed=3)
    make(source, out, Wishes(precision, verify=False))
    if factor is not None:
        stored = StoredWeights(out / "weights.safetensors")
        weights = {name: stored[name] for name in stored}
        name = next(n for n in sorted(weights) if n.endswith("conv2.quantize.scale"))
        weights[name] = (weights[name] * factor).astype(np.float32)
        manifest = json.loads((out / "manifest.json").read_text())
        make(
            replace(source, weights=weights), out, Wishes(precision, verify=False),
            force=True,
        )  # fmt: skip
        altered = json.loads((out / "manifest.json").read_text())
        assert altered["calibration"]["origin"] == "training"
        altered["calibration"] = manifest["calibration"]
        resealed(out / "manifest.json", altered)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("consumer", ["onnxruntime", "tensorrt"])
def test_the_scales_of_fresh_weights_are_found_again(consumer, tmp_path):
    folder = exported(tmp_path / "right", Precision("int8", consumer))
    assert resgen.verify(folder).record["derived"]


@pytest.mark.parametrize("factor", [1 / 8, 1 / 1.5, 1.05, 1.5, 100])
def test_a_scale_that_calibration_does_not_find_is_named(factor, tmp_path):
    folder = exported(tmp_path / "altered", Precision("int8"), factor)
    with pytest.raises(ResgenError, match=r"quantize\.scale is .*calibration") as found:
        resgen.verify(folder)
    assert "was altered" in found.value.message


@pytest.mark.slow
def test_scales_of_inputs_that_are_not_at_hand_are_told_as_stored(tmp_path):
    folder = exported(tmp_path / "own", Precision("int8"))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["calibration"]["origin"] = "500 images of theirs"
    resealed(folder / "manifest.json", manifest)
    assert str(resgen.verify(folder)).endswith("; its scales are as stored")
