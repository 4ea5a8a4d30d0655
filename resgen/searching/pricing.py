"""What candidates cost, counted without keeping their graphs."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from resgen.expansion.network import examine
from resgen.graph.cost import analyse
from resgen.latency.table import Table
from resgen.ops import VOCABULARY
from resgen.searching.counting import Broken, Counting
from resgen.searching.known import Known
from resgen.searching.price import Bounds, Price, Refusal
from resgen.spec.decode import decode, with_values
from resgen.spec.model import Spec
from resgen.spec.places import Enough, Json, Problems
from resgen.spec.source import plain

#: Members of a spec that say nothing of how the others are read.
VALUES: Final = frozenset(("name", "let"))
#: Problems of a part whose parameters are shared with one that was not expanded.
SHARED: Final = "RG027"


class Pricer:
    """Counts candidates; remembers what it has counted, so each process has its own."""

    def __init__(self, bounds: Bounds, table: Table | None = None) -> None:
        self.bounds = bounds
        self.table = table
        self._known = Known()
        self._last: Spec | None = None

    def price(self, tree: Json) -> Price | Refusal:
        """What a resolved spec costs, or why it is no candidate.

        A price is exact, but not all that :func:`resgen.examine` finds is looked for.
        """
        if isinstance(tree.value, dict) and "widths" in tree.value:
            return self.whole(tree)  # which says of paths what blocks do not know
        problems = Problems()
        self._known.shed()
        with suppress(Enough):
            spec = self._read(tree, problems)
            if spec is not None and not problems.errors:
                try:
                    found = Counting(
                        spec, problems, self._known, self.bounds, self.table
                    ).price()
                except Broken as broken:
                    return Refusal(broken.bound)
                if found is not None and not problems.errors:
                    bound = found.over(self.bounds)
                    if bound is not None:
                        return Refusal(bound)
                    timed = self.table is None or found.latency is not None
                    return found if timed else self.whole(tree)
        errors = tuple(p for p in problems.items if p.severity == "error")
        if any(problem.code == SHARED for problem in errors):
            return self.whole(tree)
        return Refusal(problems=errors)

    def _read(self, tree: Json, problems: Problems) -> Spec | None:
        """A tree as a spec; what it has in common with the last one is not read again.

        Candidates have what does not vary as the same objects.
        """
        last = self._last
        if last is not None and isinstance(tree.value, dict):
            own, known = tree.value, last.members
            if own.keys() == known.keys() and all(
                at is known[key] or key in VALUES for key, at in own.items()
            ):
                return with_values(last, tree, VOCABULARY, problems)
        spec = decode(tree, VOCABULARY, problems)
        self._last = None if problems.items else spec
        return spec

    def whole(self, tree: Json) -> Price | Refusal:
        """As :meth:`price`, by all of the graph and with every problem."""
        found = examine(plain(tree))
        if found.graph is None:
            return Refusal(problems=found.errors)
        cost = analyse(found.graph)
        latency = None if self.table is None else self.table.seconds(found.graph)
        price = Price(cost.params, cost.macs, cost.peak_activation_bytes, latency)
        bound = price.over(self.bounds)
        return price if bound is None else Refusal(bound)
