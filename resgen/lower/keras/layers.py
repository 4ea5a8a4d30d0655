"""The operators that are layers of Keras: all that trains, and what people look for.

Each takes the walk, the node and its first input, and gives None where Keras's own
layer does not do it: then it is made of what the operator emits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from resgen.graph.ir import Node
from resgen.lower.channels_last import last
from resgen.lower.emitted import Unwritable
from resgen.lower.keras.values import Held, Tensor, Value
from resgen.lower.keras.walk import Walk
from resgen.lower.scopes import home
from resgen.ops.act import FORMS, Act
from resgen.ops.linear import Linear

#: Activations by their names in Keras, where those differ, and those never below zero.
NAMED: Final = {
    "hardswish": "hard_swish", "hardsigmoid": "hard_sigmoid", "hardtanh": "hard_tanh",
    "celu": "elu", "exp": "exponential",
}  # fmt: skip
POSITIVE: Final = {"relu", "relu6", "sigmoid", "hardsigmoid", "softplus", "exp"}


def _linear(to: Walk, node: Node, x: Tensor) -> Tensor | None:
    weight = to.ref("weight")
    own = isinstance(node.op, Linear) and node.op.own_path
    if weight is None and not own:
        return None
    rank = len(x.shape)
    # Columns of a weight behind a flattening lie as the map does.
    if rank > 2:
        x = to.ordered(to.plain(x, 1), last(rank))
    if weight is None:
        matrix = to.tensor(Held(dict(node.operands)["weight"], ()))
        turned = to.add(to.keras.ops.transpose, matrix, like=matrix)
        made = to.add(to.keras.ops.matmul, to.plain(x), turned, like=x, places={})
        return Tensor(made.held, (1, *node.type.shape), x.order)
    biased = to.ref("bias")
    held = to.layer(
        "Dense", x, path=home(node), units=node.type.channels,
        use_bias=biased is not None, kernel_initializer=to.initial(weight),
        bias_initializer=to.initial(biased) if biased else "zeros",
    )  # fmt: skip
    return Tensor(held, (1, *node.type.shape), x.order)


def _norm(to: Walk, node: Node, x: Tensor) -> Tensor | None:
    op: Any = node.op
    x = to.ordered(to.plain(x), last(len(x.shape)))
    weight, bias = to.ref("weight"), to.ref("bias")
    said: dict[str, Any] = {"axis": -1, "epsilon": float(op.eps)}
    if op.type == "rms":
        if weight is None:
            return None
        held = to.layer("RMSNormalization", x, path=home(node), **said)
        return Tensor(held, x.shape, x.order)
    said |= {"scale": weight is not None, "center": bias is not None}
    for role, parameter in (("gamma", weight), ("beta", bias)):
        if parameter is not None:
            said[f"{role}_initializer"] = to.initial(parameter)
    kind = {"batch": "BatchNormalization", "layer": "LayerNormalization"}.get(
        op.type, "GroupNormalization"
    )
    if op.type == "batch":
        said["momentum"] = 1 - float(op.momentum)
    elif op.type in ("group", "instance"):
        said["groups"] = op.groups if op.type == "group" else -1
    path = home(node) if node.operands else None
    return Tensor(to.layer(kind, x, path=path, **said), x.shape, x.order)


def _act(to: Walk, node: Node, x: Tensor) -> Tensor | None:
    op = node.op
    if not isinstance(op, Act) or op.type not in FORMS:
        return None
    kept = {"places": x.places, "positive": op.type in POSITIVE}
    if op.type == "prelu":
        shared = list(range(1, len(x.shape)))
        start = to.initial(f"{home(node)}.weight")
        held = to.layer(
            "PReLU", x, path=home(node), shared_axes=shared, alpha_initializer=start
        )
    elif op.type == "leaky_relu":
        held = to.layer("LeakyReLU", x, negative_slope=op.negative_slope)
    elif op.type == "gelu" and op.approximate:
        return to.add(to.keras.ops.gelu, x, like=x, approximate=True)
    elif op.type == "hardsigmoid" and (op.gain, op.offset) != (None, None):
        return None
    else:
        held = to.layer("Activation", x, activation=NAMED.get(op.type, op.type))
    return Tensor(held, x.shape, x.order, **kept)  # type: ignore[arg-type]


def _dropout(to: Walk, node: Node, x: Tensor) -> Tensor:
    op: Any = node.op
    return _kept(x, to.layer("Dropout", x, rate=float(op.p)))


def _drop_path(to: Walk, node: Node, x: Tensor) -> Tensor:
    op: Any = node.op
    # One draw for each of the batch: what Keras calls a shape of the noise.
    noise = tuple(None if axis == 0 else 1 for axis in x.order)
    return _kept(x, to.layer("Dropout", x, rate=float(op.p), noise_shape=noise))


def _drop_block(to: Walk, node: Node, x: Tensor) -> Tensor:
    from resgen.lower.keras.own import DropBlock

    op: Any = node.op
    x = to.ordered(x, last(len(x.shape)))
    return _kept(x, to.layer(DropBlock, x, rate=float(op.rate), size=op.size))


def _kept(x: Tensor, held: Any) -> Tensor:
    return Tensor(held, x.shape, x.order, x.places, x.positive)


def _shuffle(to: Walk, node: Node, x: Tensor) -> Tensor:
    """By two reshapes of what lies last, which compilers know."""
    op: Any = node.op
    rank, channels = len(x.shape), x.shape[1]
    x = to.ordered(to.plain(x, 1), last(rank))
    lies = [x.shape[axis] for axis in x.order[1:-1]]
    layers = to.keras.layers
    split = layers.Reshape((*lies, op.groups, channels // op.groups))(x.held)
    turned = layers.Permute((*range(1, rank - 1), rank, rank - 1))(split)
    for held in (split, turned):
        to.made(held)
    held = to.layer("Reshape", Tensor(turned, (), ()), target_shape=(*lies, channels))
    return _kept(x, held)


def _none(to: Walk, node: Node, x: Tensor) -> Value:
    raise Unwritable("it chooses among boxes, which Keras has nothing for")


LAYERS: Final[Mapping[str, Callable[[Walk, Node, Tensor], Value | None]]] = {
    "linear": _linear, "norm": _norm, "act": _act, "dropout": _dropout,
    "drop_path": _drop_path, "drop_block": _drop_block, "channel_shuffle": _shuffle,
    "suppress_boxes": _none, "pick_boxes": _none,
}  # fmt: skip
