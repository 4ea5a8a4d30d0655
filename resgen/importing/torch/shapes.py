"""ATen operators that move axes, take parts, and put tensors together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod
from typing import Any, Final

import numpy as np

from resgen.importing.torch.positions import of_ways
from resgen.importing.torch.reader import Reader, handles, value
from resgen.importing.views import Const, Seen, Unread, View
from resgen.ops.channel_shuffle import ChannelShuffle
from resgen.ops.pixel_shuffle import PixelShuffle
from resgen.ops.pixel_unshuffle import PixelUnshuffle

#: Operators that repeat axes of size 1 by themselves.
REPEATING: Final = frozenset(("add", "sub", "mul", "div", "maximum", "minimum"))


@handles(
    "contiguous", "clone", "alias", "detach", "lift_fresh_copy", "to", "type_as",
    "_to_copy", "lift_fresh", "detach", "float", "fill_diagonal", "identity",
)  # fmt: skip
def same(r: Reader, x: Seen, **_: Any) -> Seen:
    return x


@handles("view", "reshape", "_unsafe_view")
def reshape(r: Reader, x: Seen, **sizes: Any) -> Seen:
    return r.reshape(x, next(iter(sizes.values())))


@handles("reshape_as", "view_as")
def reshape_as(r: Reader, x: Seen, other: Seen) -> Seen:
    return r.reshape(x, r.shape(other))


@handles("flatten")
def flatten(r: Reader, x: Seen, start_dim: int, end_dim: int, **_: Any) -> Seen:
    shape = r.shape(x)
    first, last = start_dim % len(shape), end_dim % len(shape)
    merged = prod(shape[first : last + 1])
    return r.reshape(x, (*shape[:first], merged, *shape[last + 1 :]))


@handles("unflatten")
def unflatten(r: Reader, x: Seen, dim: int, sizes: Sequence[int], **_: Any) -> Seen:
    shape = r.shape(x)
    at = dim % len(shape)
    known = prod(n for n in sizes if n != -1)
    parts = (shape[at] // known if n == -1 else n for n in sizes)
    return r.reshape(x, (*shape[:at], *parts, *shape[at + 1 :]))


@handles("permute")
def permute(r: Reader, x: Seen, dims: Sequence[int]) -> Seen:
    rank = len(r.shape(x))
    return r.permute(x, tuple(axis % rank for axis in dims))


@handles("transpose", "swapaxes", "swapdims")
def transpose(r: Reader, x: Seen, **axes: Any) -> Seen:
    rank = len(r.shape(x))
    a, b = (axis % rank for axis in axes.values())
    order = list(range(rank))
    order[a], order[b] = b, a
    return r.permute(x, order)


@handles("t", "mT", "adjoint", "numpy_T")
def turned(r: Reader, x: Seen) -> Seen:
    rank = len(r.shape(x))
    return r.permute(x, (*range(rank - 2), rank - 1, rank - 2))


@handles("movedim", "moveaxis")
def movedim(r: Reader, x: Seen, source: Any, destination: Any) -> Seen:
    rank = len(r.shape(x))
    old, new = (
        [axis % rank for axis in ([given] if isinstance(given, int) else given)]
        for given in (source, destination)
    )
    order = [axis for axis in range(rank) if axis not in old]
    for to, axis in sorted(zip(new, old, strict=True)):
        order.insert(to, axis)
    return r.permute(x, order)


@handles("squeeze")
def squeeze(r: Reader, x: Seen, dim: Any = None) -> Seen:
    shape = r.shape(x)
    asked = range(len(shape)) if dim is None else [dim] if isinstance(dim, int) else dim
    gone = {axis % len(shape) for axis in asked}
    kept = [n for axis, n in enumerate(shape) if axis not in gone or n != 1]
    return r.reshape(x, kept)


@handles("unsqueeze")
def unsqueeze(r: Reader, x: Seen, dim: int) -> Seen:
    shape = r.shape(x)
    at = dim % (len(shape) + 1)
    return r.reshape(x, (*shape[:at], 1, *shape[at:]))


@handles("expand")
def expand(r: Reader, x: Seen, size: Sequence[int], **_: Any) -> Seen:
    if isinstance(x, View) and r.only_used_by(REPEATING):
        return x
    return r.expand(x, size)


@handles("expand_as")
def expand_as(r: Reader, x: Seen, other: Seen) -> Seen:
    return expand(r, x, r.shape(other))


@handles("tile")
def tile(r: Reader, x: Seen, dims: Sequence[int]) -> Seen:
    return repeat(r, x, (*(1,) * (len(r.shape(x)) - len(dims)), *dims))


@handles("repeat")
def repeat(r: Reader, x: Seen, repeats: Sequence[int]) -> Seen:
    shape = r.shape(x)
    grown = (1,) * (len(repeats) - len(shape)) + shape
    if all(n == 1 or m == 1 for n, m in zip(repeats, grown, strict=True)):
        return r.expand(x, [n * m for n, m in zip(repeats, grown, strict=True)])
    x = r.reshape(x, grown)
    for axis, copies in enumerate(repeats):
        if copies > 1:
            x = r.concat([x] * copies, axis)
    return x


@handles("repeat_interleave")
def repeat_interleave(
    r: Reader, x: Seen, repeats: Any, dim: Any = None, **_: Any
) -> Seen:  # fmt: skip
    if not isinstance(repeats, int):
        raise Unread("each position is repeated as often as a tensor says")
    if dim is None:
        x, dim = r.reshape(x, (-1,)), 0
    shape = r.shape(x)
    axis = dim % len(shape)
    split = r.reshape(x, (*shape[: axis + 1], 1, *shape[axis + 1 :]))
    sizes = (*shape[: axis + 1], repeats, *shape[axis + 1 :])
    whole = (*shape[:axis], shape[axis] * repeats, *shape[axis + 1 :])
    return r.reshape(r.expand(split, sizes), whole)


@handles("unfold")
def unfold(r: Reader, x: Seen, dimension: int, size: int, step: int) -> Seen:
    """Windows of one axis, which overlap; places within one are the last axis."""
    rank = len(r.shape(x))
    axis = dimension % rank
    starts = range(0, r.shape(x)[axis] - size + 1, step)
    windows = r.stack([r.slice(x, axis, first, size) for first in starts], axis)
    order = [*range(axis + 1), *range(axis + 2, rank + 1), axis + 1]
    return r.permute(windows, order)


@handles("cat", "concat", "concatenate")
def cat(r: Reader, tensors: Sequence[Seen], dim: int) -> Seen:
    rank = max(len(r.shape(x)) for x in tensors)
    kept = [x for x in tensors if r.shape(x) != (0,)]
    return r.concat(kept, dim % rank)


@handles("stack")
def stack(r: Reader, tensors: Sequence[Seen], dim: int) -> Seen:
    return r.stack(tensors, dim % (len(r.shape(tensors[0])) + 1))


class Parts:
    """What a tensor is split into; only the parts that are taken are written."""

    def __init__(self, r: Reader, x: Seen, axis: int, sizes: Sequence[int]) -> None:
        self.take: Callable[[int], Seen] = lambda i: r.slice(
            x, axis, sum(sizes[:i]), sizes[i]
        )


class Layers(Parts):
    """A tensor's positions along an axis, each without that axis."""

    def __init__(self, r: Reader, x: Seen, axis: int) -> None:
        self.take = lambda i: r.select(x, axis, i)


@handles("chunk")
def chunk(r: Reader, x: Seen, chunks: int, dim: int) -> Parts:
    return split(r, x, -(-r.shape(x)[dim] // chunks), dim)


@handles("split", "split_with_sizes", "unsafe_split")
def split(
    r: Reader, x: Seen, split_size: Any = None, dim: int = 0, **other: Any
) -> Parts:
    given = split_size if split_size is not None else next(iter(other.values()))
    axis = dim % len(r.shape(x))
    size = r.shape(x)[axis]
    if isinstance(given, int):
        given = [min(given, size - at) for at in range(0, size, given)]
    return Parts(r, x, axis, given)


@handles("tensor_split")
def tensor_split(
    r: Reader, x: Seen, dim: int, sections: int = 1,
    indices: Sequence[int] | None = None,
) -> Parts:  # fmt: skip
    axis = dim % len(r.shape(x))
    if indices is not None:
        ends = (0, *indices, r.shape(x)[axis])
        return Parts(r, x, axis, [b - a for a, b in pairwise(ends)])
    each, more = divmod(r.shape(x)[axis], sections)
    return Parts(r, x, axis, [each + (i < more) for i in range(sections)])


@handles("unbind")
def unbind(r: Reader, x: Seen, dim: int) -> Parts:
    return Layers(r, x, dim % len(r.shape(x)))


@handles("select")
def select(r: Reader, x: Seen, dim: int, index: int) -> Seen:
    axis = dim % len(r.shape(x))
    return r.select(x, axis, index % r.shape(x)[axis])


@handles("slice", "narrow")
def slice_(
    r: Reader, x: Seen, dim: int, start: Any = None, end: Any = None,
    step: int = 1, length: int | None = None, **_: Any,
) -> Seen:  # fmt: skip
    axis = dim % len(r.shape(x))
    size = r.shape(x)[axis]
    if length is not None:
        end = (start % size) + length
    first, last, one = slice(start, end).indices(size)
    if step == one:
        return r.slice(x, axis, first, last - first)
    return r.every(value(x, "a part"), axis, first, last, step)


@handles("roll")
def roll(r: Reader, x: Seen, shifts: Sequence[int], dims: Sequence[int]) -> Seen:
    for shift, dim in zip(shifts, dims, strict=True):
        size = r.shape(x)[dim]
        at = -shift % size
        if at:
            parts = [r.slice(x, dim, at, size - at), r.slice(x, dim, 0, at)]
            x = r.concat(parts, dim % len(r.shape(x)))
    return x


@handles("flip")
def flip(r: Reader, x: Seen, dims: Sequence[int]) -> Seen:
    for dim in dims:
        axis = dim % len(r.shape(x))
        x = taken(r, x, axis, range(r.shape(x)[axis] - 1, -1, -1))
    return x


@handles("index_select")
def index_select(r: Reader, x: Seen, dim: int, index: Seen) -> Seen:
    if not isinstance(index, Const):
        raise Unread("places that depend on the input")
    axis = dim % len(r.shape(x))
    return taken(r, x, axis, [int(i) for i in index.vector])


@handles("index")
def index(r: Reader, x: Seen, indices: Sequence[Seen | None]) -> Seen:
    asked = [(at, i) for at, i in enumerate(indices) if isinstance(i, Const)]
    if len(asked) != 1 or any(isinstance(i, View) for i in indices):
        raise Unread("places that depend on the input, or on several axes")
    axis, places = asked[0]
    array = places.array
    if array.dtype == np.bool_:
        array = np.flatnonzero(array)
    pairs = of_ways(r, x, axis, array)
    if pairs is not None:
        return pairs
    if array.ndim != 1:
        shape = r.shape(x)
        flat = taken(r, x, axis, [int(i) for i in array.reshape(-1)])
        return r.reshape(flat, (*shape[:axis], *array.shape, *shape[axis + 1 :]))
    return taken(r, x, axis, [int(i) for i in array])


def taken(r: Reader, x: Seen, axis: int, places: Sequence[int]) -> Seen:
    """Positions of an axis in another order, as runs of neighbours."""
    size = r.shape(x)[axis]
    runs: list[list[int]] = []
    for place in places:
        place %= size
        if runs and place == sum(runs[-1]):
            runs[-1][1] += 1
        else:
            runs.append([place, 1])
    if len(runs) > 64:
        raise Unread(f"{len(runs)} parts of an axis in another order")
    return r.concat([r.slice(x, axis, start, count) for start, count in runs], axis)


@handles("pixel_shuffle")
def pixel_shuffle(r: Reader, x: Seen, upscale_factor: int) -> View:
    return r.spatial(PixelShuffle(factor=upscale_factor), x)


@handles("pixel_unshuffle")
def pixel_unshuffle(r: Reader, x: Seen, downscale_factor: int) -> View:
    return r.spatial(PixelUnshuffle(factor=downscale_factor), x)


@handles("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(r: Reader, x: Seen, groups: int) -> View:
    return r.spatial(ChannelShuffle(groups=groups), x)


@handles("meshgrid")
def meshgrid(r: Reader, tensors: Sequence[Seen], **_: Any) -> Any:
    raise Unread("a grid of what depends on the input")
