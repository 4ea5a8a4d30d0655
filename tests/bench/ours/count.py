"""From a JSON file to parameters, MACs and every check of the graph, warm.

python count.py SPEC
"""

from __future__ import annotations

import sys
from pathlib import Path

from clock import report

from resgen.expansion.network import examine
from resgen.graph.analysis import Analysis
from resgen.graph.cost import analyse

spec = Path(sys.argv[1])


def count() -> Analysis:
    """Nothing is kept from one call to the next; the file is read each time."""
    graph = examine(spec).graph
    if graph is None:
        raise SystemExit(f"{spec} has errors")
    return analyse(graph)


report(count, times=15, warm=3)
