"""The rules that a graph is checked by: small functions, each with a code."""

from resgen.graph.rules.base import Finding, Rule, Subject
from resgen.graph.rules.fusions import FUSIONS
from resgen.graph.rules.lints import LINTS
from resgen.graph.rules.structure import STRUCTURE
from resgen.graph.rules.tensor_cores import TENSOR_CORES

__all__ = [
    "FUSIONS",
    "LINTS",
    "STRUCTURE",
    "TENSOR_CORES",
    "Finding",
    "Rule",
    "Subject",
]
