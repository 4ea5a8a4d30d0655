"""The channels that can go, gathered by where they lie."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from resgen.shrinking.labels import FIXED, Labelled, Labels


@dataclass(frozen=True)
class Group:
    """Channels that lie along the same axes of the same parameters.

    Each of ``classes`` is a label, whose channels go together; any of them can go, as
    long as one is left. ``axes`` are parameters by name, and which axis of each.
    """

    axes: tuple[tuple[str, int], ...]
    classes: Labels


def groups(found: Labelled) -> tuple[Group, ...]:
    """The groups of a network, in the order in which its parameters stand."""
    lies: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
    for at, labels in found.axes.items():
        for label in np.unique(labels).tolist():
            if label != FIXED:
                lies[label].append(at)
    made: defaultdict[tuple[tuple[str, int], ...], list[int]] = defaultdict(list)
    for label, axes in sorted(lies.items()):
        made[tuple(axes)].append(label)
    return tuple(Group(axes, np.array(each)) for axes, each in made.items())
