"""The values that operators speak of: tensor types, initialisers, operands, spellings.

All of it is plain data. Neither torch nor onnx is imported here, so that a network can
be questioned in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Final, Literal, TypeAlias

#: Types of a tensor's elements, by their names in numpy and ml_dtypes.
DType: TypeAlias = Literal[
    "float32", "float16", "bfloat16", "float8_e4m3fn", "int8", "uint8", "int32", "int64"
]
#: What a low-precision number can be: the least and the greatest. For float8_e4m3fn
#: Micikevicius et al. 2022, table 1.
RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int32": (-(2**31), 2**31 - 1),
    "float8_e4m3fn": (-448, 448),
}
#: The least normal number of each type that scales are stored in.
LEAST_SCALES: Final[Mapping[str, float]] = {
    "float32": 2.0**-126,
    "float16": 2.0**-14,
    "bfloat16": 2.0**-126,
}
#: The greatest bias of 32 bits: products are added to it, so half the range is left.
GREATEST_BIAS: Final = 2**30


@dataclass(frozen=True, slots=True)
class TensorType:
    """Shape without the batch axis: channels first, then the spatial axes.

    A spec's network is of float32 throughout; passes make it of other ``dtype``.
    """

    shape: tuple[int, ...]
    dtype: DType = "float32"

    @property
    def channels(self) -> int:
        return self.shape[0]

    @property
    def spatial(self) -> tuple[int, ...]:
        return self.shape[1:]

    @property
    def rank(self) -> int:
        """Number of axes without the batch."""
        return len(self.shape)

    @property
    def positions(self) -> int:
        """Number of spatial positions."""
        return prod(self.shape[1:])

    @property
    def size(self) -> int:
        """Number of elements for one input."""
        return prod(self.shape)

    def with_channels(self, channels: int) -> TensorType:
        return replace(self, shape=(channels, *self.shape[1:]))

    def of(self, dtype: DType) -> TensorType:
        """The same shape with elements of another type."""
        return self if dtype == self.dtype else replace(self, dtype=dtype)

    def __str__(self) -> str:
        return " x ".join(map(str, self.shape))


# --- initialisers ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Constant:
    """Every element the same."""

    value: float


@dataclass(frozen=True, slots=True)
class Normal:
    """Mean 0 and this standard deviation; ``truncate`` cuts at that many of them."""

    std: float
    truncate: float | None = None


@dataclass(frozen=True, slots=True)
class Uniform:
    """Uniform on [-bound, bound)."""

    bound: float


Initializer = Constant | Normal | Uniform


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """A parameter that an operator owns: its role is the attribute's name in torch.

    The role ``""`` is a parameter that goes by the operator's own path (LayerScale's
    ``gamma``). ``trainable`` is false for statistics (buffers).
    """

    role: str
    shape: tuple[int, ...]
    init: Initializer
    trainable: bool = True
    dtype: DType = "float32"


# --- operands: what a node consumes ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ref:
    """A parameter as it is."""

    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """A function of operands, evaluated when an artifact is written.

    ``function`` is one of those in ``resgen.weights.evaluate.FUNCTIONS``: add,
    subtract, multiply, divide, sqrt, zeros_like, per_output (a vector over output
    channels, shaped to broadcast against a weight whose rank is the number that
    follows), diagonal (a vector over output channels as the 1 x 1 weight that scales
    channels, of as many input channels a group and of the rank that follow), enlarge (a
    weight with so many zeros before and then after its kernel, by axis), standardize
    (weight standardisation with the epsilon that follows and, if it is scaled, a gain
    by output and a factor), cast
    (to the type that follows), scale_of (of a weight's outputs, so that their largest
    number becomes the one that follows), as_scale (cast to the type that follows, but
    at least its least normal number), fit_bias (the scale of a weight, raised until the
    bias fits; see :mod:`resgen.graph.passes.integer_bias`), quantize (a tensor
    by a scale to a type) and dequantize (a quantised tensor by its scale, which an
    artifact leaves to the runtime). Scales are one number, or one for each output.
    """

    function: str
    args: tuple[Operand | float | int | str, ...]
    #: Kept, since operands within operands are looked up over and over.
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.function, self.args)))

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type[Apply], tuple[Any, ...]]:
        # Text has another hash in another process.
        return Apply, (self.function, self.args)


Operand = Ref | Apply


def references(operand: Operand | float | int | str) -> Iterator[str]:
    """Names of the parameters in an operand, in order, repeats included."""
    if isinstance(operand, Ref):
        yield operand.name
    elif isinstance(operand, Apply):
        for arg in operand.args:
            yield from references(arg)


# --- spellings ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Module:
    """A torch module: ``target(*args, **kwargs)`` built once, then called on inputs."""

    target: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Function:
    """A torch function: ``target(*inputs, *parameters, *args, **kwargs)``.

    With ``gather`` the inputs are passed as one list, as ``torch.cat`` wants them.
    ``parameters`` are roles and the shape that each is viewed in before it is passed.
    """

    target: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    gather: bool = False
    parameters: tuple[tuple[str, tuple[int, ...]], ...] = ()


Spelling = Module | Function


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor by name, as an operator's ONNX spelling sees its inputs."""

    name: str
    type: TensorType


@dataclass(frozen=True, slots=True)
class Window:
    """What one output position sees of its input, per spatial axis."""

    extent: tuple[int, ...]
    stride: tuple[int, ...]
