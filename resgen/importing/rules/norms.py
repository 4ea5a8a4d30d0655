"""Norms that a source spells out, and what belongs to one that it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from resgen.importing.rules.activations import factors
from resgen.importing.rules.net import Net, Part
from resgen.importing.unspoken import Spread
from resgen.ops.add import Add
from resgen.ops.base import ShapeError
from resgen.ops.channel_scale import ChannelScale
from resgen.ops.clip import Clip
from resgen.ops.gem import GeM
from resgen.ops.global_pool import GlobalPool
from resgen.ops.global_response_norm import GlobalResponseNorm
from resgen.ops.norm import Norm
from resgen.ops.offset import Offset
from resgen.ops.power import Power
from resgen.ops.reduce_mean import ReduceMean
from resgen.ops.reduce_sum import ReduceSum
from resgen.ops.scale import Scale
from resgen.ops.shift import Shift
from resgen.ops.unit_norm import UnitNorm

Rule = Callable[[Net, Part], bool]


def drawn_in(net: Net, part: Part) -> bool:
    """What is repeated to be multiplied need not be: a product repeats it itself."""
    inputs = [
        spread[0].inputs[0] if (spread := net.made(value, Spread)) else value
        for value in part.inputs
    ]
    if tuple(inputs) == part.inputs:
        return False
    try:
        fits = part.op.result(*map(net.typed, inputs)) == part.type
    except ShapeError:
        return False
    if fits:
        net.become(part, part.op, inputs)
    return fits


def repeated_after(net: Net, part: Part) -> bool:
    """A power of what is repeated is the repeated power."""
    spread = net.made(part.inputs[0], Spread)
    if spread is None:
        return False
    net.become(part, spread[1], [net.insert(part.op, spread[0].inputs, part)])
    return True


def spelled(net: Net, part: Part) -> bool:
    """``(x - mean) / sqrt(mean of (x - mean)^2 + eps)``, and without the mean."""
    number, found = factors(net, part.value)
    if len(found) != 2 or number != 1:
        return False
    for c, root in (found, found[::-1]):
        if (told := _over_root(net, root)) and told[0] == c:
            return _norm(net, part, c, told[1], told[2])
        if (unit := _over_length(net, root)) and unit[0] == c:
            net.become(part, UnitNorm(axis=unit[1], eps=unit[2]), [c])
            return True
    return False


def _norm(net: Net, part: Part, c: str, axes: tuple[int, ...], eps: float) -> bool:
    rank = part.type.rank
    centred = _centred(net, c)
    if axes == (0,):
        if centred is None:
            net.become(part, Norm(type="rms", eps=eps, affine=False), [c])
            return True
        if centred[1] == axes:
            op = Norm(type="layer", eps=eps, affine=False)
            net.become(part, op, [centred[0]])
            return True
    whole = axes == tuple(range(1, rank)) and rank > 1
    if whole and centred is not None and centred[1] == axes:
        op = Norm(type="instance", eps=eps, affine=False)
        net.become(part, op, [centred[0]])
        return True
    return False


def _over_root(net: Net, value: str) -> tuple[str, tuple[int, ...], float] | None:
    """Of ``(mean of c^2 + eps)^(-1/2)``: ``c``, the axes and eps."""
    root = net.made(value, Power)
    if root is None or root[1].exponent != -0.5:
        return None
    moved = net.made(root[0].inputs[0], Offset)
    mean = _mean(net, moved[0].inputs[0] if moved else root[0].inputs[0])
    square = net.made(mean[0], Power) if mean else None
    if mean is None or square is None or square[1].exponent != 2:
        return None
    return square[0].inputs[0], mean[1], moved[1].by if moved else 0.0


def _mean(net: Net, value: str) -> tuple[str, tuple[int, ...]] | None:
    """What a value is the mean of, and over which axes, which stay."""
    if (pool := net.made(value, GlobalPool)) and pool[1].type == "avg":
        return pool[0].inputs[0], tuple(range(1, pool[0].type.rank))
    mean = net.made(value, ReduceMean)
    return (mean[0].inputs[0], mean[1].axes) if mean and mean[1].keep else None


def _over_length(net: Net, value: str) -> tuple[str, int, float] | None:
    """Of ``1 / max(length of c, eps)``: ``c``, the axis and eps."""
    over = net.made(value, Power)
    least = net.made(over[0].inputs[0], Clip) if over else None
    if over is None or least is None or over[1].exponent != -1:
        return None
    length = _length(net, least[0].inputs[0])
    if length is None or len(length[1]) != 1 or least[1].max is not None:
        return None
    return length[0], length[1][0], least[1].min or 0.0


def _length(net: Net, value: str) -> tuple[str, tuple[int, ...]] | None:
    """Of ``(sum of x^2)^(1/2)``: ``x`` and the axes."""
    root = net.made(value, Power)
    total = net.made(root[0].inputs[0], ReduceSum) if root else None
    square = net.made(total[0].inputs[0], Power) if total else None
    if root is None or total is None or square is None:
        return None
    if root[1].exponent != 0.5 or square[1].exponent != 2 or not total[1].keep:
        return None
    return square[0].inputs[0], total[1].axes


def _centred(net: Net, value: str) -> tuple[str, tuple[int, ...]] | None:
    """Of ``x - mean of x``: ``x`` and the axes."""
    total = net.made(value, Add)
    if total is None or len(total[0].inputs) != 2:
        return None
    a, b = total[0].inputs
    for x, other in ((a, b), (b, a)):
        spread = net.made(other, Spread)
        negative = net.made(spread[0].inputs[0] if spread else other, Scale)
        mean = _mean(net, negative[0].inputs[0]) if negative else None
        if negative and mean and negative[1].by == -1 and mean[0] == x:
            return mean
    return None


def response(net: Net, part: Part) -> bool:
    """``x + bias + weight x g / (mean of g + eps)``, g the length over positions."""
    if len(part.inputs) != 2:
        return False
    for x, other in (part.inputs, part.inputs[::-1]):
        shift = net.made(other, Shift)
        weight = net.made(shift[0].inputs[0], ChannelScale) if shift else None
        if shift is None or weight is None:
            continue
        number, found = factors(net, weight[0].inputs[0])
        if number != 1 or len(found) != 3 or x not in found:
            continue
        rest = [value for value in found if value != x]
        for length, over in (rest, rest[::-1]):
            eps = _over_mean(net, over, length)
            told = _length(net, length)
            if eps is None or told != (x, tuple(range(1, part.type.rank))):
                continue
            net.become(
                part,
                GlobalResponseNorm(eps=eps),
                [x],
                arrays={"weight": weight[0].arrays[""], "bias": shift[0].arrays[""]},
                sources={
                    "weight": weight[0].sources[""],
                    "bias": shift[0].sources[""],
                },
                path=owner(weight[0].path) or part.path,
            )
            return True
    return False


def _over_mean(net: Net, value: str, length: str) -> float | None:
    """The eps of ``1 / (mean of length over channels + eps)``."""
    over = net.made(value, Power)
    moved = net.made(over[0].inputs[0], Offset) if over else None
    mean = net.made(moved[0].inputs[0], ReduceMean) if moved else None
    if over is None or moved is None or mean is None or over[1].exponent != -1:
        return None
    same = mean[0].inputs[0] == length and mean[1].axes == (0,) and mean[1].keep
    return moved[1].by if same else None


def owner(path: str | None) -> str | None:
    """The module of a parameter."""
    return path.rpartition(".")[0] or None if path else None


def generalised(net: Net, part: Part) -> bool:
    """``(mean of max(x, eps)^p)^(1/p)`` over positions."""
    root = net.made(part.value, Power)
    mean = net.made(part.inputs[0], GlobalPool)
    power = net.made(mean[0].inputs[0], Power) if mean else None
    least = net.made(power[0].inputs[0], Clip) if power else None
    if root is None or mean is None or power is None or least is None:
        return False
    p, eps = power[1].exponent, least[1].min
    if mean[1].type != "avg" or least[1].max is not None or eps is None:
        return False
    if abs(p * root[1].exponent - 1) > 1e-5:
        return False
    numbers = {"p": np.array([p], np.float32)}
    net.become(part, GeM(eps=eps), least[0].inputs, arrays=numbers)
    return True


# --- what belongs to a norm -----------------------------------------------------------


def weight(net: Net, part: Part) -> bool:
    """A scale by channel after a root mean square is its own."""
    found = net.made(part.inputs[0], Norm)
    if found is None or not net.alone(part.inputs[0]):
        return False
    norm, op = found
    if op.type != "rms" or op.affine:
        return False
    roles = {"weight": part.arrays[""]}
    sources = {"weight": part.sources[""]}
    path = owner(part.path) or norm.path
    net.become(
        part,
        replace(op, affine=True),
        norm.inputs,
        arrays=roles,
        sources=sources,
        path=path,
    )
    return True


def affine(net: Net, part: Part) -> bool:
    """A scale and a shift by channel after a norm are its own.

    A norm that has its own takes a file's second ones in, as Caffe has them, since what
    is computed is the same and nobody trains a file.
    """
    scale = net.made(part.inputs[0], ChannelScale)
    if scale and not net.alone(scale[0].value):
        return False
    inner = scale[0].inputs[0] if scale else part.inputs[0]
    found = net.made(inner, Norm)
    if found is None or not net.alone(inner):
        return False
    norm, op = found
    if op.type == "rms" or not (op.affine or scale):
        return False
    channels = part.type.channels
    arrays = {
        "weight": np.ones(channels, np.float32),
        "bias": np.zeros(channels, np.float32),
        **norm.arrays,
    }
    sources = dict(norm.sources)
    for role, more in (("weight", scale and scale[0]), ("bias", part)):
        if more:
            sources[role] = (*sources.get(role, ()), *more.sources[""])
    if scale:
        factor = scale[0].arrays[""]
        arrays |= {role: arrays[role] * factor for role in ("weight", "bias")}
    arrays["bias"] = arrays["bias"] + part.arrays[""]
    path = norm.path
    if scale and not op.affine:
        of = scale[0].path  # the module, or its parameter
        within = of and f"{path}.".startswith(f"{of}.")
        path = of if within else owner(of) or path
    net.become(
        part,
        replace(op, affine=True),
        norm.inputs,
        arrays=arrays,
        sources=sources,
        path=path,
    )
    return True


NORMS: Final[Mapping[str, tuple[Rule, ...]]] = {
    "multiply": (drawn_in, spelled),
    "power": (repeated_after, generalised),
    "add": (response,),
    "shift": (affine,),
    "channel_scale": (weight,),
}
