"""A small residual network that really learned something: scikit-learn's digits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

import resgen
from resgen.calibrate.samples import Samples
from resgen.graph.ir import Graph
from resgen.lower.onnx import write
from resgen.runtime.onnxruntime import OnnxRuntimeSession
from resgen.weights.checkpoint import from_state_dict

Array = np.ndarray[Any, Any]

SPEC: dict[str, Any] = {
    "resgen": 1,
    "name": "digits",
    "input": [1, 8, 8],
    "stem": {"use": "cifar", "with": {"width": 16}},
    "defaults": {"block": "basic", "shortcut": "projection"},
    "stages": [{"width": 16, "depth": 2}, {"width": 32, "depth": 2}],
    "head": {"classes": 10},
    "preprocess": {"resize": None, "color": "gray"},
}
#: The paths of its blocks.
BLOCKS = ("layer1.0", "layer1.1", "layer2.0", "layer2.1")
#: How many of the 1797 images it is trained on; the other 500 test it.
TRAINED = 1297
CALIBRATED = 256


@dataclass(frozen=True)
class Digits:
    """The images and the network that has learned them."""

    images: Array
    targets: Array
    graph: Graph
    weights: dict[str, Array]

    @property
    def test(self) -> Array:
        """Images that the network was not trained on."""
        return self.images[TRAINED:]

    @property
    def known(self) -> Samples:
        """Images to calibrate on, of those that it was trained on."""
        return samples(self.images[:CALIBRATED])

    def share(self, scores: Array) -> float:
        """How many of the test images are told right."""
        return float((scores.argmax(1) == self.targets[TRAINED:]).mean())

    def run(
        self, graph: Graph, weights: dict[str, Array], folder: Path, optimize: bool
    ) -> Array:
        """The scores of the test images from a file, by ONNX Runtime."""
        path = folder / "model.onnx"
        write(graph, weights, path)
        with OnnxRuntimeSession(path, optimize=optimize, any_placement=True) as session:
            return session.run({"input": self.test})["output"]


def samples(images: Array) -> Samples:
    """Arrays as calibration takes them."""
    return Samples(len(images), "digits", True, lambda i: images[i])


@cache
def digits() -> Digits:
    """The network, trained once in a process (three seconds)."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images = (data.images[order, None] / 16).astype(np.float32)
    targets = data.target[order]
    graph = resgen.expand(resgen.load(SPEC))
    model = resgen.to_torch(graph, seed=0)
    train(model, images[:TRAINED], targets[:TRAINED])
    return Digits(images, targets, graph, from_state_dict(model.state_dict()))


def train(model: Any, images: Array, targets: Array, epochs: int = 10) -> None:
    """SGD under a one-cycle schedule, on pictures moved by up to a pixel."""
    inputs, wanted = torch.from_numpy(images), torch.from_numpy(targets)
    optimizer = torch.optim.SGD(
        model.parameters(), 0.1, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    steps = epochs * -(-len(inputs) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, steps)
    draw = torch.Generator().manual_seed(0)
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(inputs), generator=draw).split(64):
            i, j = torch.randint(0, 3, (2,), generator=draw).tolist()
            moved = torch.nn.functional.pad(inputs[batch], (1, 1, 1, 1))
            loss = torch.nn.functional.cross_entropy(
                model(moved[:, :, i : i + 8, j : j + 8]),
                wanted[batch],
                label_smoothing=0.1,
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()


def sabotaged(
    weights: dict[str, Array], blocks: tuple[str, ...], factor: float
) -> dict[str, Array]:
    """Every eighth inner channel of these blocks ``factor`` times as large.

    What reads them is divided by as much, so the network computes the same: between
    the two stands a ReLU, which a positive factor passes through.
    """
    made = {name: array.copy() for name, array in weights.items()}
    for block in blocks:
        for role in ("weight", "bias"):
            made[f"{block}.bn1.{role}"][::8] *= np.float32(factor)
        made[f"{block}.conv2.weight"][:, ::8] /= np.float32(factor)
    return made
