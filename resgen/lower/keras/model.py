"""A network as a Keras model, and its weights both ways."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np

from resgen.errors import MissingComponent, ResgenError, UsageError
from resgen.files.ordinary import check_file
from resgen.graph.ir import GRAPH, OUTPUT, Graph
from resgen.lower.channels_last import Array, refusal
from resgen.lower.keras.layers import LAYERS
from resgen.lower.keras.nodes import NODES
from resgen.lower.keras.walk import Walk, layer_name, spec_name
from resgen.options.kinds import argument, typed, whole

#: The major version of Keras that models are made with.
MAJOR: Final = 3
#: What Keras computes with, in the order in which it is taken where nothing is said.
BACKENDS: Final = ("tensorflow", "torch", "jax")
INSTALL: Final = 'pip install "resgen[keras]"'


def keras_of() -> Any:
    """Keras, or MissingComponent; without a word of the user's on a backend it has."""
    if not os.environ.get("KERAS_BACKEND") and find_spec("tensorflow") is None:
        here = next((name for name in BACKENDS if find_spec(name)), None)
        if here is not None:
            os.environ["KERAS_BACKEND"] = here
    try:
        import keras
    except ModuleNotFoundError as missing:
        name = str(missing.name)
        backend = name.partition(".")[0] in BACKENDS
        raise MissingComponent(
            f"{name}, which Keras is to compute with," if backend else "Keras",
            "no Keras model can be made",
            f"pip install {name}" if backend else INSTALL,
        ) from missing
    except ValueError as unknown:
        raise UsageError(
            f"Keras cannot be imported: {unknown}",
            hint=f"KERAS_BACKEND, in the environment, is one of {', '.join(BACKENDS)}",
        ) from unknown
    if not str(keras.__version__).startswith(f"{MAJOR}."):
        raise MissingComponent(
            f"Keras {MAJOR} (this is {keras.__version__})",
            "no Keras model can be made",
            INSTALL,
        )
    return keras


def to_keras(
    graph: Graph, weights: Mapping[str, Any] | None = None, *, seed: int = 0
) -> Any:
    """The network as a trainable ``keras.Model``, channels last.

    A layer bears its module's path in the spec, with hyphens for the dots
    (``layer1-0-conv1``). ``weights`` are arrays or tensors by parameter name; without
    them they are those that :func:`resgen.to_torch` draws of ``seed``. What has
    positions is taken and given out channels last; several outputs are a dictionary.
    Outputs that the spec calls ``train_only`` are left out.

    Raises :class:`~resgen.errors.MissingComponent` without Keras 3 and
    :class:`~resgen.errors.ResgenError`, with every cause at its place in the spec,
    where Keras has nothing for an operator.
    """
    from resgen.weights.checkpoint import checked_state, exact
    from resgen.weights.initialize import initialize

    graph = argument("graph", GRAPH, graph).inference
    seed = argument("seed", whole(0), seed)
    if weights is None:
        arrays: Mapping[str, Any] = initialize(graph.parameters, seed)
    else:
        given = checked_state(weights, "weights")
        arrays = exact({n: w for n, w in given.items() if n in graph.parameter}, graph)
    keras = keras_of()
    walk = _walked(graph)
    inputs: Any = list(walk.inputs.values())
    outputs: Any = {layer_name(name): held for name, held in walk.outputs.items()}
    with deep(len(graph.nodes)):
        model = keras.Model(
            inputs[0] if len(inputs) == 1 else inputs,
            outputs[OUTPUT] if list(outputs) == [OUTPUT] else outputs,
            name=graph.name,
        )
    for bound in bindings(model):
        if bound.variable is not None:
            bound.variable.assign(bound.into(np.asarray(arrays[bound.name])))
    return model


def refuse(graph: Graph) -> None:
    """Raise what :func:`to_keras` does of a network that Keras cannot hold."""
    _walked(graph)


def _walked(graph: Graph) -> Walk:
    walk = Walk(graph, NODES, LAYERS)
    walk.run()
    if walk.missing:
        raise ResgenError(refusal(graph, walk.missing, "made a Keras model"))
    return walk


@contextmanager
def deep(nodes: int) -> Iterator[None]:
    """Let Keras walk so many operators, which it does by recursion."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _FRAMES * nodes))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def from_keras(model: Any) -> dict[str, Array]:
    """The weights of a Keras model by the names of its layers, laid as in PyTorch.

    Of a model that :func:`to_keras` made these are the names of the spec, and the
    weights a ``state_dict`` that :func:`resgen.build`, :func:`resgen.export` and
    :func:`resgen.to_torch` take. Networks that have a counterpart in
    ``keras.applications`` take its weights as well (:func:`resgen.renamed` gives them
    the network's own names). ``model`` may be the path of a ``.keras`` file.

    Raises :class:`~resgen.errors.ResgenError` for a layer whose weights no operator has
    in that shape.
    """
    keras = keras_of()
    if isinstance(model, str | os.PathLike):
        import resgen.lower.keras.own  # noqa: F401  (its layers are registered)

        path = Path(model)
        check_file(path)
        try:
            model = keras.models.load_model(path, compile=False)
        except (ValueError, OSError, TypeError) as error:
            why, *_ = re.split(r"\.\s|\n", str(error))
            raise ResgenError(f"{path} is no model that Keras loads: {why}") from error
    model = argument("model", typed("a keras.Model or its file", keras.Model), model)
    found = {}
    for bound in bindings(model):
        held = bound.otherwise
        if bound.variable is not None:
            array = keras.ops.convert_to_numpy(bound.variable)
            held = np.asarray(bound.back(array), np.float32, order="C")
        found[bound.name] = held
    return found


def _same(array: Array) -> Array:
    return array


@dataclass(frozen=True, slots=True)
class Bound:
    """A parameter by the spec's name, its variable, and the way into it and back.

    ``otherwise`` is what it is where Keras keeps no variable.
    """

    name: str
    variable: Any
    into: Callable[[Array], Array] = _same
    back: Callable[[Array], Array] = _same
    otherwise: Array = field(default_factory=lambda: np.zeros((), np.int64))


def bindings(model: Any) -> Iterator[Bound]:
    """All parameters of a model."""
    for layer, name in _named(model):
        path, kind = spec_name(name), type(layer).__name__
        roles = _ROLES.get(kind)
        if roles is None:
            if layer.trainable_variables:
                raise ResgenError(f"no operator has the weights of {name}, a {kind}")
            continue
        for role, attribute in roles.items():
            variable = getattr(layer, attribute, None)
            if variable is not None:
                full = f"{path}.{role}" if role else path
                yield _bound(layer, full, attribute, variable)
        shift = getattr(layer, "beta", None)
        if shift is not None and layer.gamma is None:  # the spec's have both or none
            ones = np.ones(shift.shape, np.float32)
            yield Bound(f"{path}.weight", None, otherwise=ones)
        if kind == "BatchNormalization":  # of batches Keras keeps no count
            yield Bound(f"{path}.num_batches_tracked", None)


def _named(model: Any) -> Iterator[tuple[Any, str]]:
    """The layers of a model and of those within it, and their names.

    Keras calls layers without a name after their class, and counts from the start of
    the session (``conv2d_94``). Where the input has such a name, so have others, and
    they are counted from the first in the model, which is 0.
    """
    layers = [*_layers(model)]
    names = [layer.name for layer in layers]
    if any(re.fullmatch(r"input_layer(_\d+)?", name) for name in names):
        counts = [_count(layer) for layer in layers]
        least: dict[str, int] = {}
        for kind, count in filter(None, counts):
            least[kind] = min(count, least.get(kind, count))
        names = [
            name if count is None else f"{count[0]}_{count[1] - least[count[0]]}"
            for name, count in zip(names, counts, strict=True)
        ]
    yield from zip(layers, names, strict=True)


def _layers(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        yield from _layers(layer) if hasattr(layer, "layers") else (layer,)


def _count(layer: Any) -> tuple[str, int] | None:
    """Class and number of a layer that Keras named."""
    kind = re.sub("(?<=[a-z])(?=[A-Z])", "_", type(layer).__name__).lower()
    found = re.fullmatch(rf"{kind}(?:_(\d+))?", layer.name)
    return found and (kind, int(found[1] or 0))


# --- parts ----------------------------------------------------------------------------

_AFFINE: Final = {"weight": "gamma", "bias": "beta"}
_MAP: Final = {"weight": "kernel", "bias": "bias"}
#: Of one layer that is two convolutions.
_TWO: Final = {
    "depthwise.weight": "depthwise_kernel", "pointwise.weight": "pointwise_kernel",
    "pointwise.bias": "bias",
}  # fmt: skip
#: Where the layers of each class keep what the spec calls by its role.
_ROLES: Final[Mapping[str, Mapping[str, str]]] = {
    "BatchNormalization": {
        **_AFFINE, "running_mean": "moving_mean", "running_var": "moving_variance",
    },
    "LayerNormalization": _AFFINE, "GroupNormalization": _AFFINE,
    "RMSNormalization": {"weight": "scale"}, "PReLU": {"weight": "alpha"},
    "Dense": _MAP, "Conv1D": _MAP, "Conv2D": _MAP, "Conv3D": _MAP,
    "DepthwiseConv1D": _MAP, "DepthwiseConv2D": _MAP, "Conv1DTranspose": _MAP,
    "Conv2DTranspose": _MAP, "Conv3DTranspose": _MAP, "Parameter": {"": "value"},
    "SeparableConv1D": _TWO, "SeparableConv2D": _TWO,
}  # fmt: skip


def _bound(layer: Any, name: str, attribute: str, variable: Any) -> Bound:
    shape = tuple(variable.shape)
    if attribute == "alpha":
        return Bound(name, variable, lambda a: a.reshape(shape), lambda a: a.ravel())
    if not attribute.endswith("kernel"):
        return Bound(name, variable)
    if type(layer).__name__ == "Dense":
        places = _columns(layer)
        if places is None:
            return Bound(name, variable, np.transpose, np.transpose)
        back = np.argsort(places)
        return Bound(name, variable, lambda a: a.T[places], lambda a: a[back].T)
    count = len(shape) - 2
    if attribute.startswith("depthwise") or type(layer).__name__.startswith("Depthw"):
        inputs, each = shape[-2:]

        def deep(array: Array) -> Array:
            split = array.reshape(inputs, each, *shape[:count])
            return split.transpose(*range(2, count + 2), 0, 1)

        def flat(array: Array) -> Array:
            turned = array.transpose(count, count + 1, *range(count))
            return turned.reshape(inputs * each, 1, *shape[:count])

        return Bound(name, variable, deep, flat)
    into = (*range(2, count + 2), 1, 0)
    back_ = (count + 1, count, *range(count))
    return Bound(
        name, variable, lambda a: a.transpose(into), lambda a: a.transpose(back_)
    )


def _columns(layer: Any) -> Array | None:
    """How the columns lie of a linear layer that reads a map which was flattened."""
    operation = layer
    for _ in range(_FAR):
        nodes = operation._inbound_nodes[0].parent_nodes
        if len(nodes) != 1:
            return None
        operation = nodes[0].operation
        if type(operation).__name__ in ("Flatten", "Reshape"):
            before = operation._inbound_nodes[0].input_tensors[0].shape[1:]
            after = operation._inbound_nodes[0].output_tensors[0].shape
            if len(after) != 2 or len(before) < 2 or prod(before[:-1]) == 1:
                return None
            plain = np.arange(prod(before)).reshape(before[-1], *before[:-1])
            return np.moveaxis(plain, 0, -1).ravel()
        if type(operation).__name__ not in _ALONG:
            return None
    return None


#: Calls of Python that Keras takes for an operator, and some to spare.
_FRAMES: Final = 10
#: Layers between a flattening and a linear map that leave elements where they are.
_ALONG: Final = ("Dropout", "Activation", "LeakyReLU", "Gelu", "PReLU")
#: So many layers may lie between them.
_FAR: Final = 8
