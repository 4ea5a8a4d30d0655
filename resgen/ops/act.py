"""Activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import pi, sqrt
from typing import Any, ClassVar, Final

from resgen.ops.base import (
    Case,
    OnnxNode,
    OnnxWriter,
    Op,
    Read,
    Unreadable,
    attribute,
    operator,
)
from resgen.ops.types import (
    Constant,
    Function,
    Module,
    ParameterSpec,
    Spelling,
    TensorType,
    Value,
)

#: What torch takes for the slope of negative values where nothing is said.
LEAKY_SLOPE: Final = 0.01
PRELU_SLOPE: Final = 0.25
#: Of a hard sigmoid, as torch has it (Howard et al. 2019).
RAMP: Final = 1 / 6
MIDDLE: Final = 0.5

Write = Callable[["Act", OnnxWriter, str], str]


@dataclass(frozen=True, slots=True)
class Form:
    """How one activation is spelled: its torch class, if any, and its ONNX nodes."""

    torch: str
    onnx: Write


def _native(op_type: str, **attributes: Any) -> Write:
    """One node that every opset from 17 on has."""
    return lambda op, to, x: to.emit(op_type, [x], **attributes)


def _clip(low: float, high: float) -> Write:
    def write(op: Act, to: OnnxWriter, x: str) -> str:
        return to.emit("Clip", [x, to.floats([low], ()), to.floats([high], ())])

    return write


def _leaky_relu(op: Act, to: OnnxWriter, x: str) -> str:
    return to.emit("LeakyRelu", [x], alpha=op.negative_slope)


def _prelu(op: Act, to: OnnxWriter, x: str) -> str:
    return to.emit("PRelu", [x, to.operand("weight") or ""])


def _hardsigmoid(op: Act, to: OnnxWriter, x: str) -> str:
    gain, offset = op.ramp
    return to.emit("HardSigmoid", [x], alpha=gain, beta=offset)


def _silu(op: Act, to: OnnxWriter, x: str) -> str:
    return to.emit("Mul", [x, to.emit("Sigmoid", [x])])


def _mish(op: Act, to: OnnxWriter, x: str) -> str:
    if to.opset >= 18:
        return to.emit("Mish", [x])
    return to.emit("Mul", [x, to.emit("Tanh", [to.emit("Softplus", [x])])])


def _gelu(op: Act, to: OnnxWriter, x: str) -> str:
    if to.opset >= 20:
        return to.emit("Gelu", [x], approximate="tanh" if op.approximate else "none")

    def scalar(value: float) -> str:
        return to.floats([value], ())

    if op.approximate:
        cube = to.emit("Mul", [to.emit("Mul", [x, x]), x])
        bent = to.emit("Add", [x, to.emit("Mul", [cube, scalar(0.044715)])])
        inner = to.emit("Mul", [bent, scalar(sqrt(2 / pi))])
        share = to.emit("Tanh", [inner])
    else:
        share = to.emit("Erf", [to.emit("Div", [x, scalar(sqrt(2))])])
    # This order is the one that runtimes recognise and fuse.
    weighed = to.emit("Mul", [x, to.emit("Add", [share, scalar(1.0)])])
    return to.emit("Mul", [weighed, scalar(0.5)])


FORMS: Final[Mapping[str, Form]] = {
    "relu": Form("ReLU", _native("Relu")),
    "relu6": Form("ReLU6", _clip(0.0, 6.0)),
    "leaky_relu": Form("LeakyReLU", _leaky_relu),
    "prelu": Form("PReLU", _prelu),
    "elu": Form("ELU", _native("Elu", alpha=1.0)),
    "selu": Form("SELU", _native("Selu")),
    # At alpha 1 it is elu, and ONNX's Celu takes no 16 bits up to opset 26.
    "celu": Form("CELU", _native("Elu", alpha=1.0)),
    "gelu": Form("GELU", _gelu),
    "silu": Form("SiLU", _silu),
    "mish": Form("Mish", _mish),
    "sigmoid": Form("Sigmoid", _native("Sigmoid")),
    "tanh": Form("Tanh", _native("Tanh")),
    "hardswish": Form("Hardswish", _native("HardSwish")),
    "hardsigmoid": Form("Hardsigmoid", _hardsigmoid),
    "hardtanh": Form("Hardtanh", _clip(-1.0, 1.0)),
    "softplus": Form("Softplus", _native("Softplus")),
    "exp": Form("", _native("Exp")),
}


#: The types by their ONNX operators, of those that one of them spells.
_SPELLED: Final[Mapping[str, str]] = {
    "Relu": "relu", "LeakyRelu": "leaky_relu", "Elu": "elu", "Selu": "selu",
    "Celu": "celu", "Gelu": "gelu", "Mish": "mish",
    "Sigmoid": "sigmoid", "Tanh": "tanh", "HardSwish": "hardswish",
    "HardSigmoid": "hardsigmoid", "Softplus": "softplus", "Swish": "silu", "Exp": "exp",
}  # fmt: skip
#: What an attribute has to be where an activation has none, and what it is unless said.
_FIXED: Final[Mapping[str, Mapping[str, float]]] = {
    "Elu": {"alpha": 1.0},
    "Celu": {"alpha": 1.0},
    "Selu": {"alpha": 1.6732632, "gamma": 1.0507010},
    "Swish": {"alpha": 1.0},
}


@operator("act")
class Act(Op):
    """Activation, element by element, as the torch module of that name defines it.

    ``prelu`` owns ``weight: (1,)``, the slope of negative values (He et al. 2015);
    ``exp`` is torch's function, ``none`` the identity.
    """

    shorthand = "type"
    onnx_types: ClassVar[tuple[str, ...]] = tuple(_SPELLED)
    ordered: ClassVar[bool] = False

    type: str = attribute(
        "enum", "which function", default="relu", choices=(*FORMS, "none")
    )
    slope: float | None = attribute(
        "number",
        "of negative values: fixed for leaky_relu (0.01 unless said), where training "
        "starts for prelu (0.25 unless said)",
        default=None,
    )
    # Not "slope", which a network's defaults may say of its leaky_relu.
    gain: float | None = attribute(
        "number",
        "of hardsigmoid, clip(gain x + offset, 0, 1); 1/6 unless said, 0.2 in Keras 2 "
        "and Paddle",
        default=None,
    )
    offset: float | None = attribute(
        "number", "of hardsigmoid; 0.5 unless said", default=None
    )
    approximate: bool = attribute(
        "boolean", "gelu by the tanh formula, Hendrycks and Gimpel 2016", default=False
    )

    @property
    def negative_slope(self) -> float:
        """Slope of negative values, for the two types that have one."""
        if self.slope is not None:
            return float(self.slope)
        return PRELU_SLOPE if self.type == "prelu" else LEAKY_SLOPE

    @property
    def ramp(self) -> tuple[float, float]:
        """Gain and offset of a hard sigmoid."""
        gain, offset = self.gain, self.offset
        return (
            RAMP if gain is None else float(gain),
            MIDDLE if offset is None else float(offset),
        )

    @property
    def vanishes(self) -> bool:
        return self.type == "none"

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        if self.type != "prelu":
            return ()
        return (ParameterSpec("weight", (1,), Constant(self.negative_slope)),)

    def effective(self, x: TensorType) -> dict[str, Any]:
        found: dict[str, Any] = {"type": self.type}
        if self.type == "leaky_relu":  # where that of prelu starts is an initialiser
            found["slope"] = self.negative_slope
        if self.type == "hardsigmoid":
            found["gain"], found["offset"] = self.ramp
        if self.type == "gelu":
            found["approximate"] = self.approximate
        return found

    def torch(self, x: TensorType) -> Spelling:
        if self.type == "exp":
            return Function("torch.exp")
        target = f"torch.nn.{FORMS[self.type].torch}"
        if self.type == "leaky_relu":
            return Module(target, (self.negative_slope,))
        if self.type == "hardsigmoid" and self.ramp != (RAMP, MIDDLE):
            return Module("resgen.lower.modules.HardSigmoid", self.ramp)
        if self.type == "gelu" and self.approximate:
            return Module(target, (), {"approximate": "tanh"})
        return Module(target)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        return FORMS[self.type].onnx(self, to, x.name)

    @classmethod
    def from_onnx(cls, node: OnnxNode) -> Read:
        kind = _SPELLED[node.op_type]
        for name, usual in _FIXED.get(node.op_type, {}).items():
            if abs(node.given(name, usual) - usual) > 1e-6:
                raise Unreadable(f"{kind} with {name} {node.given(name):g}")
        if kind == "leaky_relu":
            slope = node.given("alpha", LEAKY_SLOPE)
            return Read(cls(type=kind, slope=None if slope == LEAKY_SLOPE else slope))
        if kind == "gelu":
            return Read(cls(type=kind, approximate=node.given("approximate") == "tanh"))
        if kind == "hardsigmoid":
            gain, offset = node.given("alpha", 0.2), node.given("beta", 0.5)
            usual = abs(gain - 1 / 6) < 1e-6
            return Read(
                cls(
                    type=kind,
                    gain=None if usual else gain,
                    offset=None if offset == 0.5 else offset,
                )
            )
        return Read(cls(type=kind))

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        image = ((4, 5, 6),)
        return (
            *(Case(cls(type=name), image) for name in FORMS),
            Case(cls(type="leaky_relu", slope=0.2), ((4,),)),
            Case(cls(type="prelu", slope=0.1), ((4,),)),
            Case(cls(type="gelu", approximate=True), image),
            Case(cls(type="hardsigmoid", gain=0.2), image),
            Case(cls(type="hardsigmoid", gain=8, offset=-0.25), image),
        )
