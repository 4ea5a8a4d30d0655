"""How far float32 may be from the exact value of one operator, element by element.

An operator is given numbers and rounds what it makes of them. How much, follows from
its own sums: from how many terms they have, and from how large these are, whether or
not they cancel (Higham 2002, Accuracy and Stability of Numerical Algorithms, sections
3.1 and 4.2; u is the unit roundoff 2**-24). Nothing is taken from another computation
in float32, which may be right by luck or add up in a better order.

A sum of n terms is off by at most n u times the sum of their magnitudes, which is far
from what ever happens. Roundings are of either sign, and then sqrt(n) takes the place
of n (Higham and Mary 2019, A new approach to probabilistic rounding error analysis).
Weights of a probe are of either sign as well, so the partial sums of a convolution
walk: they reach the root of the sum of squares, and all the roundings together u times
|x| |w|, the product of the norms of a window and of an output's weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod, sqrt
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Final

from resgen.graph.ir import Graph, Node
from resgen.ops.act import Act
from resgen.ops.adaptive_avg_pool import AdaptiveAvgPool
from resgen.ops.adaptive_max_pool import AdaptiveMaxPool
from resgen.ops.add import Add
from resgen.ops.attention import Attention
from resgen.ops.avg_pool import AvgPool
from resgen.ops.base import Op
from resgen.ops.blur_pool import BlurPool
from resgen.ops.channel_scale import ChannelScale
from resgen.ops.channel_shuffle import ChannelShuffle
from resgen.ops.clip import Clip
from resgen.ops.concat import Concat
from resgen.ops.conv import Conv
from resgen.ops.conv_transpose import ConvTranspose
from resgen.ops.dequantize import Dequantize
from resgen.ops.flatten import Flatten
from resgen.ops.gem import GeM
from resgen.ops.global_pool import GlobalPool
from resgen.ops.global_response_norm import GlobalResponseNorm
from resgen.ops.linear import Linear
from resgen.ops.local_response_norm import LocalResponseNorm
from resgen.ops.matmul import MatMul
from resgen.ops.max_pool import MaxPool
from resgen.ops.maximum import Maximum
from resgen.ops.minimum import Minimum
from resgen.ops.multiply import Multiply
from resgen.ops.norm import Norm
from resgen.ops.pad import Pad
from resgen.ops.pad_channels import PadChannels
from resgen.ops.pad_same import PadSame
from resgen.ops.parameter import Parameter
from resgen.ops.pixel_shuffle import PixelShuffle
from resgen.ops.pixel_unshuffle import PixelUnshuffle
from resgen.ops.power import Power
from resgen.ops.reduce_max import ReduceMax
from resgen.ops.reduce_mean import ReduceMean
from resgen.ops.reduce_sum import ReduceSum
from resgen.ops.relative_lookup import RelativeLookup
from resgen.ops.relative_position import RelativePosition
from resgen.ops.reshape import Reshape
from resgen.ops.resize import Resize
from resgen.ops.reverse_channels import ReverseChannels
from resgen.ops.scalar_scale import ScalarScale
from resgen.ops.scale import Scale
from resgen.ops.shift import Shift
from resgen.ops.slice import Slice
from resgen.ops.softmax import Softmax
from resgen.ops.stack import Stack
from resgen.ops.transpose import Transpose
from resgen.ops.unflatten import Unflatten
from resgen.ops.unit_norm import UnitNorm
from resgen.ops.unwindows import Unwindows
from resgen.ops.upsample import Upsample
from resgen.ops.window_mask import WindowMask
from resgen.ops.windows import Windows

if TYPE_CHECKING:
    import torch

#: The unit roundoff of float32.
UNIT: Final = 2.0**-24
#: How many times the root of the number of terms stands for that number, at most.
#: Terms that are all alike round to one side, and engines add them in few lanes.
SIGNED: Final = 16
#: How many units of |x| |w| a sum of products may be off by. The roundings of a walk
#: have a standard deviation of 0.4 of them.
WALK: Final = 8
#: Roundings of a formula of a few steps, such as mish or a normalisation.
STEPS: Final = 16
#: What an operator without a rule may be off by, as a share of its largest value: those
#: that prepare pictures compute with whole numbers, and one kernel adds what is left.
OTHERWISE: Final = 2e-5
#: What a result may be off by however small it is: below this least normal number
#: float32 has ever fewer digits, and a kernel may take what is there for 0.
TINY: Final = 2.0**-126
#: Activations that yield their input or a bound.
_CHOOSING: Final = ("relu", "relu6", "hardtanh")


@dataclass(frozen=True, slots=True)
class Asked:
    """An operator, what it was given, and what exactly it yields (all in float64).

    ``operand`` is the parameter of a role, None where it has none, and ``again`` what
    the operator makes of other inputs.
    """

    graph: Graph
    node: Node
    inputs: Sequence[torch.Tensor]
    exact: torch.Tensor
    operand: Callable[[str], torch.Tensor | None]
    again: Callable[[Sequence[torch.Tensor]], torch.Tensor]

    @property
    def op(self) -> Any:
        """The operator, whose attributes its rule knows."""
        return self.node.op


def bound(asked: Asked) -> torch.Tensor:
    """What rounding explains of each element, in a shape that broadcasts to it."""
    rule = _RULES.get(type(asked.op))
    found: torch.Tensor = (
        asked.exact.abs().amax() * OTHERWISE if rule is None else rule(asked)
    )
    return found + TINY


def moves(op: Op) -> bool:
    """Whether an operator moves numbers, or chooses among them, and rounds nothing."""
    return _RULES.get(type(op)) is _moved


def grown(asked: Asked, before: Sequence[torch.Tensor]) -> torch.Tensor:
    """What a batch norm, a sum or a cut makes of what its inputs may be off by.

    Of a sum, those that may be off are enough. Activations that are part of a file's
    node only cut their input, so they make it no larger.
    """
    if isinstance(asked.op, Add):
        return sum(before[1:], start=before[0])
    (only,) = before
    if isinstance(asked.op, Act):
        return only
    scale, _ = _affine(asked)
    return scale.abs() * only


def _terms(n: int) -> float:
    """What stands for n in the bound of a sum of n terms, in units of roundoff."""
    return UNIT * min(float(n), SIGNED * sqrt(n))


# --- sums of products -----------------------------------------------------------------


def _weighted(asked: Asked) -> torch.Tensor:
    """Of a convolution or a linear map: WALK u |x| |w|, and the sum with the bias."""
    import torch

    weight = asked.operand("weight")
    if weight is None:
        raise TypeError(f"{asked.node.name} has no weight")
    x, turned = asked.inputs[0], isinstance(asked.op, ConvTranspose)
    groups = getattr(asked.op, "groups", 1)
    if turned:  # (channels, out / groups, ...) as (out, channels / groups, ...)
        weight = _grouped(weight[None], groups)[0].transpose(1, 2).flatten(0, 1)
    outputs = weight.shape[0]
    rows = torch.linalg.vector_norm(weight.flatten(1), dim=1).double()
    squares = _grouped(x.float().square(), groups).sum(2)
    if not isinstance(asked.op, Linear):
        squares = _windows(asked, squares, groups)
    norms = squares.clamp(min=0).sqrt()
    if groups > 1:
        norms = norms.repeat_interleave(outputs // groups, dim=1)
    n = weight.numel() // outputs
    shape = (-1, *(1,) * (x.ndim - 2))
    bias = asked.operand("bias")
    size = asked.exact.abs()
    if bias is not None:
        size = size + bias.abs().double().view(shape)
    walked = norms.double() * rows.view(shape) * min(n + 4, WALK)
    found: torch.Tensor = (walked + 4 * size) * UNIT
    return found


def _grouped(x: torch.Tensor, groups: int) -> torch.Tensor:
    """With the channels of each group along an axis of their own, the third."""
    return x.reshape(len(x), groups, -1, *x.shape[2:])


def _windows(asked: Asked, squares: torch.Tensor, groups: int) -> torch.Tensor:
    """Sums over the windows of a convolution, one map for each group."""
    import torch

    spelling = asked.op.bare.torch(asked.graph.types[asked.node.inputs[0]])
    options = {**spelling.kwargs, "groups": groups, "bias": False}
    sums = resolve_name(spelling.target)(groups, groups, spelling.args[2], **options)
    torch.nn.init.ones_(sums.requires_grad_(False).weight)
    found: torch.Tensor = sums(squares)
    return found


# --- sums of one sign -----------------------------------------------------------------


def _summed(n: Callable[[Asked], int]) -> Callable[[Asked], torch.Tensor]:
    """Of a sum of terms: n u times the same operator of the magnitudes."""

    def rule(asked: Asked) -> torch.Tensor:
        size = asked.again([x.abs() for x in asked.inputs])
        return (_terms(n(asked)) + 4 * UNIT) * size

    return rule


def _positions(asked: Asked) -> int:
    return prod(asked.inputs[0].shape[2:])


def _along(asked: Asked) -> int:
    return prod(asked.inputs[0].shape[axis + 1] for axis in asked.op.axes)


def _columns(asked: Asked) -> int:
    return int(asked.inputs[0].shape[-2 if asked.op.transpose else -1])


def _window(asked: Asked) -> int:
    window = asked.op.window(asked.graph.types[asked.node.inputs[0]])
    return prod(window.extent)


# --- normalisations -------------------------------------------------------------------


def _affine(asked: Asked) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and shift of a batch norm, in a shape that broadcasts."""
    import torch

    values = {
        role: found.double().view(-1, *(1,) * (asked.exact.ndim - 2))
        for role in ("running_mean", "running_var", "weight", "bias")
        if (found := asked.operand(role)) is not None
    }
    one = torch.ones((), dtype=torch.float64)
    deviation = (values["running_var"] + float(asked.op.eps)).sqrt()
    scale = values.get("weight", one) / deviation
    return scale, values.get("bias", 0 * one) - values["running_mean"] * scale


def _norm(asked: Asked) -> torch.Tensor:
    """Of a norm by its own statistics, what is off in these and in the affine map.

    They are means of n numbers and of their squares, and some kernels subtract the
    square of one from the other, so the variance is off by n u E[x**2].
    """
    x = asked.inputs[0]
    if asked.op.type == "batch":
        # |scale x| is at most |y| and the shift, and that holds the mean.
        scale, shift = _affine(asked)
        bias = asked.operand("bias")
        size = 2 * shift.abs()
        if bias is not None:
            size = size + bias.double().abs().view(scale.shape)
        return (asked.exact.abs() + size) * (STEPS * UNIT)
    groups = {"group": asked.op.groups, "instance": x.shape[1]}.get(asked.op.type, 1)
    if asked.op.type in ("layer", "rms"):
        spread, axes = x, [1]
        n = x.shape[1]
    else:
        spread, axes = _grouped(x, groups).flatten(2), [2]
        n = spread.shape[2]
    square = spread.square().mean(axes, keepdim=True)
    mean, size = (v.mean(axes, keepdim=True) for v in (spread, spread.abs()))
    if asked.op.type == "rms":  # takes no mean off
        mean, size = 0 * mean, 0 * size
    variance = (square - mean.square()).clamp(min=0) + float(asked.op.eps)
    deviation = variance.sqrt()
    normed = (spread - mean).abs() / deviation
    off = (_terms(n) * size + 4 * UNIT * spread.abs()) / deviation
    off = off + normed * (_terms(n) * square / variance / 2 + STEPS * UNIT)
    weight, bias = asked.operand("weight"), asked.operand("bias")
    shape = (-1, *(1,) * (x.ndim - 2))
    off = off.reshape(x.shape)
    if weight is not None:
        off = off * weight.double().abs().view(shape)
    if bias is not None:
        off = off + STEPS * UNIT * bias.double().abs().view(shape)
    return off


def _response(asked: Asked) -> torch.Tensor:
    """A quotient whose root is of a sum of squares, all of one sign."""
    return UNIT * (STEPS + int(asked.op.size)) * asked.exact.abs()


def _unit(asked: Asked) -> torch.Tensor:
    """A quotient by the root of a sum of squares, which halves what that is off by."""
    n = int(asked.inputs[0].shape[asked.op.axis + 1])
    return asked.exact.abs() * (_terms(n) + STEPS * UNIT)


def _competing(asked: Asked) -> torch.Tensor:
    """Roots of sums of squares by their mean over channels, and an affine map."""
    x = asked.inputs[0]
    weight, bias = asked.operand("weight"), asked.operand("bias")
    if weight is None or bias is None:
        raise TypeError(f"{asked.node.name} has no weight or no bias")
    shape = (-1, *(1,) * (x.ndim - 2))
    shift = bias.double().abs().view(shape)
    response = (asked.exact - x - bias.double().view(shape)).abs()
    off = response * (_terms(_positions(asked)) + _terms(x.shape[1]))
    return off + STEPS * UNIT * (x.abs() + shift + response)


def _softmax(asked: Asked) -> torch.Tensor:
    """Exponents are off by u times their size, and the sum by its n terms."""
    axis = asked.op.axis + 1
    x = asked.inputs[0]
    reach = 2 * x.abs().amax(axis, keepdim=True)
    share = UNIT * (STEPS + reach) + _terms(x.shape[axis])
    if asked.op.log:  # of which that is by how much it is off
        return share + UNIT * STEPS * asked.exact.abs()
    return asked.exact.abs() * share


def _attended(asked: Asked) -> torch.Tensor:
    """Sums weighed by a softmax, whose exponents are off as sums of products are."""
    import torch

    from resgen.lower.modules import join_heads, split_heads

    x, keys, values, *bias = asked.inputs
    op = asked.op
    q, k = (
        torch.linalg.vector_norm(split_heads(t, op.heads), dim=-1, keepdim=True)
        for t in (x, keys)
    )
    factor = op.factor(asked.graph.types[asked.node.inputs[0]])
    reach = abs(factor) * q * k.amax(-2, keepdim=True)
    most = max((float(b.abs().max()) for b in bias), default=0.0)
    share = UNIT * (STEPS + 2 * (WALK + 5) * reach + 4 * most)
    share = share + 2 * _terms(values.shape[-1])
    size = asked.again([x, keys, values.abs(), *bias])
    return size * join_heads(share.expand(*q.shape[:-1], size.shape[1] // op.heads))


# --- element by element ---------------------------------------------------------------


def _activation(asked: Asked) -> torch.Tensor:
    """Functions that are computed from numbers up to 1 or their input."""
    if asked.op.type in _CHOOSING:
        return _moved(asked)
    x = asked.inputs[0].abs() * max(1.0, abs(float(asked.op.ramp[0])))
    if asked.op.type == "exp":
        x = x * asked.exact.abs()
    found: torch.Tensor = STEPS * UNIT * (1 + x + asked.exact.abs())
    return found


def _few(asked: Asked) -> torch.Tensor:
    """Products, each rounded a few times."""
    return asked.exact.abs() * (4 * UNIT)


def _power(asked: Asked) -> torch.Tensor:
    """By ``exp(p log x)``, whose argument is off by u times its size."""
    logarithm = asked.inputs[0].abs().clamp(min=TINY).log().abs()
    steps = STEPS + 4 * abs(float(asked.op.exponent)) * (1 + logarithm)
    return asked.exact.abs() * steps * UNIT


def _generalised(asked: Asked) -> torch.Tensor:
    """Powers of one sign, as :func:`_power`; the root divides what their sum is off."""
    p = asked.operand("p")
    if p is None:
        raise TypeError(f"{asked.node.name} has no exponent")
    size = float(p.abs())
    kept = asked.inputs[0].clamp(min=max(float(asked.op.eps), TINY))
    logarithm = float(kept.log().abs().amax())
    off = _terms(_positions(asked)) + UNIT * (STEPS + 4 * size * (1 + logarithm))
    return asked.exact.abs() * (off / size + UNIT * (STEPS + 4 * logarithm))


def _added(asked: Asked) -> torch.Tensor:
    import torch

    size = torch.stack([x.abs() for x in asked.inputs]).sum(0)
    return size * len(asked.inputs) * UNIT


def _moved(asked: Asked) -> torch.Tensor:
    """What moves numbers or chooses among them rounds nothing."""
    return asked.exact.new_zeros(())


def _resized(asked: Asked) -> torch.Tensor:
    """Positions are computed in float32, and off by u times the size of the map."""
    if asked.op.mode == "nearest":
        return _moved(asked)
    x = asked.inputs[0]
    size = max(*x.shape[2:], *asked.exact.shape[2:])
    found: torch.Tensor = x.abs().amax() * (STEPS * UNIT * size)
    return found


_RULES: Final[Mapping[type, Callable[[Asked], Any]]] = {
    Conv: _weighted,
    ConvTranspose: _weighted,
    Linear: _weighted,
    GlobalPool: _summed(_positions),
    AdaptiveAvgPool: _summed(_window),
    AvgPool: _summed(_window),
    BlurPool: _summed(_window),
    MatMul: _summed(_columns),
    ReduceSum: _summed(_along),
    ReduceMean: _summed(_along),
    Norm: _norm,
    LocalResponseNorm: _response,
    GlobalResponseNorm: _competing,
    UnitNorm: _unit,
    Softmax: _softmax,
    Attention: _attended,
    Act: _activation,
    Power: _power,
    GeM: _generalised,
    Clip: _few,  # a bound is rounded
    Scale: _few,
    ChannelScale: _few,
    ScalarScale: _few,
    Shift: _few,
    WindowMask: _few,
    Multiply: _few,
    Dequantize: _few,
    Add: _added,
    Resize: _resized,
    Upsample: _resized,
    **dict.fromkeys(
        (
            AdaptiveMaxPool,
            ChannelShuffle,
            Concat,
            Flatten,
            MaxPool,
            Maximum,
            Minimum,
            Pad,
            PadChannels,
            PadSame,
            Parameter,
            PixelShuffle,
            PixelUnshuffle,
            ReduceMax,
            RelativeLookup,
            RelativePosition,
            Reshape,
            ReverseChannels,
            Slice,
            Stack,
            Transpose,
            Unflatten,
            Unwindows,
            Windows,
        ),
        _moved,
    ),
}
