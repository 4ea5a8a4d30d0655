"""What an engine wants of a quantised network: where its numbers are 8 bits wide.

Engines fuse different patterns, so no placement of quantisers suits two of them (see
the files beside this one for what each was measured to want). A placement names the
inputs that operators read quantised; the pass that puts quantisers there
(:mod:`resgen.graph.passes.quantize`) is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

from resgen.graph.ir import Graph, Node
from resgen.graph.passes import Pass
from resgen.ops.act import Act
from resgen.ops.conv import Conv
from resgen.ops.linear import Linear
from resgen.ops.types import DType

#: An operator's name and the position of one of its inputs.
Port = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Placement:
    """One engine's wishes.

    ``activations`` is the type that activations have at each precision, ``between`` the
    type of everything that is not quantised. ``zero_point`` and ``integer_bias`` say
    whether the engine takes a zero point and wants biases of 32 bits. ``passes`` spell
    a folded graph in operators that the engine has quantised kernels of. ``suits`` says
    whether an operator may be quantised at a precision, ``reads`` which inputs are
    quantised when these operators are, ``gives`` which of the values that are given
    out. ``alike`` are operators whose result has the scale of their input, ``joined``
    those that want one scale for their result and all inputs; ``fixed`` is the scale
    and the zero point that a result has whatever it holds.
    """

    name: str
    activations: Mapping[str, DType]
    zero_point: bool
    between: DType
    integer_bias: bool
    suits: Callable[[Graph, Node, str], bool]
    reads: Callable[[Graph, Set[str]], Iterator[Port]]
    gives: Callable[[Graph, Set[str]], Iterable[str]] = lambda graph, quantized: ()
    alike: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    fixed: Callable[[Node], tuple[float, int] | None] = lambda node: None
    passes: tuple[Pass, ...] = ()


def is_weighted(node: Node) -> bool:
    """Whether it is a map whose weight is quantised along with its input."""
    return isinstance(node.op, Conv | Linear)


def is_clip(node: Node) -> bool:
    """Whether it is an activation that every engine fuses with what feeds it."""
    return isinstance(node.op, Act) and node.op.type in ("relu", "relu6")


class Wiring:
    """Who makes and who reads each value, operators of training alone left out."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.given_out = {value for _, value in graph.outputs}

    def maker(self, value: str) -> Node | None:
        """What makes a value; None for an input of the network."""
        node = self.graph.node.get(value)
        while node is not None and node.op.training_only:
            node = self.graph.node.get(node.inputs[0])
        return node

    def alone(self, value: str) -> Node | None:
        """The one operator that reads a value; None if there are more, or none."""
        readers = self.graph.consumers[value]
        if len(readers) != 1 or value in self.given_out:
            return None
        (reader,) = readers
        return self.alone(reader.name) if reader.op.training_only else reader

    def readers(self, value: str) -> Iterator[Node]:
        """What reads a value."""
        for reader in self.graph.consumers[value]:
            if reader.op.training_only:
                yield from self.readers(reader.name)
            else:
                yield reader

    def source(self, value: str) -> Node | None:
        """What makes a value, seen through an activation that is fused with it."""
        node = self.maker(value)
        if node is not None and is_clip(node):
            before = self.maker(node.inputs[0])
            if before is not None and self.alone(before.name) is node:
                return before
        return node


def around_kernels(
    graph: Graph,
    quantized: Set[str],
    has_kernel: Callable[[Node], bool],
    *,
    given_out: bool = False,
) -> Iterator[Port]:
    """The inputs that kernels of 8 bits take, and those that read what they give.

    What is given out is left as it is, unless ``given_out``.
    """
    wiring = Wiring(graph)

    def runs(node: Node | None) -> bool:
        return node is not None and node.name in quantized and has_kernel(node)

    for node in graph.nodes:
        for port, value in enumerate(node.inputs[: node.op.read]):
            if node.op.training_only or (value in wiring.given_out and not given_out):
                continue
            if is_clip(node) and wiring.alone(value) is node:
                # The activation is fused with what feeds it, which yields its result;
                # and stays in float32 where that does.
                maker = wiring.maker(value)
                sums = maker and maker.op.name == "add"
                if maker and (sums or is_weighted(maker) or not has_kernel(maker)):
                    continue
            if runs(node) or runs(wiring.source(value)):
                yield node.name, port
