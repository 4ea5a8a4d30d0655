"""The choice among boxes, beside ONNX Runtime's own suppression."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from suppression import suppressed

from resgen.pictures.boxes import detections
from resgen.pictures.draw import boxed


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("overlap", [0.3, 0.6])
def test_the_boxes_left_are_those_that_onnxruntime_leaves(
    seed: int, overlap: float
) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 60, (120, 2))
    boxes = np.hstack([corners, corners + rng.uniform(0, 40, (120, 2))]).astype("f4")
    boxes[:5, 2:] = boxes[:5, :2]  # without area
    scores = rng.permutation(360).reshape(120, 3).astype("f4") / 360
    found = detections(boxes, scores, [100, 20], threshold=0.25, overlap=overlap)
    rows = {box.tobytes(): row for row, box in enumerate(boxes)}
    got = [
        (int(c), rows[b.tobytes()])
        for c, b in zip(found.classes, found.boxes, strict=True)
    ]
    assert set(got) == {*suppressed(boxes, scores, overlap, 0.25)}
    assert found.scores.tolist() == [scores[row, c] for c, row in got]
    assert (np.diff(found.scores) < 0).all()
    best = detections(boxes, scores, [120], threshold=0.25, overlap=overlap, most=7)
    assert best.scores.tolist() == found.scores[:7].tolist()


def test_each_level_gives_its_best_alone() -> None:
    boxes = np.arange(6, dtype="f4")[:, None] * 10 + np.array([0, 0, 5, 5], "f4")
    scores = np.array([[0.9], [0.8], [0.7], [0.3], [0.2], [0.01]], "f4")
    found = detections(boxes, scores, [3, 3], candidates=1)
    assert found.boxes[:, 0].tolist() == [0, 30]
    assert len(detections(boxes, scores, [3, 3], threshold=0.95).boxes) == 0


def test_frames_are_drawn_where_the_boxes_are() -> None:
    picture = Image.new("RGB", (40, 30))
    drawn = np.asarray(boxed(picture, [((5, 4, 25, 20), (200, 0, 0))]))
    changed = drawn.any(2)
    assert np.argwhere(changed).min(0).tolist() == [4, 5]
    assert np.argwhere(changed).max(0).tolist() == [19, 24]
    assert not changed[10:14, 10:20].any()
    assert not np.asarray(picture).any()
