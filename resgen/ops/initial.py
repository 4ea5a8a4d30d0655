"""Named initialisers of the language, and what they come to for a weight's shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod, sqrt
from typing import Final

from resgen.ops.types import Constant, Initializer, Normal, ParameterSpec, Uniform

#: Names that ``"init": {"type": NAME}`` takes, and what each does.
NAMES: Final[Mapping[str, str]] = {
    "constant": "every element `value`",
    "normal": "mean 0, standard deviation `std`",
    "trunc_normal": "as normal, cut at two standard deviations",
    "uniform": "uniform on [-bound, bound)",
    "kaiming_normal": "std = gain / sqrt(fan); He et al. 2015",
    "kaiming_uniform": "bound = gain * sqrt(3 / fan); He et al. 2015",
    "xavier_normal": "std = gain * sqrt(2 / (fan_in + fan_out)); Glorot 2010",
    "xavier_uniform": "bound = gain * sqrt(6 / (fan_in + fan_out)); Glorot 2010",
}


@dataclass(frozen=True, slots=True)
class Initial:
    """An initialiser as a spec names it.

    ``fan`` is ``in`` or ``out``; ``gain`` is that of the activation that follows
    (sqrt(2) for ReLU); ``std``, ``bound`` and ``value`` as the type needs them.
    """

    type: str
    value: float = 0.0
    std: float = 0.02
    bound: float = 1.0
    fan: str = "out"
    gain: float = sqrt(2)


#: What an operator's ``init`` attribute holds: one choice for each role, in order;
#: the role "" is the operator's only parameter.
Init = tuple[tuple[str, float | Initial], ...]


#: A kernel may be stated that no float counts; what is too large is refused later on.
_MOST: Final = 2**1000


def fan_in(shape: Sequence[int]) -> int:
    """Inputs that one output sums, as ``torch.nn.init`` counts them."""
    return min(prod(shape[1:]), _MOST)


def fan_out(shape: Sequence[int]) -> int:
    """Output channels times kernel area, as ``torch.nn.init`` counts them."""
    return min(shape[0] * prod(shape[2:]), _MOST)


def initializer(
    init: Init, role: str, shape: Sequence[int], default: Initializer
) -> Initializer:
    """What ``init`` says for this role, or ``default``."""
    choices = dict(init)
    # One choice without a role speaks of the weight, or of the only parameter.
    choice = choices.get(role, choices.get("") if role == "weight" else None)
    if choice is None:
        return default
    if not isinstance(choice, Initial):
        return Constant(float(choice))
    match choice.type:
        case "constant":
            return Constant(choice.value)
        case "normal":
            return Normal(choice.std)
        case "trunc_normal":
            return Normal(choice.std, truncate=2.0)
        case "uniform":
            return Uniform(choice.bound)
    fan = fan_in(shape) if choice.fan == "in" else fan_out(shape)
    mean = (fan_in(shape) + fan_out(shape)) / 2
    match choice.type:
        case "kaiming_normal":
            return Normal(choice.gain / sqrt(fan))
        case "kaiming_uniform":
            return Uniform(choice.gain * sqrt(3 / fan))
        case "xavier_normal":
            return Normal(choice.gain / sqrt(mean))
        case _:
            return Uniform(choice.gain * sqrt(3 / mean))


def weight_and_bias(
    init: Init, weight: Sequence[int], fan: int, bias: int | None
) -> tuple[ParameterSpec, ...]:
    """The parameters of a convolution, unless said as He et al. 2015 and at zero.

    ``weight`` is its shape, ``fan`` the numbers that one input enters, ``bias`` how
    many of them there are, if any.
    """
    shapes: dict[str, tuple[tuple[int, ...], Initializer]] = {
        "weight": (tuple(weight), Normal(sqrt(2 / fan)))
    }
    if bias is not None:
        shapes["bias"] = ((bias,), Constant(0.0))
    return tuple(
        ParameterSpec(role, shape, initializer(init, role, shape, default))
        for role, (shape, default) in shapes.items()
    )
