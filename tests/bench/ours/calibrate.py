"""resgen's ranges of every value that int8 quantises; float weights at hand.

python calibrate.py SPEC FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from clock import report

from resgen.calibrate.ranges import Ranges, observe
from resgen.calibrate.samples import gather
from resgen.calibrate.scales import quantized_values
from resgen.expansion.network import expand, load
from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm
from resgen.graph.precision import Precision, at_precision
from resgen.weights.initialize import initialize

spec = load(sys.argv[1])
graph = expand(spec)
weights = initialize(graph.parameters, seed=0)
values = quantized_values(at_precision(graph, Precision("int8", "onnxruntime")))


def calibrate() -> Ranges:
    samples = gather(Path(sys.argv[2]), graph, spec.preprocess)
    return observe(apply(graph, fold_norm), weights, values, samples)


report(calibrate)
