"""What is computed of a module's parameters alone, as values of the graph.

Folded, it would be a number of its own under a name that the module does not have. As
operators on the parameters themselves it trains as the module does, and the module's
own checkpoints load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from resgen.graph.ir import INPUT
from resgen.importing.torch.positions import of_table
from resgen.importing.torch.reader import ALIASES, HANDLERS, Reader, aten, bound
from resgen.importing.torch.shapes import Parts
from resgen.importing.views import Const, View

if TYPE_CHECKING:
    from torch import Tensor, fx

#: Operators that have weights of their own beside what they are given.
TRAINED: Final = frozenset(("linear", "layer_norm", "conv1d", "conv2d"))


class Learned:
    """The values of a program that no input changes, made where they are asked for.

    ``enter`` sets the reader to a node.
    """

    def __init__(self, reader: Reader, enter: Callable[[fx.Node], str]) -> None:
        self.reader = reader
        self.enter = enter
        self.known: dict[fx.Node, Any] = {}

    def value(self, node: fx.Node) -> View | None:
        """What a node yields as a value, or None where it has to stay a constant."""
        if node not in self.known:
            at = self.reader.scope, self.reader.kind, self.reader.node
            try:
                self.known[node] = self._made(node)
            except Exception:  # it stays what was computed of it
                self.known[node] = None
            self.reader.scope, self.reader.kind, self.reader.node = at
        found = self.known[node]
        return found if isinstance(found, View) else None

    def computed(self, node: fx.Node) -> bool:
        """Whether it is computed of parameters, and none itself."""
        x = self.reader.made.get(node)
        return isinstance(x, Const) and x.path is None and bool(x.sources)

    def _made(self, node: fx.Node) -> Any:
        """A value, or several where it yields several."""
        x = self.reader.made[node]
        if isinstance(x, Const):
            if not self.computed(node):
                return self.reader.value(x, self.reader.seen(INPUT)) if x.path else None
            gathered = self._gathered(node, x)
            if gathered is not None:
                return gathered
        if aten(node) == "getitem":
            whole, place = self._made(node.all_input_nodes[0]), int(str(node.args[1]))
            return whole.take(place) if isinstance(whole, Parts) else whole[place]
        first = node.all_input_nodes[0]
        if node.target._schema.is_mutable and (  # type: ignore[union-attr]
            len(first.users) > 1 or aten(first) in ALIASES
        ):
            return None  # what it changes is read elsewhere
        name = self.enter(node)
        given: dict[fx.Node, Any] = {}
        for at in node.all_input_nodes:
            held = self.reader.made[at]
            weight = name in TRAINED and at is not first
            if weight or not isinstance(held, Const) or held.array.dtype.kind != "f":
                given[at] = held
            elif held.sources:
                given[at] = self.value(at)
            elif name in TRAINED:  # not beneath the operator whose weights these are
                self.reader.scope = self.reader.scope.rpartition(".")[0]
                given[at] = self.reader.value(held, self.reader.seen(INPUT))
            else:
                given[at] = held
        if None in given.values():
            return None
        self.enter(node)
        return HANDLERS[name](self.reader, **filled(bound(node), given))

    def _gathered(self, node: fx.Node, x: Const) -> View | None:
        """Of a table for all pairs of positions, if it is nothing but that."""
        held = [self.reader.state(source) for source in x.sources]
        tables = [t for t in held if t is not None and t.array.dtype.kind == "f"]
        if len(tables) != 1 or x.array.size <= tables[0].array.size:
            return None
        (table,) = tables  # beside it, a module may have where pairs stand in it
        places = self._places(node, table)
        if places is None:
            return None
        self.enter(node)
        return of_table(self.reader, places, table, self.reader.seen(INPUT))

    def _places(self, node: fx.Node, table: Const) -> np.ndarray[Any, Any] | None:
        """Where in its one parameter each number of a node stands, if they all do."""
        import torch

        count = table.array.size
        numbers = torch.arange(count, dtype=torch.float64).reshape(table.array.shape)
        found = self._again(node, table, numbers)
        others = torch.rand(count, generator=torch.Generator().manual_seed(0)) - 0.5
        others = others.double().reshape(table.array.shape)
        places = found.round().long()
        if places.min() < 0 or places.max() >= count or (places != found).any():
            return None
        same = self._again(node, table, others)
        return places.numpy() if torch.equal(others.flatten()[places], same) else None

    def _again(self, node: fx.Node, table: Const, numbers: Tensor) -> Tensor:
        """What a node would yield if its parameter had other numbers."""
        import torch
        from torch.fx.node import map_arg

        made: dict[fx.Node, Any] = {}

        def computed(at: fx.Node) -> Any:
            if at not in made:
                x = self.reader.made[at]
                if isinstance(x, Const) and x.path == table.path and not x.moves:
                    made[at] = numbers
                elif not isinstance(x, Const) or self.computed(at) or x.moves:
                    args = map_arg((at.args, dict(at.kwargs)), computed)
                    made[at] = at.target(*args[0], **args[1])  # type: ignore[operator]
                else:
                    held = torch.from_numpy(np.array(x.array))
                    made[at] = held.double() if held.is_floating_point() else held
            return made[at]

        with torch.no_grad():
            found: Tensor = computed(node)
        return found


def filled(given: Any, made: Mapping[fx.Node, Any]) -> Any:
    """Arguments with tensors in the place of nodes."""
    from torch.fx.node import map_arg

    return map_arg(given, lambda node: made[node])
