"""Maps whose positions are put in a row for what asks nothing of where they lie.

Norms, linear maps and sums of a transformer compute alike on a map and on the row of
its positions, so that ``flatten``, what is between and ``unflatten`` are that on the
map. It is taken for that where fewer changes of shape are left: then the blocks of a
network are written alike, whatever comes before and after them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import Final

from resgen.importing.flat import Tensor
from resgen.importing.rules.net import Net, Part
from resgen.importing.rules.shapes import regrouped
from resgen.importing.views import between
from resgen.ops.act import Act
from resgen.ops.add import Add
from resgen.ops.channel_scale import ChannelScale
from resgen.ops.drop_path import DropPath
from resgen.ops.dropout import Dropout
from resgen.ops.flatten import Flatten
from resgen.ops.linear import Linear
from resgen.ops.norm import Norm
from resgen.ops.reshape import Reshape
from resgen.ops.scale import Scale
from resgen.ops.slice import Slice
from resgen.ops.transpose import Transpose
from resgen.ops.types import TensorType
from resgen.ops.unflatten import Unflatten

#: What computes alike wherever a position lies.
_ALIKE: Final = (Act, Add, ChannelScale, DropPath, Dropout, Linear, Norm, Scale)
_SHAPED: Final = (Flatten, Reshape, Unflatten)
_MOVED: Final = (*_SHAPED, Transpose)
Rule = Callable[[Net, Part], bool]


def on_maps(net: Net) -> bool:
    """Put what is computed on rows of positions on their maps, where that is less."""
    seen: set[str] = set()
    changed = False
    for part in list(net.parts.values()):
        if part.value in net.parts and part.value not in seen and _row(net, part):
            rows = _together(net, part)
            seen |= rows.keys()
            if _saved(net, rows, part) > 0:
                _put(net, rows, net.typed(part.inputs[0]).spatial)
                changed = True
    return changed


def without_ones(net: Net) -> bool:
    """Take positions as without their axes of size 1, where that is less.

    So what merges windows with the batch and keeps an axis for them is of rows.
    """
    seen: set[str] = set()
    changed = False
    for part in list(net.parts.values()):
        bare = tuple(n for n in part.type.spatial if n > 1)
        alike = isinstance(part.op, _ALIKE) and 0 < len(bare) < len(part.type.spatial)
        if part.value in net.parts and part.value not in seen and alike:
            same = _same_places(net, part)
            seen |= same.keys()
            if _spared(net, same, bare) > 0:
                _put(net, same, bare)
                changed = True
    return changed


def _same_places(net: Net, first: Part) -> dict[str, Part]:
    """All that is computed alike of the positions of this one."""
    found: dict[str, Part] = {}
    queue = [first.value]
    while queue:
        part = net.parts.get(queue.pop())
        if part is None or part.value in found or not isinstance(part.op, _ALIKE):
            continue
        if part.type.spatial == first.type.spatial:
            found[part.value] = part
            queue += [*net.readers[part.value], *part.inputs]
    return found


def _spared(net: Net, same: Mapping[str, Part], bare: tuple[int, ...]) -> int:
    """By how many changes of shape there would be less with these positions."""
    if any(value in same for _, value in net.outputs):
        return 0
    inside = {v for part in same.values() for v in part.inputs if v not in same}
    makers = [net.parts.get(value) for value in inside]
    spared = -sum(m is None or not isinstance(m.op, _MOVED) for m in makers)
    shaped = [m for m in makers if m is not None and isinstance(m.op, _SHAPED)]
    spared += sum(net.typed(m.inputs[0]).shape[1:] == bare for m in shaped)
    for value in same:
        readers = [net.parts[r] for r in net.readers[value] if r not in same]
        spared += sum(
            r.type.shape[1:] == bare for r in readers if isinstance(r.op, _SHAPED)
        )
        spared -= any(not isinstance(r.op, _SHAPED) for r in readers)
    return spared


def rows_of(net: Net, part: Part) -> bool:
    """Whole rows of a map whose positions lie in a row, as a map again, are its own."""
    split, cut = net.made(part.value, Unflatten), net.made(part.inputs[0], Slice)
    row = net.parts.get(cut[0].inputs[0]) if cut else None
    if split is None or cut is None or row is None or not _row(net, row):
        return False
    (x,) = row.inputs
    across = net.typed(x).spatial[1:]
    start, left = divmod(cut[1].start, prod(across))
    if left or cut[1].axis != 1 or part.type.spatial[1:] != across:
        return False
    net.become(part, Slice(start=start, size=part.type.spatial[0], axis=1), [x])
    return True


def _row(net: Net, part: Part) -> bool:
    """Whether it puts all positions of a map in a row."""
    rank = net.typed(part.inputs[0]).rank
    return isinstance(part.op, Flatten) and rank > 2 and part.op.axes == (1, rank - 1)


def _together(net: Net, first: Part) -> dict[str, Part]:
    """The rows of maps of this size, and all that is computed of them alike."""
    size = net.typed(first.inputs[0]).spatial
    found: dict[str, Part] = {}
    queue = [first]
    while queue:
        part = queue.pop()
        if part.value in found:
            continue
        found[part.value] = part
        near = [net.parts[value] for value in net.readers[part.value]]
        queue += [r for r in near if isinstance(r.op, _ALIKE) and r.type.rank == 2]
        above = [net.parts[value] for value in part.inputs if value in net.parts]
        queue += [
            row
            for row in above
            if _row(net, row) and net.typed(row.inputs[0]).spatial == size
        ]
    return found


def _saved(net: Net, rows: dict[str, Part], first: Part) -> int:
    """By how many changes of shape there would be less."""
    size = net.typed(first.inputs[0]).spatial
    if any(value in rows for _, value in net.outputs):
        return 0
    saved = 0
    for value, part in rows.items():
        readers = [net.parts[r] for r in net.readers[value] if r not in rows]
        whole = [r for r in readers if r.type.shape == (part.type.channels, *size)]
        saved += len([r for r in whole if isinstance(r.op, _SHAPED)])
        saved -= any(not isinstance(r.op, _SHAPED) for r in readers)
        if _row(net, part):
            saved += 1
        else:
            saved -= len([v for v in part.inputs if v not in rows])
    return saved


def _put(net: Net, rows: Mapping[str, Part], size: tuple[int, ...]) -> None:
    """Let these have positions of this size; others read them as they were."""
    first = [part for part in rows.values() if _row(net, part)]
    computed = [part for part in rows.values() if part not in first]
    others = {
        value: [
            net.parts[r] for r in dict.fromkeys(net.readers[value]) if r not in rows
        ]
        for value in rows
    }
    before = {value: part.type.shape for value, part in rows.items()}
    for value, part in rows.items():
        part.type = TensorType((part.type.channels, *size))
        shapes = before[value], part.type.shape
        if value in net.tensors:
            net.tensors[value] = _replaced(net.tensors[value], *shapes)
        if (scale := net.scales.get(value)) is not None:
            placed = _replaced(scale.tensor, *shapes)
            net.scales[value] = replace(scale, tensor=placed)
    for part in computed:
        inputs = [v if v in rows else _shaped(net, v, size, part) for v in part.inputs]
        net.apply(part, part, inputs)
    for value, readers in others.items():
        row = ""
        for reader in readers:
            if isinstance(reader.op, _SHAPED):
                if reader.type == rows[value].type:
                    net.bypass(reader, value)
                else:
                    op = between(rows[value].type.shape, reader.type.shape)
                    net.become(reader, op, [value])
                continue
            row = row or _shaped(net, value, before[value][1:], reader)
            inputs = [row if v == value else v for v in reader.inputs]
            net.apply(reader, reader, inputs)
    for part in first:
        net.bypass(part, part.inputs[0])


def _shaped(net: Net, value: str, size: tuple[int, ...], like: Part) -> str:
    """A value with its positions in this size."""
    shape = net.typed(value).shape
    return net.insert(between(shape, (shape[0], *size)), [value], like)


def _replaced(tensor: Tensor, before: tuple[int, ...], now: tuple[int, ...]) -> Tensor:
    """Where the source has a value that has another shape now."""
    placed = {own[0]: made for own, made in regrouped(before, now)}
    axes = [axis for own in tensor.axes for axis in placed.get(own, ())]
    return replace(tensor, axes=tuple(axes), parts=tuple(now[axis] for axis in axes))


POSITIONS: Final[Mapping[str, tuple[Rule, ...]]] = {"unflatten": (rows_of,)}
