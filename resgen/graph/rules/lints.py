"""Whether a network is a good one: rules whose findings are warnings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from resgen.errors import Place
from resgen.graph.cost import is_map
from resgen.graph.ir import Graph, Node, Section
from resgen.graph.rules.base import Finding, Subject, rule

#: Fewer channels a group than this are slow and yet not depthwise. The cardinality of
#: ResNeXt 32x4d leaves 4.
NARROWEST_GROUP: Final = 4
#: Tensor cores take channels in multiples of 8 (fp16; 16 for int8, which pads alike).
GRID: Final = 8


@rule("RG210", "warning", "Channels off the tensor-core grid")
def grid(subject: Subject) -> Iterator[Finding]:
    """A width inside the network is not a multiple of 8.

    Tensor cores multiply tiles of 8 channels (fp16) or 16 (int8), and kernels pad
    what is left: `"width": 2047` costs as much as 2048, often more, since the padding
    is copied. Take the next multiple of 8; `"divisible(w, 8)"` rounds an expression.
    Not meant are widths up to 8, depthwise convolutions, the gates of attention (one
    position, so nothing to gain) and the classes of the last layer.
    """
    graph = subject.graph
    last = _classifiers(graph)
    found: dict[Place, dict[int, Node]] = {}  # one warning a line, for all its widths
    for node, x in subject.maps:
        out = node.type.channels
        if out <= GRID or out % GRID == 0 or node.name in last:
            continue
        depthwise = _groups(node) == x.channels
        gate = node.type.positions == 1 and subject.section(node).kind != "head"
        if not depthwise and not gate:
            found.setdefault(node.origin.place, {}).setdefault(out, node)
    for widths in found.values():
        many = len(widths) > 1
        yield Finding(
            next(iter(widths.values())),
            f"width{'s'[:many]} {' and '.join(map(str, sorted(widths)))} "
            f"{'are' if many else 'is'} off the tensor-core grid of {GRID}; int8 and "
            "fp16 kernels will pad it",
            f"use {' and '.join(str(-(-w // GRID) * GRID) for w in sorted(widths))}",
        )


@rule("RG211", "warning", "A stage without shortcuts")
def shortcuts(subject: Subject) -> Iterator[Finding]:
    """A residual network has a stage in which no block has a shortcut.

    Gradients pass such a stage only through all of its convolutions, so depth that
    trains well elsewhere does not here (He et al. 2015 measured it: plain networks get
    worse with depth). Usually a stage says `"shortcut": "none"`, or `if-same` never
    finds equal shapes. A network without any shortcut is plain by choice, and a stage
    of one block that changes the shape needs none: neither is reported.
    """
    graph = subject.graph
    merged: set[int] = set()
    blocks: dict[int, set[int]] = {}
    first: dict[int, Node] = {}
    for node in graph.nodes:
        section, block = node.origin.section, node.origin.block
        if node.origin.role == "merge":
            merged.add(section)
        if block is not None:
            blocks.setdefault(section, set()).add(block)
            first.setdefault(section, node)
    if not merged:
        return
    for section, indices in blocks.items():
        if section not in merged and len(indices) > 1:
            where = called(graph.sections[section])
            yield Finding(
                first[section],
                f"none of the {len(indices)} blocks of {where} has a shortcut, though "
                "the network is residual elsewhere",
                'give the stage a "shortcut", such as "projection"',
            )


@rule("RG212", "warning", "Groups too narrow")
def groups(subject: Subject) -> Iterator[Finding]:
    """A grouped convolution has 2 or 3 channels a group.

    That is too narrow for the kernels of dense convolutions and too wide for those of
    depthwise ones, so most libraries run it one group at a time or fill matrices with
    zeros. ResNeXt leaves at least 4 (`"groups": 32` of 128 channels); either use fewer
    groups, or as many groups as channels.
    """
    for node, x in subject.maps:
        count, channels = _groups(node), x.channels
        if count > 1 and 1 < channels // count < NARROWEST_GROUP:
            yield Finding(
                node,
                f"{count} groups of {channels} channels leave {channels // count} a "
                "group, slower than both wider groups and a depthwise convolution",
                f"use {channels // NARROWEST_GROUP} groups or fewer, or {channels}",
            )


@rule("RG213", "warning", "A stride that skips inputs")
def strides(subject: Subject) -> Iterator[Finding]:
    """A window moves further than it is wide, so that some inputs are never read.

    A 1x1 convolution of stride 2 reads one position in four and drops what was
    computed for the others. In a shortcut that is the usual projection and is not
    reported (`avg-projection` mends it, He et al. 2018); in a branch it loses
    information and accuracy: put the stride on the 3x3 instead, or pool first.
    """
    graph = subject.graph
    for node in graph.nodes:
        x = graph.types[node.inputs[0]]
        if x.shape[1:] == node.type.shape[1:] or node.origin.role == "shortcut":
            continue
        window = node.op.window(x)
        if window is None:
            continue
        pairs = zip(window.extent, window.stride, x.spatial, strict=True)
        skips = [(e, s) for e, s, n in pairs if e < s and n > e]
        if skips:
            extent, stride = skips[0]
            yield Finding(
                node,
                f"a window of {extent} with stride {stride} never reads some of its "
                "inputs",
                "give the stride to a wider kernel, or pool before it",
            )


def called(section: Section) -> str:
    """A section as a person counts it: ``the stem``, ``stage 3``, ``the head``."""
    if section.kind != "stage":
        return f"the {section.kind}"
    return f"stage {int(section.pointer.rpartition('/')[2]) + 1}"


def _groups(node: Node) -> int:
    return int(getattr(node.op, "groups", 1))


def _classifiers(graph: Graph) -> set[str]:
    """The maps after which no other stands before an output."""
    makers = {node.name: node for node in graph.nodes}
    found, seen = set(), set()
    waiting = [value for _, value in graph.outputs]
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or node.name in seen:
            continue
        seen.add(node.name)
        if is_map(node.op):
            found.add(node.name)
        else:
            waiting.extend(node.inputs)
    return found


LINTS: Final = (grid, shortcuts, groups, strides)
