"""What a residual block adds up: seen at the addition itself.

Modules do not tell where they add. So while a network runs, a mode of torch looks at
every call of an addition, before it happens (many are in place), and at every ReLU.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, Final, TypeAlias

import torch
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from resgen.diagnosis.seen.numbers import norm
from resgen.lower.scope_module import ScopeModule

Tensor: TypeAlias = torch.Tensor

#: How torch names additions: ``+`` and ``+=`` arrive here as the methods.
_ADDS: Final = frozenset(
    {
        torch.add,
        torch.Tensor.add,
        torch.Tensor.add_,
        torch.Tensor.__add__,
        torch.Tensor.__iadd__,
        torch.Tensor.__radd__,
    }
)
_RELUS: Final = frozenset(
    {
        functional.relu,
        functional.relu6,
        torch.relu,
        torch.relu_,
        torch.Tensor.relu,
        torch.Tensor.relu_,
    }
)
#: What people call the module that projects a shortcut.
_SHORTCUT: Final = re.compile(r"(downsample|shortcut|skip|proj|identity)")


@dataclass(frozen=True, slots=True)
class Sum:
    """An addition: root mean squares of its sides, and where they are in autograd.

    ``sure`` if one side is known to be the shortcut, and not just held to be.
    """

    branch: float
    shortcut: float
    sure: bool
    result: GradientEdge | None
    branch_edge: GradientEdge | None
    shortcut_edge: GradientEdge | None


@dataclass(slots=True)
class Passing:
    """One run through a part: what went in, what it added last, what its ReLUs gave.

    ``past`` are the tensors that come of the input by nothing but shortcuts.
    """

    module: torch.nn.Module
    source: GradientEdge | None
    past: list[Tensor]
    total: Sum | None = None
    zero: int = 0
    channels: int = 0
    handles: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, child in self.module.named_children():
            if _SHORTCUT.match(name):
                self.handles.append(child.register_forward_hook(self._projected))

    def leave(self) -> None:
        """Let go of tensors and modules."""
        self.past.clear()
        for handle in self.handles:
            handle.remove()

    def add(self, call: Callable[[], Any], sides: Sequence[Tensor]) -> Any:
        """Do an addition, and note it if it is the last or a surer one."""
        index, sure = self._shortcut(sides)
        if self.total is not None and self.total.sure and not sure:
            return call()
        sizes = [norm(side.detach()) / sqrt(side.numel()) for side in sides]
        edges = [edge(side) for side in sides]
        result = call()
        self.total = Sum(
            sizes[1 - index],
            sizes[index],
            sure,
            edge(result),
            edges[1 - index],
            edges[index],
        )
        if sure:
            self.past.append(result)
        return result

    def rectified(self, x: Tensor) -> None:
        """Count channels (axis 1) that are zero for the whole batch."""
        if x.ndim > 1:
            most = (
                x.detach().flatten(2).amax((0, 2)) if x.ndim > 2 else x.detach().amax(0)
            )
            self.zero += int((most == 0).sum())
            self.channels += len(most)

    def _projected(self, module: object, inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            self.past.append(output)

    def _shortcut(self, sides: Sequence[Tensor]) -> tuple[int, bool]:
        """Which side is the shortcut, and whether that is sure.

        It is what entered, or came of it by a module that is named for it; in a graph
        of ours the second of the two; else the side that fewer parameters made.
        """
        for index, side in enumerate(sides):
            if any(_same(side, known) for known in self.past):
                return index, True
        if isinstance(self.module, ScopeModule):
            return 1, False
        weights = [_weights(side, self.source) for side in sides]
        return (0 if weights[0] < weights[1] else 1), False


class Looking(TorchFunctionMode):
    """Shows the additions and, where asked, the ReLUs of whatever part is running."""

    def __init__(self, *, relus: bool) -> None:
        super().__init__()
        self.running: list[Passing] = []
        self.relus = relus

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if not self.running:
            return func(*args, **kwargs)
        if func in _ADDS and not kwargs and _alike(args):
            return self.running[-1].add(lambda: func(*args), args)
        result = func(*args, **kwargs)
        if self.relus and (func in _RELUS or _clips_at_zero(func, args, kwargs)):
            self.running[-1].rectified(result)
        return result


def edge(x: Any) -> GradientEdge | None:
    """Where a tensor is in autograd; an addition in place does not move it."""
    return get_gradient_edge(x) if x.requires_grad else None


def _alike(sides: Sequence[Any]) -> bool:
    """Whether these are two floating tensors of one shape."""
    return (
        len(sides) == 2
        and all(isinstance(x, Tensor) and x.is_floating_point() for x in sides)
        and sides[0].shape == sides[1].shape
        and sides[0].ndim > 1
    )


def _clips_at_zero(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bool:
    """``nn.ReLU6`` is a ``hardtanh`` from zero."""
    if func is not functional.hardtanh:
        return False
    least = args[1] if len(args) > 1 else kwargs.get("min_val")
    return least == 0


def _same(x: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same numbers in memory, as a view of one may be."""
    return x is other or (
        x.numel() == other.numel() and x.data_ptr() == other.data_ptr()
    )


def _weights(x: Tensor, source: GradientEdge | None) -> int:
    """How many parameters made a tensor, from ``source`` on."""
    seen = {None, source.node if source else None}
    waiting, count = [x.grad_fn], 0
    while waiting:
        node = waiting.pop()
        if node in seen or node is None:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        count += leaf.numel() if leaf is not None else 0
        waiting.extend(above for above, _ in node.next_functions)
    return count
