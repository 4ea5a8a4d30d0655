"""resgen's export step alone: fold batch norms and write the file, weights at hand.

python export.py SPEC OUT
"""

from __future__ import annotations

import sys

from clock import report

from resgen.expansion.network import expand, load
from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm
from resgen.lower.onnx import write
from resgen.weights.initialize import initialize

spec, out = sys.argv[1:]
graph = expand(load(spec))
weights = initialize(graph.parameters, seed=0)
report(lambda: write(apply(graph, fold_norm), weights, out))
