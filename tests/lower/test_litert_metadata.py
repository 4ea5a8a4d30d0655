"""What mobile tools read of a LiteRT file: the normalisation and the labels."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import resgen

pytest.importorskip("ai_edge_litert")

SPEC: dict[str, Any] = {
    "resgen": 1,
    "name": "small",
    "input": [3, 20, 16],
    "stem": {"op": "conv", "out": 8, "kernel": 3, "stride": 2},
    "stages": [{"block": "basic", "width": 8, "depth": 1}],
    "head": {"classes": 3},
    "labels": ["tabby cat", "dog", "bat"],
    "preprocess": {"resize": None, "mean": [0.5] * 3, "std": [0.25, 0.5, 1.0]},
}


def exported(spec: dict[str, Any], folder: Path, camera: Any = None) -> Path:
    done = resgen.export(spec, folder, to="litert", verify=False, camera=camera)
    return done.folder / "model.tflite"


def table(held: bytes, at: int) -> Any:
    from flatbuffers.table import Table

    return Table(held, at)


def field(found: Any, number: int) -> int:
    """Where a field lies, as flatc's readers find it."""
    from flatbuffers import number_types

    offset = found.Offset(4 + 2 * number)
    assert offset, f"field {number} is not there"
    where: int = found.Pos + offset
    assert number_types.UOffsetTFlags.bytewidth == 4
    return where


def inner(found: Any, number: int) -> Any:
    return table(found.Bytes, found.Indirect(field(found, number)))


def elements(found: Any, number: int) -> list[Any]:
    offset = field(found, number) - found.Pos
    start = found.Vector(offset)
    return [
        table(found.Bytes, found.Indirect(start + 4 * i))
        for i in range(found.VectorLen(offset))
    ]


def text(found: Any, number: int) -> str:
    return found.String(field(found, number)).decode()


def floats(found: Any, number: int) -> list[float]:
    offset = field(found, number) - found.Pos
    start, size = found.Vector(offset), found.VectorLen(offset)
    return np.frombuffer(found.Bytes, np.float32, size, start).tolist()


def metadata(file: Path) -> Any:
    """The root of the buffer that TFLite Metadata is, by the schema's field numbers."""
    from ai_edge_litert.schema_py_generated import Model

    model = Model.GetRootAs(file.read_bytes())
    (buffer,) = [
        model.Metadata(i).Buffer()
        for i in range(model.MetadataLength())
        if model.Metadata(i).Name() == b"TFLITE_METADATA"
    ]
    held = model.Buffers(buffer).DataAsNumpy().tobytes()
    assert held[4:8] == b"M001"
    return table(held, int.from_bytes(held[:4], "little"))


def test_the_normalisation_and_the_labels_are_told(tmp_path: Path) -> None:
    file = exported(SPEC, tmp_path / "out")
    model = metadata(file)
    assert text(model, 0) == "small"
    (graph,) = elements(model, 3)
    (given,), (scores,) = elements(graph, 2), elements(graph, 3)
    assert (text(given, 0), text(scores, 0)) == ("input", "output")
    content = inner(given, 3)
    assert content.Bytes[field(content, 0)] == 2  # ImageProperties
    picture = inner(content, 1)
    assert picture.Bytes[field(picture, 0)] == 1  # RGB
    size = inner(picture, 1)
    sides = [int.from_bytes(size.Bytes[(at := field(size, n)) : at + 4], "little")
             for n in (0, 1)]  # fmt: skip
    assert sides == [16, 20]  # width, height
    (unit,) = elements(given, 4)
    assert unit.Bytes[field(unit, 0)] == 1  # NormalizationOptions
    assert floats(inner(unit, 1), 0) == [127.5] * 3
    assert floats(inner(unit, 1), 1) == [63.75, 127.5, 255.0]
    (labels,) = elements(scores, 6)
    assert labels.Bytes[field(labels, 2)] == 2  # TENSOR_AXIS_LABELS
    with zipfile.ZipFile(file) as archive:
        (entry,) = archive.infolist()
        assert entry.filename == text(labels, 0)
        assert entry.compress_type == zipfile.ZIP_STORED
        assert archive.read(entry).decode() == "tabby cat\ndog\nbat"
    # Places count from where the file begins, as readers without Python's leniency do.
    held = file.read_bytes()
    assert held[entry.header_offset :][:4] == b"PK\3\4"
    end = held.rindex(b"PK\5\6")
    directory = int.from_bytes(held[end + 16 : end + 20], "little")
    assert held[directory:][:4] == b"PK\1\2"


def test_colours_that_mobile_tools_lack_are_not_called_theirs(tmp_path: Path) -> None:
    spec = {**SPEC, "preprocess": {"color": "bgr"}, "labels": None}
    del spec["labels"]
    file = exported(spec, tmp_path / "out")
    (graph,) = elements(metadata(file), 3)
    (given,) = elements(graph, 2)
    assert not given.Offset(4 + 2 * 4)
    assert not zipfile.is_zipfile(file)
    (graph,) = elements(metadata(exported(SPEC, tmp_path / "camera", (48, 64))), 3)
    (given,) = elements(graph, 2)
    picture = inner(inner(given, 3), 1)
    assert picture.Bytes[field(picture, 0)] == 1
    assert not given.Offset(4 + 2 * 4)


@pytest.mark.parametrize("camera", [None, (20, 16)])
def test_mediapipe_classifies_with_the_file(tmp_path: Path, camera: Any) -> None:
    """It has no normalisation by channel, which a camera's file does itself."""
    mediapipe = pytest.importorskip("mediapipe")
    from mediapipe.tasks.python import BaseOptions, vision

    alike = {"resize": None, "mean": [0.5] * 3, "std": [0.25] * 3}
    spec = SPEC if camera else {**SPEC, "preprocess": alike}
    file = exported(spec, tmp_path / "out", camera)
    pixels = np.random.default_rng(0).integers(0, 256, (20, 16, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    options = vision.ImageClassifierOptions(
        base_options=BaseOptions(model_asset_path=str(file)), score_threshold=-1e9
    )
    with vision.ImageClassifier.create_from_options(options) as classifier:
        picture = mediapipe.Image.create_from_file(str(tmp_path / "noise.png"))
        (found,) = classifier.classify(picture).classifications
    (wanted,) = resgen.predict(file.parent, tmp_path / "noise.png").predictions
    scores = np.array([each.score for each in found.categories])
    shares = np.exp(scores - scores.max())
    assert [(each.category_name, pytest.approx(share, abs=1e-3)) for each, share in
            zip(found.categories, shares / shares.sum(), strict=True)] == [
        (each.label, each.probability) for each in wanted.found
    ]  # fmt: skip
