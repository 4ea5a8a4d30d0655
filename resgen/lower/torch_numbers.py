"""Element types and quantisation in PyTorch, so that networks train under them.

Quantised numbers stand in tensors of floats, so a gradient can pass; rounding has the
derivative 1 (the straight-through estimator, Bengio et al. 2013). What comes out is
what a runtime computes from the same numbers, up to the order of its sums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod, sqrt
from pkgutil import resolve_name
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from resgen.lower.modules import standardized
from resgen.ops.types import (
    GREATEST_BIAS,
    LEAST_SCALES,
    RANGES,
    Apply,
    Module,
    Operand,
    Ref,
    Spelling,
)

FLOATS: Final[Mapping[str, torch.dtype]] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


def cast(x: Tensor, to: str) -> Tensor:
    """``x`` in another type; what is in float64, to be exact, stays there."""
    return x if x.dtype == torch.float64 else x.to(FLOATS[to])


def quantize(
    x: Tensor, scale: Tensor, zero_point: Tensor | None = None, *, to: str
) -> Tensor:
    """``x / scale`` rounded to what ``to`` can hold, in the type of ``x``.

    Numbers of 16 bits are divided in float32, as runtimes do. The scale, one for all,
    has the gradient of what :func:`dequantize` makes of the result, whole (LSQ, Esser
    et al. 2020, equation 3): as one half here and one there it would cancel away in 16
    bits. It is divided by ``sqrt(numbers of one sample * greatest)`` as they do
    (section 2.2), so that scales and weights learn at one rate.
    """
    least, greatest = RANGES[to]
    exact = x if x.dtype == torch.float64 else x.float()
    held = scale.detach().to(exact.dtype)
    quantized = _quantized(exact, held, zero_point, to)
    if not (torch.is_grad_enabled() and scale.requires_grad):
        return quantized.to(x.dtype)
    with torch.no_grad():
        point = 0 if zero_point is None else zero_point.to(exact.dtype)
        steps = exact / held
        inside = (steps.round() + point).clamp(least, greatest) - point == steps.round()
        left = quantized - point - torch.where(inside, steps, 0)
    damped = (scale - scale.detach()) / sqrt(prod(x.shape[1:]) * greatest)
    return (quantized + left * (damped / held)).to(x.dtype)


def dequantize(q: Tensor, scale: Tensor, zero_point: Tensor | None = None) -> Tensor:
    """The numbers that quantised ones stand for, in the type of the scale.

    The quantiser that made them has the gradient of the scale.
    """
    if zero_point is not None:
        q = q - zero_point.to(q.dtype)
    return _dequantized(q, scale.detach())


def _quantized(x: Tensor, scale: Tensor, zero_point: Tensor | None, to: str) -> Tensor:
    """With one scale for all, or one for each entry of the first axis."""
    least, greatest = RANGES[to]
    y = x / _over_outputs(scale, x)
    if to.startswith("float8"):
        y = y.clamp(least, greatest)
        return _straight_through(y, _to_float8(y))
    rounded = _straight_through(y, y.round())
    if zero_point is not None:
        rounded = rounded + zero_point.to(rounded.dtype)
    return rounded.clamp(least, greatest)


def _dequantized(q: Tensor, scale: Tensor) -> Tensor:
    return q.to(scale.dtype) * _over_outputs(scale, q)


def _straight_through(y: Tensor, rounded: Tensor) -> Tensor:
    """The value of ``rounded``, exactly, with the gradient of ``y``."""
    return rounded.detach() + (y - y.detach())


def _to_float8(y: Tensor) -> Tensor:
    # There is no conversion from float64; float32 holds every tie of float8.
    return y.float().to(torch.float8_e4m3fn).to(y.dtype)


def _over_outputs(scale: Tensor, x: Tensor) -> Tensor:
    return scale.view(-1, *(1,) * (x.ndim - 1)) if scale.ndim else scale


# --- operands -------------------------------------------------------------------------


def _scale_of(weight: Tensor, greatest: float) -> Tensor:
    largest = weight.abs().flatten(1).amax(1) / greatest
    return torch.where(largest > 0, largest, torch.ones_like(largest))


def _as_scale(x: Tensor, to: str) -> Tensor:
    return cast(x.clamp(min=LEAST_SCALES[to]), to)


def _fit_bias(scale: Tensor, step: Tensor, bias: Tensor) -> Tensor:
    fits = (bias.abs() / GREATEST_BIAS).clamp(min=LEAST_SCALES["float32"])
    return torch.maximum(scale, fits / step)


def _per_output(vector: Tensor, rank: int) -> Tensor:
    return vector.reshape(*vector.shape, *(1,) * (rank - 1))


def _diagonal(vector: Tensor, columns: int, rank: int) -> Tensor:
    rows = vector.view(-1, columns)
    return torch.diag_embed(rows).reshape(-1, columns, *(1,) * (rank - 2))


def _enlarge(weight: Tensor, *zeros: int) -> Tensor:
    axes = len(zeros) // 2
    pairs = zip(reversed(zeros[:axes]), reversed(zeros[axes:]), strict=True)
    return functional.pad(weight, [n for pair in pairs for n in pair])


#: What :data:`resgen.weights.evaluate.FUNCTIONS` computes, with gradients.
FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "sqrt": torch.sqrt,
    "zeros_like": torch.zeros_like,
    "per_output": _per_output,
    "standardize": standardized,
    "diagonal": _diagonal,
    "enlarge": _enlarge,
    "reshape": lambda x, *shape: x.reshape(shape),
    "cast": cast,
    "scale_of": _scale_of,
    "as_scale": _as_scale,
    "fit_bias": _fit_bias,
    # The scale of a weight is no parameter, so nothing holds its gradient back.
    "quantize": lambda x, scale, to: _quantized(x, scale, None, to),
    "dequantize": _dequantized,
}


def compute(operand: Operand | float | str, tensors: Mapping[str, Tensor]) -> Any:
    """What an operand comes to, given the parameters by name."""
    if isinstance(operand, Ref):
        return tensors[operand.name]
    if isinstance(operand, Apply):
        args = (compute(arg, tensors) for arg in operand.args)
        return FUNCTIONS[operand.function](*args)
    return operand


class Computed(nn.Module):
    """An operator whose weights are expressions: folded, cast or quantised.

    It is called with the inputs of the operator and then the parameters in ``names``,
    which live where the network keeps them.
    """

    def __init__(
        self,
        spelling: Spelling,
        operands: tuple[tuple[str, Operand], ...],
        names: tuple[str, ...],
    ) -> None:
        super().__init__()
        self.spelling = spelling
        self.operands = operands
        self.names = names
        # In a tuple it is no child: its own parameters are never used.
        self.leaf: tuple[nn.Module, ...] = ()
        if isinstance(spelling, Module):
            with torch.device("meta"):
                made = resolve_name(spelling.target)(*spelling.args, **spelling.kwargs)
            self.leaf = (made,)

    def forward(self, *args: Tensor) -> Tensor:
        inputs, held = args[: -len(self.names)], args[-len(self.names) :]
        tensors = dict(zip(self.names, held, strict=True))
        values = {role: compute(operand, tensors) for role, operand in self.operands}
        y: Tensor
        if isinstance(self.spelling, Module):
            y = torch.func.functional_call(self.leaf[0], values, inputs)
            return y
        given: tuple[Any, ...] = (list(inputs),) if self.spelling.gather else inputs
        views = (values[role].view(shape) for role, shape in self.spelling.parameters)
        function = resolve_name(self.spelling.target)
        y = function(*given, *views, *self.spelling.args, **self.spelling.kwargs)
        return y

    def train(self, mode: bool = True) -> Computed:
        """Set the mode of the operator as well, which is no child."""
        for leaf in self.leaf:
            leaf.train(mode)
        super().train(mode)
        return self

    def extra_repr(self) -> str:
        expressed = (role for role, at in self.operands if not isinstance(at, Ref))
        named = self.spelling.target.rpartition(".")[2]
        return f"{named}, computed: {', '.join(expressed)}"
