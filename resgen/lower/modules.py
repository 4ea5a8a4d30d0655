"""What a network needs that torch does not have."""

from __future__ import annotations

from functools import reduce
from math import comb
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CONVOLUTIONS = (F.conv1d, F.conv2d, F.conv3d)
Axes = int | tuple[int, ...]
MAX_POOLS = (F.max_pool1d, F.max_pool2d, F.max_pool3d)

# --- functions ------------------------------------------------------------------------


def add(*values: Tensor) -> Tensor:
    """The sum of any number of tensors."""
    return reduce(torch.add, values)


def multiply(*values: Tensor) -> Tensor:
    """The product of any number of tensors, with broadcasting."""
    return reduce(torch.mul, values)


def maximum(*values: Tensor) -> Tensor:
    """The largest of any number of tensors, element by element."""
    return reduce(torch.maximum, values)


def minimum(*values: Tensor) -> Tensor:
    """The least of any number of tensors, element by element."""
    return reduce(torch.minimum, values)


def matmul(x: Tensor, by: Tensor, transpose: bool, transpose_by: bool) -> Tensor:
    """The product of matrices in the last two axes, each as it is or transposed."""
    return torch.matmul(x.mT if transpose else x, by.mT if transpose_by else by)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """``(N, C, ..., L)`` as ``(N, ..., heads, L, C / heads)``."""
    split = x.reshape(len(x), heads, x.shape[1] // heads, *x.shape[2:])
    return split.movedim((1, -1, 2), (-3, -2, -1))


def join_heads(x: Tensor) -> Tensor:
    """What :func:`split_heads` has split."""
    return x.movedim((-3, -1), (1, 2)).flatten(1, 2)


def attention(
    x: Tensor,
    keys: Tensor,
    values: Tensor,
    bias: Tensor | None = None,
    *,
    heads: int,
    scale: float,
) -> Tensor:
    """Attention along the last axis, in heads; the channels are axis 1."""
    q, k, v = (split_heads(t, heads) for t in (x, keys, values))
    while bias is not None and bias.ndim < q.ndim:
        bias = bias.unsqueeze(1)
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=scale)
    return join_heads(y)


def windows(x: Tensor, size: Axes, shift: Axes) -> Tensor:
    """``(N, C, windows, positions)`` of a map, which is moved round its edges first."""
    rank = x.ndim - 2
    sizes, axes = _each(size, rank), tuple(range(2, x.ndim))
    x = x.roll([-move for move in _each(shift, rank)], axes)
    rows = zip(x.shape[2:], sizes, strict=True)
    x = x.reshape(*x.shape[:2], *(n for whole, s in rows for n in (whole // s, s)))
    x = x.permute(0, 1, *range(2, x.ndim, 2), *range(3, x.ndim, 2))
    return x.flatten(2, 1 + rank).flatten(3)


def unwindows(x: Tensor, like: Tensor, size: Axes, shift: Axes) -> Tensor:
    """The map, of the size of ``like``, that :func:`windows` makes this of."""
    rank = like.ndim - 2
    sizes = _each(size, rank)
    counts = (n // s for n, s in zip(like.shape[2:], sizes, strict=True))
    x = x.reshape(*x.shape[:2], *counts, *sizes)
    order = (axis for i in range(2, 2 + rank) for axis in (i, i + rank))
    x = x.permute(0, 1, *order).reshape(*x.shape[:2], *like.shape[2:])
    return x.roll(_each(shift, rank), tuple(range(2, like.ndim)))


def window_mask(x: Tensor, like: Tensor, size: Axes, shift: Axes) -> Tensor:
    """Scores for each window on ``like``, less 100 between what was not side by side.

    What a shift has brought from one edge to the other is a region by itself.
    """
    rank = like.ndim - 2
    rows = zip(like.shape[2:], _each(size, rank), _each(shift, rank), strict=True)
    region = torch.zeros((1, 1, *(1,) * rank), dtype=torch.int64, device=x.device)
    for axis, (n, s, move) in enumerate(rows, start=2):
        at = torch.arange(n, device=x.device)
        part = (at >= n - s).long() + (at >= n - move) if move else 0 * at
        region = 3 * region + part.view(n, *(1,) * (rank + 1 - axis))
    regions = windows(region, size, 0)[0, 0]
    hidden = regions[:, None, :, None] != regions[:, None, None, :]
    return x[:, None] - 100 * hidden.to(x.dtype)


def relative_position(x: Tensor, table: Tensor, **ways: Any) -> Tensor:
    """``(N, heads, queries, keys)``: the table's row of each way, for ``x``."""
    return relative_lookup(table.mT.expand(len(x), *table.mT.shape), **ways)


def relative_lookup(
    x: Tensor,
    size: tuple[int, ...],
    absolute: bool,
    strides: tuple[int, int],
    token: bool,
) -> Tensor:
    """``(N, heads, queries, keys)``: of each pair the number of its way."""
    row = torch.zeros((), dtype=torch.int64, device=x.device)
    sides = []
    for stride in strides:
        axes = [torch.arange(0, n, stride, device=x.device) for n in size]
        sides.append(torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1))
    for n, query, key in zip(size, *sides, strict=True):
        way = query[:, None] - key
        row = row * n + way.abs() if absolute else row * (2 * n - 1) + way + key[-1]
    if token:
        last = x.shape[2] - 1
        row = F.pad(row, (1, 0), value=last - 1)
        row = F.pad(row, (0, 0, 1, 0), value=last - 2)
        row[0, 0] = last
    return x[:, :, row]


def _each(value: Axes, rank: int) -> tuple[int, ...]:
    """One number an axis."""
    return (value,) * rank if isinstance(value, int) else value


def joint_sigmoid(x: Tensor, by: Tensor) -> Tensor:
    """The geometric mean of the sigmoids of both, close to float's end near 0."""
    return ((1 + torch.exp(-x)) * (1 + torch.exp(-by))).rsqrt()


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """A linear map of the channel axis of ``(N, C, ...)``."""
    return F.linear(x.movedim(1, -1), weight).movedim(-1, 1)


def repeated(x: Tensor, value: Tensor) -> Tensor:
    """``value``, which has an axis of 1 for the batch, for each input of ``x``."""
    return value.expand(len(x), *value.shape[1:])


def resize(
    x: Tensor, like: Tensor, mode: str, align_corners: bool | None = None
) -> Tensor:
    """``x`` interpolated to the spatial size of ``like``."""
    return F.interpolate(x, like.shape[2:], mode=mode, align_corners=align_corners)


def decode_boxes(
    x: Tensor,
    picture: tuple[int, int],
    anchors: tuple[tuple[float, float], ...],
    largest: float | None,
) -> Tensor:
    """Boxes, ``(N, places x anchors, 4)``, of what ``x`` says of each place's anchors.

    ``anchors`` are widths and heights, ``picture`` height and width of the input, all
    in pixels. ``largest`` bounds the logarithms of factors; None: these are distances.
    """
    (height, width), (rows, columns) = picture, x.shape[2:]
    y, x_ = (
        torch.arange(n, device=x.device, dtype=x.dtype) * (whole // n)
        for n, whole in ((rows, height), (columns, width))
    )
    centers = torch.stack(torch.meshgrid(x_, y, indexing="xy"), -1)[:, :, None]
    sides = x.new_tensor(anchors)
    code = x.view(len(x), len(anchors), 4, rows, columns).permute(0, 3, 4, 1, 2)
    first, second = code[..., :2], code[..., 2:]
    if largest is None:
        low, high = centers - first * sides, centers + second * sides
    else:
        moved = first * sides + centers
        half = 0.5 * (second.clamp(max=largest).exp() * sides)
        low, high = moved - half, moved + half
    edge = x.new_tensor((width, height))
    boxes = [corner.clamp(min=0).minimum(edge) for corner in (low, high)]
    return torch.cat(boxes, -1).flatten(1, 3)


def pick_boxes(boxes: Tensor, scores: Tensor, most: int) -> Tensor:
    """The ``most`` best of ``scores`` (N, A, classes), each as a row with its box.

    A row is a box, a score and the number of a class; of equals the first come first.
    """
    sure, places = scores.flatten(1).sort(dim=1, descending=True, stable=True)
    sure, places = sure[:, :most, None], places[:, :most, None]
    rows = places.div(scores.shape[2], rounding_mode="floor")
    picked = boxes.gather(1, rows.expand(-1, -1, 4))
    return torch.cat([picked, sure, (places % scores.shape[2]).to(boxes.dtype)], 2)


def suppress_boxes(
    rows: Tensor, classes: int, overlap: float, threshold: float, most: int
) -> Tensor:
    """The best of ``rows`` (N, K, 6) that cover no surer one, of its class, by more.

    Greedy: ``most`` times the surest row is taken, and what covers it is struck out.
    Areas are compared as a product: boxes without one have nothing to divide by.
    """
    low, high, kind = rows[..., :2], rows[..., 2:4], rows[..., 5]
    areas = (high - low).prod(2)
    # What engines compare with is a float32.
    least, share = torch.tensor([threshold, overlap]).to(rows)
    known = torch.isin(kind, torch.arange(classes).to(rows))
    waiting = torch.where(known & (rows[..., 4] > least), rows[..., 4], 0)
    found = []
    for _ in range(most):
        best = waiting.argmax(1, keepdim=True)
        there = waiting.gather(1, best) > 0
        row = rows.gather(1, best[..., None].expand(-1, -1, 6))
        found.append(torch.where(there[..., None], row, 0))
        corner = torch.maximum(low, row[..., :2])
        shared = (torch.minimum(high, row[..., 2:4]) - corner).clamp(min=0).prod(2)
        joined = areas + areas.gather(1, best) - shared
        gone = (shared > share * joined) & (kind == row[..., 5])
        waiting = torch.where(gone, 0, waiting).scatter(1, best, 0)
    return torch.cat(found, 1)


def standardized(
    weight: Tensor, eps: float, gain: Tensor | None = None, factor: float = 1.0
) -> Tensor:
    """Each output channel's weights with mean 0 and variance 1; Qiao et al. 2019.

    With a gain they are scaled as Brock et al. 2021 do it.
    """
    axes = tuple(range(1, weight.ndim))
    variance, mean = torch.var_mean(weight, axes, correction=0, keepdim=True)
    scale = torch.rsqrt(variance + eps)
    if gain is not None:
        scale = scale * gain * (factor * weight[0].numel() ** -0.5)
    return (weight - mean) * scale


# --- modules with parameters ----------------------------------------------------------


class _Standardized(nn.modules.conv._ConvNd):
    """Convolution whose weights are standardised, whatever its rank."""

    gain: nn.Parameter | None

    def __init__(
        self, *args: Any, eps: float = 1e-6, gain: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.eps = eps
        self.factor = 1.0 if gain is None else gain
        ones = torch.ones(self.out_channels, *[1] * (self.weight.ndim - 1))
        self.register_parameter("gain", None if gain is None else nn.Parameter(ones))

    def forward(self, x: Tensor) -> Tensor:
        weight = standardized(self.weight, self.eps, self.gain, self.factor)
        y: Tensor = self._conv_forward(x, weight, self.bias)
        return y


class StdConv1d(_Standardized, nn.Conv1d):
    """Convolution whose weights are standardised, over one axis."""


class StdConv2d(_Standardized, nn.Conv2d):
    """Convolution whose weights are standardised, over two axes."""


class StdConv3d(_Standardized, nn.Conv3d):
    """Convolution whose weights are standardised, over three axes."""


class _OverChannels(nn.Module):
    """What torch does to the last axis, to the channel axis of ``(N, C, ...)``."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = super().forward(x.movedim(1, -1))
        return y.movedim(-1, 1)


class LayerNorm(_OverChannels, nn.LayerNorm):
    """Layer norm over the channel axis of ``(N, C, ...)``."""


class RMSNorm(_OverChannels, nn.RMSNorm):
    """Norm by the root mean square over the channel axis of ``(N, C, ...)``."""


class GlobalResponseNorm(nn.Module):
    """Competition among channels; Woo et al. 2023."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        positions = tuple(range(2, x.ndim))
        length: Tensor = torch.linalg.vector_norm(x, dim=positions, keepdim=True)
        response = x * (length / (length.mean(1, keepdim=True) + self.eps))
        shape = (-1, *(1 for _ in positions))
        return x + (self.bias.view(shape) + self.weight.view(shape) * response)

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, eps={self.eps}"


class Linear(_OverChannels, nn.Linear):
    """Affine map of the channel axis of ``(N, C, ...)``."""


class GeM(nn.Module):
    """The generalised mean over all positions, of at least ``eps``."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.p = nn.Parameter(torch.full((1,), 3.0))

    def forward(self, x: Tensor) -> Tensor:
        positions = tuple(range(2, x.ndim))
        powers = x.clamp(min=self.eps).pow(self.p)
        return powers.mean(positions, keepdim=True).pow(1 / self.p)

    def extra_repr(self) -> str:
        return f"eps={self.eps}"


# --- modules without parameters -------------------------------------------------------


class Reshape(nn.Module):
    """Another shape for each sample."""

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.sizes = sizes

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], *self.sizes)

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.sizes))


class HardSigmoid(nn.Module):
    """A ramp of this gain and offset between 0 and 1."""

    def __init__(self, gain: float, offset: float) -> None:
        super().__init__()
        self.gain, self.offset = gain, offset

    def forward(self, x: Tensor) -> Tensor:
        return (self.gain * x + self.offset).clamp(0, 1)

    def extra_repr(self) -> str:
        return f"gain={self.gain}, offset={self.offset}"


def _same_pads(
    x: Tensor, extent: tuple[int, ...], stride: tuple[int, ...]
) -> list[int]:
    """TensorFlow's "same" around a map; torch counts from the last axis."""
    rows = zip(x.shape[2:], extent, stride, strict=True)
    lacking = [max(0, (-(-n // s) - 1) * s + e - n) for n, e, s in rows]
    return [side for n in reversed(lacking) for side in (n // 2, n - n // 2)]


class PadSame(nn.Module):
    """Zeros that make windows without padding see ``ceil(size / stride)`` places."""

    def __init__(self, extent: tuple[int, ...], stride: tuple[int, ...]) -> None:
        super().__init__()
        self.extent, self.stride = extent, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, _same_pads(x, self.extent, self.stride))

    def extra_repr(self) -> str:
        return f"extent={self.extent}, stride={self.stride}"


class BlurPool(nn.Module):
    """A fixed binomial filter before the stride; Zhang 2019.

    The filter is computed and not a parameter, so it is not part of the state.
    """

    filter: Tensor

    def __init__(
        self,
        channels: int,
        kernel: int,
        stride: tuple[int, ...],
        padding: tuple[int, ...],
        mode: str,
    ) -> None:
        super().__init__()
        self.channels, self.kernel, self.stride = channels, kernel, stride
        # torch counts from the last axis.
        self.pads = tuple(p for p in reversed(padding) for _ in range(2))
        self.mode = mode
        row = torch.tensor([float(comb(kernel - 1, i)) for i in range(kernel)])
        row /= 2 ** (kernel - 1)
        weights = torch.ones(())
        for _ in stride:
            weights = weights[..., None] * row
        weights = weights.expand(channels, 1, *weights.shape).contiguous()
        self.register_buffer("filter", weights, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        convolve = CONVOLUTIONS[len(self.stride) - 1]
        x = F.pad(x, self.pads, mode=self.mode)
        taps = self.filter.to(x.dtype)  # a network may compute in 16 bits
        return convolve(x, taps, stride=self.stride, groups=self.channels)

    def extra_repr(self) -> str:
        return f"{self.channels}, {self.kernel}, stride={self.stride}, {self.mode}"


class PaddedMaxPool(nn.Module):
    """Max pooling with more padding than torch's own takes, as wide windows need.

    ``pads`` count from the last axis, as in ``torch.nn.functional.pad``.
    """

    def __init__(
        self,
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
        pads: tuple[int, ...],
        dilation: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.pads, self.dilation = pads, dilation

    def forward(self, x: Tensor) -> Tensor:
        pool = MAX_POOLS[len(self.kernel) - 1]
        x = F.pad(x, self.pads, value=float("-inf"))
        return pool(x, self.kernel, self.stride, dilation=self.dilation)

    def extra_repr(self) -> str:
        return (
            f"{self.kernel}, stride={self.stride}, pads={self.pads}, "
            f"dilation={self.dilation}"
        )


class SameMaxPool(nn.Module):
    """Max pooling that sees ``ceil(size / stride)`` places; padding never wins."""

    def __init__(
        self,
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
        dilation: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.dilation = kernel, stride, dilation

    def forward(self, x: Tensor) -> Tensor:
        pool = MAX_POOLS[len(self.kernel) - 1]
        pairs = zip(self.kernel, self.dilation, strict=True)
        extent = tuple(d * (k - 1) + 1 for k, d in pairs)
        x = F.pad(x, _same_pads(x, extent, self.stride), value=float("-inf"))
        return pool(x, self.kernel, self.stride, dilation=self.dilation)

    def extra_repr(self) -> str:
        return f"{self.kernel}, stride={self.stride}, dilation={self.dilation}"


class DropPath(nn.Module):
    """In training, zero whole samples with probability ``p``; Huang et al. 2016."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        keep = 1 - self.p
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)
        return x * (mask / keep if keep else mask)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class DropBlock(nn.Module):
    """In training, zero regions of the map in all channels; Ghiasi et al. 2018."""

    def __init__(self, rate: float, size: int) -> None:
        super().__init__()
        self.rate, self.size = rate, size

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        # Centres are drawn so often that regions cover the rate (equation 1), and
        # pooling grows each centre into its region.
        chance = self.rate
        for n in x.shape[2:]:
            size = min(self.size, n)
            chance *= n / size / (n - size + 1)
        sizes = tuple(min(self.size, n) for n in x.shape[2:])
        centres = x.new_empty((x.shape[0], 1, *x.shape[2:])).bernoulli_(
            min(chance, 1.0)
        )
        pool = MAX_POOLS[x.ndim - 3]
        grown = pool(centres, sizes, stride=1, padding=tuple(k // 2 for k in sizes))
        for axis, n in enumerate(x.shape[2:], start=2):
            grown = grown.narrow(axis, grown.shape[axis] - n, n)
        keep = 1 - grown
        return x * keep * (keep.numel() / keep.sum().clamp(min=1))

    def extra_repr(self) -> str:
        return f"rate={self.rate}, size={self.size}"
