"""Small networks, and data that they learn in a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

import resgen
from resgen.searching.halving import Reached
from resgen.searching.journal import Heading, Journal

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


def journal(folder: Path) -> Journal:
    """That of a search in this folder."""
    folder.mkdir(exist_ok=True)
    return Journal(folder / "journal.jsonl", Heading("space", {}))


def known(kept: Journal) -> list[Reached]:
    """What trials reached, whatever time that took."""
    ((_, found),) = kept.reached.items()
    return [replace(found[key], seconds=0.0) for key in sorted(found)]
