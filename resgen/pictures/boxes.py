"""Boxes on pictures: the best of what a detector gives for its anchors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Detections:
    """What was found, the surest first: ``boxes`` (n, 4), ``scores`` and ``classes``.

    A box is x1 y1 x2 y2 in pixels, a score lies between 0 and 1.
    """

    boxes: Floats
    scores: Floats
    classes: Integers


def detections(
    boxes: Floats,
    scores: Floats,
    rows: Sequence[int],
    *,
    threshold: float = 0.05,
    candidates: int = 1000,
    overlap: float = 0.5,
    most: int = 300,
) -> Detections:
    """What a decoded detector found on one picture, as torchvision's RetinaNet does.

    ``boxes`` (A, 4) and ``scores`` (A, classes) are the network's outputs, ``rows`` how
    many of the A rows each level has. Of each level the ``candidates`` best scores
    above ``threshold`` are taken; a box that covers a surer one of its class by more
    than ``overlap`` (intersection over union) is dropped; the ``most`` best are left.
    The defaults are torchvision's for RetinaNet; for FCOS it has 0.2, 1000, 0.6, 100.
    """
    taken, start = [], 0
    count = scores.shape[1]
    for n in rows:
        level = scores[start : start + n].ravel()
        (above,) = np.nonzero(level > threshold)
        best = above[np.argsort(-level[above], kind="stable")[:candidates]]
        taken.append(best + start * count)
        start += n
    found = np.concatenate(taken) if taken else np.empty(0, np.int64)
    found = found[np.argsort(-scores.ravel()[found], kind="stable")]
    anchors, classes = np.divmod(found, count)
    kept = np.zeros(len(found), bool)
    for each in np.unique(classes):
        (own,) = np.nonzero(classes == each)
        kept[own[_apart(boxes[anchors[own]], overlap)]] = True
    (left,) = np.nonzero(kept)
    left = left[:most]
    return Detections(boxes[anchors[left]], scores.ravel()[found[left]], classes[left])


def _apart(boxes: Floats, overlap: float) -> list[int]:
    """Those of ``boxes``, the surest first, that cover no surer one that is left."""
    low, high = boxes[:, :2], boxes[:, 2:]
    areas = (high - low).prod(1)
    waiting, kept = np.arange(len(boxes)), []
    while len(waiting):
        first, waiting = waiting[0], waiting[1:]
        kept.append(int(first))
        corner = np.maximum(low[first], low[waiting])
        shared = (np.minimum(high[first], high[waiting]) - corner).clip(0).prod(1)
        joined = areas[first] + areas[waiting] - shared
        # As a product: boxes without area have nothing to divide by.
        waiting = waiting[shared <= overlap * joined]
    return kept
