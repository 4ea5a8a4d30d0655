"""Fresh weights, drawn as the graph's initialisers say, without torch.

Every parameter is keyed by the seed and its own name: a changed layer changes no other,
and the same seed gives the same bits wherever they are drawn (see
:mod:`resgen.weights.random`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from resgen.graph.ir import Parameter
from resgen.ops.types import Constant, Normal, Uniform
from resgen.weights import random
from resgen.weights.evaluate import Array


def initialize(parameters: Iterable[Parameter], seed: int) -> dict[str, Array]:
    """Arrays by name, in the order of ``parameters``.

    They are drawn by as many threads as there are processors for this process, on
    which the weights do not depend.
    """
    weights: dict[str, Array] = {}
    blocks: list[partial[None]] = []
    for parameter in parameters:
        init = parameter.init
        if isinstance(init, Constant):
            array: Array = np.full(parameter.shape, init.value, parameter.dtype)
        else:
            array = np.empty(parameter.shape, np.float32)
            key, flat = random.key(seed, parameter.name), array.reshape(-1)
            blocks += (
                partial(_fill, init, key, block, flat[start : start + random.BLOCK])
                for block, start in enumerate(range(0, flat.size, random.BLOCK))
            )
        weights[parameter.name] = array

    with ThreadPoolExecutor(_processors()) as pool:
        for done in [pool.submit(block) for block in blocks]:
            done.result()
    return weights


def _fill(
    init: Normal | Uniform, key: tuple[int, int], block: int, out: random.Weights
) -> None:
    words = random.words(key, block, out.size)
    if isinstance(init, Normal):
        random.normal(words, init.std, init.truncate, out)
    else:
        random.uniform(words, init.bound, out)


def _processors() -> int:
    """Processors that this process may use, which a container may have cut."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
