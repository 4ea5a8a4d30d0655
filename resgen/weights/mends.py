"""What would make weights fit, given as advice only after it was tried."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from resgen.errors import ResgenError
from resgen.expansion.network import expand, load
from resgen.graph.ir import Graph
from resgen.spec.canonical import canonical_form
from resgen.spec.model import Spec
from resgen.weights.adapting import adapted, of_head
from resgen.weights.fitting import Misfit, compare, is_float
from resgen.weights.formats import BY_NAME
from resgen.weights.names import counts_batches
from resgen.weights.naming import namings, takers

#: What brings the axes of other frameworks to PyTorch's (out, in, ...), by the number
#: of axes: theirs are (out, ..., in), and (..., in, out).
_ORDERS: Final[Mapping[str, Mapping[int, tuple[int, ...]]]] = {
    "MLX": {3: (0, 2, 1), 4: (0, 3, 1, 2), 5: (0, 4, 1, 2, 3)},
    "TensorFlow and Flax": {
        2: (1, 0), 3: (2, 1, 0), 4: (3, 2, 0, 1), 5: (4, 3, 0, 1, 2),
    },
}  # fmt: skip
#: Names that no module of PyTorch gives its weights.
_KERAS: Final = re.compile(r"(kernel|moving_mean|moving_variance)(:0)?$")


def mend(
    graph: Graph, weights: Mapping[str, Any], misfit: Misfit, spec: Spec | None
) -> str | None:
    """Advice that was tried on the shapes, or None."""
    if not (misfit.missing or misfit.changed):
        return "ignore_extra=True leaves out what is not of this network"
    if order := _other_order(graph, weights, misfit):
        return order
    if other := another(graph, weights):
        return other
    if any(_KERAS.search(name) for name in misfit.extra):
        return f"their names are Keras's or Flax's; {BY_NAME}"
    if misfit.changed and not any(is_float(weights[n]) for n in misfit.changed):
        return "take the weights as they were before they were quantised or converted"
    found = []
    if spec is not None and (classes := _classes(spec, weights, misfit)):
        change = f'set="/head/classes={classes}"'
        found.append(f"{change} makes it the network of these weights")
    if (half := adapted(graph, weights, misfit, 0)) is not None:
        parts = [note.split(":")[0] for note in half[1]]
        more = f" and {len(parts) - 3} more" if len(parts) > 3 else ""
        rest = ", ".join(parts[:3]) + more
        found.append(f"adapt=True loads all but {rest}")
    return "; ".join(found) or None


def another(graph: Graph, weights: Mapping[str, Any]) -> str | None:
    """The network of the zoo that takes these weights, but for its head, if any does.

    It has the parameters that this one has, and computes what a library's does.
    """
    for name in takers(weights):
        taker = expand(load(name))
        head = of_head(taker)
        for naming in namings(taker, head):
            loose = {naming.parameters[own].name for own in head}
            misfit = compare([*naming.parameters.values()], weights)
            lacking = {n for n in misfit.missing if not counts_batches(n)}
            if taker.name != graph.name and not {*lacking, *misfit.changed} - loose:
                return f"they are {naming.said}, whose weights {name} takes"
    return None


def _classes(spec: Spec, weights: Mapping[str, Any], misfit: Misfit) -> int | None:
    """The number of classes with which the spec is the network of these weights."""
    rows = {tuple(weights[name].shape)[:1] for name in misfit.changed}
    if misfit.missing or misfit.extra or len(rows) != 1 or () in rows:
        return None
    ((classes,),) = rows
    tree = canonical_form(spec)
    try:
        tree["head"]["classes"] = classes
        other = expand(load(tree))
    except (ResgenError, KeyError, TypeError):
        return None
    return None if compare(other.parameters, weights) else classes


def _other_order(
    graph: Graph, weights: Mapping[str, Any], misfit: Misfit
) -> str | None:
    """What to do where all that differs is the order of the axes."""
    pairs = [
        (tuple(weights[name].shape), graph.parameter[name].shape)
        for name in misfit.changed
    ]
    for who, orders in _ORDERS.items():
        if pairs and all(
            # What has the shape wanted is of another type.
            found != want
            and len(found) in orders
            and tuple(found[i] for i in orders[len(found)]) == want
            for found, want in pairs
        ):
            ranks = sorted({len(found) for found, _ in pairs}, reverse=True)
            told = ", ".join(f"array.transpose{orders[n]} at {n} axes" for n in ranks)
            return f"their axes are in the order of {who}; {told} makes them PyTorch's"
    return None
