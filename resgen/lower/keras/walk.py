"""The walk over a graph that makes a Keras model of it.

What people train is a standard layer of Keras under the operator's name
(:mod:`resgen.lower.keras.layers`); of all others the nodes are made in which they state
themselves for ONNX (:class:`resgen.ops.base.OnnxWriter`), each of them an operation of
``keras.ops`` (:mod:`resgen.lower.keras.nodes`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from resgen.graph.ir import Graph, Node
from resgen.lower import emitted
from resgen.lower.channels_last import Places, last
from resgen.lower.emitted import Unwritable
from resgen.lower.keras.values import Held, Tensor, Value
from resgen.lower.scopes import home
from resgen.ops import types
from resgen.ops.types import Initializer, Operand, Ref
from resgen.weights.evaluate import shape_of


def layer_name(path: str) -> str:
    """A path of the spec as the name of a layer; torch takes no dots in it.

    >>> layer_name("layer1.0.conv1"), spec_name("layer1-0-conv1")
    ('layer1-0-conv1', 'layer1.0.conv1')
    """
    return path.replace("-", "--").replace(".", "-")


def spec_name(layer: str) -> str:
    """The path of the spec whose layer has this name."""
    return layer.replace("--", "\0").replace("-", ".").replace("\0", "-")


class Walk(emitted.Walk):
    """Makes layers and operations; what operators see of it is ``ops.base.OnnxWriter``.

    ``nodes`` makes each of what operators emit, by the name of its ONNX operator,
    ``layers`` all of an operator at once, by its name in the language.
    """

    form = "Keras"

    def __init__(
        self,
        graph: Graph,
        nodes: Mapping[str, Callable[..., Value]],
        layers: Mapping[str, Callable[[Walk, Node, Tensor], Value | None]],
    ) -> None:
        import keras

        super().__init__(graph, nodes)
        self.keras = keras
        self.inputs: dict[str, Any] = {}
        self.outputs: dict[str, Any] = {}
        self._layers = layers
        self._made: dict[tuple[Any, ...], Any] = {}
        self._names: set[str] = {layer_name(node.name) for node in graph.nodes}
        self._names.update(layer_name(given.name) for given in graph.inputs)
        self._written: list[Any] = []
        #: Names that layers have, which other operations leave to them.
        self._layered: set[str] = set()

    # What operators call.

    def operand(self, role: str) -> str | None:
        operand = dict(self.node.operands).get(role)
        if operand is None:
            return None
        return self._keep(Held(operand, shape_of(operand, self.graph)))

    # The walk.

    def run(self) -> None:
        for given in self.graph.inputs:
            shape = (1, *given.type.shape)
            order = last(len(shape))
            held = self.keras.Input(
                [shape[axis] for axis in order[1:]], name=layer_name(given.name)
            )
            self.inputs[given.name] = held
            self._known[given.name] = Tensor(held, shape, order)
        for node in self.graph.nodes:
            self._known[node.name] = self._settle(node)
        first = self.tensor(self._known[self.graph.inputs[0].name])
        for name, value in self.graph.outputs:
            found = self.spread(self.tensor(self._known[value]), first)
            rank = len(found.shape)
            order = last(rank) if rank > 3 else tuple(range(rank))
            self.outputs[name] = self.ordered(self.plain(found), order).held

    def _settle(self, node: Node) -> Value:
        """What a node yields; of what cannot be made an input stands for it."""
        try:
            return self._write(node)
        except Unwritable as lack:
            self.missing[node.name] = str(lack)
        shape = (1, *node.type.shape)
        order = last(len(shape))
        held = self.keras.Input([shape[axis] for axis in order[1:]])
        return Tensor(held, shape, order)

    def _write(self, node: Node) -> Value:
        self.node = node
        self._written.clear()
        make = self._layers.get(node.op.name)
        first = self._known[node.inputs[0]] if node.inputs else None
        found: Value | None = None
        if make is not None and isinstance(first, Tensor):
            found = make(self, node, first)
        if found is None:
            given = [types.Value(v, self.graph.types[v]) for v in node.inputs]
            found = self._known[node.op.onnx(self, *given)]
        self._name(node, found)
        return found

    def _name(self, node: Node, found: Value) -> None:
        """Call operations after their operator; that of the result bears its name."""
        result: Any = None
        if isinstance(found, Tensor):
            result = found.held._keras_history.operation
        for operation in self._written:
            if operation is result and layer_name(node.name) not in self._layered:
                operation.name = layer_name(node.name)
            else:
                own = type(operation).__name__.lower()
                operation.name = self.free_name(f"{layer_name(node.name)}_{own}")

    def free_name(self, wanted: str) -> str:
        """This name, or one like it that nothing bears."""
        name, count = wanted, 2
        while name in self._names:
            name, count = f"{wanted}{count}", count + 1
        self._names.add(name)
        return name

    # What nodes are made with.

    def add(
        self,
        function: Callable[..., Any],
        *given: Any,
        like: Tensor,
        shape: Sequence[int] | None = None,
        order: Sequence[int] | None = None,
        places: Mapping[int, Places] | None = None,
        positive: bool = False,
        **settings: Any,
    ) -> Tensor:
        """Make an operation; what is not said of its result is as of ``like``."""
        taken = [x.held if isinstance(x, Tensor) else x for x in given]
        held = function(*taken, **settings)
        self.made(held)
        return Tensor(
            held,
            like.shape if shape is None else tuple(shape),
            like.order if order is None else tuple(order),
            like.places if places is None else places,
            positive,
            like.free,
        )

    def made(self, held: Any) -> None:
        """Note what was made on the way, which is called after its operator."""
        self._written.append(held._keras_history.operation)

    def layer(
        self,
        kind: str | type[Any],
        x: Tensor,
        end: str = "",
        path: str | None = None,
        **settings: Any,
    ) -> Any:
        """The result of a layer, made under the operator's name; a shared one once.

        ``end`` tells layers of one operator apart, ``path`` is where the parameters of
        this one live.
        """
        made = getattr(self.keras.layers, kind) if isinstance(kind, str) else kind
        if path is None:
            name = layer_name(self.node.name)
            name = self.free_name(f"{name}_{end}") if end else name
            self._layered.add(name)
            return made(name=name, **settings)(x.held)
        key = (path, made)
        said = sorted((k, v) for k, v in settings.items() if "initializer" not in k)
        known = self._made.get(key)
        if known is None:
            layer = made(name=layer_name(path), **settings)
            self._made[key] = known = (layer, said)
            self._layered.add(layer_name(path))
        elif known[1] != said:
            raise Unwritable(f"it shares the parameters of {path} and is another layer")
        return known[0](x.held)

    def tensor(self, value: Value | None) -> Tensor:
        """A value as a tensor: parameters become a layer that yields them."""
        if isinstance(value, Tensor):
            return value
        if not isinstance(value, Held):
            raise Unwritable("Keras computes nothing of constants alone here")
        return self._parameters(value.operand)

    def _parameters(self, operand: Operand) -> Tensor:
        from resgen.lower.keras.own import Parameter

        if isinstance(operand, Ref):
            shape = self.graph.parameter[operand.name].shape
            (given, *_) = self._known.values()
            held = self.layer(
                Parameter, self.tensor(given), path=operand.name, shape=shape,
                initializer=self.initial(operand.name),
            )  # fmt: skip
            return Tensor(held, shape, tuple(range(len(shape))), free=True)
        if operand.function != "standardize":
            raise Unwritable(f"Keras has no weight that is a {operand.function}")
        weight, eps, *scale = operand.args
        return self._standardized(self._parameters(weight), eps, *scale)  # type: ignore[arg-type]

    def _standardized(
        self, weight: Tensor, eps: float, gain: Operand | None = None, by: float = 1.0
    ) -> Tensor:
        """Weight standardisation, Qiao et al. 2019, over what an output sums."""
        ops = self.keras.ops
        axes = tuple(range(1, len(weight.shape)))
        mean = ops.mean(weight.held, axes, keepdims=True)
        centred = ops.subtract(weight.held, mean)
        variance = ops.mean(ops.square(centred), axes, keepdims=True)
        factor = ops.rsqrt(ops.add(variance, eps))
        if gain is not None:
            root = float(np.prod(weight.shape[1:])) ** 0.5
            own = self._parameters(gain)
            factor = ops.multiply(factor, ops.multiply(own.held, by / root))
        return self.add(ops.multiply, centred, factor, like=weight)

    def initial(self, name: str) -> Any:
        """Where the training of a parameter starts, as Keras says it."""
        return initializer_of(self.graph.parameter[name].init)

    def ref(self, role: str) -> str | None:
        """The parameter in a role, if it is taken as it is and lives in the module."""
        operand = dict(self.node.operands).get(role)
        own = f"{home(self.node)}.{role}"
        return own if operand == Ref(own) else None

    def plain(self, x: Tensor, *axes: int) -> Tensor:
        """With the elements along these axes, or all, in their own order."""
        for axis, places in x.places.items():
            if axes and axis not in axes:
                continue
            rest = {a: p for a, p in x.places.items() if a != axis}
            back = np.argsort(places)
            x = self.add(self.keras.ops.take, x, back, like=x, axis=x.at(axis),
                         places=rest, positive=x.positive)  # fmt: skip
        return x

    def ordered(self, x: Tensor, order: Sequence[int]) -> Tensor:
        """With the axes lying in this order."""
        order = tuple(order)
        if x.order == order:
            return x
        wide = [axis for axis in x.order if axis == 0 or x.shape[axis] != 1]
        if wide == [axis for axis in order if axis == 0 or x.shape[axis] != 1]:
            return self.laid(x, x.shape, order, x.places)
        turned = [x.order.index(axis) for axis in order]
        return self.add(self.keras.ops.transpose, x, like=x, axes=turned, order=order,
                        positive=x.positive)  # fmt: skip

    def shaped(self, x: Value, shape: Sequence[int]) -> Value:
        given = self.tensor(x) if isinstance(x, Held) else x
        if isinstance(given, Tensor) and given.free:
            return self.laid(given, shape, range(len(shape)), {})
        found: Value = super().shaped(given, shape)
        return found

    def laid(
        self,
        x: Tensor,
        shape: Sequence[int],
        order: Sequence[int],
        places: Mapping[int, Places],
    ) -> Tensor:
        """The same numbers one after another, in another shape."""
        lies = [shape[axis] for axis in order]
        if lies == [x.shape[axis] for axis in x.order]:
            return Tensor(
                x.held, tuple(shape), tuple(order), places, x.positive, x.free
            )
        if not x.free and order[0] == 0 and x.order[0] == 0:
            layer = "Flatten" if len(lies) == 2 else "Reshape"
            said = {} if len(lies) == 2 else {"target_shape": lies[1:]}
            held = getattr(self.keras.layers, layer)(**said)(x.held)
            self.made(held)
            return Tensor(held, tuple(shape), tuple(order), places, x.positive)
        if not x.free:
            lies[list(order).index(0)] = -1
        return self.add(self.keras.ops.reshape, x, lies, like=x, shape=shape,
                        order=order, places=places, positive=x.positive)  # fmt: skip

    def spread(self, x: Tensor, beside: Tensor) -> Tensor:
        """Parameters once for each of the batch, whose size only a tensor tells."""
        if not x.free:
            return x
        ops, rank = self.keras.ops, len(x.shape)
        index = tuple(slice(None) if a == 0 else slice(1) for a in beside.order)
        one = self.add(lambda held: held[index], beside, like=beside)
        one = self.add(ops.reshape, one, (-1, *(1,) * (rank - 1)), like=one)
        nothing = self.add(ops.zeros_like, one, like=one)
        return self.add(ops.add, nothing, x, like=nothing, shape=x.shape,
                        order=range(rank), places={})  # fmt: skip


def initializer_of(init: Initializer) -> Any:
    """An initialiser as Keras says it."""
    from keras import initializers

    match init:
        case types.Constant(value):
            usual = {0.0: "zeros", 1.0: "ones"}.get(value)
            return usual or initializers.Constant(value)
        case types.Uniform(bound):
            return initializers.RandomUniform(-bound, bound)
        case types.Normal(std, None):
            return initializers.RandomNormal(0.0, std)
    # Keras cuts at two deviations, which is the only cut that the language has.
    return initializers.TruncatedNormal(0.0, init.std)
