"""A graph run one operator at a time, with torch's spelling of each.

A module's forward hides what flows inside it, and hooks do not see functions such as
the addition of a shortcut. Here every value passes by once, and is dropped as soon as
nothing needs it any more, so a walk takes little memory at any depth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pkgutil import resolve_name
from typing import TYPE_CHECKING, TypeVar

from resgen.graph.ir import Graph, Node
from resgen.lower.scopes import home
from resgen.ops.types import Function, Module

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


def walk(
    graph: Graph,
    inputs: Mapping[str, T],
    compute: Callable[[Node, Sequence[T]], T],
) -> Iterator[tuple[Node, T]]:
    """Every node in order, with what ``compute`` makes of the values that it reads."""
    uses = Counter(value for node in graph.nodes for value in node.inputs)
    alive = dict(inputs)
    for node in graph.nodes:
        result = compute(node, [alive[value] for value in node.inputs])
        for value in node.inputs:
            uses[value] -= 1
            if not uses[value]:
                alive.pop(value, None)
        if uses[node.name]:
            alive[node.name] = result
        yield node, result
        del result


class Leaves:
    """The operators of a graph as functions of tensors.

    ``module`` is what :func:`resgen.lower.torch.to_torch` made of the graph; its own
    modules and parameters are used, so a change of one changes the other.
    """

    def __init__(self, graph: Graph, module: torch.nn.Module) -> None:
        self.graph = graph
        self.module = module

    def __call__(self, node: Node, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """What the operator yields, as the module computes it."""
        return self._apply(node, inputs, exact=False)

    def exact(self, node: Node, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """The same in float64; parameters are widened for this one call."""
        return self._apply(node, inputs, exact=True)

    def leaf(self, node: Node) -> torch.nn.Module:
        """The module of an operator that has one."""
        return self.module.get_submodule(home(node))

    def parameter(self, name: str) -> torch.Tensor:
        """A parameter or a statistic of the graph, as the module holds it."""
        above, _, last = name.rpartition(".")
        found: torch.Tensor = getattr(self.module.get_submodule(above), last)
        return found

    def _apply(
        self, node: Node, inputs: Sequence[torch.Tensor], *, exact: bool
    ) -> torch.Tensor:
        spelling = node.op.torch(self.graph.types[node.inputs[0]])
        result: torch.Tensor
        if isinstance(spelling, Module):
            result = self._call(node, inputs, exact=exact)
        else:
            result = self._call_function(spelling, node, inputs, exact=exact)
        return result

    def _call(
        self, node: Node, inputs: Sequence[torch.Tensor], *, exact: bool
    ) -> torch.Tensor:
        import torch

        leaf = self.leaf(node)
        if not exact:
            result: torch.Tensor = leaf(*inputs)
            return result
        wide = {
            name: tensor.double()
            for tensors in (leaf.named_parameters(), leaf.named_buffers())
            for name, tensor in tensors
            if tensor.is_floating_point()
        }
        exactly: torch.Tensor = torch.func.functional_call(leaf, wide, tuple(inputs))
        return exactly

    def _call_function(
        self,
        spelling: Function,
        node: Node,
        inputs: Sequence[torch.Tensor],
        *,
        exact: bool,
    ) -> torch.Tensor:
        path = home(node)
        parameters = []
        for role, shape in spelling.parameters:
            tensor = self.parameter(f"{path}.{role}" if role else path).view(shape)
            parameters.append(tensor.double() if exact else tensor)
        given = (list(inputs),) if spelling.gather else tuple(inputs)
        function = resolve_name(spelling.target)
        result: torch.Tensor = function(
            *given, *parameters, *spelling.args, **spelling.kwargs
        )
        return result
