"""Attention that a source spells out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod, sqrt
from typing import Final

import numpy as np

from resgen.importing.rules.net import Net, Part
from resgen.importing.unspoken import Spread
from resgen.ops.add import Add
from resgen.ops.attention import Attention
from resgen.ops.concat import Concat
from resgen.ops.flatten import Flatten
from resgen.ops.matmul import MatMul
from resgen.ops.multiply import Multiply
from resgen.ops.parameter import Parameter
from resgen.ops.reshape import Reshape
from resgen.ops.scale import Scale
from resgen.ops.slice import Slice
from resgen.ops.softmax import Softmax
from resgen.ops.transpose import Transpose
from resgen.ops.unflatten import Unflatten
from resgen.ops.window_mask import WindowMask
from resgen.ops.windowing import HIDDEN
from resgen.ops.windows import Windows

Rule = Callable[[Net, Part], bool]


@dataclass(frozen=True, slots=True)
class Scores:
    """What weights are the softmax of: ``scale factor queries keys^T + bias``.

    Of queries and keys, whether their positions come before their channels. The factor
    is one for each head, as learned ones of cosines are (Liu et al. 2022, Swin V2).
    """

    queries: str
    keys: str
    turned: tuple[bool, bool]
    scale: float
    bias: tuple[str, ...]
    factor: str = ""


def attention(net: Net, part: Part) -> bool:
    """Two products of matrices with a softmax between."""
    found = net.made(part.value, MatMul)
    if found is None:
        return False
    left, right = part.inputs
    op = found[1]
    # Weights (queries x keys) stand behind, or before.
    if op.transpose_by and not op.transpose and (scores := _scores(net, right)):
        values, behind, turned = left, True, False
    elif not op.transpose and (scores := _scores(net, left)):
        values, behind, turned = right, False, not op.transpose_by
    else:
        return False
    shape = net.typed(scores.queries).shape
    heads = shape[-3] if len(shape) > 2 else 1
    size = shape[-1] if scores.turned[0] else shape[-2]
    usual = net.close(scores.scale, 1 / sqrt(size))
    made = Attention(
        keys="",
        values="",
        heads=heads,
        scale=None if usual else scores.scale,
        bias="" if scores.bias else None,
    )
    queries = scores.queries
    if scores.factor:
        queries = net.insert(Multiply(), [queries, scores.factor], part)
    sides = zip((queries, scores.keys, values), (*scores.turned, turned), strict=True)
    inputs = [_channels_first(net, value, flip, part) for value, flip in sides]
    if scores.bias:
        inputs.append(_added(net, scores.queries, scores.bias, part))
    if len(shape) < 3 and behind:
        net.become(part, made, inputs)
        return True
    y = net.insert(made, inputs, part)
    if len(shape) > 2:
        each = net.typed(y).channels // heads
        y = net.insert(Unflatten(sizes=(heads, each)), [y], part)
    net.become(part, Transpose(axes=_back(len(shape), behind)), [y])
    return True


def hidden(net: Net, part: Part) -> bool:
    """What is added to scores of windows that turned out to be shifted ones."""
    total = net.made(part.inputs[-1], Add) if len(part.inputs) > 3 else None
    if total is None:
        return False
    bias = _hidden(net, part.inputs[0], total[0].inputs, part)
    if bias is None:
        return False
    net.become(part, part.op, [*part.inputs[:-1], bias], path=part.path)
    return True


def _added(net: Net, queries: str, bias: Sequence[str], like: Part) -> str:
    """What is added to scores, as one value."""
    if len(bias) == 1:
        return _bias(net, bias[0], like)
    return _hidden(net, queries, bias, like) or net.insert(Add(), bias, like)


def _hidden(net: Net, queries: str, bias: Sequence[str], like: Part) -> str | None:
    """A bias and what shifted windows hide, as one value; None if it is not that."""
    for value, other in (bias, bias[::-1]) if len(bias) == 2 else ():
        if net.made(other, Parameter) is not None:
            value = _bias(net, value, like)
            mask = _masked(net, queries, value, other)
            if mask is not None:
                return net.insert(mask[0], [value, mask[1]], like)
    return None


def _masked(
    net: Net, queries: str, bias: str, hidden: str
) -> tuple[WindowMask, str] | None:
    """The operator that hides of windows what lies side by side by a shift alone.

    And the map that the windows of the queries are of.
    """
    held, value = net.made(hidden, Parameter), queries
    while (part := net.parts.get(value)) and not isinstance(part.op, Windows):
        value = part.inputs[0]
    of = net.made(value, Windows)
    if held is None or of is None or net.typed(bias).rank != 3:
        return None
    (source,) = of[0].inputs
    op = WindowMask(size=of[1].size, shift=of[1].shift, like="")
    regions = op.windows(net.typed(source)).regions()
    apart = [[[a != b for b in places] for a in places] for places in regions]
    wanted = np.where(apart, np.float32(HIDDEN), np.float32(0))
    mask = held[0].arrays[""].reshape(held[1].shape)
    if mask.ndim != 4 or mask[:, 0].shape != wanted.shape:
        return None
    return (op, source) if (mask == wanted[:, None]).all() else None


def _bias(net: Net, value: str, like: Part) -> str:
    """``heads x queries x keys``, once where it is the same along the axes between."""
    shape = net.typed(value).shape
    once = (1,) * (3 - len(shape)) + shape[-3:]
    if (spread := net.made(value, Spread)) is not None:
        (x,) = spread[0].inputs
        value = x if net.typed(x).size == prod(once) else value
    one = value
    while (put := net.made(one, Concat)) is not None and len(set(put[0].inputs)) == 1:
        one = put[0].inputs[0]
    value = one if net.typed(one).size == prod(once) else value
    if net.typed(value).size != prod(once):
        return value
    while (moved := net.made(value, Reshape)) is not None:
        (value,) = moved[0].inputs
    if net.typed(value).shape == once:
        return value
    return net.insert(Reshape(to=once), [value], like)


def _scores(net: Net, value: str) -> Scores | None:
    """What a softmax over the last axis is of."""
    weights = net.made(value, Softmax)
    if weights is None or weights[1] != Softmax(axis=weights[0].type.rank - 1):
        return None
    terms = list(_terms(net, weights[0].inputs[0]))
    for value in terms:
        others = tuple(term for term in terms if term is not value)
        if found := _product(net, value, others):
            return found
    return None


def _terms(net: Net, value: str) -> Iterator[str]:
    """What a value is the sum of."""
    total = net.made(value, Add)
    if total is None or not net.alone(value):
        yield value
    else:
        for term in total[0].inputs:
            yield from _terms(net, term)


def _product(net: Net, value: str, bias: tuple[str, ...]) -> Scores | None:
    value, scale = _unscaled(net, value)
    value, factor = _by_head(net, value)
    product = net.made(value, MatMul)
    if product is None:
        return None
    (queries, a), (keys, b) = (_unscaled(net, v) for v in product[0].inputs)
    turned = (not product[1].transpose, product[1].transpose_by)
    return Scores(queries, keys, turned, scale * a * b, bias, factor)


def _by_head(net: Net, value: str) -> tuple[str, str]:
    """What is multiplied by one number for each head, and those; "" if it is not."""
    product = net.made(value, Multiply)
    if product is not None and len(product[0].inputs) == 2:
        of, factor = sorted(product[0].inputs, key=lambda v: -net.typed(v).size)
        shape = net.typed(factor).shape
        if shape[-2:] == (1, 1) and len(shape) == net.typed(of).rank > 2:
            return of, factor
    return value, ""


def _unscaled(net: Net, value: str) -> tuple[str, float]:
    found = net.made(value, Scale)
    return (found[0].inputs[0], found[1].by) if found else (value, 1.0)


def _channels_first(net: Net, value: str, turned: bool, like: Part) -> str:
    """``(..., heads, size, positions)`` as ``channels x ... x positions``."""
    rank = net.typed(value).rank
    last = (rank - 1, rank - 2) if turned else (rank - 2, rank - 1)
    order = last if rank < 3 else (rank - 3, last[0], *range(rank - 3), last[1])
    if order != tuple(range(rank)):
        value = net.insert(Transpose(axes=order), [value], like)
    return value if rank < 3 else net.insert(Flatten(axes=(0, 1)), [value], like)


def _back(rank: int, behind: bool) -> tuple[int, ...]:
    """From ``(heads, size, ..., positions)`` to what the product yielded."""
    if rank < 3:
        return (1, 0)
    last = (1, rank - 1) if behind else (rank - 1, 1)
    return (*range(2, rank - 1), 0, *last)


def parted(net: Net, part: Part) -> bool:
    """A part of a split axis, merged again, is a part of the axis."""
    cut = net.made(part.inputs[0], Slice)
    split = net.made(cut[0].inputs[0], Unflatten) if cut else None
    if cut is None or split is None or cut[1].axis != 0 or split[1].axis != 0:
        return False
    (x,) = split[0].inputs
    rest = prod(split[1].sizes[1:])
    size = cut[0].type.channels * rest
    if part.type.shape != (size, *net.typed(x).shape[1:]):
        return False
    net.become(part, Slice(start=cut[1].start * rest, size=size), [x])
    return True


ATTENTION: Final[Mapping[str, tuple[Rule, ...]]] = {
    "attention": (hidden,),
    "matmul": (attention,),
    "flatten": (parted,),
    "reshape": (parted,),
}
