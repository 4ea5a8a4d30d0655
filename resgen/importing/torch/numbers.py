"""ATen operators of each number by itself, of several tensors, and over axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Final

import numpy as np

from resgen.importing.sums import summed
from resgen.importing.torch.reader import Reader, constant, handles, value
from resgen.importing.views import Const, Seen, Unread, View, broadcast
from resgen.ops.act import Act
from resgen.ops.base import Op
from resgen.ops.clip import Clip
from resgen.ops.drop_path import DropPath
from resgen.ops.dropout import Dropout

Number = Seen | float | int | bool


def seen(x: Number) -> Seen:
    """A tensor, or a literal number as one."""
    if isinstance(x, (View, Const)):
        return x
    return Const(np.asarray(x, np.float64))


# --- activations ----------------------------------------------------------------------


def act(r: Reader, x: Seen, kind: str, **attributes: Any) -> Seen:
    return r.unary(Act(type=kind, **attributes), value(x, kind))


@handles("relu", "relu6", "selu", "silu", "mish", "sigmoid", "tanh", "hardswish",
         "hardsigmoid", "exp")  # fmt: skip
def plain(r: Reader, x: Seen) -> Seen:
    return act(r, x, r.called)


@handles("gelu")
def gelu(r: Reader, x: Seen, approximate: str) -> Seen:
    return act(r, x, "gelu", approximate=approximate == "tanh")


@handles("leaky_relu")
def leaky_relu(r: Reader, x: Seen, negative_slope: float) -> Seen:
    slope = None if negative_slope == 0.01 else negative_slope
    return act(r, x, "leaky_relu", slope=slope)


@handles("elu", "celu")
def elu(
    r: Reader, x: Seen, alpha: float, scale: float = 1, input_scale: float = 1
) -> Seen:
    if (scale, input_scale) != (1, 1) or (r.called == "celu" and alpha != 1):
        raise Unread(f"an exponential unit of alpha {alpha}, scale {scale}")
    if alpha == 1:
        return act(r, x, "elu")
    below = r.scaled(bounded(r, act(r, x, "elu"), None, 0.0), alpha)
    return r.merge("add", [act(r, x, "relu"), below])


@handles("glu")
def glu(r: Reader, x: Seen, dim: int) -> Seen:
    axis = dim % len(r.shape(x))
    half = r.shape(x)[axis] // 2
    gate = act(r, r.slice(x, axis, half, half), "sigmoid")
    return r.merge("multiply", [r.slice(x, axis, 0, half), gate])


@handles("log_sigmoid")
def log_sigmoid(r: Reader, x: Seen) -> Seen:
    return r.scaled(act(r, r.scaled(x, -1), "softplus"), -1)


@handles("softshrink")
def softshrink(r: Reader, x: Seen, lambd: float) -> Seen:
    return sub(r, x, bounded(r, x, -lambd, lambd))


@handles("rrelu")
def rrelu(r: Reader, x: Seen, lower: float, upper: float, training: bool,
          **_: Any) -> Seen:  # fmt: skip
    if training:
        raise Unread("slopes by chance")
    return leaky_relu(r, x, (lower + upper) / 2)


@handles("softplus")
def softplus(r: Reader, x: Seen, beta: float, threshold: float) -> Seen:
    return r.scaled(act(r, r.scaled(x, beta), "softplus"), 1 / beta)


@handles("prelu", "_prelu_kernel")
def prelu(r: Reader, x: Seen, weight: Seen) -> Seen:
    slope, rank = constant(weight, "slope"), len(r.shape(x))
    if slope is None:
        raise Unread("it has no slope")
    path = r.owner(slope)
    if slope.array.size > 1:
        slope = constant(r.reshape(slope, (-1, *(1,) * (rank - 2))), "slope") or slope
    return r.prelu(value(x, "prelu"), slope, path=path)


@handles("hardtanh")
def hardtanh(r: Reader, x: Seen, min_val: float, max_val: float) -> Seen:
    known = {(0.0, 6.0): "relu6", (-1.0, 1.0): "hardtanh"}
    kind = known.get((min_val, max_val))
    return act(r, x, kind) if kind else bounded(r, x, min_val, max_val)


@handles("clamp", "clip")
def clamp(r: Reader, x: Seen, low: Any, high: Any) -> Seen:
    for kind, bound in (("maximum", low), ("minimum", high)):
        if isinstance(bound, (View, Const)):
            x = r.merge(kind, [x, bound])
    left = [None if isinstance(b, (View, Const)) else b for b in (low, high)]
    return bounded(r, x, *left)


@handles("clamp_min")
def clamp_min(r: Reader, x: Seen, low: float) -> Seen:
    return clamp(r, x, low, None)


@handles("clamp_max")
def clamp_max(r: Reader, x: Seen, high: float) -> Seen:
    return clamp(r, x, None, high)


def bounded(r: Reader, x: Seen, low: float | None, high: float | None) -> Seen:
    return r.unary(Clip(min=low, max=high), x, fold=lambda a: np.clip(a, low, high))


@handles("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout",
         "native_dropout")  # fmt: skip
def dropout(r: Reader, x: Seen, p: float, **_: Any) -> Seen:
    op: Op = (
        DropPath(p=p) if r.kind in ("DropPath", "StochasticDepth") else Dropout(p=p)
    )
    return r.unary(op, x, fold=lambda a: a)


# --- arithmetic -----------------------------------------------------------------------


@handles("add")
def add(r: Reader, x: Number, other: Number, alpha: float = 1) -> Seen:
    return r.merge("add", [seen(x), r.scaled(seen(other), alpha)])


@handles("sub", "subtract")
def sub(r: Reader, x: Number, other: Number, alpha: float = 1) -> Seen:
    return add(r, x, other, -alpha)


@handles("rsub")
def rsub(r: Reader, x: Number, other: Number, alpha: float = 1) -> Seen:
    return add(r, other, x, -alpha)


@handles("mul", "multiply")
def mul(r: Reader, x: Number, other: Number) -> Seen:
    a, b = seen(x), seen(other)
    if isinstance(a, View) and a == b:
        return r.power(a, 2)
    return r.merge("multiply", [a, b])


@handles("div", "divide", "true_divide")
def div(r: Reader, x: Number, other: Number, rounding_mode: Any = None) -> Seen:
    if rounding_mode is not None:
        raise Unread("a division that rounds")
    return r.merge("multiply", [seen(x), r.power(seen(other), -1)])


@handles("reciprocal")
def reciprocal(r: Reader, x: Seen) -> Seen:
    return r.power(x, -1)


@handles("neg", "negative")
def neg(r: Reader, x: Seen) -> Seen:
    return r.scaled(x, -1)


@handles("abs", "absolute")
def absolute(r: Reader, x: Seen) -> Seen:
    return r.absolute(x)


@handles("pow")
def pow_(r: Reader, x: Number, exponent: Number) -> Seen:
    fixed = seen(exponent)
    if isinstance(fixed, View) or fixed.scalar is None:
        raise Unread("a power that is no fixed number")
    return r.power(seen(x), fixed.scalar)


@handles("square")
def square(r: Reader, x: Seen) -> Seen:
    return r.power(x, 2)


@handles("sqrt")
def sqrt(r: Reader, x: Seen) -> Seen:
    return r.power(x, 0.5)


@handles("rsqrt")
def rsqrt(r: Reader, x: Seen) -> Seen:
    return r.power(x, -0.5)


@handles("maximum")
def maximum(r: Reader, x: Seen, other: Seen) -> Seen:
    return r.merge("maximum", [x, other])


@handles("minimum")
def minimum(r: Reader, x: Seen, other: Seen) -> Seen:
    return r.merge("minimum", [x, other])


@handles("addcmul")
def addcmul(r: Reader, x: Seen, tensor1: Seen, tensor2: Seen, value: float = 1) -> Seen:
    product = r.merge("multiply", [tensor1, tensor2])
    return r.merge("add", [x, r.scaled(product, value)])


@handles("addcdiv")
def addcdiv(r: Reader, x: Seen, tensor1: Seen, tensor2: Seen, value: float = 1) -> Seen:
    return r.merge("add", [x, r.scaled(div(r, tensor1, tensor2), value)])


@handles("lerp")
def lerp(r: Reader, x: Seen, end: Seen, weight: Any) -> Seen:
    moved = r.merge("multiply", [sub(r, end, x), seen(weight)])
    return r.merge("add", [x, moved])


@handles("masked_fill")
def masked_fill(r: Reader, x: Seen, mask: Seen, value: Any) -> Seen:
    hidden = constant(mask, "mask")
    filled = seen(value)
    if hidden is None or isinstance(filled, View):
        raise Unread("a mask that depends on the input")
    kept = broadcast(lambda m: (~m).astype(np.float32), hidden)
    rest = broadcast(lambda m, v: np.where(m, v, 0).astype(np.float32), hidden, filled)
    return r.merge("add", [r.merge("multiply", [x, kept]), rest])


# --- over axes ------------------------------------------------------------------------


def reduction(kind: str) -> Callable[..., Seen]:
    def reduce(
        r: Reader, x: Seen, dim: Any = None, keepdim: bool = False, **_: Any
    ) -> Seen:
        return r.reduce(kind, x, axes(r, x, dim), keepdim)

    return reduce


def axes(r: Reader, x: Seen, dim: Any) -> list[int]:
    """The axes that are asked for; all but the batch where none is."""
    rank = len(r.shape(x))
    if dim is None or dim == []:
        return list(range(rank))
    return sorted(axis % rank for axis in ([dim] if isinstance(dim, int) else dim))


for _kind, _names in (("mean", ["mean"]), ("sum", ["sum"]), ("max", ["amax"])):
    handles(*_names)(reduction(_kind))


@handles("max")
def max_(r: Reader, x: Seen, dim: Any = None, keepdim: bool = False,
         other: Any = None) -> Any:  # fmt: skip
    if other is not None:
        return r.merge("maximum", [x, other])
    return [r.reduce("max", x, axes(r, x, dim), keepdim), None]


@handles("amin")
def amin(r: Reader, x: Seen, dim: Any, keepdim: bool) -> Seen:
    most = r.reduce("max", r.scaled(x, -1), axes(r, x, dim), keepdim)
    return r.scaled(most, -1)


@handles("min")
def min_(r: Reader, x: Seen, dim: Any = None, keepdim: bool = False,
         other: Any = None) -> Any:  # fmt: skip
    if other is not None:
        return r.merge("minimum", [x, other])
    return [amin(r, x, dim, keepdim), None]


@handles("var", "var_mean", "std", "std_mean")
def var(r: Reader, x: Seen, dim: Any = None, keepdim: bool = False,
        correction: Any = None, unbiased: bool = True) -> Any:  # fmt: skip
    over = axes(r, x, dim)
    count = prod(r.shape(x)[axis] for axis in over)
    less = int(unbiased) if correction is None else correction
    mean = r.reduce("mean", x, over, True)
    centred = r.merge("add", [x, r.scaled(mean, -1)])
    squares = r.reduce("mean", r.power(centred, 2), over, keepdim)
    found = r.scaled(squares, count / (count - less)) if less else squares
    if r.called.startswith("std"):
        found = r.power(found, 0.5)
    if not r.called.endswith("_mean"):
        return found
    return [found, mean if keepdim else r.reduce("mean", x, over, False)]


@handles("linalg_vector_norm", "norm", "frobenius_norm")
def vector_norm(r: Reader, x: Seen, dim: Any = None, keepdim: bool = False,
                order: Any = 2, p: Any = 2, **_: Any) -> Seen:  # fmt: skip
    if (order, p) in ((1, 2), (2, 1)):
        return r.reduce("sum", r.absolute(x), axes(r, x, dim), keepdim)
    if order != 2 or p not in (2, None):
        raise Unread("a norm that is no root of a sum of squares, and no sum of sizes")
    squares = r.reduce("sum", r.power(x, 2), axes(r, x, dim), keepdim)
    return r.power(squares, 0.5)


@handles("cosine_similarity")
def cosine_similarity(r: Reader, x1: Seen, x2: Seen, dim: int, eps: float) -> Seen:
    cosine = r.reduce("sum", r.merge("multiply", [x1, x2]), axes(r, x1, dim), False)
    for x in (x1, x2):
        length = bounded(r, vector_norm(r, x, dim), eps, None)
        cosine = r.merge("multiply", [cosine, r.power(length, -1)])
    return cosine


@handles("softmax", "_softmax", "log_softmax", "_log_softmax")
def softmax(r: Reader, x: Seen, dim: int, **_: Any) -> View:
    return r.softmax(x, dim % len(r.shape(x)), log="log" in r.called)


#: A matrix that is transposed and so brought back, as it is in the module.
TURNED_TWICE: Final = (("permute", (1, 0)), ("permute", (1, 0)))

# --- products -------------------------------------------------------------------------


@handles("linear")
def linear(r: Reader, x: Seen, weight: Seen, bias: Seen | None) -> Seen:
    held, shift = constant(weight, "weight"), constant(bias, "bias")
    if held is None:
        raise TypeError(weight)
    parts = r.pieces("bias")
    if parts is None:
        return r.linear(x, held, shift, path=r.owner(held))
    # Each has a name of its own, and what is made of them has none.
    made: Seen = r.linear(x, held, None, path=r.owner(held))
    last, at = len(r.shape(made)) - 1, 0
    shifted = []
    for part in parts:
        own = r.slice(made, last, at, part.array.size)
        at += part.array.size
        changes = part.sources or part.array.any()
        shifted.append(r.merge("add", [own, part]) if changes else own)
    return r.concat(shifted, last)


@handles("matmul", "bmm", "mm")
def matmul(r: Reader, x: Seen, **other: Any) -> Seen:
    by = next(iter(other.values()))
    if isinstance(x, View) and isinstance(by, Const) and by.array.ndim == 2:
        turned = r.permute(by, (1, 0))
        if isinstance(turned, Const) and turned.moves == TURNED_TWICE:
            return r.linear(x, turned, None, path=by.path)
    return r.matmul(x, by)


@handles("addmm", "baddbmm")
def addmm(r: Reader, x: Seen, **rest: Any) -> Seen:
    left, right, *_ = rest.values()
    beta, alpha = (rest.get(name, 1) for name in ("beta", "alpha"))
    product = r.scaled(r.matmul(left, right), alpha)
    return r.merge("add", [product, r.scaled(x, beta)]) if beta else product


@handles("scaled_dot_product_attention")
def attention(
    r: Reader, query: Seen, key: Seen, value: Seen, attn_mask: Seen | None,
    dropout_p: float, is_causal: bool, scale: float | None = None, **_: Any,
) -> Seen:  # fmt: skip
    if is_causal:
        raise Unread("causal attention")
    usual = r.shape(query)[-1] ** -0.5
    return r.attention(query, key, value, attn_mask, usual if scale is None else scale)


@handles("einsum")
def einsum(r: Reader, equation: str, tensors: Sequence[Seen], **_: Any) -> Seen:
    return summed(r, equation, tensors)
