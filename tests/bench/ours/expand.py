"""Expand and check a network of bottlenecks; seconds per operator.

python expand.py SPEC DEPTH TIMES: its third stage gets DEPTH blocks of three layers,
narrow enough that ten thousand layers stay below the limit on parameters.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys

from clock import report

from resgen.expansion.network import expand, load

path, depth, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
spec = load(path, [f"/stages/2/depth={depth}", "/stages/2/width=256"])
operators = len(expand(spec).nodes)
with contextlib.redirect_stdout(io.StringIO()) as said:
    report(lambda: expand(spec), times=times)
print(json.dumps([seconds / operators for seconds in json.loads(said.getvalue())]))
