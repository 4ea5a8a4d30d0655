"""Stages of plain layers: a row of them up to where the map gets smaller.

Networks without shortcuts, as VGG's, are one long row of layers with numbers for names.
A layer begins at a convolution; what pools ends a stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from resgen.recovery.explain import fit
from resgen.recovery.parts import Part, Parts
from resgen.recovery.table import Stage, Table, Unit

#: How many layers are told as stages at least.
_LAYERS: Final = 4


def layered(row: Sequence[Unit | Part]) -> Table | None:
    """The network as stages of layers that are alike; None where it has none."""
    for at, item in enumerate(row):
        stages = [] if isinstance(item, Unit) else _stages(item)
        if stages:
            before, after = ([_plain(i) for i in r] for r in (row[:at], row[at + 1 :]))
            return Table(before, stages, after)
    return None


def _plain(item: Unit | Part) -> Part:
    return item.part() if isinstance(item, Unit) else item


def _stages(part: Part) -> list[Stage]:
    if part.kind != "seq" or any(p.bodies or p.start or p.name for p in part.bodies[0]):
        return []
    split: list[tuple[list[Parts], Parts]] = [([], [])]
    for each in part.bodies[0]:
        layers, ends = split[-1]
        if each.maps and ends:
            split.append(([[each]], []))
        elif each.maps:
            layers.append([each])
        elif each.enters.spatial != each.leaves.spatial and not each.owned:
            ends.append(each)
        elif layers and not ends:
            layers[-1].append(each)
        else:
            return []
    stages = [n for n, (layers, _) in enumerate(split) for _ in layers]
    found = [layer for layers, _ in split for layer in layers]
    if len(split) < 2 or len(found) < _LAYERS:
        return []
    if len({tuple(each.kind for each in layer) for layer in found}) > 1:
        return []
    known = {"block": list(range(len(found))), "stage": stages}
    names = [
        fit([p.path for p in column], known) for column in zip(*found, strict=True)
    ]
    if None in names:
        return []
    made = [Stage([], part.path, exit=ends) for _, ends in split]
    for at, layer in zip(stages, found, strict=True):
        body = [
            replace(p, path=name or "") for p, name in zip(layer, names, strict=True)
        ]
        first, last = layer[0].enters, layer[-1].leaves
        made[at].units.append(Unit(part.path, body, first, last, group=0))
    return made
