"""What an operator is: attributes, a shape rule, a cost, and two spellings.

An operator is a frozen dataclass whose fields are the attributes that the language
offers. It knows nothing of graphs: it is asked about tensor types and answers with
data. Each lives in a file of its own and is found there by :mod:`resgen.ops`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from resgen.ops.types import (
    DType,
    Operand,
    ParameterSpec,
    Ref,
    Spelling,
    TensorType,
    Value,
    Window,
)
from resgen.spec.params import REQUIRED, Kind, Param, Signature

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_):
        """It speaks to type checkers alone; typing has it from Python 3.11 on."""
        return lambda decorator: decorator


Axes = int | tuple[int, ...]


class ShapeError(Exception):
    """An operator cannot take this input.

    ``code`` is the problem's stable code, ``attribute`` names the attribute at fault
    (the line of the spec that set it is then what the user sees).
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        attribute: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.attribute = attribute
        self.code = code
        self.hint = hint


def attribute(
    kind: Kind,
    doc: str,
    *,
    default: Any = REQUIRED,
    minimum: Fraction | int | None = None,
    maximum: Fraction | int | None = None,
    choices: tuple[str, ...] = (),
    item: Param | None = None,
) -> Any:
    """A dataclass field that the language can set."""
    param = Param(kind, default, doc, minimum, maximum, choices, item)
    if default is REQUIRED:
        return field(metadata={"param": param})
    return field(default=default, metadata={"param": param})


class OnnxWriter(Protocol):
    """Where an operator writes its ONNX nodes."""

    @property
    def opset(self) -> int:
        """Version of the default operator set that the file declares."""

    @property
    def dynamic(self) -> bool:
        """Whether spatial sizes are unknown until the model runs."""

    def emit(self, op_type: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node and return the name of its (first) output.

        The last node that an operator emits carries the operator's own name, on the
        node and on its output; those before it get a suffix.
        """

    def further(self, dtype: DType) -> str:
        """Another output, of this type, of the node that was added last."""

    def operand(self, role: str) -> str | None:
        """The initialiser that holds this role's operand; None if there is none."""

    def floats(
        self, values: Sequence[float], shape: Sequence[int] | None = None
    ) -> str:
        """A constant of the input's element type (1-D, or of this shape; () is one)."""

    def integers(
        self, values: Sequence[int], shape: Sequence[int] | None = None
    ) -> str:
        """A constant int64 tensor (1-D, or of this shape)."""

    def zero(self, dtype: DType) -> str:
        """A constant scalar 0 of this type."""


class OnnxNode(Protocol):
    """A node of an ONNX file, as an operator sees it that reads it.

    Axes are those of a value: without the batch, channels first.
    """

    @property
    def op_type(self) -> str: ...

    @property
    def opset(self) -> int: ...

    @property
    def x(self) -> TensorType:
        """The type of its first input."""

    @property
    def y(self) -> tuple[int, ...]:
        """The sizes of its (first) output, in the file's order, the batch included."""

    def given(self, name: str, default: Any = None) -> Any:
        """An attribute: a number, a text or a list."""

    def numbers(self, position: int) -> Any | None:
        """The array of a constant input; None where there is none."""

    def number(self, position: int) -> float | None:
        """The same where it is one number."""

    def stored_rank(self, position: int) -> int:
        """How many axes the weight has that a constant input was made of."""

    def named(self, position: int) -> bool:
        """Whether a constant input is a weight that bears a module's name."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a node was read as.

    ``roles`` are the inputs that hold the operator's parameters, with their numbers
    where those are not as the file has them. ``before`` are operators that its input
    goes through first.
    """

    op: Op
    roles: Mapping[str, int | tuple[int, Any]] = field(default_factory=dict)
    before: tuple[Op, ...] = ()


class Unreadable(Exception):
    """What an operator of ours does not do, as the end of "NODE: ..."."""


@dataclass(frozen=True, slots=True)
class Case:
    """A sample for the one test that checks every operator against torch and ONNX."""

    op: Op
    inputs: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Op:
    """Base of all operators."""

    #: The name in the language; set by :func:`operator`.
    name: ClassVar[str]
    #: The attribute that a bare string in ``defaults`` sets (``"act": "silu"``).
    shorthand: ClassVar[str | None] = None
    #: How many inputs it takes; None is any number from one on.
    arity: ClassVar[int | None] = 1
    #: Of how many of its inputs, the first ones, it reads the numbers; None is of all.
    #: Of the others it takes sizes.
    read: ClassVar[int | None] = None
    #: Whether passes alone place it, so that the language does not offer it.
    placed: ClassVar[bool] = False
    #: Whether the order of its inputs is of no account.
    commutative: ClassVar[bool] = False
    #: Whether it chooses among what it is given by comparing: numbers that are off by
    #: nearly nothing can then make another choice.
    chooses: ClassVar[bool] = False
    #: Whether it is the identity outside training; ONNX then has no node of it.
    training_only: ClassVar[bool] = False
    #: The ONNX operators that :meth:`from_onnx` takes.
    onnx_types: ClassVar[tuple[str, ...]] = ()
    #: Whether it tells channels from positions; others take axes in any order.
    ordered: ClassVar[bool] = True

    # Each operator declares the inputs that it takes; only `Any` lets it.
    def infer(self, *inputs: Any, **_: Any) -> TensorType:
        """Type of the output, or :class:`ShapeError`."""
        x: TensorType = inputs[0]
        return x

    def element(self, *inputs: TensorType) -> DType:
        """Type of the output's elements; most operators keep that of their input."""
        return inputs[0].dtype

    def result(self, *inputs: TensorType) -> TensorType:
        """Type of the output, its elements included, or :class:`ShapeError`."""
        return self.infer(*inputs).of(self.element(*inputs))

    def check_open(self, x: TensorType) -> None:
        """Raise :class:`ShapeError` where it is not written for sizes left open."""

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        """The parameters that it owns when it is given ``x``."""
        return ()

    def operands(self, names: Mapping[str, str]) -> dict[str, Operand]:
        """What is consumed for each role, given the parameters' names by role."""
        return {role: Ref(name) for role, name in names.items()}

    # Each declares the inputs that it takes, as of `infer`.
    def macs(self, *types: Any) -> int:
        """Multiply-adds for one input, without bias; of few operators they count.

        The types are those of its inputs, and that of its output comes last.
        """
        return 0

    def window(self, x: TensorType) -> Window | None:
        """Its sliding window, for receptive fields and strides; None is pointwise."""
        return None

    def effective(self, x: TensorType) -> dict[str, Any]:
        """What its attributes come to on ``x``, whether said or not.

        They are equal where an operator computes and trains alike: what an attribute
        has no part in is left out. Initialisers and names of values are left out, too.
        """
        known = signature(type(self))  # type: ignore[arg-type]  # mypy doubts that types hash
        return {
            name: _effective(param.kind, getattr(self, name), x, name)
            for name, param in known.items()
            if param.kind not in ("init", "value")
        }

    @property
    def vanishes(self) -> bool:
        """Whether it is the identity whatever it is given, so that no node is made."""
        return False

    @property
    def bare(self) -> Op:
        """The operator that takes its operands as they are, doing nothing to them."""
        return self

    def unstrided(self, dilation: int, *, undo: bool) -> tuple[Op, ...]:
        """The operators that take its place where a stride has become dilation.

        ``dilation`` multiplies its own; with ``undo`` its stride, if any, becomes 1.
        """
        return (self,)

    def torch(self, x: TensorType) -> Spelling:
        """How torch spells it, as data."""
        raise NotImplementedError

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        """Write it and return the name of the result."""
        raise NotImplementedError

    @classmethod
    def from_onnx(cls, node: OnnxNode) -> Read:
        """What :meth:`onnx` or anybody else wrote as this node, or Unreadable."""
        raise NotImplementedError

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        """Cases that together reach every branch of the operator."""
        raise NotImplementedError

    @classmethod
    def summary(cls) -> str:
        """The first line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]


OpType = TypeVar("OpType", bound=type[Op])
REGISTRY: dict[str, type[Op]] = {}


@dataclass_transform(frozen_default=True)
def operator(name: str) -> Callable[[OpType], OpType]:
    """Class decorator: make it a frozen dataclass and give it its name."""

    def register(cls: OpType) -> OpType:
        dataclass(frozen=True)(cls)
        cls.name = name
        REGISTRY[name] = cls
        return cls

    return register


@cache
def signature(op: type[Op]) -> Signature:
    """The attributes of an operator, as the language sees them."""
    return {
        f.name: f.metadata["param"]
        for f in fields(op)
        if "param" in f.metadata and (f.init or f.default is not MISSING)
    }


def counts(op: Op) -> bool:
    """Whether it is of multiply-adds that count."""
    return type(op).macs is not Op.macs


def is_map(op: Op) -> bool:
    """Whether it is a convolution or linear map, which has a weight and counts."""
    return counts(op) and type(op).parameters is not Op.parameters


# --- helpers that several operators share ---------------------------------------------


def per_axis(value: Axes, x: TensorType, attribute: str) -> tuple[int, ...]:
    """One number an axis, from one for all or a list that must fit the rank."""
    axes = len(x.spatial)
    if isinstance(value, int):
        return (value,) * axes
    if len(value) != axes:
        raise ShapeError(
            f"{attribute} has {len(value)} numbers, but the input has {axes} spatial "
            f"axes ({x})",
            attribute=attribute,
            code="RG110",
        )
    return value


def plain_axes(values: Sequence[int]) -> Axes:
    """One number for all axes where they are equal."""
    first = int(values[0]) if values else 0
    return first if set(values) == {first} else tuple(map(int, values))


def _effective(kind: Kind, value: Any, x: TensorType, attribute: str) -> Any:
    """The value as all of its spellings have it."""
    if value is None:
        return None
    if kind == "axes":
        return per_axis(value, x, attribute)
    return float(value) if kind == "number" else value


def multiplied(value: Axes, factor: int) -> Axes:
    """Every number of ``value`` times ``factor``."""
    if isinstance(value, int):
        return value * factor
    return tuple(v * factor for v in value)


def spacing(kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    """The dilation, by axis; one position has nothing between its elements."""
    return tuple(d if k > 1 else 1 for k, d in zip(kernel, dilation, strict=True))


def collapsed(what: str, size: int, padding: int) -> ShapeError:
    """The error of a window that is larger than the map, its padding included."""
    return ShapeError(
        f"the map collapses: {what} does not fit into {size} + 2 x {padding} positions",
        attribute="kernel",
        code="RG106",
        hint="use a larger input, a smaller stride or fewer stages",
    )


def spatial_suffix(x: TensorType, what: str) -> str:
    """``1d``, ``2d`` or ``3d``, to end a torch class name with."""
    rank = len(x.spatial)
    if rank not in (1, 2, 3):
        raise ShapeError(
            f"{what} needs 1 to 3 spatial axes, but its input is {x}", code="RG111"
        )
    return f"{rank}d"
