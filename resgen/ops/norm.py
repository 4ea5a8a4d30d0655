"""Normalisation: batch, group, layer, instance and by the root mean square."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from resgen.ops.base import (
    Case,
    OnnxNode,
    OnnxWriter,
    Op,
    Read,
    ShapeError,
    Unreadable,
    attribute,
    operator,
    spatial_suffix,
)
from resgen.ops.initial import Init, initializer
from resgen.ops.reducing import write_reduce
from resgen.ops.types import (
    Constant,
    Module,
    Operand,
    ParameterSpec,
    Ref,
    TensorType,
    Value,
)

#: What torch takes for epsilon and momentum where nothing is said.
EPS: Final = 1e-5
MOMENTUM: Final = 0.1


@operator("norm")
class Norm(Op):
    """Normalisation: ``y = (x - mean) / sqrt(var + eps) * weight + bias``.

    What mean and variance are taken over is the type's: ``batch`` (Ioffe and Szegedy
    2015) the batch and all positions, in inference the running statistics; ``layer``
    (Ba et al. 2016) the channels of one position, at any rank, as timm's
    ``LayerNorm2d``; ``group`` (Wu and He 2018) the positions of a group of channels;
    ``instance`` (Ulyanov et al. 2016) those of one channel. ``rms`` (Zhang and Sennrich
    2019) divides the channels of one position by the root of the mean of their squares,
    with no mean taken off and no bias. ``none`` is the identity.
    ``weight: (channels,)`` and ``bias: (channels,)``.
    """

    shorthand = "type"
    onnx_types: ClassVar[tuple[str, ...]] = (
        "BatchNormalization",
        "InstanceNormalization",
        "LayerNormalization",
        "GroupNormalization",
        "RMSNormalization",
    )

    type: str = attribute(
        "enum",
        "what is normalised over",
        default="batch",
        choices=("batch", "group", "layer", "instance", "rms", "none"),
    )
    eps: float = attribute("number", "added to the variance", default=EPS, minimum=0)
    momentum: float = attribute(
        "number",
        "batch: share of the newest batch in the running statistics",
        default=MOMENTUM,
        minimum=0,
        maximum=1,
    )
    groups: int = attribute(
        "integer", "group: how many groups of channels", default=32, minimum=1
    )
    affine: bool = attribute(
        "boolean", "scale and shift by trainable parameters", default=True
    )
    init: Init = attribute("init", "for the roles weight and bias", default=())

    @property
    def vanishes(self) -> bool:
        return self.type == "none"

    def infer(self, x: TensorType) -> TensorType:
        if self.type == "batch" and x.rank > 1:
            spatial_suffix(x, "batch norm")
        if self.type == "instance":
            spatial_suffix(x, "instance norm")
            if x.positions == 1:
                raise ShapeError(
                    f"instance norm needs more than one position, but its input is {x}",
                    attribute="type",
                    code="RG112",
                )
        if self.type == "group" and x.channels % self.groups:
            raise ShapeError(
                f"{self.groups} groups do not divide {x.channels} channels",
                attribute="groups",
                code="RG105",
            )
        if self.type == "group" and x.size == self.groups:
            raise ShapeError(
                f"group norm of {self.groups} groups leaves each one number of {x}",
                attribute="groups",
                code="RG112",
                hint="fewer groups, or a larger map",
            )
        return x

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        if self.vanishes:
            return ()

        def spec(role: str, value: float) -> ParameterSpec:
            shape = (x.channels,)
            start = initializer(self.init, role, shape, Constant(value))
            return ParameterSpec(role, shape, start)

        affine = (spec("weight", 1.0), spec("bias", 0.0)) if self.affine else ()
        if self.type == "rms":
            return affine[:1]
        if self.type != "batch":
            return affine
        zero, one = Constant(0.0), Constant(1.0)
        return (
            *affine,
            ParameterSpec("running_mean", (x.channels,), zero, trainable=False),
            ParameterSpec("running_var", (x.channels,), one, trainable=False),
            ParameterSpec("num_batches_tracked", (), zero, False, "int64"),
        )

    def operands(self, names: Mapping[str, str]) -> dict[str, Operand]:
        # The count of batches is kept for training alone.
        return {
            role: Ref(name)
            for role, name in names.items()
            if role != "num_batches_tracked"
        }

    def effective(self, x: TensorType) -> dict[str, Any]:
        found = super().effective(x)
        for name, of in (("momentum", "batch"), ("groups", "group")):
            if self.type != of:
                del found[name]
        return found

    def torch(self, x: TensorType) -> Module:
        options: dict[str, object] = {}
        if self.eps != EPS:
            options["eps"] = float(self.eps)
        if self.type in ("layer", "rms"):
            if self.type == "rms":  # torch's own depends on the type of the elements
                options["eps"] = float(self.eps)
            if not self.affine:
                options["elementwise_affine"] = False
            home = "torch.nn" if x.rank == 1 else "resgen.lower.modules"
            kind = "LayerNorm" if self.type == "layer" else "RMSNorm"
            return Module(f"{home}.{kind}", (x.channels,), options)
        if self.type == "group":
            if not self.affine:
                options["affine"] = False
            return Module("torch.nn.GroupNorm", (self.groups, x.channels), options)
        if self.type == "instance":
            suffix = spatial_suffix(x, "instance norm")
            options["affine"] = self.affine
            return Module(f"torch.nn.InstanceNorm{suffix}", (x.channels,), options)
        if self.momentum != MOMENTUM:
            options["momentum"] = float(self.momentum)
        if not self.affine:
            options["affine"] = False
        suffix = "1d" if x.rank == 1 else spatial_suffix(x, "batch norm")
        return Module(f"torch.nn.BatchNorm{suffix}", (x.channels,), options)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        return _WRITERS[self.type](self, to, x)

    @classmethod
    def from_onnx(cls, node: OnnxNode) -> Read:
        kind = node.op_type.removesuffix("Normalization").lower()
        if kind == "batch" and node.given("training_mode", 0):
            raise Unreadable("it is written for training")
        if kind in ("layer", "rms") and node.given("axis", -1) not in (
            -1,
            len(node.y) - 1,
        ):
            raise Unreadable("it normalises over several axes")
        groups = node.given("num_groups", 32)
        scale, shift = node.numbers(1), node.numbers(2)
        if scale is None or scale.size != node.x.channels:
            raise Unreadable("its scales are not those of channels")
        # Where a network has no parameters a file has ones and zeros of no name.
        idle = (scale == 1).all() and (shift is None or (shift == 0).all())
        affine = node.named(1) or not idle
        roles: dict[str, int | tuple[int, Any]] = {}
        if affine:
            zeros = scale * 0 if shift is None else shift
            roles = {"weight": 1, "bias": (2, zeros)}
        momentum = MOMENTUM
        if kind == "batch":
            roles |= {"running_mean": 3, "running_var": 4}
            momentum = round(1 - node.given("momentum", 1 - MOMENTUM), 6)
        eps = node.given("epsilon", EPS)
        made = cls(type=kind, eps=eps, momentum=momentum, groups=groups, affine=affine)
        return Read(made, roles)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        image = ((4, 5, 6),)
        return (
            Case(cls(), image),
            Case(cls(eps=1e-3, momentum=0.01), ((4, 9),)),
            Case(cls(), ((4,),)),
            Case(cls(), ((4, 1, 1),)),
            Case(cls(affine=False), ((4, 3, 5, 6),)),
            Case(cls(type="layer", eps=1e-6), image),
            Case(cls(type="layer"), ((4,),)),
            Case(cls(type="layer", affine=False), ((4, 9),)),
            Case(cls(type="layer", affine=False), ((4,),)),
            Case(cls(type="rms"), image),
            Case(cls(type="rms", eps=0.1), ((4,),)),
            Case(cls(type="rms", affine=False), ((4, 9),)),
            Case(cls(type="group", groups=2), image),
            Case(cls(type="group", groups=2), ((4,),)),
            Case(cls(type="group", groups=1, affine=False, eps=1e-3), ((4, 9),)),
            Case(cls(type="instance"), image),
            Case(cls(type="instance", affine=False), ((4, 9),)),
        )


def _scale_and_shift(to: OnnxWriter, channels: int) -> tuple[str, str]:
    """The parameters, or ones and zeros where the format asks for some."""
    return (
        to.operand("weight") or to.floats([1.0] * channels),
        to.operand("bias") or to.floats([0.0] * channels),
    )


def _batch(op: Norm, to: OnnxWriter, x: Value) -> str:
    statistics = (to.operand("running_mean"), to.operand("running_var"))
    inputs = (x.name, *_scale_and_shift(to, x.type.channels), *statistics)
    present = [name for name in inputs if name is not None]
    return to.emit("BatchNormalization", present, epsilon=float(op.eps))


def _instance(op: Norm, to: OnnxWriter, x: Value) -> str:
    inputs = [x.name, *_scale_and_shift(to, x.type.channels)]
    return to.emit("InstanceNormalization", inputs, epsilon=float(op.eps))


def _layer(op: Norm, to: OnnxWriter, x: Value) -> str:
    affine = _scale_and_shift(to, x.type.channels)
    options = {"axis": -1, "epsilon": float(op.eps)}
    if x.type.rank == 1:
        return to.emit("LayerNormalization", [x.name, *affine], **options)
    last = x.type.rank
    moved = to.emit("Transpose", [x.name], perm=(0, *range(2, last + 1), 1))
    normed = to.emit("LayerNormalization", [moved, *affine], **options)
    return to.emit("Transpose", [normed], perm=(0, last, *range(1, last)))


def _group(op: Norm, to: OnnxWriter, x: Value) -> str:
    channels = x.type.channels
    if to.opset >= 21:
        inputs = [x.name, *_scale_and_shift(to, channels)]
        return to.emit(
            "GroupNormalization",
            inputs,
            epsilon=float(op.eps),
            num_groups=op.groups,
        )
    # Older sets know instances only: a group becomes one.
    grouped = to.emit("Reshape", [x.name, to.integers([0, op.groups, -1])])
    plain = (to.floats([1.0] * op.groups), to.floats([0.0] * op.groups))
    normed = to.emit("InstanceNormalization", [grouped, *plain], epsilon=float(op.eps))
    if to.dynamic:
        shape = to.emit("Shape", [x.name])
    else:
        shape = to.integers([0, *x.type.shape])
    return _mapped(to, to.emit("Reshape", [normed, shape]), x.type.rank)


def _rms(op: Norm, to: OnnxWriter, x: Value) -> str:
    square = to.emit("Mul", [x.name, x.name])
    mean = write_reduce(to, "ReduceMean", square, [1], keep=True)
    root = to.emit("Sqrt", [to.emit("Add", [mean, to.floats([float(op.eps)], ())])])
    return _mapped(to, to.emit("Div", [x.name, root]), x.type.rank)


def _mapped(to: OnnxWriter, y: str, rank: int) -> str:
    """``y`` times the weight of each channel plus its bias, so far as there are any."""
    for function, role in (("Mul", "weight"), ("Add", "bias")):
        operand = to.operand(role)
        if operand is not None:
            if rank > 1:
                operand = to.emit("Unsqueeze", [operand, to.integers(range(1, rank))])
            y = to.emit(function, [y, operand])
    return y


_WRITERS: Final[Mapping[str, Callable[[Norm, OnnxWriter, Value], str]]] = {
    "batch": _batch,
    "group": _group,
    "layer": _layer,
    "instance": _instance,
    "rms": _rms,
}
