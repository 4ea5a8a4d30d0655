"""One side of a comparison, within a process of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from resgen.profiling.bench import Bench
from resgen.profiling.sampling import Limits, sample

#: A block is over when its time is; the median of a pair is judged by other pairs.
_BLOCK: Final = Limits(warm_up=0.0, half_width=0.0, least=1, least_seconds=0.0)
#: Windows that fit into the time for settling; a few have to agree.
WINDOWS: Final = 5


class Arm:
    """A network that is opened and waits for its turns."""

    def __init__(self, bench: Bench) -> None:
        self._timed = bench.timed()

    def settle(self, seconds: float) -> None:
        """Run until successive windows agree, for so long at most."""
        window = seconds / WINDOWS
        self._sample(replace(_BLOCK, warm_up=seconds, window=window, seconds=0.0))

    def block(self, seconds: float) -> list[float]:
        """Samples of so many seconds, at least one."""
        return self._sample(replace(_BLOCK, seconds=seconds))

    def _sample(self, limits: Limits) -> list[float]:
        taken = sample(self._timed.call, limits, before=self._timed.flush)
        return list(taken.samples.seconds)
