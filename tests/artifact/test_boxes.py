"""Detectors' folders: what is told of their maps is enough to make the boxes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import PIL.Image
import pytest
import torch
from manifests import resealed

import resgen
from resgen.artifact.answers.base import Question
from resgen.artifact.answers.boxes import Boxes
from resgen.artifact.boxes import described
from resgen.pictures.boxes import detections
from resgen.pictures.preprocess import prepare, seen

pytestmark = pytest.mark.slow

HEADS: dict[str, dict[str, Any]] = {
    "retina": {"sizes": 2, "ratios": [0.5, 1, 3]},
    "fcos": {"groups": 2},
}


def spec_of(use: str, **said: Any) -> resgen.Spec:
    given = {"classes": 3, "width": 16, **said, **HEADS[use]}
    return resgen.load({
        "resgen": 1,
        "name": "detector",
        "input": [3, 64, 96],
        "stem": "cifar",
        "stages": [
            {"block": "basic", "width": w, "depth": 1, "stride": 2} for w in (8, 16, 24)
        ],
        "head": {"from": "stages", "use": use, "with": {**given, "size": 4}},
        "preprocess": {"resize": 64},
    })  # fmt: skip


def built(folder: Path, use: str, **said: Any) -> Path:
    """Not proven yet: those who need it verify it."""
    resgen.build(spec_of(use, **said), folder, verify=False)
    return folder


def run(folder: Path, x: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """All outputs, and what the file says of boxes."""
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    names = [each.name for each in session.get_outputs()]
    model = onnx.load(folder / "model.onnx")
    told = {each.key: each.value for each in model.metadata_props}
    values = session.run(None, {session.get_inputs()[0].name: x})
    return dict(zip(names, values, strict=True)), json.loads(told["resgen.boxes"])


def rows(maps: dict[str, np.ndarray], name: str, level: int, size: int) -> np.ndarray:
    """One row an anchor."""
    x = maps[f"{name}.{level}"]
    n, _, height, width = x.shape
    x = x.reshape(n, -1, size, height, width).transpose(0, 3, 4, 1, 2)
    return x.reshape(n, -1, size)


def decoded(maps: dict[str, np.ndarray], told: dict[str, Any], level: int) -> Any:
    """The boxes of a level by nothing but what is told."""
    about = told["levels"][level]
    anchors = np.array(about["anchors"])
    code = rows(maps, "boxes", level, 4)
    code = code.reshape(len(code), *about["map"], len(anchors), 4)
    across, down = (np.arange(n) * s for n, s in zip(
        about["map"][::-1], about["stride"][::-1], strict=True))  # fmt: skip
    center = np.stack(np.meshgrid(across, down), -1)[:, :, None]
    if told["coder"] == "deltas":
        code = code / np.array(told["weights"])
        middle = center + code[..., :2] * anchors
        factor = np.exp(np.minimum(code[..., 2:], np.log(told["largest_factor"])))
        corners = [middle - factor * anchors / 2, middle + factor * anchors / 2]
    else:
        corners = [
            center - code[..., :2] * anchors,
            center + code[..., 2:] * anchors,
        ]
    edge = told["input"][::-1]
    boxes = np.concatenate([c.clip(0, edge) for c in corners], -1)
    return boxes.reshape(len(boxes), -1, 4)


@pytest.mark.parametrize("use", HEADS)
def test_maps_and_what_is_told_of_them_make_the_boxes(use: str, tmp_path: Path) -> None:
    folders = [built(tmp_path / str(d), use, decode=d) for d in (False, True)]
    x = np.random.default_rng(0).normal(size=(2, 3, 64, 96)).astype("f4")
    (maps, told), (made, other) = (run(folder, x) for folder in folders)
    assert (told.pop("decoded"), other.pop("decoded")) == (False, True)
    assert told == other
    assert not told["suppressed"]
    levels = range(len(told["levels"]))
    boxes = np.concatenate([decoded(maps, told, level) for level in levels], 1)
    np.testing.assert_allclose(made["boxes"], boxes, rtol=1e-5, atol=1e-3)
    sure = {
        name: 1 / (1 + np.exp(-np.concatenate(
            [rows(maps, name, level, size) for level in levels], 1)))
        for name, size in (("logits", told["classes"]), ("centers", 1))
        if f"{name}.0" in maps
    }  # fmt: skip
    scores = {
        "sigmoid(logits)": lambda logits: logits,
        "(sigmoid(logits) * sigmoid(centers)) ^ 0.5": lambda logits, centers: np.sqrt(
            logits * centers
        ),
    }[told["score"]](**sure)
    np.testing.assert_allclose(made["scores"], scores, rtol=1e-4, atol=1e-6)
    for folder in folders:
        kept = json.loads((folder / "manifest.json").read_text("utf-8"))["boxes"]
        assert kept["levels"] == told["levels"]
        assert str(resgen.verify(folder)).endswith("is proven")


@pytest.mark.parametrize("use", HEADS)
def test_suppressed_it_gives_what_the_reference_leaves(
    use: str, tmp_path: Path
) -> None:
    """Under the same weights: what is told of the choice is enough to repeat it."""
    said = {"threshold": 0.3, "candidates": 70, "overlap": 0.4}
    spec = spec_of(use, decode=True)
    state = lively(spec)
    for name, given in (
        ("all", spec),
        ("best", spec_of(use, suppress=True, **said, detections=90)),
    ):
        resgen.build(given, tmp_path / name, state_dict=state, verify=False)
    x = np.random.default_rng(0).normal(size=(3, 3, 64, 96)).astype("f4")
    (every, _), (best, told) = (run(tmp_path / name, x) for name in ("all", "best"))
    assert {name: y.shape for name, y in best.items()} == {
        "boxes": (3, 90, 4), "scores": (3, 90), "classes": (3, 90)
    }  # fmt: skip
    assert (told["decoded"], told["suppressed"]) == (True, True)
    assert told["choice"] == {**said, "most": 90}
    counts = [int(np.prod(x["map"])) * len(x["anchors"]) for x in told["levels"]]
    for i in range(3):
        left = detections(
            every["boxes"][i], every["scores"][i], counts, **told["choice"]
        )
        count = len(left.scores)
        assert count > 10
        assert np.array_equal(best["boxes"][i, :count], left.boxes)
        assert np.array_equal(best["scores"][i, :count], left.scores)
        assert np.array_equal(best["classes"][i, :count], left.classes)
        assert not best["scores"][i, count:].any()
    assert str(resgen.verify(tmp_path / "best")).endswith("is proven")


def lively(spec: resgen.Spec) -> dict[str, torch.Tensor]:
    """Weights by which scores are far apart."""
    state = resgen.to_torch(resgen.expand(spec)).state_dict()
    state["head.classification_head.cls_logits.weight"] *= 40
    state["head.classification_head.cls_logits.bias"] += 4
    return state


@pytest.mark.parametrize("giving", ["decode", "suppress"])
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_at_a_precision_boxes_stay_in_float32(
    precision: str, giving: str, tmp_path: Path
) -> None:
    spec = spec_of("retina", **{giving: True})
    proven = (precision, giving) == ("int8", "suppress")  # one of them is enough
    options: dict[str, Any] = {"to": "onnx", "precision": precision, "verify": proven}
    resgen.export(spec, state_dict=lively(spec), out=tmp_path, **options)
    model = onnx.load(tmp_path / "model.onnx")
    kinds = {v.name: v.type.tensor_type.elem_type for v in model.graph.value_info}
    late: set[str] = set()
    for node in model.graph.node:
        starts = node.op_type == "TopK" or "decode_boxes" in node.name
        if starts or not late.isdisjoint(node.input):
            late.update(node.output)
            assert "Quantize" not in node.op_type
    assert len(late) > 20
    low = {onnx.TensorProto.FLOAT16, onnx.TensorProto.INT8, onnx.TensorProto.UINT8}
    assert not low & {kinds.get(name) for name in late}


def test_a_camera_picture_goes_to_the_boxes(tmp_path: Path) -> None:
    spec = spec_of("fcos", suppress=True)
    resgen.export(
        spec, state_dict=lively(spec), to="onnx", out=tmp_path, camera=(96, 128),
        verify=False,
    )  # fmt: skip
    assert str(resgen.verify(tmp_path)).endswith("is proven")


def test_no_engine_chooses_and_it_is_said_where(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "to": "tensorrt",
        "target": "sm_89",
        "out": tmp_path / "e",
    }
    with pytest.raises(resgen.ResgenError, match="no NonMaxSuppression") as refused:
        resgen.export(spec_of("fcos", suppress=True), **options)
    assert "/head" not in refused.value.message
    assert '"decode"' in str(refused.value.hint)
    assert not (tmp_path / "e").exists()


def test_of_maps_alone_it_is_said_how_boxes_are_made(tmp_path: Path) -> None:
    folder = built(tmp_path / "out", "retina", decode=False)
    with pytest.raises(resgen.ResgenError, match="the maps of a detector") as refused:
        resgen.predict(folder, tmp_path / "none.png")
    assert '"decode": true' in str(refused.value.hint)


def test_what_a_manifest_says_of_boxes_is_held_against_the_spec(tmp_path: Path) -> None:
    folder = built(tmp_path / "out", "retina", decode=True)
    path = folder / "manifest.json"
    told = json.loads(path.read_text("utf-8"))
    told["boxes"]["levels"][0]["stride"] = [16, 16]
    resealed(path, told)
    with pytest.raises(resgen.ResgenError, match="the manifest's boxes"):
        resgen.verify(folder)


# --- on pictures ----------------------------------------------------------------------


@pytest.mark.parametrize("size", [(300, 150), (150, 300), (48, 40)])
def test_a_box_lies_where_the_picture_has_it(size: tuple[int, int]) -> None:
    """A white field is found in the prepared input, and so where it was painted."""
    spec, (width, height) = spec_of("retina", decode=True), size
    middle = np.array([width, height]) / 2
    field = np.rint([*(middle - size_of(size)), *(middle + size_of(size))]).astype(int)
    picture = np.zeros((height, width, 3), np.uint8)
    picture[field[1] : field[3], field[0] : field[2]] = 255
    prepared = prepare(picture, spec.preprocess, spec.input)[0]
    bright = prepared > (prepared.min() + prepared.max()) / 2
    (down,), (across,) = (np.nonzero(bright.any(axis)) for axis in (1, 0))
    graph = resgen.expand(spec)
    shapes = {name: graph.types[value].shape for name, value in graph.outputs}
    outputs = {name: np.zeros(shape) for name, shape in shapes.items()}
    outputs["boxes"][7] = across[0], down[0], across[-1] + 1, down[-1] + 1
    outputs["scores"][7, 2] = 0.75
    at = seen(size, spec.preprocess, spec.input)
    asked = Question(described(spec, graph), "scores", ("a", "b", "c"), size, at, None)
    (found,) = Boxes.read(outputs, asked).found
    assert (found.label, found.score) == ("c", 0.75)
    pixel = max(width / 64, height / 64, 1)
    assert np.abs(np.array(found.box) - field).max() <= pixel


def size_of(size: tuple[int, int]) -> np.ndarray:
    """Half of a field that every crop of the middle shows."""
    return np.array([min(size) / 5, min(size) / 7])


@pytest.mark.parametrize("giving", ["decode", "suppress"])
def test_boxes_are_told_and_drawn(giving: str, tmp_path: Path) -> None:
    spec = spec_of("fcos", **{giving: True})
    state = resgen.to_torch(resgen.expand(spec)).state_dict()
    state["head.classification_head.cls_logits.bias"] += torch.tensor([9.0, 0.0, 6.0])
    resgen.build(spec, tmp_path / "out", state_dict=state, verify=False)
    picture = tmp_path / "picture.png"
    rng = np.random.default_rng(0)
    PIL.Image.fromarray(rng.integers(0, 255, (90, 200, 3), np.uint8)).save(picture)
    found = resgen.predict(tmp_path / "out", picture, top=4, draw=tmp_path / "drawn")
    (told,) = found.to_dict()
    assert [each["index"] for each in told["boxes"]] == [0] * 4
    for each in told["boxes"]:
        left, top, right, bottom = each["box"]
        assert 0 <= left < right <= 200
        assert 0 <= top < bottom <= 90
        assert 0.5 < each["score"] < 1
    drawn = np.asarray(PIL.Image.open(told["drawn"]))[:90, :200]
    changed = (drawn != np.asarray(PIL.Image.open(picture))).any(2)
    assert 0 < changed.mean() < 0.5
    state["head.classification_head.cls_logits.bias"] -= 20
    resgen.build(spec, tmp_path / "out", state_dict=state, verify=False)
    assert "nothing" in str(resgen.predict(tmp_path / "out", picture))
