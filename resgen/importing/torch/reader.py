"""What a reader of an exported program knows, and how it finds an operator's handler.

A handler takes the reader and the arguments of the ATen operator by their names in its
schema (``self`` and ``input`` are ``x``), tensors as they are seen, and gives what the
operator yields. They stand in tables by theme, under the names that ATen has for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from resgen.importing.calls import Calls
from resgen.importing.flat import Collector
from resgen.importing.torch.positions import window_mask
from resgen.importing.views import Const, Seen, Unread, View
from resgen.ops.base import Op
from resgen.ops.relative_lookup import Relative

if TYPE_CHECKING:
    from torch import Tensor, fx

Handler = Callable[..., Any]
HANDLERS: Final[dict[str, Handler]] = {}


H = TypeVar("H", bound=Handler)


def handles(*names: str) -> Callable[[H], H]:
    """Decorator: the handler of the ATen operators of these names."""

    def register(handler: H) -> H:
        HANDLERS.update(dict.fromkeys(names, handler))
        return handler

    return register


class Reader(Calls):
    """The operators of a program, read in the order in which they run."""

    def __init__(
        self,
        to: Collector,
        batch: int,
        owners: frozenset[str],
        state: Callable[[str], Const | None],
    ) -> None:
        super().__init__(to, batch)
        #: What the program has under a name.
        self.state = state
        #: Paths of the modules that have parameters, which no other operator's name is.
        self.owners = owners
        self.node: fx.Node | None = None
        #: What each node yields.
        self.made: dict[fx.Node, Any] = {}
        #: The class of the module that is being read, by its last name.
        self.kind = ""
        #: Values that are biases for where positions lie.
        self.relative: set[str] = set()
        #: What scores were before such a bias, and the bias, by the node that adds it.
        self.scores: dict[fx.Node, tuple[View, View]] = {}

    def emit(
        self,
        op: Op,
        inputs: Sequence[str],
        numbers: Mapping[str, Const] | None = None,
        *,
        path: str | None = None,
    ) -> str:
        plain = path is None and self.kind in NAMED and self.scope not in self.owners
        made = super().emit(
            op, inputs, numbers, path=self.scope if plain and self.scope else path
        )
        if isinstance(op, Relative):
            self.relative.add(made)
        return made

    def merge(self, kind: str, given: Sequence[Seen]) -> Seen:
        """As of all sources; what windows hide is added to their bias."""
        first = given[0]
        if kind != "add" or self.node is None or not isinstance(first, View):
            return super().merge(kind, given)
        source = self.node.all_input_nodes[0]
        while aten(source) in RESHAPES:
            source = source.all_input_nodes[0]
        other = given[-1]
        if source in self.scores and isinstance(other, Const) and not other.sources:
            scores, bias = self.scores[source]
            masked = window_mask(self, other, bias)
            if masked is not None:
                whole = self.reshape(scores, self.shape(first))
                return super().merge(kind, [whole, masked])
        if isinstance(other, View) and other.value in self.relative:
            self.scores[self.node] = first, other
        return super().merge(kind, given)

    def owner(self, *numbers: Const | None) -> str | None:
        """The path of the module whose parameters these are."""
        for number in numbers:
            if number is not None and number.sources:
                key = number.sources[0]
                computed, within, _ = key.partition(".parametrizations.")
                path, _, role = computed.rpartition(".")
                return computed if within else path if role in ROLES else key
        return None

    def pieces(self, name: str) -> list[Const] | None:
        """What an argument is put together of, where a parameter is among that."""
        given = None if self.node is None else bound(self.node).get(name)
        if given is None or aten(given) not in JOINS:
            return None
        parts = [self.made[node] for node in given.args[0]]
        whole = all(isinstance(x, Const) for x in parts)
        return parts if whole and any(x.path for x in parts) else None

    def literals(self) -> list[float]:
        """Numbers that are given to what the weight read here is computed by."""
        found: dict[float, None] = {}
        left = self.node.all_input_nodes[1:2] if self.node is not None else []
        while left:
            node = left.pop()
            given = (*node.args, *node.kwargs.values())
            found.update((x, None) for x in given if isinstance(x, float) and x > 0)
            left += node.all_input_nodes
        return list(found)

    def as_large(self, sizes: Sequence[int]) -> str | None:
        """A value with positions of these sizes: the one beside it in what reads it."""
        beside = [
            self.made[other]
            for user in (self.node.users if self.node else ())
            for other in user.all_input_nodes
            if other is not self.node and isinstance(self.made.get(other), View)
        ]
        for x in beside:
            if self.shape(x)[2:] == tuple(sizes):
                return self.standard(x)
        return next(
            (
                v
                for v, t in reversed(self.to.types.items())
                if t.spatial == tuple(sizes)
            ),
            None,
        )

    @property
    def called(self) -> str:
        """The name of the operator that is being read."""
        return aten(self.node) if self.node is not None else ""

    def only_used_by(self, names: frozenset[str]) -> bool:
        """Whether operators of these names alone read what is being read."""
        return self.node is not None and all(aten(u) in names for u in self.node.users)


#: Classes of modules that are one operator, which is named as they are.
NAMED: Final = frozenset((
    "ReLU", "ReLU6", "LeakyReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish",
    "Sigmoid", "Tanh", "Hardswish", "Hardsigmoid", "Hardtanh", "Softplus", "Softmax",
    "MaxPool1d", "MaxPool2d", "MaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d",
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool2d",
    "Dropout", "Dropout2d", "DropPath", "StochasticDepth", "Flatten", "Upsample",
    "PixelShuffle", "PixelUnshuffle", "ChannelShuffle", "ZeroPad2d",
))  # fmt: skip
#: Operators that put tensors one after the other.
JOINS: Final = frozenset(("cat", "concat", "concatenate"))
#: Operators that share the memory of what they are given.
ALIASES: Final = frozenset((
    "view", "reshape", "flatten", "unflatten", "permute", "transpose", "t", "squeeze",
    "unsqueeze", "select", "slice", "narrow", "expand", "chunk", "split", "unbind",
    "split_with_sizes", "detach", "alias", "getitem", "movedim", "mT",
))  # fmt: skip
#: Operators after which elements lie in the same order.
RESHAPES: Final = frozenset(("view", "reshape", "_unsafe_view", "unsqueeze"))
#: What modules call the parameters that operators of ours own by a role.
ROLES: Final = frozenset((
    "weight", "bias", "running_mean", "running_var", "num_batches_tracked", "gain", "p",
    "weight_g", "weight_v", "weight_orig", "weight_mask",
))  # fmt: skip


#: Names of arguments that stand for something else in Python.
RENAMED: Final = {
    "self": "x", "input": "x", "min": "low", "max": "high", "ord": "order",
}  # fmt: skip


def aten(node: fx.Node) -> str:
    """The name of the operator that a node calls, in-place ones as the others."""
    packet = getattr(node.target, "overloadpacket", None)
    name = str(
        getattr(packet, "__name__", None) or getattr(node.target, "__name__", "")
    )
    return name.rstrip("_") if not name.startswith("__") else name


def bound(node: fx.Node) -> dict[str, Any]:
    """The arguments of a node by their names in the operator's schema."""
    schema = node.target._schema  # type: ignore[union-attr]
    found: dict[str, Any] = {}
    for at, argument in enumerate(schema.arguments):
        name = RENAMED.get(argument.name, argument.name)
        if at < len(node.args):
            found[name] = node.args[at]
        else:
            found[name] = node.kwargs.get(argument.name, argument.default_value)
    return found


def as_array(tensor: Tensor) -> np.ndarray[Any, Any]:
    """The numbers of a tensor, in its memory where that is possible."""
    return tensor.detach().cpu().numpy()


def value(x: Seen, what: str) -> View:
    """A tensor that depends on the input."""
    if isinstance(x, Const):
        raise Unread(f"{what} of what no input changes")
    return x


def constant(x: Seen | None, what: str) -> Const | None:
    """A tensor that no input changes, if there is one."""
    if isinstance(x, View):
        raise Unread(f"its {what} depends on the input")
    return x
