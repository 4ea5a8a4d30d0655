"""Pairs of operators that do not become one kernel: rules for parts of low precision.

A convolution takes in the batch norm, the addition and the activation that follow it,
if they are such and nothing comes between. In float32 it matters less, so these rules
are silent unless the spec or an export asks for a lower precision. They look at the
graph with its batch norms folded, through what only training runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from resgen.errors import Place
from resgen.graph.ir import Node
from resgen.graph.placement.base import Wiring, is_clip, is_weighted
from resgen.graph.rules.base import Finding, Subject, rule
from resgen.ops.act import Act
from resgen.ops.norm import Norm

#: Precisions of 16 and of 8 bits.
LOW: Final = ("fp16", "bf16", "int8", "fp8")
EIGHT_BITS: Final = ("int8", "fp8")


@rule("RG220", "warning", "A batch norm that cannot be folded")
def norms(subject: Subject) -> Iterator[Finding]:
    """A batch norm in a part of low precision stays an operator of its own.

    Outside training a batch norm is an affine map of each channel, and the convolution
    before it takes that into its weights. There is none to take it where the norm
    follows an addition, a `concat` or a pooling (pre-activation blocks, DenseNets), or
    where what it reads is read elsewhere as well. Then every number goes through memory
    once more, in 8 bits with a conversion before and after.

    Norm right after the convolution, as `basic` and `bottleneck` do, and norm branches
    before they meet. Where neither is meant, fp16 converts less than 8 bits do.
    """
    if subject.asked.isdisjoint(LOW):
        return
    graph = subject.folded
    wiring = Wiring(graph)
    left = [
        node
        for node in graph.nodes
        if isinstance(node.op, Norm)
        and node.op.type == "batch"
        and subject.precision(node) in LOW
    ]
    for first, *more in _lines(left):
        maker = wiring.maker(first.inputs[0])
        hint = "norm right after a convolution that nothing else reads"
        if maker is None:
            why = "it reads the network's input"
        elif is_weighted(maker):
            why = f'"{maker.name}" is read elsewhere as well'
        else:
            why = f'it follows "{maker.op.name}"'
            if maker.op.name == "concat":
                hint = "norm the branches before they meet"
        yield Finding(
            first,
            f'the batch norm "{first.name}"{_and(more)} cannot be folded: {why}, and '
            f"stays an operator of its own in {subject.precision(first)}",
            hint,
        )


@rule("RG221", "warning", "An addition that fuses with no convolution")
def additions(subject: Subject) -> Iterator[Finding]:
    """An addition in 8 bits stands by itself.

    Engines run the convolution that ends a branch, the addition and the activation
    after it as one kernel, if the addition alone reads what the convolution yields.
    An activation, a gate or a scale between them, or a second reader, breaks that: the
    sum becomes a kernel of its own, with a conversion on each side, and an int8 engine
    may be slower than one in fp16.

    Let the branch end in its convolution (and batch norm) and put the activation
    behind the addition, as `post` of a residual element; or keep the part in fp16.
    """
    if subject.asked.isdisjoint(EIGHT_BITS):
        return
    graph = subject.folded
    wiring = Wiring(graph)
    alone = [
        node
        for node in graph.nodes
        if node.op.name == "add"
        and subject.precision(node) in EIGHT_BITS
        and not any(_fuses(wiring, value) for value in node.inputs)
    ]
    for first, *more in _lines(alone):
        why, hint = _cause(wiring, first)
        yield Finding(
            first,
            f'the addition "{first.name}"{_and(more)} fuses with no convolution in '
            f"{subject.precision(first)}: {why}",
            hint,
        )


def _fuses(wiring: Wiring, value: str) -> bool:
    """Whether a map yields the value, for its one reader."""
    maker = wiring.maker(value)
    if maker is None or not is_weighted(maker):
        return False
    return wiring.alone(maker.name) is not None


def _cause(wiring: Wiring, addition: Node) -> tuple[str, str]:
    """Why an addition stands alone, and what to do about it."""
    makers = [m for v in addition.inputs if (m := wiring.maker(v)) is not None]
    for maker in makers:  # the branch comes first
        if is_weighted(maker):
            why = f'"{maker.name}" is read elsewhere as well'
            return why, "let the addition alone read what ends the branch"
        before = wiring.maker(maker.inputs[0])
        if before is not None and is_weighted(before):
            why = f'"{maker.name}" stands between "{before.name}" and it'
            if isinstance(maker.op, Act):
                return why, 'put the activation behind the addition, in "post"'
            return why, 'end the branch in a convolution, or say "precision": "fp16"'
    what = " and ".join(f'"{m.op.name}"' for m in makers) or "the network's input"
    hint = 'end the branch in a convolution, or say "precision": "fp16"'
    return f"it reads {what}", hint


@rule("RG222", "warning", "An activation that few engines fuse in 8 bits")
def activations(subject: Subject) -> Iterator[Finding]:
    """An activation other than relu and relu6 follows a convolution in 8 bits.

    These two are a clip, which every engine takes into the convolution. Of the others
    an engine fuses some or none; the rest run by themselves in 16 or 32 bits, with a
    conversion before and after, which may cost more than int8 saves. The gates of
    attention are not meant: they have one position.

    Use `"act": "relu"` or `"relu6"`, or keep the part in fp16 and measure both.
    """
    if subject.asked.isdisjoint(EIGHT_BITS):
        return
    graph = subject.folded
    wiring = Wiring(graph)
    found = [
        node
        for node in graph.nodes
        if isinstance(node.op, Act)
        and not is_clip(node)
        and subject.precision(node) in EIGHT_BITS
        and node.type.positions > 1
        and _fuses(wiring, node.inputs[0])
    ]
    for nodes in _lines(found):
        kinds = sorted({str(getattr(node.op, "type", "")) for node in nodes})
        yield Finding(
            nodes[0],
            f"{' and '.join(kinds)} after a convolution: in "
            f"{subject.precision(nodes[0])} only relu and relu6 are fused by every "
            "engine",
            'use "relu" or "relu6", or say "precision": "fp16"',
        )


def _lines(nodes: Iterable[Node]) -> list[list[Node]]:
    """Nodes by the line of the spec that made them."""
    found: dict[Place, list[Node]] = {}
    for node in nodes:
        found.setdefault(node.origin.place, []).append(node)
    return list(found.values())


def _and(more: list[Node]) -> str:
    return f" (and {len(more)} more of this line)" if more else ""


FUSIONS: Final = (norms, additions, activations)
