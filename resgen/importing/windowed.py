"""Windows of a map among the batch, and windows that become their map again.

Sources write both as changes of shape and of the order of axes; the language has an
operator for each, which leave blocks as short as people write them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from resgen.importing.views import BATCH, Axes, View, Views
from resgen.ops.base import plain_axes
from resgen.ops.unflatten import Unflatten
from resgen.ops.unwindows import Unwindows
from resgen.ops.windows import Windows


def side_by_side(r: Views, x: View) -> View | None:
    """A tensor whose batch has the windows of a map in it, over ``windows``.

    Its value is the map with each axis split in windows and places inside, which may
    have been merged with the windows.
    """
    shape = r.to.types[x.value].shape
    first, *rest = x.axes or ((),)
    count = len(shape) // 2
    between, inside = range(1, 2 * count, 2), range(2, 2 * count + 1, 2)
    if count < 2 or len(shape) % 2 == 0 or first[: count + 1] != (BATCH, *between):
        return None
    merged = first[count + 1 :] == (*inside,)
    alone = all(len({axis in inside for axis in group}) == 1 for group in rest)
    if not merged and (len(first) > count + 1 or not alone):
        return None
    counts, size = shape[1::2], shape[2::2]
    source = r.physical(x, [(0,), *((at - 1, at) for at in inside)])
    made = r.emit(Windows(size=plain_axes(size)), [source])
    r.windows[counts, size] = source
    if merged:
        return View(made, ((BATCH, 1, 2), *rest))
    split = r.emit(Unflatten(sizes=size, axis=2), [made])
    where = {0: 0, **{axis: 2 + at for at, axis in enumerate(inside)}}
    axes = (tuple(where[a] for a in group) for group in rest)
    return View(split, ((BATCH, 1), *axes))


def in_place(r: Views, x: View) -> View | None:
    """A tensor whose windows lie where they do on their map, over ``unwindows``."""
    if x.axes[:1] != ((BATCH,),):
        return None
    shape = r.to.types[x.value].shape
    for (counts, size), source in reversed(r.windows.items()):
        wanted = [*chain(*zip(counts, size, strict=True))]
        found = _run(x.axes[1:], shape, wanted)
        if found is None:
            continue
        axes, others = found
        windows = r.physical(x, [others, axes[::2], axes[1::2]])
        op = Unwindows(size=plain_axes(size), like=source)
        made = r.emit(op, [windows, source])
        where = dict.fromkeys(others, 0)
        where |= {axis: 1 + at // 2 for at, axis in enumerate(axes)}
        groups = (tuple(dict.fromkeys(where[a] for a in g)) for g in x.axes[1:])
        return View(made, ((BATCH,), *groups))
    return None


def _run(
    groups: Axes, shape: Sequence[int], wanted: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Axes of these sizes that groups are pairs of, and those of the one group beside.

    None where there are no such, and where they are in the order of their value.
    """
    for first in range(len(groups)):
        run: tuple[int, ...] = ()
        for last in range(first, len(groups)):
            if len(groups[last]) < 2 or len(groups[last]) % 2:
                break
            run += groups[last]
            if [shape[axis] for axis in run] == wanted and list(run) != sorted(run):
                beside = [g for g in (*groups[:first], *groups[last + 1 :]) if g]
                return (run, beside[0]) if len(beside) == 1 else None
    return None
