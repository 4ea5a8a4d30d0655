"""The rules that a graph is checked by: small functions, each with a code."""

from resgen.graph.rules.base import Finding, Rule, Subject
from resgen.graph.rules.lints import LINTS
from resgen.graph.rules.structure import STRUCTURE

__all__ = ["LINTS", "STRUCTURE", "Finding", "Rule", "Subject"]
