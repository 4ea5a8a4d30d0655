"""The tensors of a source, seen as values of the graph: axes are told, not moved.

A source transposes, merges and splits axes where its operators want them elsewhere
than ours do. Here that changes what is known of a tensor and no value;
:meth:`Views.physical` makes it real where an operator needs it, so that the layouts of
PyTorch's and TensorFlow's code vanish. What follows from parameters alone is a
:class:`Const`, which is folded until it meets a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Final

import numpy as np

from resgen.errors import ResgenError
from resgen.importing.flat import Collector
from resgen.ops.base import Op
from resgen.ops.concat import Concat
from resgen.ops.flatten import Flatten
from resgen.ops.parameter import Parameter
from resgen.ops.reshape import Reshape
from resgen.ops.transpose import Transpose
from resgen.ops.unflatten import Unflatten
from resgen.weights.evaluate import Array

#: The batch among the axes of a value.
BATCH: Final = -1
Axes = tuple[tuple[int, ...], ...]


class Unread(ResgenError):
    """What no operator of ours says; the reader adds where the source has it."""


@dataclass(frozen=True, slots=True)
class View:
    """A tensor of the source: a value, and what of it each of the tensor's axes is.

    ``axes`` has for each axis, the batch included, the axes of the value that it runs
    through, the last one fastest: ``(1, 2)`` are positions that the source has merged,
    ``()`` is an axis of size 1. Axes of the value of size 1 may be missing.
    """

    value: str
    axes: Axes


@dataclass(frozen=True, slots=True)
class Const:
    """A tensor that no input changes: a parameter, or what was computed of some.

    ``stored`` is what the source has and ``moves`` are the changes of shape alone since
    then; both tell how to make a value of it. ``sources`` are where the source has the
    numbers, none for literals. ``path`` is the parameter's name in a module.
    """

    array: Array
    sources: tuple[str, ...] = ()
    path: str | None = None
    stored: Array | None = None
    moves: tuple[tuple[str, tuple[int, ...]], ...] = ()

    @property
    def scalar(self) -> float | None:
        """The number, if it is a literal one."""
        if self.sources or self.array.size != 1:
            return None
        return plain(self.array)

    @property
    def vector(self) -> Array:
        """The numbers without axes of size 1, as channels have them."""
        return self.array.reshape(-1)


Seen = View | Const


class Views:
    """What a reader knows of its tensors, and the operators that it has written.

    ``batch`` is the size of the batch in the source's shapes. ``scope`` is the path of
    the module that is being read, which names operators without parameters.
    """

    def __init__(self, to: Collector, batch: int) -> None:
        self.to = to
        self.batch = batch
        self.scope = ""
        #: What values were split from that have an axis in parts: the value before, the
        #: axis, and the sizes of its parts.
        self.splits: dict[str, tuple[str, int, tuple[int, ...]]] = {}
        #: What values were put together of: along which axis, and of which values.
        self.joins: dict[str, tuple[int, tuple[str, ...]]] = {}
        #: What values were taken from by strides alone, and which.
        self.strided: dict[str, tuple[str, list[int]]] = {}
        #: Maps by the windows that they were put into: how many of which size.
        self.windows: dict[tuple[tuple[int, ...], tuple[int, ...]], str] = {}
        #: The order in which values were made.
        self.ages: dict[str, int] = {}
        #: Names of the parameters that values have been made of.
        self.constants: set[str | None] = set()
        #: Values that are weights of attention: a softmax yielded them.
        self.attends: set[str] = set()

    # --- what is known ----------------------------------------------------------------

    def shape(self, x: Seen) -> tuple[int, ...]:
        """The sizes of a tensor, its batch included."""
        if isinstance(x, Const):
            return x.array.shape
        return tuple(prod(self._size(x, axis) for axis in axes) for axes in x.axes)

    def _size(self, x: View, axis: int) -> int:
        return self.batch if axis == BATCH else self.to.types[x.value].shape[axis]

    def seen(self, value: str) -> View:
        """A value as a tensor of the same order of axes, the batch first."""
        rank = self.to.types[value].rank
        return View(value, ((BATCH,), *((axis,) for axis in range(rank))))

    # --- writing ----------------------------------------------------------------------

    def emit(
        self,
        op: Op,
        inputs: Sequence[str],
        numbers: Mapping[str, Const] | None = None,
        *,
        path: str | None = None,
    ) -> str:
        """The value of an operator, named by ``path`` or else by where it is read.

        ``numbers`` are its parameters by role, in any shape that has as many.
        """
        if op.vanishes and len(inputs) == 1:
            return inputs[0]
        numbers = numbers or {}
        arrays = {
            spec.role: numbers[spec.role]
            .array.reshape(spec.shape)
            .astype(spec.dtype, copy=False)
            for spec in op.parameters(self.to.types[inputs[0]])
            if spec.role in numbers
            and numbers[spec.role].array.size == prod(spec.shape)
        }
        sources = {role: const.sources for role, const in numbers.items()}
        name = path or (f"{self.scope}.{op.name}" if self.scope else None)
        made = self.to.add(op, inputs, arrays, name=name, sources=sources)
        self.ages[made] = len(self.ages) + 1
        if isinstance(op, Unflatten):
            self.splits[made] = (inputs[0], op.axis, op.sizes)
        if isinstance(op, Concat):
            self.joins[made] = (op.axis, tuple(inputs))
        return made

    def value(self, x: Const, beside: View) -> View:
        """A constant as a learned value, for each input of ``beside``."""
        kept = x.path is not None and x.stored is not None
        stored, moves = (x.stored, x.moves) if kept else (x.array, ())
        if stored is None:
            raise ValueError("a moved constant has what it was moved from")
        if stored.ndim > 1 and len(stored) == self.batch:
            if (stored != stored[:1]).any():
                raise Unread("a constant that differs among the inputs of a batch")
            stored = stored[:1]  # a program makes it for each input
        batch = stored.ndim > 1 and stored.shape[0] == 1
        shape = stored.shape[1:] if batch else stored.shape
        if not shape:
            raise Unread("a constant of one number has no axes to be a value of")
        made = self.emit(
            # What has no name in the source has the axes that it needs.
            Parameter(shape=shape, batch=batch and kept, learned=bool(x.sources)),
            [beside.value],
            {"": replace(x, array=stored)},
            path=x.path,
        )
        self.constants.add(x.path)
        own = tuple((axis,) for axis in range(len(shape)))
        view = View(made, ((), *own) if batch else own)
        for move, given in moves:
            again = self._permuted if move == "permute" else self._reshaped
            view = again(view, given)
        return view

    # --- changes of shape -------------------------------------------------------------

    def permute(self, x: Seen, order: Sequence[int]) -> Seen:
        """Axis i of the result is axis ``order[i]``."""
        order = tuple(order)
        if isinstance(x, Const):
            return self._moved(x, "permute", order, x.array.transpose(order))
        return self._permuted(x, order)

    def _permuted(self, x: View, order: tuple[int, ...]) -> View:
        return self.settled(View(x.value, tuple(x.axes[axis] for axis in order)))

    def reshape(self, x: Seen, sizes: Sequence[int]) -> Seen:
        """The same elements in the same order under another shape; -1 is the rest."""
        total = prod(self.shape(x))
        known = prod(n for n in sizes if n != -1)
        whole = prod(sizes) == total if -1 not in sizes else total % max(known, 1) == 0
        if not whole and sizes[0] == self.batch:
            sizes = (1, *sizes[1:])  # all inputs of a batch have the one
            known //= self.batch
        sizes = tuple(total // max(known, 1) if n == -1 else n for n in sizes)
        if isinstance(x, Const):
            return self._moved(x, "reshape", sizes, x.array.reshape(sizes))
        return self._reshaped(x, sizes)

    def _reshaped(self, x: View, sizes: tuple[int, ...]) -> View:
        grouped = self._regroup(x, sizes)
        if grouped is None:
            flat = self.standard(x)
            if not sizes or sizes[0] != self.batch:
                raise Unread(
                    f"a tensor of {list(self.shape(x))} becomes one of {list(sizes)}, "
                    "which mixes inputs of a batch"
                )
            return self.seen(self.emit(Reshape(to=sizes[1:]), [flat]))
        return self.settled(grouped)

    def _moved(
        self, x: Const, move: str, given: tuple[int, ...], array: Array
    ) -> Const:
        stored = x.array if x.stored is None else x.stored
        return replace(x, array=array, stored=stored, moves=(*x.moves, (move, given)))

    def _regroup(self, x: View, sizes: tuple[int, ...]) -> View | None:
        """The axes of ``x`` as groups of these sizes, split where that is needed.

        None where they neither divide nor are divided.
        """
        left = [axis for axes in x.axes for axis in axes]
        groups: list[tuple[int, ...]] = []
        for at, size in enumerate(sizes):
            group: list[int] = []
            lacks = size
            while left:
                axis, here = left[0], self._size(x, left[0])
                if lacks == 1 and (here > 1 or size > 1 or group):
                    break
                if lacks % here == 0:
                    left.pop(0)
                    if here > 1 or size == 1 or axis == BATCH:
                        group.append(axis)
                    lacks //= here
                elif here % lacks == 0 and axis != BATCH:
                    before = 0
                    while group == [] and before < at and not groups[at - before - 1]:
                        before += 1
                    ones = (1,) * before
                    parts = (*ones, *_factors(here, (lacks, *sizes[at + 1 :])))
                    if any(self._size(x, a) == 1 for a in left[1:]):
                        while parts[-1] == 1:  # those axes are there already
                            parts = parts[:-1]
                    x = View(
                        self.emit(Unflatten(sizes=parts, axis=axis), [x.value]), ()
                    )
                    more = len(parts) - 1
                    left = [a + more * (a > axis) for a in left]
                    left[:1] = range(axis + before, axis + 1 + more)
                    groups = [tuple(a + more * (a > axis) for a in g) for g in groups]
                    group = [a + more * (a > axis) for a in group]
                    for i in range(before):
                        groups[at - before + i] = (axis + i,)
                else:
                    return None
            if lacks > 1:
                return None
            groups.append(tuple(group))
        if any(axis == BATCH or self._size(x, axis) > 1 for axis in left):
            return None
        return View(x.value, tuple(groups))

    def settled(self, x: View) -> View:
        """The tensor as a value of its own where axes stand in the value's order.

        A tensor in the order of its value becomes one of its shape at once, neighbours
        that were merged are merged, and axes that are gone are taken away, lest equal
        blocks differ by what was left undone before them.
        """
        inner = [axis for axes in x.axes for axis in axes if axis != BATCH]
        if x.axes[:1] == ((BATCH,),) and inner == sorted(inner):
            return self.seen(self.physical(x, x.axes[1:]))
        for axes in x.axes:
            first, count = (axes[0], len(axes)) if axes else (0, 0)
            if count > 1 and first >= 0 and axes == (*range(first, first + count),):
                last = first + count - 1
                rank = self.to.types[x.value].rank
                before = [(a,) for a in range(first)]
                behind = [(a,) for a in range(last + 1, rank)]
                value = self.physical(x, [*before, axes, *behind])

                def after(axis: int, first: int = first, last: int = last) -> int:
                    return axis if axis <= first else max(first, axis - last + first)

                groups = (tuple(dict.fromkeys(map(after, g))) for g in x.axes)
                return self.settled(View(value, tuple(groups)))
        return self._without_spare(x)

    def _without_spare(self, x: View) -> View:
        """The tensor over a value all of whose axes it knows."""
        known = sorted(a for axes in x.axes for a in axes if a != BATCH)
        if len(known) == self.to.types[x.value].rank or not known:
            return x
        value = self.physical(x, [(a,) for a in known])
        where = {BATCH: BATCH, **{a: i for i, a in enumerate(known)}}
        return View(value, tuple(tuple(where[a] for a in axes) for axes in x.axes))

    # --- making it real ---------------------------------------------------------------

    def physical(self, x: View, order: Sequence[Sequence[int]]) -> str:
        """The value whose axes are these groups of the axes of ``x``'s value.

        Each group is merged, ``()`` is an axis of size 1; what no group has is of size
        1 and left out.
        """
        if not order:
            raise Unread("it makes one number for each of the batch, without an axis")
        shape = self.to.types[x.value].shape
        wanted = [axis for group in order for axis in group]
        if BATCH in wanted:
            raise Unread("axes are merged with the batch")
        rest = [axis for axis in range(len(shape)) if axis not in wanted]
        if prod(shape[axis] for axis in rest) != 1:
            raise ValueError(f"{order} leaves out axes of {shape}")
        value = x.value
        if value in self.splits and not rest:
            whole, axis, sizes = self.splits[value]
            parts = (*range(axis, axis + len(sizes)),)
            if any(_within(parts, group) for group in order):
                # What was split is merged again.
                less = len(sizes) - 1
                joined = [
                    tuple(
                        a - less * (a > axis)
                        for a in group
                        if a <= axis or a >= axis + len(sizes)
                    )
                    for group in order
                ]
                return self.physical(View(whole, ()), joined)
        if wanted != sorted(wanted):
            value = self.emit(Transpose(axes=(*wanted, *rest)), [value])
        now = self.to.types[value].shape
        target = tuple(prod(shape[axis] for axis in group) for group in order)
        return value if now == target else self.emit(between(now, target), [value])

    def standard(self, x: View) -> str:
        """The value of the same shape as the tensor, whose batch comes first."""
        if not x.axes or x.axes[0] != (BATCH,):
            raise Unread("the batch is not the first axis here, or merged with others")
        return self.physical(x, x.axes[1:])

    def single(self, x: View, axis: int) -> tuple[View, int]:
        """The tensor with one axis of its value for one of its own, and which that is.

        What of it runs through several is merged, and an axis of size 1 is made. Of a
        batch of one nobody knows which of two axes it was merged with: the one before.
        """
        if BATCH in x.axes[axis] and len(x.axes[axis]) > 1 and self.batch == 1 and axis:
            held = [tuple(a for a in own if a != BATCH) for own in x.axes]
            held[axis - 1] += (BATCH,)
            x = View(x.value, tuple(held))
        axes = x.axes[axis]
        if len(axes) == 1 and axes != (BATCH,):
            return x, axes[0]
        if BATCH in axes:
            raise Unread("an operator along the batch")
        rank = self.to.types[x.value].rank
        groups: list[tuple[int, ...]] = [(a,) for a in range(rank) if a not in axes]
        at = sum(1 for (a,) in groups if a < axes[0]) if axes else len(groups)
        groups.insert(at, axes)
        value = self.physical(x, groups)
        where = {a: i for i, group in enumerate(groups) for a in group}
        where[BATCH] = BATCH
        moved = [tuple(where[a] for a in own if a not in axes) for own in x.axes]
        moved[axis] = (at,)
        return View(value, tuple(moved)), at

    # --- several tensors --------------------------------------------------------------

    def aligned(self, given: Sequence[View], along: int | None = None) -> list[View]:
        """The tensors over values of one order of axes, that of the largest of them.

        What inputs change leads before constants, and of several of one size the first
        that was made: branches come to their trunk.

        All have as many axes. Along an axis where one is of size 1, its value is, too;
        along ``along`` sizes may differ.
        """
        largest = max(
            given,
            key=lambda x: (
                any(BATCH in axes for axes in x.axes),
                prod(self.shape(x)),
                -self.ages.get(x.value, 0),
            ),
        )
        lead = self._with_axes(largest, given, along)
        return [
            x if x == lead else self._like(x, lead)
            for x in (lead if x is largest else x for x in given)
        ]

    def _with_axes(self, lead: View, given: Sequence[View], along: int | None) -> View:
        """``lead`` with an axis of its value wherever another one has some."""
        for at in range(len(lead.axes)):
            inner = [a for a in lead.axes[at] if a != BATCH]
            others = [self._sizes(x, at) for x in given]
            lacks = not inner and any(others)
            if BATCH not in lead.axes[at] and (lacks or at == along):
                lead, _ = self.single(lead, at)
            elif len(inner) > 1 and any(
                s and s != self._sizes(lead, at) for s in others
            ):
                if BATCH in lead.axes[at]:
                    raise Unread("tensors that merge the batch with other axes")
                lead, _ = self.single(lead, at)
        return lead

    def _sizes(self, x: View, at: int) -> list[int]:
        """Sizes along one axis of the tensor, the batch and those of 1 left out."""
        sizes = (self._size(x, axis) for axis in x.axes[at] if axis != BATCH)
        return [n for n in sizes if n != 1]

    def _like(self, x: View, lead: View) -> View:
        """``x`` over a value whose axes are in the order of ``lead``'s."""
        groups: list[tuple[int, ...]] = [()] * self.to.types[lead.value].rank
        for at, (own, of) in enumerate(zip(x.axes, lead.axes, strict=True)):
            if BATCH in own and BATCH not in of:
                raise Unread("tensors whose batches are different axes")
            inner = tuple(a for a in own if a != BATCH)
            places = [a for a in of if a != BATCH]
            real = [a for a in places if self._size(lead, a) != 1]
            if len(real) <= 1 and places:
                groups[(real or places)[0]] = inner
            elif self._sizes(x, at):
                mine = [a for a in inner if self._size(x, a) != 1]
                if len(mine) != len(real):
                    raise Unread("tensors that are repeated along a part of an axis")
                for place, axis in zip(real, mine, strict=True):
                    groups[place] = (axis,)
        return View(self.physical(x, groups), lead.axes)


def plain(number: Array) -> float:
    """One number as a person would write it: 0.1 where float32 has 0.1000000015."""
    return float(str(number.reshape(())[()]))


def broadcast(function: Callable[..., Array], *given: Const) -> Const:
    """What a function of constants comes to, with the sources of all."""
    arrays = (x.array for x in given)
    sources = dict.fromkeys(source for x in given for source in x.sources)
    return Const(np.asarray(function(*arrays)), tuple(sources))


def _within(parts: tuple[int, ...], group: Sequence[int]) -> bool:
    """Whether a group has all of the parts, one after the other."""
    return parts[0] in group and (
        tuple(group[group.index(parts[0]) :][: len(parts)]) == parts
    )


def between(now: tuple[int, ...], target: tuple[int, ...]) -> Op:
    """The operator that gives elements in order another shape, the plainest one."""
    for first in range(len(now)):
        last = first + len(now) - len(target)
        if first < last < len(now):
            merged = prod(now[first : last + 1])
            if (*now[:first], merged, *now[last + 1 :]) == target:
                return Flatten(axes=(first, last))
    for axis in range(len(now)):
        sizes = target[axis : axis + 1 + len(target) - len(now)]
        split = (*now[:axis], *sizes, *now[axis + 1 :]) == target
        if len(sizes) > 1 and split and prod(sizes) == now[axis] and 1 not in sizes:
            return Unflatten(sizes=sizes, axis=axis)
    return Reshape(to=target)


def _factors(size: int, wanted: Sequence[int]) -> tuple[int, ...]:
    """An axis of ``size`` split into the sizes that are wanted, so far as it goes."""
    parts: list[int] = []
    for factor in wanted:
        if size % factor or (size == 1 and factor > 1):
            break
        parts.append(factor)
        size //= factor
    return (*parts, size) if size > 1 else tuple(parts)
