"""Fresh weights, drawn as the graph's initialisers say, without torch.

Every parameter is keyed by the seed and its own name: a changed layer changes no other,
and the same seed gives the same bits wherever they are drawn (see
:mod:`resgen.weights.random`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from resgen.graph.ir import Parameter
from resgen.ops.types import Constant, Normal, Uniform
from resgen.weights import random

Array: TypeAlias = npt.NDArray[Any]


def initialize(
    parameters: Iterable[Parameter], seed: int, *, threads: int | None = None
) -> dict[str, Array]:
    """Arrays by name, in the order of ``parameters``.

    ``threads`` is how many draw at once (as many as there are processors for this
    process unless said); the weights do not depend on it.
    """
    weights: dict[str, Array] = {}
    blocks: list[partial[None]] = []
    for parameter in parameters:
        init = parameter.init
        if isinstance(init, Constant):
            array: Array = np.full(parameter.shape, init.value, parameter.dtype)
        else:
            array = np.empty(parameter.shape, np.float32)
            key = random.key(seed, parameter.name)
            blocks.extend(_blocks(init, key, array.reshape(-1)))
        weights[parameter.name] = array

    with ThreadPoolExecutor(threads or _processors()) as pool:
        for done in [pool.submit(block) for block in blocks]:
            done.result()
    return weights


def _blocks(
    init: Normal | Uniform, key: tuple[int, int], flat: random.Weights
) -> Iterator[partial[None]]:
    """One call for each block of a parameter, which fills its part of ``flat``."""
    for block, start in enumerate(range(0, flat.size, random.BLOCK)):
        part = flat[start : start + random.BLOCK]
        yield partial(_fill, init, key, block, part)


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
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
