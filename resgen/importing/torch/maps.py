"""ATen operators of maps: convolutions, norms, pools, interpolation, padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from itertools import product
from math import comb, isclose, prod
from typing import Any, Final

import numpy as np

from resgen.importing.pads import Sides, edged, padded, surrounded, trimmed, wrapped
from resgen.importing.torch.reader import Reader, bound, constant, handles, value
from resgen.importing.views import Const, Seen, Unread, View
from resgen.ops.adaptive_avg_pool import AdaptiveAvgPool
from resgen.ops.adaptive_max_pool import AdaptiveMaxPool
from resgen.ops.avg_pool import AvgPool
from resgen.ops.base import Axes, Op
from resgen.ops.blur_pool import BlurPool
from resgen.ops.conv import Conv
from resgen.ops.conv_transpose import ConvTranspose
from resgen.ops.global_pool import GlobalPool
from resgen.ops.max_pool import MaxPool
from resgen.ops.norm import Norm
from resgen.ops.pad import Pad
from resgen.ops.pad_same import PadSame
from resgen.ops.resize import Resize
from resgen.ops.types import Apply, Ref
from resgen.ops.upsample import Upsample
from resgen.weights.evaluate import evaluate


def even(given: Any) -> Axes:
    """One number where all axes have the same."""
    if isinstance(given, int):
        return given
    numbers = tuple(given)
    return numbers[0] if len(set(numbers)) == 1 else numbers


def held(x: Seen | None, what: str) -> Const:
    """A parameter that an operator needs."""
    found = constant(x, what)
    if found is None:
        raise Unread(f"it has no {what}")
    return found


# --- convolutions ---------------------------------------------------------------------


@handles("conv1d", "conv2d", "conv3d")
def conv(
    r: Reader, x: Seen, weight: Seen, bias: Seen | None, stride: Any,
    padding: Any, dilation: Any, groups: int,
) -> Seen:  # fmt: skip
    kernel, shift = held(weight, "weight"), constant(bias, "bias")
    out, _, *sizes = kernel.array.shape
    if not kernel.sources:
        blurred = blur(r, x, kernel, stride, padding, groups)
        if blurred is not None:
            return blurred
    if padding == "valid":
        padding = 0
    elif padding == "same":
        total = [d * (k - 1) for d, k in zip(many(dilation, sizes), sizes, strict=True)]
        padding = [n // 2 for n in total]
        if any(n % 2 for n in total):
            end = even([n % 2 for n in total])
            x = r.spatial(Pad(end=end), x)
    standard, numbers = standardized(r, kernel)
    op = Conv(
        out=out,
        kernel=even(sizes),
        stride=even(stride),
        padding=even(many(padding, sizes)),
        dilation=even(dilation),
        groups=groups,
        bias=shift is not None,
        **standard,
    )
    if shift is not None:
        numbers["bias"] = shift
    return r.spatial(op, x, numbers, path=r.owner(kernel))


def blur(
    r: Reader, x: Seen, kernel: Const, stride: Any, padding: Any, groups: int
) -> View | None:
    """A convolution as a binomial filter of each channel, if it is one."""
    size = kernel.array.shape[-1]
    row = np.array([comb(size - 1, i) for i in range(size)]) / 2 ** (size - 1)
    rank = kernel.array.ndim - 2
    filters = reduce(np.multiply.outer, [row] * rank)
    if (
        size < 2
        or groups != len(kernel.array)
        or not np.allclose(
            kernel.array, np.broadcast_to(filters, kernel.array.shape), atol=1e-7
        )
    ):
        return None
    strides = many(stride, [size] * rank)
    usual = [(s - 1 + size - 1) // 2 for s in strides]
    given = [n for n in many(padding, usual) for _ in "be"]
    if given != [n for n in reversed(usual) for _ in "be"]:
        return None
    op = BlurPool(kernel=size, stride=even(strides), padding_mode="zeros")
    return r.spatial(op, x)


#: What Brock et al. 2021 multiply standardised weights by, for each activation, so
#: that variances stay; numbers of timm's ``nfnet``.
GAINS: Final = (
    1.0, 1.0002083778381348, 1.0008515119552612, 1.270926833152771, 1.2716004848480225,
    1.5939117670059204, 1.7015043497085571, 1.70590341091156, 1.7131484746932983,
    1.7139588594436646, 1.7881293296813965, 1.9193484783172607, 1.9203323125839233,
    2.338853120803833, 4.803835391998291,
)  # fmt: skip


def standardized(r: Reader, kernel: Const) -> tuple[dict[str, Any], dict[str, Const]]:
    """Whether a weight is another one, standardised: the attributes that say so.

    Any spelling of it is found by its numbers. The epsilon is among those that the
    program's operators are given.
    """
    plain: dict[str, Any] = {}
    raw = r.state(kernel.sources[0]) if kernel.sources else None
    if kernel.path or raw is None or raw.array.shape != kernel.array.shape:
        return plain, {"weight": kernel}
    gain = r.state(kernel.sources[1]) if len(kernel.sources) > 1 else None
    if gain is not None and gain.array.size != len(raw.array):
        return plain, {"weight": kernel}
    shape = (-1, *(1,) * (raw.array.ndim - 1))
    root = prod(raw.array.shape[1:]) ** 0.5
    told = sorted(r.literals())
    for eps in (number for number in told if number < 0.1):
        made = evaluate(Apply("standardize", (Ref("w"), eps)), {"w": raw.array})
        if gain is None:
            if np.allclose(kernel.array, made, rtol=1e-4, atol=1e-6):
                found = {"standardize": True, "standardize_eps": eps}
                return found, {"weight": raw}
            continue
        made = made * gain.array.reshape(shape) / root
        for factor in (_named(number * root) for number in told if number != eps):
            if np.allclose(kernel.array, made * factor, rtol=1e-4, atol=1e-6):
                found = {"standardize": True, "standardize_eps": eps, "gain": factor}
                return found, {"weight": raw, "gain": gain}
    return plain, {"weight": kernel}


def _named(factor: float) -> float:
    """The published number where it is one, which a root has rounded."""
    return next((n for n in GAINS if isclose(n, factor, rel_tol=1e-9)), factor)


def many(given: Any, sizes: Sequence[int]) -> list[int]:
    """One number an axis."""
    numbers = [given] if isinstance(given, int) else list(given)
    return numbers * len(sizes) if len(numbers) == 1 else numbers


@handles("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def conv_transpose(
    r: Reader, x: Seen, weight: Seen, bias: Seen | None, stride: Any, padding: Any,
    output_padding: Any, groups: int, dilation: Any,
) -> Seen:  # fmt: skip
    kernel, shift = held(weight, "weight"), constant(bias, "bias")
    _, each, *sizes = kernel.array.shape
    op = ConvTranspose(
        out=each * groups,
        kernel=even(sizes),
        stride=even(stride),
        padding=even(padding),
        output_padding=even(output_padding),
        dilation=even(dilation),
        groups=groups,
        bias=shift is not None,
    )
    numbers = {"weight": kernel} | ({} if shift is None else {"bias": shift})
    return r.spatial(op, x, numbers, path=r.owner(kernel))


# --- norms ----------------------------------------------------------------------------


def affine(weight: Const | None, bias: Const | None, channels: int) -> dict[str, Const]:
    """Both parameters of a norm, where it has any: what lacks changes nothing."""
    if weight is None and bias is None:
        return {}
    return {
        "weight": weight or Const(np.ones(channels, np.float32)),
        "bias": bias or Const(np.zeros(channels, np.float32)),
    }


@handles("batch_norm", "_native_batch_norm_legit_no_training")
def batch_norm(
    r: Reader, x: Seen, weight: Seen | None, bias: Seen | None,
    running_mean: Seen | None, running_var: Seen | None, momentum: float, eps: float,
    training: bool = False, **_: Any,
) -> Seen:  # fmt: skip
    if training or running_mean is None:
        raise Unread("a norm by the statistics of the batch, which files cannot have")
    mean, variance = held(running_mean, "mean"), held(running_var, "variance")
    scale, shift = constant(weight, "weight"), constant(bias, "bias")
    numbers = affine(scale, shift, mean.array.size)
    op = Norm(type="batch", eps=eps, momentum=momentum, affine=bool(numbers))
    path = r.owner(scale, mean)
    count = r.state(f"{path}.num_batches_tracked")
    numbers = {
        **numbers,
        "running_mean": mean,
        "running_var": variance,
        "num_batches_tracked": count or Const(np.zeros((), np.int64)),
    }
    # Any order of positions will do, and a batch that is merged with some of them.
    x = r.channels_first(value(x, "a norm"), 1)
    if r.to.types[x.value].rank > 4:
        return r.spatial(op, x, numbers, path=path)
    return replace(x, value=r.emit(op, [x.value], numbers, path=path))


@handles("group_norm")
def group_norm(
    r: Reader, x: Seen, num_groups: int, weight: Seen | None, bias: Seen | None,
    eps: float, **_: Any,
) -> Seen:  # fmt: skip
    scale, shift = constant(weight, "weight"), constant(bias, "bias")
    numbers = affine(scale, shift, r.shape(x)[1])
    op = Norm(type="group", groups=num_groups, eps=eps, affine=bool(numbers))
    return r.spatial(op, x, numbers, path=r.owner(scale))


@handles("instance_norm")
def instance_norm(
    r: Reader, x: Seen, weight: Seen | None, bias: Seen | None,
    use_input_stats: bool, eps: float, **_: Any,
) -> Seen:  # fmt: skip
    if not use_input_stats:
        raise Unread("an instance norm by running statistics")
    scale, shift = constant(weight, "weight"), constant(bias, "bias")
    numbers = affine(scale, shift, r.shape(x)[1])
    op = Norm(type="instance", eps=eps, affine=bool(numbers))
    return r.spatial(op, x, numbers, path=r.owner(scale))


@handles("layer_norm", "native_layer_norm")
def layer_norm(
    r: Reader, x: Seen, normalized_shape: Sequence[int], weight: Seen | None,
    bias: Seen | None, eps: float, **_: Any,
) -> Seen:  # fmt: skip
    scale, shift = constant(weight, "weight"), constant(bias, "bias")
    path = r.owner(scale)
    if len(normalized_shape) == 1 and (scale is None) == (shift is None):
        numbers = affine(scale, shift, normalized_shape[0])
        return r.layer_norm(x, numbers, eps, path=path)
    if len(normalized_shape) > 1:
        first = len(r.shape(x)) - len(normalized_shape)
        return r.norm_from(x, first, eps, scale, shift)
    made: Seen = r.layer_norm(x, {}, eps)
    for kind, number in (("multiply", scale), ("add", shift)):
        if number is not None:
            made = r.merge(kind, [made, number])
    return made


@handles("rms_norm", "_fused_rms_norm")
def rms_norm(
    r: Reader, x: Seen, normalized_shape: Sequence[int], weight: Seen | None,
    eps: float | None = None,
) -> Seen:  # fmt: skip
    if len(normalized_shape) != 1:
        raise Unread("a norm over several axes")
    scale = constant(weight, "weight")
    numbers = {} if scale is None else {"weight": scale}
    least = float(np.finfo(np.float32).eps) if eps is None else eps
    return r.layer_norm(x, numbers, least, kind="rms", path=r.owner(scale))


# --- pools ----------------------------------------------------------------------------


@handles("max_pool1d", "max_pool2d", "max_pool3d")
def max_pool(
    r: Reader, x: Seen, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool,
) -> Seen:  # fmt: skip
    op = MaxPool(
        kernel=even(kernel_size),
        stride=even(stride or kernel_size),
        padding=even(padding),
        dilation=even(dilation),
        ceil=ceil_mode,
    )
    return r.spatial(op, x)


@handles("max_pool1d_with_indices", "max_pool2d_with_indices",
         "max_pool3d_with_indices")  # fmt: skip
def max_pool_with_indices(r: Reader, x: Seen, **given: Any) -> Any:
    return [max_pool(r, x, **given), None]


@handles("avg_pool1d", "avg_pool2d", "avg_pool3d")
def avg_pool(
    r: Reader, x: Seen, kernel_size: Any, stride: Any, padding: Any,
    ceil_mode: bool, count_include_pad: bool, divisor_override: int | None = None,
) -> Seen:  # fmt: skip
    if divisor_override is not None:
        raise Unread("an average that is divided by another number")
    op = AvgPool(
        kernel=even(kernel_size),
        stride=even(stride or kernel_size),
        padding=even(padding),
        ceil=ceil_mode,
        count_padding=count_include_pad,
    )
    return r.spatial(op, x)


def adaptive(kind: str, r: Reader, x: Seen, output_size: Any) -> Seen:
    spatial = r.shape(x)[2:]
    sizes = [
        wanted or n
        for n, wanted in zip(spatial, many(output_size, spatial), strict=True)
    ]
    if set(sizes) == {1}:
        return r.spatial(GlobalPool(type=kind), x)
    op: Op = {"avg": AdaptiveAvgPool, "max": AdaptiveMaxPool}[kind](size=even(sizes))
    return r.spatial(op, x)


@handles("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")
def adaptive_avg_pool(r: Reader, x: Seen, output_size: Any) -> Seen:
    return adaptive("avg", r, x, output_size)


@handles("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d")
def adaptive_max_pool(r: Reader, x: Seen, output_size: Any) -> Any:
    return [adaptive("max", r, x, output_size), None]


# --- sizes ----------------------------------------------------------------------------


@handles(
    "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d",
    "upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d",
    "upsample_bicubic2d",
)  # fmt: skip
def upsample(
    r: Reader, x: Seen, output_size: Any = None, align_corners: bool = False,
    scale_factors: Any = None, **scales: Any,
) -> Seen:  # fmt: skip
    mode = r.called.removeprefix("upsample_")[:-2]
    spatial = r.shape(x)[2:]
    if output_size is None:
        sizes = [int(n * f) for n, f in zip(spatial, scale_factors, strict=True)]
    else:
        sizes = list(output_size)
    if tuple(sizes) == spatial:
        return x
    linear = "bilinear" if mode.endswith("linear") else mode
    options: dict[str, Any] = {"mode": linear, "align_corners": align_corners}
    factors = [size // n for n, size in zip(spatial, sizes, strict=True)]
    exact = all(n * f == s for n, f, s in zip(spatial, factors, sizes, strict=True))
    like = r.as_large(sizes)
    if exact and mode != "bicubic" and (output_size is None or like is None):
        return r.spatial(Upsample(factor=even(factors), **options), x)
    if mode == "bicubic" or like is None:
        corners = {"align_corners": align_corners} if mode != "nearest" else {}
        asked = {"size": output_size, "scale_factor": scale_factors, "mode": mode}
        return interpolated(r, x, **asked, **corners)
    source = r.standard(value(x, "interpolation"))
    return r.seen(r.emit(Resize(like=like, **options), [source, like]))


def interpolated(r: Reader, x: Seen, **asked: Any) -> Seen:
    """Interpolation to sizes that no value has: a matrix for each axis."""
    import torch
    from torch.nn.functional import interpolate

    spatial = r.shape(x)[2:]
    matrices = {}
    for at, size in enumerate(spatial):
        places = torch.eye(size).reshape(
            size, 1, *(size if axis == at else 1 for axis in range(len(spatial)))
        )
        whole = places.expand(size, 1, *spatial)
        made = interpolate(whole, **asked)[:, 0].movedim(at + 1, 1).flatten(2)
        matrices[at + 2] = made[..., 0].numpy()
    return r.along(x, matrices)


@handles("im2col")
def im2col(
    r: Reader, x: Seen, kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> Seen:  # fmt: skip
    """The windows of a filter, side by side: each of its places a map by itself."""
    sides = [(n, n) for n in many(padding, kernel_size)]
    if any(n for n, _ in sides):
        x = padded(r, value(x, "windows"), dict(enumerate(sides, start=2)))
    counts = [
        (n - apart * (k - 1) - 1) // step + 1
        for n, k, apart, step in zip(
            r.shape(x)[2:], kernel_size, dilation, stride, strict=True
        )
    ]
    places = []
    for corner in product(*map(range, kernel_size)):
        part = x
        for axis, (at, apart, step, size) in enumerate(
            zip(corner, dilation, stride, counts, strict=True), start=2
        ):
            part = stepped(r, part, axis, at * apart, size, step)
        places.append(part)
    batch, channels = r.shape(x)[:2]
    stacked = r.stack(places, 2)
    return r.reshape(stacked, (batch, channels * len(places), prod(counts)))


def stepped(r: Reader, x: Seen, axis: int, first: int, count: int, step: int) -> Seen:
    """``count`` positions of an axis, ``step`` apart."""
    last = first + (count - 1) * step + 1
    if step == 1:
        return r.slice(x, axis, first, count)
    return r.every(value(x, "a part"), axis, first, last, step)


@handles("col2im")
def col2im(
    r: Reader, x: Seen, output_size: Any, kernel_size: Any, dilation: Any,
    padding: Any, stride: Any,
) -> Seen:  # fmt: skip
    """Windows of a filter summed where they came from: each place of it is a map."""
    wide = [n + 2 * p for n, p in zip(output_size, padding, strict=True)]
    counts = [
        (n - apart * (k - 1) - 1) // step + 1
        for n, k, apart, step in zip(wide, kernel_size, dilation, stride, strict=True)
    ]
    batch, channels = r.shape(x)[:2]
    places = prod(kernel_size)
    split = r.reshape(x, (batch, channels // places, places, *counts))
    maps: list[Seen] = []
    for number, corner in enumerate(product(*map(range, kernel_size))):
        part = r.select(split, 2, number)
        for axis, step in enumerate(stride, start=2):
            part = apart_by(r, part, axis, step)
        sizes = r.shape(part)[2:]
        around = [
            (at * gap - p, n + p - at * gap - size)
            for at, gap, p, n, size in zip(
                corner, dilation, padding, output_size, sizes, strict=True
            )
        ]
        maps.append(pad(r, part, [n for sides in reversed(around) for n in sides]))
    return reduce(lambda a, b: r.merge("add", [a, b]), maps)


def apart_by(r: Reader, x: Seen, axis: int, step: int) -> Seen:
    """Positions of an axis with zeros between."""
    if step == 1:
        return x
    shape = r.shape(x)
    split = r.reshape(x, (*shape[: axis + 1], 1, *shape[axis + 1 :]))
    grown = padded(r, value(split, "zeros between"), {axis + 1: (0, step - 1)})
    return r.reshape(grown, (*shape[:axis], shape[axis] * step, *shape[axis + 1 :]))


@handles("pad", "constant_pad_nd")
def pad(
    r: Reader, x: Seen, pad: Sequence[int], mode: str = "constant",
    value: Any = None,
) -> Any:  # fmt: skip
    sides = list(zip(pad[::2], pad[1::2], strict=True))
    rank = len(r.shape(x))
    by_axis = {rank - 1 - at: around for at, around in enumerate(sides)}
    x, grown = trimmed(r, x, by_axis)
    if not grown:
        return x
    if mode == "circular":
        return wrapped(r, x, grown)
    if mode != "constant":
        return edged(r, x, grown, "edge" if mode == "replicate" else mode)
    number = float(value or 0)
    if number or isinstance(x, Const):
        return surrounded(r, x, grown, number)
    same = same_padding(r, grown)
    return padded(r, x, grown) if same is None else r.spatial(same, x)


def same_padding(r: Reader, grown: Sides) -> PadSame | None:
    """The padding that follows from the window after it, where a class says so."""
    user = next(iter(r.node.users), None) if r.node is not None else None
    if user is None or not r.kind.endswith("Same"):
        return None
    given = bound(user)
    if "weight" in given:
        sizes = given["weight"].meta["val"].shape[2:]
    else:
        sizes = given.get("kernel_size")
    if sizes is None or any(end - begin not in (0, 1) for begin, end in grown.values()):
        return None
    stride = given["stride"] or sizes
    return PadSame(
        kernel=even(sizes),
        stride=even(stride),
        dilation=even(given.get("dilation", 1)),
    )
