"""Checkpoints of the world, given to a network whole, or in one sentence not at all.

What training scripts save is seldom a plain state_dict: the weights lie beside an
optimizer and the script's arguments, below a key of its own, under the prefix of a
wrapper, or with the names of another library. :func:`load` finds them, without running
what a pickle asks for, and gives them the network's names, all of them or none.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from resgen.errors import ResgenError, UsageError
from resgen.graph.ir import GRAPH, Graph
from resgen.options.kinds import argument, choice, told
from resgen.spec.model import Spec
from resgen.weights.adapting import adapted, of_head
from resgen.weights.evaluate import Array
from resgen.weights.finite import require_finite
from resgen.weights.fitting import compare, refusal
from resgen.weights.formats import format_of
from resgen.weights.loading import Loaded, Loading
from resgen.weights.mends import another, mend
from resgen.weights.names import Found, counts_batches, find, is_tensor
from resgen.weights.naming import Naming, namings
from resgen.weights.pickles import read_pickle
from resgen.weights.safetensors import StoredWeights
from resgen.words.numbers import count as said

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

#: What libraries leave among weights: counters of torch's AveragedModel, of thop, of
#: batch norm; where a pair of positions stands in a table, which follows from sizes.
BESIDE: Final = (
    "n_averaged", "total_ops", "total_params", "num_batches_tracked",
    "relative_position_index",
)  # fmt: skip


def load(
    path: Path,
    graph: Graph,
    how: Loading | None = None,
    *,
    spec: Spec | None = None,
    seed: int = 0,
) -> Loaded:
    """The weights in a file under the network's names; floats become float32.

    ``spec`` is what the graph was made of, for advice; ``seed`` draws what ``how``
    lets stay fresh. Raises ResgenError for what is not a checkpoint, wants to run code
    or does not fit, MissingComponent if torch is needed and not there.
    """
    stored = StoredWeights(path) if format_of(path) == "safetensors" else None
    saved = read_pickle(path) if stored is None else dict(stored)
    loaded = fit(saved, graph, how, origin=path.name, spec=spec, seed=seed)
    if stored is not None:
        _say_converted(Counter(stored.widened()))
    return loaded


def fit(
    saved: object,
    graph: Graph,
    how: Loading | None = None,
    *,
    origin: str = "the state_dict",
    spec: Spec | None = None,
    seed: int = 0,
) -> Loaded:
    """The weights in what a file held, or in a state_dict; else as :func:`load`.

    The counters of batch norm may be missing (torch before 0.4.1 had none; they start
    at 0). What libraries leave beside weights may be there, as may what only training
    has.
    """
    how = how or Loading()
    found, naming = _found(saved, graph, how, origin, of_head(graph))
    notes: list[str] = []
    if found.averaged and not how.ema:
        notes.append(f"{found.said} is a moving average, and all that {origin} holds")
    values = found.named()
    if naming is not None:
        values = naming.to_own(values, graph)
        notes += [naming.said, *naming.differences(graph)]
        origin = f"{origin}, {naming.said},"
    spare = {parameter.name for parameter in graph.train_only}
    named = {
        name: value
        for name, value in values.items()
        if name in graph.parameter
        or not (name in spare or name.rpartition(".")[2] in BESIDE)
    }
    for parameter in graph.parameters:
        if counts_batches(parameter.name):
            zeros = np.zeros(parameter.shape, dtype=parameter.dtype)
            named.setdefault(parameter.name, zeros)
    misfit = compare(graph.parameters, named)
    if how.ignore_extra and misfit.extra:
        notes += [f"{name}: left out" for name in misfit.extra]
        named = {n: v for n, v in named.items() if n in graph.parameter}
        misfit = compare(graph.parameters, named)
    if how.adapt and misfit and (half := adapted(graph, named, misfit, seed)):
        named, more = half
        notes += more
        misfit = compare(graph.parameters, named)
    if misfit:
        advice = mend(graph, named, misfit, spec)
        raise refusal(misfit, graph.parameters, named, origin, advice)
    arrays = from_state_dict({p.name: named[p.name] for p in graph.parameters})
    typed = {
        p.name: arrays[p.name].astype(p.dtype, copy=False) for p in graph.parameters
    }
    require_finite(graph, typed, origin)
    return Loaded(typed, tuple(notes))


def renamed(
    state_dict: Mapping[str, Any], graph: Graph, library: str | None = None
) -> dict[str, Any]:
    """A network's weights by the names that torchvision or timm gives them.

    ``state_dict`` has the network's own names or those of either library, ``library``
    is "torchvision" or "timm", or None for the network's own names. Values stay what
    they are, reshaped where one library has a linear map and the other a convolution;
    where they compute something else there a warning is logged. Weights that are not
    the network's raise :class:`~resgen.errors.ResgenError`, and so does a network that
    the library is not known to have.

    >>> from resgen.expansion.network import expand, load
    >>> from resgen.weights.initialize import initialize
    >>> graph = expand(load("mobilenetv2_100"))
    >>> [*renamed(initialize(graph.parameters, 0), graph, "torchvision")][0]
    'features.0.0.weight'
    """
    graph = argument("graph", GRAPH, graph)
    state, origin = checked_state(state_dict), "the state_dict"
    if library is not None:
        library = argument("library", choice("timm", "torchvision"), library)
    found, naming = _found(state, graph, Loading(), origin)
    own = found.named() if naming is None else naming.to_own(found.named(), graph)
    # A part of the weights has names as well, and what only training has keeps its own.
    spare = {parameter.name for parameter in graph.train_only}
    known = {name: value for name, value in own.items() if name not in spare}
    misfit = replace(compare(graph.parameters, known), missing=())
    if misfit:
        advice = another(graph, own)
        raise refusal(misfit, graph.parameters, own, origin, advice)
    if library is None:
        return own
    for naming in namings(graph):
        if library == naming.library:
            for difference in naming.differences(graph):
                logger.warning("%s", difference)
            return naming.from_own(own, graph)
        if library == naming.own:
            return own
    raise ResgenError(f"{library} is not known to have a network like {graph.name}")


def from_state_dict(state: Mapping[str, Any]) -> dict[str, Array]:
    """Torch tensors or arrays as arrays in C order; floats become float32.

    A contiguous float32 tensor of the CPU is shared, not copied, so training on
    changes the array.
    """
    weights: dict[str, Array] = {}
    converted: Counter[str] = Counter()
    for name, value in state.items():
        dtype = str(value.dtype).removeprefix("torch.")
        if not isinstance(value, np.ndarray | np.generic):
            value = _array(name, value)
        if value.dtype.kind == "f" and dtype != "float32":
            converted[dtype] += 1
            with np.errstate(over="ignore"):  # an infinity is named in the end
                value = value.astype(np.float32)
        weights[name] = np.asarray(value, order="C")
    _say_converted(converted)
    return weights


def exact(weights: object, graph: Graph) -> dict[str, Array]:
    """Arrays or tensors of a caller's that have the network's own names and shapes.

    Other than :func:`fit`'s they are taken as they are, or refused.
    """
    given = checked_state(weights)
    for name, value in given.items():
        if not is_tensor(value):
            raise UsageError(f"{name} is {told(value)}, not a tensor")
    misfit = compare(graph.parameters, given)
    if misfit:
        raise refusal(misfit, graph.parameters, given, "the state_dict", None)
    return from_state_dict(given)


def checked_state(state: object, argument: str = "state_dict") -> Mapping[str, Any]:
    """A state_dict that a caller gave, or a UsageError that says what it is."""
    if not isinstance(state, Mapping):
        raise UsageError(
            f"{argument} is tensors or arrays by name, not {told(state)}",
            hint="model.state_dict() gives them"
            if hasattr(state, "state_dict")
            else None,
        )
    for name in state:
        if not isinstance(name, str):
            raise UsageError(f"{argument}: {told(name)} is not the name of a parameter")
    return state


# --- parts ----------------------------------------------------------------------------


def _found(
    saved: object,
    graph: Graph,
    how: Loading,
    origin: str,
    loose: Collection[str] = (),
) -> tuple[Found, Naming | None]:
    """The weights in what a file held, by the names of which more are theirs.

    None says that these are the network's own. ``loose`` are what a library may lack.
    """
    best, naming = find(saved, graph.parameters, how, origin), None
    if best.fits < sum(not counts_batches(p.name) for p in graph.parameters):
        for other in namings(graph, loose):
            found = find(saved, [*other.parameters.values()], how, origin)
            if found.fits > best.fits:
                best, naming = found, other
    return best, naming


def _say_converted(dtypes: Mapping[str, int]) -> None:
    for dtype, count in dtypes.items():
        logger.warning("%s converted from %s to float32", said(count, "tensor"), dtype)


def _array(name: str, tensor: torch.Tensor) -> Array:
    """A tensor as an array; of what NumPy lacks (bfloat16, float8), as float32."""
    try:
        tensor = tensor.detach().cpu()
        if tensor.is_floating_point() and tensor.element_size() <= 2:
            tensor = tensor.float()
        return tensor.numpy()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise ResgenError(
            f"{name} is not an ordinary tensor (sparse, quantised or on no device)",
            hint="save dense float32 weights",
        ) from error
