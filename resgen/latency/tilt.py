"""How predictions go with the time that a network takes.

Caches hold more of a small network than of a large one, so that the same kernel takes
less there; and a kernel unlike those that were timed is told to be like them, which is
too long for the smallest and too short for the largest. Networks that were held out
tell by how much: what they took is a power of what their kernels were told to take.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log
from typing import Final

import numpy as np

from resgen.latency.regression import Numbers

#: How far off, as a logarithm, a network tells at most: what is further has reasons of
#: its own.
FAR: Final = 0.3
#: The variance of what networks are off for other reasons over that of the power, as it
#: is believed before any tells: deviations of 0.12 and 0.05.
PRIOR: Final = 5.8


class Tilt:
    """The power of what networks take that predictions are, of those held out.

    ``took`` are their seconds, ``off`` the logarithms of the predicted ones over these.
    Of none it leaves predictions as they are. The power is that of least squares with a
    normal prior (Rasmussen and Williams 2006, 2.1) around 1.
    """

    def __init__(self, took: Sequence[float], off: Sequence[float]) -> None:
        logs, errors = np.log(took), np.array(off)
        self._usual = float(np.median(logs)) if len(logs) else 0.0
        self._apart: Numbers = logs - self._usual
        pulls = np.clip(errors - np.median(errors), -FAR, FAR) if len(logs) else errors
        self._pulls: Numbers = self._apart * pulls
        self._lengths: Numbers = np.square(self._apart)
        self._power = 1 + float(self._pulls.sum() / (self._lengths.sum() + PRIOR))

    def seconds(self, told: float) -> float:
        """What a network takes whose kernels are told to take so much."""
        if told <= 0:
            return told
        return exp(self._usual + (log(told) - self._usual) / self._power)

    def left(self, off: Sequence[float]) -> Numbers:
        """How far each is off that was ``off`` so far, as the others tell the power."""
        powers = 1 + (self._pulls.sum() - self._pulls) / (
            self._lengths.sum() - self._lengths + PRIOR
        )
        found: Numbers = (self._apart + np.array(off)) / powers - self._apart
        return found
