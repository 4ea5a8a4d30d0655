"""Whether a network is a good one: rules whose findings are warnings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from resgen.graph.parts import Part, sections
from resgen.graph.rules.base import Finding, Subject, rule


@rule("RG211", "warning", "A stage without shortcuts")
def shortcuts(subject: Subject) -> Iterator[Finding]:
    """A residual network has a stage in which no block has a shortcut.

    Gradients pass such a stage only through all of its convolutions, so depth that
    trains well elsewhere does not here (He et al. 2015 measured it: plain networks get
    worse with depth). Usually a stage says `"shortcut": "none"`, or `if-same` never
    finds equal shapes. A network without any shortcut is plain by choice, and a stage
    of one block that changes the shape needs none: neither is reported.
    """
    whole = sections(subject.graph)
    if not any(map(_merges, whole)):
        return
    for section in whole:
        if len(section.blocks) > 1 and not _merges(section):
            yield Finding(
                section.blocks[0].nodes[0],
                f"none of the {len(section.blocks)} blocks of {section.spoken} has a "
                "shortcut, though the network is residual elsewhere",
                'give the stage a "shortcut", such as "projection"',
            )


def _merges(section: Part) -> bool:
    return any(node.origin.role == "merge" for node in section.nodes)


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


LINTS: Final = (shortcuts, strides)
