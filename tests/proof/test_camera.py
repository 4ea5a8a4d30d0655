"""A file that takes a camera's pictures, proven or refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import resgen
from resgen.errors import ResgenError
from resgen.graph.passes.camera import READY, camera
from resgen.graph.precision import Precision, at_precision
from resgen.lower.onnx import write
from resgen.pictures.find import photographs
from resgen.proof.camera import verify_camera
from resgen.proof.compare import Departure
from resgen.spec.model import Preprocess
from resgen.weights.initialize import initialize

SPEC = {
    "resgen": 1,
    "name": "small",
    "input": [3, 32, 32],
    "stem": "cifar",
    "defaults": {"block": "basic", "shortcut": "projection"},
    "stages": [{"width": 16, "depth": 1}],
    "head": {"classes": 10},
}
USUAL = Preprocess(resize=36)


def exported(path: Path, preprocess: Preprocess, name="fp32", **options) -> Path:
    graph = at_precision(resgen.expand(resgen.load(SPEC)), Precision(name=name))
    graph = camera(graph, preprocess, (60, 80))
    write(graph, initialize(graph.parameters, 0), path, **options)
    return path


@pytest.mark.parametrize("name", ["fp32", "fp16", "int8"])
def test_a_right_file_is_proven(tmp_path, name):
    file = exported(tmp_path / "model.onnx", USUAL, name)
    found = verify_camera(file, USUAL)
    assert found.size == (60, 80)
    assert found.pictures == len(photographs()) + 1
    assert found.steps < 0.01
    assert found.share == 0
    assert found.outputs is not None
    assert found.outputs < 1e-2
    assert found.top1 == (found.pictures, found.pictures)
    assert found.to_json()["steps"] == found.steps
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


def test_pixels_are_proven_where_the_network_has_no_kernels(tmp_path):
    file = exported(tmp_path / "model.onnx", USUAL, "bf16")
    found = verify_camera(file, USUAL)
    assert found.share == 0
    assert found.outputs is None


def test_a_fixed_batch_and_weights_beside_the_file(tmp_path):
    picture = tmp_path / "gray.png"
    Image.linear_gradient("L").save(picture)
    (tmp_path / "made").mkdir()
    path = tmp_path / "made" / "model.onnx"
    file = exported(path, USUAL, batch=2, limit=1000)
    assert (tmp_path / "made" / "model.onnx.data").exists()
    found = verify_camera(file, USUAL, [picture])
    assert (found.pictures, found.share) == (2, 0)


@pytest.mark.parametrize(
    "other",
    [
        {"resize": 37},
        {"interpolation": "bicubic"},
        {"antialias": False},
        {"color": "bgr"},
        {"crop": 30},
        {"mean": (0.485, 0.456, 0.416)},
        {"scale": 1 / 256},
    ],
)
def test_another_preparation_is_seen(tmp_path, other):
    file = exported(tmp_path / "model.onnx", replace(USUAL, **other))
    with pytest.raises(Departure) as caught:
        verify_camera(file, USUAL)
    assert caught.value.tensor == READY


def test_a_file_without_a_camera_is_named(tmp_path):
    graph = resgen.expand(resgen.load(SPEC))
    write(graph, initialize(graph.parameters, 0), tmp_path / "model.onnx")
    with pytest.raises(ResgenError, match="takes no pictures"):
        verify_camera(tmp_path / "model.onnx", USUAL)


def test_a_network_of_nothing_is_proven_too(tmp_path):
    nothing = {"stem": [], "stages": [], "head": [], "defaults": {}}
    graph = camera(resgen.expand(resgen.load(SPEC | nothing)), USUAL, (60, 80))
    write(graph, {}, tmp_path / "model.onnx")
    found = verify_camera(tmp_path / "model.onnx", USUAL)
    assert (found.share, found.outputs) == (0, None)
