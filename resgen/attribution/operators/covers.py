"""Which nodes of an ONNX file each of ONNX Runtime's kernels computes.

The optimiser goes in levels. Up to the extended one every tensor that is left keeps its
name, so that what a fused node computes is known exactly: what lies between its output
and its inputs in the file. The layout level then renames. A node takes the name of its
output and ``_nchwc`` or its own and ``_token_`` with a number; what it fuses besides
(the addition and activation behind a convolution) are nodes whose inputs it makes and
which are gone. What is left are conversions between layouts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

#: Operators that do nothing but change a layout or a type.
CONVERTS: Final = frozenset(
    {
        "Cast", "DequantizeLinear", "Identity", "QuantizeLinear", "ReorderInput",
        "ReorderOutput", "Reshape", "Squeeze", "Transpose", "Unsqueeze",
    }
)  # fmt: skip

_RENAMED: Final = re.compile(r"(_bn)?_nchwc$|_nhwc$|_token_\d+$")
#: Of tensors that are in float32 because the processor has no kernel for fewer bits.
_WIDENED: Final = re.compile(r"^Inserted(PrecisionFree)?Cast_")


@dataclass(frozen=True, slots=True)
class Cover:
    """What a kernel computes, by names of ONNX nodes.

    Of a ``conversion`` they are those that made the tensor that it converts (or, of an
    input of the network, those that read it).
    """

    nodes: tuple[str, ...]
    conversion: bool = False


def covers(given: GraphProto, fused: GraphProto, final: GraphProto) -> dict[str, Cover]:
    """What every node of ``final`` computes of ``given``.

    ``fused`` is what the extended level makes of ``given``, and ``final`` what runs.
    """
    return _Final(_Fused(given, fused), final).covers()


class _Fused:
    """The file, and what its nodes became before layouts changed."""

    def __init__(self, given: GraphProto, fused: GraphProto) -> None:
        self.graph = fused
        self.makers = {o: node for node in given.node for o in node.output if o}
        weights = {i.name for i in given.initializer}
        self.inputs = {i.name for i in given.input} - weights
        self.readers: dict[str, list[str]] = {}
        for node in given.node:
            for value in node.input:
                self.readers.setdefault(value, []).append(node.name)
        self.computed: dict[str, tuple[str, ...]] = {}
        for node in fused.node:
            self.computed[node.name] = self._between(node)

    def _between(self, node: NodeProto) -> tuple[str, ...]:
        """The file's nodes from what a node yields back to what it reads.

        None where the way leads past that to an input of the network: then some name
        on it is one that the optimiser has made up.
        """
        ends = {plain(value) for value in node.input}
        todo = [plain(value) for value in node.output if value]
        found: dict[str, None] = {}
        while todo:
            value = todo.pop()
            if value in self.inputs:
                return ()
            maker = self.makers.get(value)
            if maker is None or maker.name in found:
                continue
            found[maker.name] = None
            todo.extend(value for value in maker.input if value not in ends)
        return tuple(reversed(found))


class _Final:
    """What runs, seen from what it was made of."""

    def __init__(self, fused: _Fused, final: GraphProto) -> None:
        self.fused = fused
        self.final = final
        self.makers = {o: node for node in final.node for o in node.output}
        by_output = {plain(o): n.name for n in fused.graph.node for o in n.output}
        by_name = {node.name: node.name for node in fused.graph.node}
        #: The fused node that each node is named after.
        self.after: dict[str, str] = {}
        for node in final.node:
            base = plain(_RENAMED.sub("", node.name))
            # The one layout names after outputs, the other after nodes, and what kept
            # its name is the node of that name.
            first, second = by_name, by_output
            if node.name.endswith("_nchwc"):
                first, second = by_output, by_name
            known = first.get(base) or second.get(base)
            if known is not None:
                self.after[node.name] = known
        #: Fused nodes that are gone, and the kernels that compute them: before the node
        #: that the kernel is named after, and behind it.
        self.claimed = self._claim()
        self.absorbed = self._absorb()

    def covers(self) -> dict[str, Cover]:
        found = {}
        for node in self.final.node:
            if node.name in self.after:
                names = (
                    *_of(self.claimed, node.name),
                    self.after[node.name],
                    *_of(self.absorbed, node.name),
                )
                nodes = [n for name in names for n in self.fused.computed[name]]
                found[node.name] = Cover(tuple(dict.fromkeys(nodes)))
            elif node.op_type in CONVERTS:
                found[node.name] = Cover(self._converted(node), conversion=True)
            else:
                found[node.name] = Cover(())
        return found

    def _claim(self) -> dict[str, str]:
        """What kernels compute before the node that they are named after.

        A convolution that is named after an activation computes the nearest convolution
        before it, and what lies between.
        """
        alive = set(self.after.values())
        makers = {o: node for node in self.fused.graph.node for o in node.output}
        by_name = {node.name: node for node in self.fused.graph.node}
        found: dict[str, str] = {}
        for node in self.final.node:
            if node.name not in self.after:
                continue
            at = by_name[self.after[node.name]]
            chain: list[str] = []
            while not _alike(node.op_type, at.op_type):
                gone = [
                    maker
                    for value in at.input
                    if (maker := makers.get(value))
                    and maker.name not in alive
                    and maker.op_type not in CONVERTS
                ]
                if len(gone) != 1:
                    chain = []
                    break
                (at,) = gone
                chain.append(at.name)
            found.update(dict.fromkeys(reversed(chain), node.name))
        return found

    def _absorb(self) -> dict[str, str]:
        """What kernels compute behind the node that they are named after.

        The kernel of a node that is gone is the one of those that make its inputs which
        runs last, since it needs the others' results. If what reads that kernel's
        result is not known, neither is this.
        """
        unsure = {
            self.makers[value].name
            for node in self.final.node
            if node.name not in self.after and node.op_type not in CONVERTS
            for value in node.input
            if value in self.makers
        }
        alive = set(self.after.values())
        rank = {node.name: at for at, node in enumerate(self.final.node)}
        kernels = {name: kernel for kernel, name in self.after.items()}
        makers = {o: node.name for node in self.fused.graph.node for o in node.output}
        found: dict[str, str] = {}
        for node in self.fused.graph.node:
            if node.name in alive or node.name in self.claimed:
                continue
            if node.op_type in CONVERTS:  # not fused, but undone
                continue
            sources = (makers.get(value) for value in node.input)
            ran = [
                kernel
                for name in sources
                if name and (kernel := kernels.get(name) or found.get(name))
            ]
            last = max(ran, key=rank.__getitem__, default=None)
            if last is not None and last not in unsure:
                found[node.name] = last
        return found

    def _converted(self, node: NodeProto) -> tuple[str, ...]:
        """Nodes that made what this one converts; for an input, those that read it."""
        fused = self.fused
        for value in node.output:  # it goes by its own name again
            if plain(value) in fused.makers:
                return (fused.makers[plain(value)].name,)
        value = node.input[0] if node.input else ""
        while value not in fused.makers:
            before = self.makers.get(value)
            if before is None:
                return tuple(fused.readers.get(value, ()))
            if before.name in self.after:
                return self._last(before.name)
            if not before.input:
                return ()
            value = before.input[0]
        return (fused.makers[value].name,)

    def _last(self, kernel: str) -> tuple[str, ...]:
        """The node that makes what a kernel yields."""
        absorbed = _of(self.absorbed, kernel)
        names = self.fused.computed[absorbed[-1] if absorbed else self.after[kernel]]
        return names[-1:]


def plain(value: str) -> str:
    """The name of a tensor before its type was widened."""
    return _WIDENED.sub("", value)


def _alike(a: str, b: str) -> bool:
    """Whether one kind of node is the other, in a form of the engine's own.

    >>> _alike("Conv", "FusedConv"), _alike("Conv", "Relu")
    (True, False)
    """
    return a.endswith(b) or b.endswith(a)


def _of(kernels: dict[str, str], kernel: str) -> list[str]:
    """The nodes that are this kernel's."""
    return [name for name, by in kernels.items() if by == kernel]
