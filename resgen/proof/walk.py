"""A graph run one operator at a time, with torch's spelling of each.

A module's forward hides what flows inside it, and hooks do not see functions such as
the addition of a shortcut. Here every value passes by once, and is dropped as soon as
nothing needs it any more, so a walk takes little memory at any depth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Final, TypeVar

from resgen.graph.ir import Graph, Node
from resgen.lower.scopes import home
from resgen.ops.types import Function, Module, Spelling

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
#: Numbers of a weight that are widened together: 32 MB of them.
AT_ONCE: Final = 2**22


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
        import torch

        spelling = node.op.torch(self.graph.types[node.inputs[0]])
        if isinstance(spelling, Module):
            leaf = self.leaf(node)
            if not exact:
                result: torch.Tensor = leaf(*inputs)
                return result
            held = {**dict(leaf.named_parameters()), **dict(leaf.named_buffers())}
            if type(leaf) is torch.nn.Linear:
                return _by_outputs(leaf, held, inputs)
            return _called(leaf, _widened(held), inputs)
        path = home(node)
        held = {
            role: self.parameter(f"{path}.{role}" if role else path)
            for role, _ in spelling.parameters
        }
        return _function(spelling, _widened(held) if exact else held, inputs)


def _by_outputs(
    leaf: torch.nn.Module,
    held: Mapping[str, torch.Tensor],
    inputs: Sequence[torch.Tensor],
) -> torch.Tensor:
    """A linear map in float64, some outputs at a time.

    The first of VGG's holds two thirds of its parameters, which widened at once would
    be more than all of the rest of a build.
    """
    import torch

    weight = held["weight"]
    step = max(1, AT_ONCE // weight.shape[1])
    parts = (
        {name: tensor[start : start + step] for name, tensor in held.items()}
        for start in range(0, len(weight), step)
    )
    return torch.cat([_called(leaf, _widened(part), inputs) for part in parts], -1)


def spelled(
    spelling: Spelling, inputs: Sequence[torch.Tensor], values: dict[str, torch.Tensor]
) -> torch.Tensor:
    """What an operator yields that has these parameters by role, in float64."""
    import torch

    if not isinstance(spelling, Module):
        return _function(spelling, values, inputs)
    with torch.device("meta" if values else "cpu"):
        leaf = resolve_name(spelling.target)(*spelling.args, **spelling.kwargs)
    return _called(leaf.eval().double(), values, inputs)


def _called(
    leaf: torch.nn.Module,
    values: dict[str, torch.Tensor],
    inputs: Sequence[torch.Tensor],
) -> torch.Tensor:
    import torch

    result: torch.Tensor = torch.func.functional_call(leaf, values, tuple(inputs))
    return result


def _function(
    spelling: Function,
    values: Mapping[str, torch.Tensor],
    inputs: Sequence[torch.Tensor],
) -> torch.Tensor:
    views = [values[role].view(shape) for role, shape in spelling.parameters]
    given = (list(inputs),) if spelling.gather else tuple(inputs)
    function = resolve_name(spelling.target)
    result: torch.Tensor = function(*given, *views, *spelling.args, **spelling.kwargs)
    return result


def _widened(held: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name: tensor.double()
        for name, tensor in held.items()
        if tensor.is_floating_point()
    }
