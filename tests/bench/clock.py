"""How the scripts beside this one tell run.py what they timed."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable


def report(call: Callable[[], object], *, times: int = 1, warm: int = 0) -> None:
    """Run ``call`` ``warm`` times untimed, then print the seconds of each of ``times``.

    Garbage is collected between runs, so that none pays for the one before it; within
    a run the collector works as it does for anybody.
    """
    seconds = []
    for turn in range(warm + times):
        gc.collect()
        begin = time.perf_counter()
        made = call()
        if turn >= warm:
            seconds.append(time.perf_counter() - begin)
        del made
    print(json.dumps(seconds))
