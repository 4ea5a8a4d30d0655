"""An engine without hardware: it takes the time that it is told to take.

What measures and what decides is tried on it, since the right answer is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from resgen.onnxfile.ends import ends_of
from resgen.runtime.base import Array, Session, Shape
from resgen.runtime.engines import Engine, Opening

#: Seconds of one run where nobody says how many.
SECONDS: Final = 1e-3


class NullSession(Session):
    """Gives zeros after ``seconds`` of the clock.

    ``wait`` passes time: it spins, as an engine keeps its processor busy, unless a
    test moves a clock of its own.
    """

    name = "null"
    concurrent = True

    def __init__(
        self,
        inputs: Mapping[str, Shape],
        outputs: Mapping[str, Shape],
        *,
        seconds: Callable[[], float] = lambda: SECONDS,
        wait: Callable[[float], None] | None = None,
    ) -> None:
        self.inputs, self.outputs = inputs, outputs
        self._seconds = seconds
        self._wait = wait or spin

    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self._wait(self._seconds())
        batch = next(iter(feeds.values())).shape[0]
        return {
            name: np.zeros([batch, *(size or 1 for size in shape[1:])], np.float32)
            for name, shape in self.outputs.items()
        }


def spin(seconds: float) -> None:
    """Keep a core busy for a while."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def _open(opening: Opening) -> Session:
    ends = ends_of(opening.file)
    return NullSession(ends.inputs, ends.outputs)


ENGINE: Final = Engine(
    "null", "onnx", ("cpu",), (), "", _open, {"seconds": SECONDS}, hidden=True
)
