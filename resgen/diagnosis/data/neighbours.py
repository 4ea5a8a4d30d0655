"""Inputs that lie next to one another, for the correlation of their gradients."""

from __future__ import annotations

from typing import Final

import numpy as np

from resgen.diagnosis.data.dataset import Batch

#: Noise that makes a neighbour, in standard deviations of the input itself.
DISTANCE: Final = 0.1


def neighbours(batch: Batch, *, seed: int = 0) -> Batch:
    """The first half of a batch, followed by a neighbour of each: x + 0.1 s(x) noise.

    Gradients of neighbours that point elsewhere are shattered: Balduzzi et al. 2017,
    "The Shattered Gradients Problem: If resnets are the answer, then what is the
    question?", who look at grids of inputs. s is the standard deviation over the
    elements of one input, the noise is normal. Labels are those of the originals; an
    odd batch loses its last.
    """
    half = len(batch.labels) // 2
    images, labels = batch.images[:half], batch.labels[:half]
    noise = np.random.default_rng(seed).standard_normal(images.shape, np.float32)
    axes = tuple(range(1, images.ndim))
    scale = np.float32(DISTANCE) * images.std(axis=axes, keepdims=True)
    near = images + scale * noise
    return Batch(np.concatenate([images, near]), np.concatenate([labels, labels]))
