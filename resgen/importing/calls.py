"""What sources call, on tensors as they are seen: both readers' operators.

Each takes tensors and plain numbers and gives a tensor. Of constants alone it computes;
of a value it writes the operator of ours, over whatever order of axes the value has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import isclose, prod
from typing import Final

import numpy as np

from resgen.importing.views import BATCH, Const, Seen, Unread, View, Views, broadcast
from resgen.importing.windowed import in_place, side_by_side
from resgen.ops.act import Act
from resgen.ops.add import Add
from resgen.ops.attention import Attention
from resgen.ops.base import Op
from resgen.ops.channel_scale import ChannelScale
from resgen.ops.clip import Clip
from resgen.ops.concat import Concat
from resgen.ops.linear import Linear
from resgen.ops.matmul import MatMul
from resgen.ops.max_pool import MaxPool
from resgen.ops.maximum import Maximum
from resgen.ops.minimum import Minimum
from resgen.ops.multiply import Multiply
from resgen.ops.norm import Norm
from resgen.ops.offset import Offset
from resgen.ops.power import Power
from resgen.ops.reduce_max import ReduceMax
from resgen.ops.reduce_mean import ReduceMean
from resgen.ops.reduce_sum import ReduceSum
from resgen.ops.resize import Resize
from resgen.ops.scalar_scale import ScalarScale
from resgen.ops.scale import Scale
from resgen.ops.shift import Shift
from resgen.ops.slice import Slice
from resgen.ops.softmax import Softmax
from resgen.ops.stack import Stack
from resgen.ops.unflatten import Unflatten
from resgen.weights.evaluate import Array

#: How often a value is written side by side where it has to be repeated.
COPIES: Final = 64
_MERGES: Final[Mapping[str, tuple[Callable[[], Op], Callable[..., Array]]]] = {
    "add": (Add, np.add),
    "multiply": (Multiply, np.multiply),
    "maximum": (Maximum, np.maximum),
    "minimum": (Minimum, np.minimum),
}
_REDUCTIONS: Final[Mapping[str, tuple[type[Op], Callable[..., Array]]]] = {
    "mean": (ReduceMean, np.mean),
    "sum": (ReduceSum, np.sum),
    "max": (ReduceMax, np.max),
}


class Calls(Views):
    """The operators that sources call."""

    def settled(self, x: View) -> View:
        """As of all views; windows are those of a map, and a map again."""
        return super().settled(side_by_side(self, x) or in_place(self, x) or x)

    # --- one tensor -------------------------------------------------------------------

    def unary(
        self,
        op: Op,
        x: Seen,
        numbers: Mapping[str, Const] | None = None,
        *,
        path: str | None = None,
        fold: Callable[[Array], Array] | None = None,
    ) -> Seen:
        """An operator of each number by itself; ``fold`` computes it of constants."""
        if isinstance(x, Const):
            if fold is None:
                raise Unread(f"{op.name} of what no input changes")
            return broadcast(fold, x)
        made = self.emit(op, [x.value], numbers, path=path)
        if op.training_only and x.value in self.attends:
            self.attends.add(made)
        return replace(x, value=made)

    def spatial(
        self,
        op: Op,
        x: Seen,
        numbers: Mapping[str, Const] | None = None,
        *,
        path: str | None = None,
    ) -> View:
        """An operator that wants channels first and positions in order."""
        if isinstance(x, Const):
            raise Unread(f"{op.name} of what no input changes")
        if len(x.axes[0]) > 1 and x.axes[0][0] == BATCH:
            return self._for_each(op, x, numbers or {}, path)
        alone = x.axes[0] == ()  # what no input changes has one for all of a batch
        source = self.physical(x, x.axes[1:]) if alone else self.standard(x)
        made = self.seen(self.emit(op, [source], numbers, path=path))
        return View(made.value, ((), *made.axes[1:])) if alone else made

    def _for_each(
        self, op: Op, x: View, numbers: Mapping[str, Const], path: str | None
    ) -> View:
        """An operator of windows by each index of axes merged with the batch.

        They become positions of their own, of which a window sees one.
        """
        between, (channels, *places) = x.axes[0][1:], x.axes[1:]
        value = self.physical(x, [channels, between, *places])
        wider = {
            name: (
                first,
                *(given if isinstance(given, tuple) else (given,) * len(places)),
            )
            for name, first in (
                ("kernel", 1),
                ("stride", 1),
                ("padding", 0),
                ("dilation", 1),
            )
            if (given := getattr(op, name, None)) is not None
        }
        by_channel = isinstance(op, Norm) and op.type == "batch"
        if "kernel" not in wider and not by_channel:
            raise Unread("an operator of maps that are merged with the batch")
        made = self.emit(replace(op, **wider), [value], numbers, path=path)
        rest = ((at,) for at in range(2, 2 + len(places)))
        if len(between) == 1:
            return self.settled(View(made, ((BATCH, 1), (0,), *rest)))
        sizes = tuple(self._size(x, axis) for axis in between)
        split = self.emit(Unflatten(sizes=sizes, axis=1), [made])
        more = len(between)
        rest = ((at,) for at in range(1 + more, 1 + more + len(places)))
        return self.settled(View(split, ((BATCH, *range(1, 1 + more)), (0,), *rest)))

    def every(self, x: View, axis: int, first: int, last: int, step: int) -> Seen:
        """Every ``step``-th position of an axis, from ``first`` to before ``last``."""
        x, own = self.single(x, axis)
        rank = self.to.types[x.value].rank
        if own == 0 or not 2 <= rank <= 4:
            shape = self.shape(x)
            if shape[axis] % step or last != shape[axis] or first >= step:
                raise Unread(f"every {step}th of {shape[axis]} from {first} to {last}")
            sizes = (*shape[:axis], shape[axis] // step, step, *shape[axis + 1 :])
            return self.select(self.reshape(x, sizes), axis + 1, first)
        part = self.slice(x, axis, first, last - first)
        if isinstance(part, View):
            x = part
        stride = [step if at == own else 1 for at in range(1, rank)]
        source, before = self.strided.get(x.value, (x.value, [1] * len(stride)))
        stride = [a * b for a, b in zip(stride, before, strict=True)]
        even = stride[0] if len(set(stride)) == 1 else tuple(stride)
        made = self.emit(MaxPool(kernel=1, stride=even), [source])
        self.strided[made] = source, stride
        return replace(x, value=made)

    def scaled(self, x: Seen, by: float) -> Seen:
        """Times a fixed number."""
        if by == 1:
            return x
        return self.unary(Scale(by=by), x, fold=lambda a: a * np.asarray(by, a.dtype))

    def absolute(self, x: Seen) -> Seen:
        """Without its sign: the larger of a number and its negative."""
        return self.merge("maximum", [x, self.scaled(x, -1)])

    def prelu(self, x: Seen, slope: Const, *, path: str | None = None) -> Seen:
        """With a learned slope of what is negative, in axes of the tensor's order."""
        if slope.array.size == 1:
            return self.unary(Act(type="prelu"), x, {"weight": slope}, path=path)
        less = self.merge("multiply", [self.unary(Clip(max=0.0), x), slope])
        return self.merge("add", [self.unary(Act(type="relu"), x), less])

    def power(self, x: Seen, exponent: float) -> Seen:
        """To a fixed power."""
        return self.unary(Power(exponent=exponent), x, fold=lambda a: a**exponent)

    # --- several tensors, element by element ------------------------------------------

    def merge(self, kind: str, given: Sequence[Seen]) -> Seen:
        """The sum, product, maximum or minimum, axes of size 1 repeated.

        ``kind`` is ``add``, ``multiply``, ``maximum`` or ``minimum``.
        """
        make, fold = _MERGES[kind]
        values = [x for x in given if isinstance(x, View)]
        consts = [x for x in given if isinstance(x, Const)]
        if not values:
            return broadcast(fold, *consts)
        if len(values) == 1 and len(consts) == 1:
            found = self._with_const(kind, values[0], consts[0])
            if found is not None:
                return found
        rank = max(len(self.shape(x)) for x in given)
        lead = max(values, key=lambda x: prod(self.shape(x)))
        if kind != "multiply":  # which repeats numbers itself
            consts = [self._full(x, lead) for x in consts]
        learned = [self.value(x, lead) for x in consts]
        sides = self.aligned([self._ranked(x, rank) for x in (*values, *learned)])
        if kind != "multiply":
            sides = self._of_one_shape(sides)
        axes = max(sides, key=lambda x: prod(self.shape(x))).axes
        return View(self.emit(make(), [x.value for x in sides]), axes)

    def _with_const(self, kind: str, x: View, by: Const) -> Seen | None:
        """Where an operator of one value has the constant; None where none has."""
        number = by.scalar
        if number is not None:
            fixed: dict[str, Op] = {
                "add": Offset(by=number),
                "multiply": Scale(by=number),
                "maximum": Clip(min=number),
                "minimum": Clip(max=number),
            }
            return self.unary(fixed[kind], x)
        if by.array.size == 1 and kind == "multiply":
            made = self.emit(ScalarScale(), [x.value], {"": by}, path=by.path)
            return replace(x, value=made)
        known = by.path is not None and by.path in self.constants
        if known or kind not in ("add", "multiply") or not self._of_channels(x, by):
            return None
        channelwise: Op = Shift() if kind == "add" else ChannelScale()
        made = self.emit(channelwise, [x.value], {"": by}, path=by.path)
        return replace(x, value=made)

    def _of_channels(self, x: View, by: Const) -> bool:
        """Whether a constant varies along the first axis of the value alone."""
        shape = (1,) * (len(x.axes) - by.array.ndim) + by.array.shape
        if len(shape) != len(x.axes):
            return False
        varying = [axis for axis, n in enumerate(shape) if n > 1]
        if not varying:  # one channel, which a literal would be as well
            return self.to.types[x.value].shape[:1] == (1,) and bool(by.sources)
        return len(varying) == 1 and x.axes[varying[0]] == (0,)

    def _full(self, x: Const, beside: View) -> Const:
        """A constant without a path in the source, repeated to the sizes beside it."""
        if x.path is not None:
            return x
        pairs = zip(self.shape(beside), beside.axes, strict=True)
        sizes = (1 if BATCH in axes else n for n, axes in pairs)
        shape = np.broadcast_shapes(x.array.shape, tuple(sizes))
        return Const(np.broadcast_to(x.array, shape), x.sources)

    def _ranked(self, x: View, rank: int) -> View:
        """With axes of size 1 before those that it has."""
        return View(x.value, ((),) * (rank - len(x.axes)) + x.axes)

    def _of_one_shape(self, sides: Sequence[View]) -> list[View]:
        """Each repeated to the shape of all, where it is of size 1."""
        shapes = [self.to.types[x.value].shape for x in sides]
        whole = tuple(map(max, zip(*shapes, strict=True)))
        like = next((x for x, s in zip(sides, shapes, strict=True) if s == whole), None)
        return [
            x if shape == whole else View(self._repeated(x.value, whole, like), x.axes)
            for x, shape in zip(sides, shapes, strict=True)
        ]

    def expand(self, x: Seen, sizes: Sequence[int]) -> Seen:
        """Repeated along axes of size 1; -1 leaves an axis, the batch stays as it is.

        A constant is not repeated for each input of a batch: all have the one.
        """
        shape = self.shape(x)
        grown = (1,) * (len(sizes) - len(shape)) + shape
        wanted = [m if n == -1 else n for n, m in zip(sizes, grown, strict=True)]
        if wanted[0] == self.batch:
            wanted[0] = grown[0]
        if isinstance(x, Const):
            if tuple(wanted) == grown:
                return self.reshape(x, grown) if grown != shape else x
            array = np.broadcast_to(x.array.reshape(grown), wanted)
            return Const(array, x.sources)
        x = self._ranked(x, len(sizes))
        axes = [at for at in range(len(wanted)) if wanted[at] != grown[at]]
        for axis in axes:
            x, own = self.single(x, axis)
            whole = list(self.to.types[x.value].shape)
            whole[own] = wanted[axis]
            x = replace(x, value=self._repeated(x.value, tuple(whole), None))
        return self.settled(x)

    def _repeated(self, value: str, whole: tuple[int, ...], like: View | None) -> str:
        """A value with axes of size 1 as long as those of ``whole``."""
        shape = self.to.types[value].shape
        if like and shape[0] == whole[0] and 2 <= len(shape) <= 4:
            return self.emit(Resize(like=like.value), [value, like.value])
        grown = [n for now, n in zip(shape, whole, strict=True) if now != n]
        if like and max(grown) > COPIES:  # a product repeats by itself
            ones = self.emit(Offset(by=1), [self.emit(Scale(by=0), [like.value])])
            return self.emit(Multiply(), [value, ones])
        for axis, (now, size) in enumerate(zip(shape, whole, strict=True)):
            if now != size and size <= COPIES:
                value = self.emit(Concat(axis=axis), [value] * size)
            elif now != size:
                raise Unread(f"an axis of size 1 is repeated {size} times")
        return value

    # --- along an axis ----------------------------------------------------------------

    def concat(self, given: Sequence[Seen], axis: int) -> Seen:
        """One after the other along an axis."""
        values = [x for x in given if isinstance(x, View)]
        if not values:
            return broadcast(
                lambda *arrays: np.concatenate(arrays, axis),
                *(x for x in given if isinstance(x, Const)),
            )
        sides = self._beside(given, max(values, key=lambda x: prod(self.shape(x))))
        if len(sides) == 1:
            return sides[0]
        sides = self.aligned(sides, along=axis)
        if sides[0].axes[axis] == (BATCH,):
            raise Unread("batches are put one after the other")
        op = Concat(axis=sides[0].axes[axis][0])
        return View(self.emit(op, [x.value for x in sides]), sides[0].axes)

    def stack(self, given: Sequence[Seen], axis: int) -> Seen:
        """Side by side along a new axis."""
        values = [x for x in given if isinstance(x, View)]
        if not values:
            return broadcast(
                lambda *arrays: np.stack(arrays, axis),
                *(x for x in given if isinstance(x, Const)),
            )
        sides = self.aligned(self._beside(given, values[0]))
        axes = [tuple(a + (a != BATCH) for a in own) for own in sides[0].axes]
        axes.insert(axis, (0,))
        made = self.emit(Stack(), [x.value for x in sides])
        return self.settled(View(made, tuple(axes)))

    def _beside(self, given: Sequence[Seen], lead: View) -> list[View]:
        return [x if isinstance(x, View) else self.value(x, lead) for x in given]

    def slice(self, x: Seen, axis: int, start: int, size: int) -> Seen:
        """Positions ``start`` to ``start + size`` of an axis."""
        if isinstance(x, Const):
            at = (slice(None),) * axis + (slice(start, start + size),)
            return broadcast(lambda a: a[at], x)
        if (start, size) == (0, self.shape(x)[axis]):
            return x
        x, own = self.single(x, axis)
        part = self._part(x, own, start, size)
        if part is not None:
            split = Unflatten(sizes=(size, *part[1]), axis=own)
            return replace(x, value=self.emit(split, [part[0]]))
        return replace(x, value=self._cut(x.value, own, start, size))

    def _part(
        self, x: View, own: int, start: int, size: int
    ) -> tuple[str, tuple[int, ...]] | None:
        """Positions of the first part of an axis that was split, before the split.

        They lie side by side there. None where the axis is no such part; otherwise
        the value and the sizes of the other parts.
        """
        whole, axis, parts = self.splits.get(x.value, ("", -1, ()))
        if axis != own:
            return None
        each = prod(parts[1:])
        return self._cut(whole, own, start * each, size * each), parts[1:]

    def _cut(self, value: str, axis: int, start: int, size: int) -> str:
        """Positions of an axis of a value; of what was joined, the part itself."""
        along, parts = self.joins.get(value, (-1, ()))
        at = 0
        for part in parts if along == axis else ():
            wide = self.to.types[part].shape[axis]
            if at <= start and start + size <= at + wide:
                whole = size == wide
                return part if whole else self._cut(part, axis, start - at, size)
            at += wide
        op = Slice(start=start, size=size, axis=axis)
        return self.emit(op, [value])

    def select(self, x: Seen, axis: int, index: int) -> Seen:
        """One position of an axis, which is gone afterwards."""
        if isinstance(x, View):
            x, own = self.single(x, axis)
            part = self._part(x, own, index, 1)
            if part is not None:
                value, rest = part
                if len(rest) > 1:
                    value = self.emit(Unflatten(sizes=rest, axis=own), [value])
                kept = (axes for at, axes in enumerate(x.axes) if at != axis)
                less = (tuple(a - (a > own) for a in axes) for axes in kept)
                return self.settled(View(value, tuple(less)))
        found = self.slice(x, axis, index, 1)
        if isinstance(found, Const):
            return broadcast(
                lambda a: a.reshape(a.shape[:axis] + a.shape[axis + 1 :]), found
            )
        return self.settled(
            replace(found, axes=found.axes[:axis] + found.axes[axis + 1 :])
        )

    def softmax(self, x: Seen, axis: int, *, log: bool = False) -> View:
        if isinstance(x, Const):
            raise Unread("softmax of what no input changes")
        x, own = self.single(x, axis)
        made = self.emit(Softmax(axis=own, log=log), [x.value])
        if not log:
            self.attends.add(made)
        return replace(x, value=made)

    def reduce(self, kind: str, x: Seen, axes: Sequence[int], keep: bool) -> Seen:
        """The mean, sum or maximum over axes, which may stay with size 1."""
        op, fold = _REDUCTIONS[kind]
        if isinstance(x, Const):
            return broadcast(partial(fold, axis=tuple(axes), keepdims=keep), x)
        if any(BATCH in x.axes[axis] for axis in axes):
            raise Unread(f"a {kind} over the batch")
        own = sorted(a for axis in axes for a in x.axes[axis])
        rank = self.to.types[x.value].rank
        stay = keep or len(own) == rank
        made = x.value
        if own:
            at = own[0] if len(own) == 1 else tuple(own)
            made = self.emit(op(axis=at, keep=stay), [x.value])  # type: ignore[call-arg]
        left = {a: a if stay else a - sum(o < a for o in own) for a in range(rank)}
        left[BATCH] = BATCH
        found = [
            tuple(left[a] for a in axis) if at not in axes else axis if stay else ()
            for at, axis in enumerate(x.axes)
            if keep or at not in axes
        ]
        return self.settled(View(made, tuple(found)))

    # --- over the last axis -----------------------------------------------------------

    def channels_first(self, x: View, axis: int = -1) -> View:
        """The tensor over a value whose first axis is one of the tensor's."""
        x, own = self.single(x, axis % len(x.axes))
        if own == 0:
            return x
        rank = self.to.types[x.value].rank
        order = [own, *(a for a in range(rank) if a != own)]
        where = {BATCH: BATCH, **{a: i for i, a in enumerate(order)}}
        value = self.physical(x, [(a,) for a in order])
        return View(value, tuple(tuple(where[a] for a in axes) for axes in x.axes))

    def linear(
        self, x: Seen, weight: Const, bias: Const | None, *, path: str | None = None
    ) -> View:
        """An affine map of the last axis; ``weight`` is ``(out, in)``."""
        if isinstance(x, Const):
            raise Unread("a linear map of what no input changes")
        numbers = {"weight": weight} | ({} if bias is None else {"bias": bias})
        x = self.channels_first(x)
        if weight.path is not None and weight.path == path:  # it is called as it is
            op = Linear(out=len(weight.array), bias=False, own_path=True)
            value = self.emit(op, [x.value], {"": weight}, path=path)
            if bias is not None:
                value = self.emit(Shift(), [value], {"": bias}, path=bias.path)
            return replace(x, value=value)
        op = Linear(out=weight.array.shape[0], bias=bias is not None)
        return replace(x, value=self.emit(op, [x.value], numbers, path=path))

    def layer_norm(
        self,
        x: Seen,
        numbers: Mapping[str, Const],
        eps: float,
        *,
        kind: str = "layer",
        path: str | None = None,
    ) -> View:
        """A norm over the last axis, of ``kind`` layer or rms."""
        if isinstance(x, Const):
            raise Unread("a norm of what no input changes")
        x = self.channels_first(x)
        op = Norm(type=kind, eps=eps, affine="weight" in numbers)
        return replace(x, value=self.emit(op, [x.value], numbers, path=path))

    def norm_from(
        self, x: Seen, first: int, eps: float, scale: Const | None, shift: Const | None
    ) -> Seen:
        """A norm over the axes from ``first`` on: all, or positions of a channel."""
        kinds: dict[int, Op] = {
            1: Norm(type="group", groups=1, eps=eps, affine=False),
            2: Norm(type="instance", eps=eps, affine=False),
        }
        if first not in kinds:
            raise Unread("a norm over some of several axes of positions")
        made: Seen = self.spatial(kinds[first], x)
        for kind, number in (("multiply", scale), ("add", shift)):
            if number is not None:
                made = self.merge(kind, [made, number])
        return made

    # --- products of matrices ---------------------------------------------------------

    def along(self, x: Seen, matrices: Mapping[int, Array]) -> Seen:
        """Each of these axes times a matrix: one interpolated to any size, say."""
        rank = len(self.shape(x))
        for axis, matrix in matrices.items():
            order = [*(a for a in range(rank) if a != axis), axis]
            x = self.matmul(self.permute(x, order), Const(matrix))
            x = self.permute(x, [order.index(a) for a in range(rank)])
        return x

    def matmul(self, a: Seen, b: Seen) -> Seen:
        """The product of matrices in the last two axes."""
        if isinstance(a, Const) and isinstance(b, Const):
            return broadcast(np.matmul, a, b)
        if isinstance(b, Const) and isinstance(a, View) and b.array.ndim == 2:
            return self.linear(a, broadcast(np.transpose, b), None)
        if isinstance(a, Const) or isinstance(b, Const):
            lead = a if isinstance(a, View) else b
            if not isinstance(lead, View):
                raise TypeError(lead)
            a, b = self._beside((a, b), lead)
        rank = max(len(a.axes), len(b.axes))
        a, b = self._ranked(a, rank), self._ranked(b, rank)
        for x in (a, b):
            if any(BATCH in axes for axes in x.axes[-2:]):
                raise Unread("a product of matrices over the batch")
        a, b = self._as_often(a, b), self._as_often(b, a)
        before, counts = self._before(a, b, rank)
        (a_lead, a_turned), (b_lead, b_turned) = (
            self._matrix(x, own) for x, own in zip((a, b), before, strict=True)
        )
        rows, columns = sum(counts), sum(counts) + 1
        # Weights of attention stand behind: values stay channels first.
        if b_turned and a.value in self.attends:
            op = MatMul(by=a_lead, transpose_by=not a_turned)
            made = self.emit(op, [b_lead, a_lead])
            return View(made, (*self._merged(a, b, counts), (columns,), (rows,)))
        op = MatMul(by=b_lead, transpose=a_turned, transpose_by=b_turned)
        made = self.emit(op, [a_lead, b_lead])
        return View(made, (*self._merged(a, b, counts), (rows,), (columns,)))

    def _as_often(self, x: View, other: View) -> View:
        """Matrices of ``x`` repeated along axes of 1 where the other has several."""
        for at in range(len(x.axes) - 2):
            sizes = self._sizes(other, at)
            if sizes and not self._sizes(x, at) and BATCH not in x.axes[at]:
                x, own = self.single(x, at)
                whole = list(self.to.types[x.value].shape)
                whole[own] = prod(sizes)
                x = replace(x, value=self._repeated(x.value, tuple(whole), None))
        return x

    def _before(
        self, a: View, b: View, rank: int
    ) -> tuple[tuple[list[tuple[int, ...]], ...], list[int]]:
        """Of both sides, the value's axes before the matrices, and their numbers."""
        sides: tuple[list[tuple[int, ...]], ...] = ([], [])
        sizes: list[int] = []
        for at in range(rank - 2):
            told = [self._sizes(x, at) for x in (a, b)]
            if prod(told[0]) != prod(told[1]):
                raise Unread("a product of matrices that are repeated")
            for side, x in zip(sides, (a, b), strict=True):
                own = [i for i in x.axes[at] if i != BATCH and self._size(x, i) > 1]
                side += [(i,) for i in own] if told[0] == told[1] else [tuple(own)]
            sizes.append(len(told[0]) if told[0] == told[1] else 1)
        return sides, sizes

    def _merged(
        self, a: View, b: View, counts: Sequence[int]
    ) -> tuple[tuple[int, ...], ...]:
        """What of the product the tensor's axes before its matrices are."""
        found: list[tuple[int, ...]] = []
        at = 0
        for axis, many in enumerate(counts):
            batch = (BATCH,) if BATCH in (*a.axes[axis], *b.axes[axis]) else ()
            found.append((*batch, *range(at, at + many)))
            at += many
        return tuple(found)

    def _matrix(self, x: View, before: list[tuple[int, ...]]) -> tuple[str, bool]:
        """A value whose last axes are the matrix, and whether they are swapped."""
        rows, columns = x.axes[-2:]
        swapped = bool(rows and columns and max(rows) > max(columns))
        last = [columns, rows] if swapped else [rows, columns]
        return self.physical(x, [*before, *last]), swapped

    # --- attention --------------------------------------------------------------------

    def attention(
        self, queries: Seen, keys: Seen, values: Seen, bias: Seen | None, scale: float
    ) -> View:
        """Of ``(..., heads, positions, size)``, or without the axis of heads.

        The bias is added to the scores, which are multiplied by ``scale``.
        """
        lead = next((x for x in (queries, keys, values) if isinstance(x, View)), None)
        if lead is None:
            raise Unread("attention of what no input changes")
        sides = self._beside((queries, keys, values), lead)
        plain = len(lead.axes) == 3
        if plain:
            sides = [View(x.value, (x.axes[0], (), *x.axes[1:])) for x in sides]
            if bias is not None and len(self.shape(bias)) == 3:
                first, *scores = self.shape(bias)
                bias = self.reshape(bias, (first, 1, *scores))
        heads, count, size = self.shape(sides[0])[-3:]
        sides[1:] = [self._for_heads(x, heads) for x in sides[1:]]
        inputs, outers = map(list, zip(*map(self._positions, sides), strict=True))
        outer = [max(axes, key=len) for axes in zip(*outers, strict=True)]
        if bias is not None:
            shape = (heads, count, self.shape(sides[1])[-2])
            inputs.append(self._bias(bias, lead, shape))
        op = Attention(
            keys=inputs[1],
            values=inputs[2],
            heads=heads,
            scale=None if isclose(scale, size**-0.5, rel_tol=1e-9) else scale,
            bias=None if bias is None else inputs[3],
        )
        made = self.emit(op, inputs)
        last = self.to.types[made].rank - 1
        if heads == 1:
            return View(made, (*outer, *([] if plain else [()]), (last,), (0,)))
        sizes = (heads, self.shape(sides[2])[-1])
        split = self.emit(Unflatten(sizes=sizes), [made])
        outer = [tuple(a + (a > 0) for a in axes) for axes in outer]
        return View(split, (*outer, (0,), (last + 1,), (1,)))

    def _for_heads(self, x: View, heads: int) -> View:
        """Keys or values for each head, of which one alone is for all."""
        shape = self.shape(x)
        if shape[-3] == 1 < heads:
            found = self.expand(x, (*shape[:-3], heads, *shape[-2:]))
            return x if isinstance(found, Const) else found
        return x

    def _positions(self, x: View) -> tuple[str, list[tuple[int, ...]]]:
        """Channels of all heads, axes between, positions; and where the first are."""
        *outer, heads, places, size = x.axes
        inner = [a for axes in outer for a in axes if a != BATCH]
        between = [a for a in inner if self._size(x, a) > 1]
        value = self.physical(x, [heads + size, *((a,) for a in between), places])
        where = {BATCH: BATCH, **{a: i for i, a in enumerate(between, start=1)}}
        return value, [tuple(where[a] for a in axes if a in where) for axes in outer]

    def _bias(self, bias: Seen, lead: View, scores: tuple[int, ...]) -> str:
        """A value of ``heads x queries x keys``, axes between before them or not."""
        shape = self.shape(bias)
        whole = (*shape[:-3], *scores)
        if isinstance(bias, Const):
            wide = Const(np.broadcast_to(bias.array, whole), bias.sources)
            found = self.value(bias if shape == whole else wide, lead)
        else:
            grown = self.expand(self._ranked(bias, max(len(shape), 3)), whole)
            found = grown if isinstance(grown, View) else self.value(grown, lead)
        *outer, heads, rows, columns = found.axes
        inner = [a for axes in outer for a in axes if a != BATCH]
        between = [(a,) for a in inner if self._size(found, a) > 1]
        return self.physical(found, [*between, heads, rows, columns])
