"""By what differences of an output are measured; ``build_and_time.py`` of a kit holds
this file too, so it stands on numpy alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def reach(wanted: Any) -> float:
    """The width of an output's range, to which zero belongs, as where one is quantised.

    Rounding grows with the size of numbers. So values that lie close together and far
    from zero, as the scores of a fresh detector do, are not compared by the little that
    they differ among themselves. 1 where all is zero.

    >>> reach([-1.0, 2.0]), reach([-4.5, -4.4])
    (3.0, 4.5)
    """
    exact = np.asarray(wanted, np.float64)
    return float(exact.max(initial=0.0) - exact.min(initial=0.0)) or 1.0


def apart(found: Any, wanted: Any) -> tuple[float, float]:
    """The largest difference, and that as a share of :func:`reach`."""
    exact = np.asarray(wanted, np.float64)
    largest = float(np.abs(np.asarray(found, np.float64) - exact).max(initial=0.0))
    return largest, largest / reach(exact)
