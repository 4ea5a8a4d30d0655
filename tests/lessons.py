"""Small networks, and data that they learn in a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import resgen
from resgen.searching.halving import Reached

CLASSES = 4


def blobs(path: Path, each: int = 40) -> Path:
    """Pictures of 1 x 6 x 6 with a bright corner, which is the class, in noise."""
    draw = np.random.default_rng(0)
    labels = np.repeat(np.arange(CLASSES), each)
    images = draw.normal(0, 1, (len(labels), 1, 6, 6)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[0, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3] += 1.5
    np.savez(path, x=images, y=labels)
    return path


def small(width: int, pool: int = 2, name: str = "small"):
    """Told by where the bright corner is, which a pool over all (1) cannot see."""
    stem = [
        {"op": "conv", "out": width, "kernel": 3},
        {"op": "norm"},
        {"op": "act"},
    ]
    head = [
        {"op": "adaptive_avg_pool", "size": pool},
        {"op": "flatten"},
        {"op": "linear", "out": CLASSES},
    ]
    return resgen.load(
        {
            "resgen": 1,
            "name": name,
            "input": [1, 6, 6],
            "stem": stem,
            "stages": [],
            "head": head,
        }
    )


class Memory:
    """A journal that forgets when the process ends."""

    def __init__(self) -> None:
        self.kept: list[Reached] = []

    def reached(self) -> dict[tuple[str, int], Reached]:
        return {(one.trial, one.steps): one for one in self.kept}

    def add(self, reached: Reached) -> None:
        self.kept.append(reached)
