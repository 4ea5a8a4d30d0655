"""The proof of a Keras model: its outputs, and of small networks a step of training.

The model is run as it was saved and read back, in inference, on the parameters that
ship and on probe parameters (:mod:`resgen.proof.probe`); both have to give PyTorch's
outputs. A step of training is compared where Keras computes with PyTorch, which alone
then has a gradient to read: outputs, the gradient of every parameter and what batch
norm keeps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from resgen.graph.cost import analyse
from resgen.graph.ir import OUTPUT, Graph
from resgen.lower.keras.model import bindings, deep, from_keras, keras_of, to_keras
from resgen.lower.keras.walk import layer_name
from resgen.ops.norm import Norm
from resgen.proof.compare import (
    NOISE_FACTOR,
    Agreement,
    Departure,
    Recorded,
    compare_outputs,
)
from resgen.proof.gate import exactly, probed
from resgen.proof.probe import draw
from resgen.proof.reach import apart
from resgen.runtime.base import Array, Session
from resgen.runtime.torch import TorchSession
from resgen.weights.evaluate import Weights
from resgen.weights.initialize import initialize

#: Multiplications of one input up to which a step of training is compared as well.
TRAINED: Final = 10**8
#: A step of training agrees within this share of each tensor's range, or within what
#: PyTorch's own float32 is off, where that is more.
ROUNDED: Final = 1e-4
#: Where PyTorch's own float32 is further off than this, as behind a batch norm over a
#: few positions, or a batch moved by STIRRED, as in a deep network without shortcuts, a
#: step tells nothing.
UNTOLD: Final = 1e-3
#: A share of each pixel: what a batch norm of Keras rounds, whose variance is the mean
#: of squares less the square of the mean.
STIRRED: Final = 1e-6
#: Enough for batch norm to have statistics.
BATCH: Final = 4
#: A ReLU of a value as small as the rounding is passed by one engine and not by the
#: other, and that gradient is off by a whole position. It takes a chance value; what is
#: wrong is wrong on every batch, so a tensor has to agree on one of these.
BATCHES: Final = 4


@dataclass(frozen=True, slots=True)
class Proven:
    """Outputs on probe parameters and on those that ship; the share that a step is off.

    ``trained`` is None where no step was compared.
    """

    outputs: tuple[Agreement, ...]
    trained: float | None

    @property
    def relative(self) -> float:
        """The largest difference of an output, as a share of its range."""
        return max(found.relative for found in self.outputs)


class KerasSession(Session):
    """A Keras model as an engine that takes and gives PyTorch's order of axes."""

    name = "Keras"

    def __init__(self, graph: Graph, model: Any) -> None:
        self.inputs = {i.name: (None, *i.type.shape) for i in graph.inputs}
        types = graph.types
        self.outputs = {name: (None, *types[v].shape) for name, v in graph.outputs}
        self._model = model

    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        keras = keras_of()
        given = [_last(feed) for feed in feeds.values()]
        found = self._model(given[0] if len(given) == 1 else given, training=False)
        named = found if isinstance(found, Mapping) else {OUTPUT: found}
        return {
            name: _first(keras.ops.convert_to_numpy(named[layer_name(name)]), shape)
            for name, shape in self.outputs.items()
        }


def prove_keras(graph: Graph, file: Path, weights: Weights, batch: Array) -> Proven:
    """Prove that the model in ``file`` computes ``graph`` under ``weights``, or raise.

    An output or a gradient that is off is a :class:`~resgen.proof.compare.Departure`.
    """
    import resgen.lower.keras.own  # noqa: F401  (its layers are registered)
    from resgen.lower.torch import to_torch

    graph = graph.inference
    drawn = draw(graph, 0)
    feeds = [{graph.inputs[0].name: batch[:size]} for size in (1, len(batch))]
    with deep(len(graph.nodes)):
        model = keras_of().models.load_model(file, compile=False)
    for name, array in from_keras(model).items():
        counted = not name.endswith("num_batches_tracked")
        if counted and not np.array_equal(array, weights[name], equal_nan=True):
            raise Departure(name, f"{name} of {file.name} is another")
    agreed = [_agree(graph, model, to_torch(graph, weights).eval(), feeds)]
    module = probed(graph, drawn, batch)
    assign(model, drawn)
    agreed.append(_agree(graph, model, module, feeds))
    return Proven(tuple(agreed), prove_training(graph))


def assign(model: Any, weights: Weights) -> None:
    """Give a model of ours these parameters."""
    for bound in bindings(model):
        if bound.variable is not None:
            bound.variable.assign(bound.into(np.asarray(weights[bound.name])))


def prove_training(graph: Graph) -> float | None:
    """How far a step of training is off, as a share of what it is; None where none is.

    It is of noise and of fresh weights, as training starts.

    None is where chance takes part, in a large network, without Keras on PyTorch, and
    where rounding alone takes PyTorch's own step too far away to tell anything.
    """
    if (
        keras_of().backend.backend() != "torch"
        or analyse(graph).macs > TRAINED
        or any(node.op.training_only for node in graph.nodes)
    ):
        return None
    weights = initialize(graph.parameters, 0)
    worst = 0.0
    still: dict[str, str] | None = None
    for seed in range(BATCHES):
        steps = _both_steps(graph, weights, seed)
        if steps is None:
            continue
        wanted, found, allowed = steps
        over = {}
        for name, array in found.items():
            if name not in wanted:
                continue
            share = apart(array, wanted[name])[1]
            if share <= allowed:
                worst = max(worst, share)
            else:
                over[name] = (
                    f"{name} of the Keras model is {share:.1e} of its range away "
                    "from PyTorch's after a step of training; "
                    f"rounding explains {allowed:.0e}"
                )
        still = {k: over[k] for k in over if still is None or k in still}
        if not still:
            return worst
    for name, said in (still or {}).items():
        raise Departure(name, said)
    return None


# --- parts ----------------------------------------------------------------------------


def _both_steps(
    graph: Graph, weights: Weights, seed: int
) -> tuple[dict[str, Array], dict[str, Array], float] | None:
    """PyTorch's step in float64, Keras's, what rounding explains; None: anything."""
    shape = (BATCH, *graph.inputs[0].type.shape)
    random = np.random.default_rng(seed)
    batch = random.standard_normal(shape, np.float32)
    wanted = _torch_step(graph, weights, batch, "float64")
    moved = batch * (1 + STIRRED * random.standard_normal(shape))
    others = (
        _torch_step(graph, weights, batch, "float32"),
        _torch_step(graph, weights, moved, "float64"),
    )
    noise = max(
        (apart(o[name], array)[1] for o in others for name, array in wanted.items()),
        default=0.0,
    )
    if noise > UNTOLD:
        return None
    return (
        wanted,
        _keras_step(graph, weights, batch),
        max(ROUNDED, NOISE_FACTOR * noise),
    )


def _agree(
    graph: Graph, model: Any, module: Any, feeds: Sequence[Mapping[str, Array]]
) -> Agreement:
    with TorchSession(graph, module) as session:
        reference = Recorded.of(session, feeds)
    with KerasSession(graph, model) as session:
        return compare_outputs(reference, session, exactly(graph, lambda: module))


def _last(array: Array) -> Array:
    return np.moveaxis(array, 1, -1)


def _first(array: Array, shape: Sequence[int | None]) -> Array:
    return np.moveaxis(array, -1, 1) if len(shape) > 3 else array


def _torch_step(
    graph: Graph, weights: Weights, batch: Array, dtype: str
) -> dict[str, Array]:
    """Gradients and statistics by name; variances as Keras has them."""
    import torch

    from resgen.lower.torch import to_torch

    module = to_torch(graph, {k: np.array(v) for k, v in weights.items()})
    module = module.to(getattr(torch, dtype)).train()
    found = module(torch.from_numpy(batch.astype(dtype)))
    named = found if isinstance(found, Mapping) else {OUTPUT: found}
    total = torch.stack([each.square().mean() for each in named.values()]).sum()
    if total.requires_grad:  # something is learned
        torch.autograd.backward(total)
    step = {
        f"the gradient of {name}": held.grad.numpy()
        for name, held in module.named_parameters()
        if held.grad is not None
    }
    state = {k: v.numpy() for k, v in module.state_dict().items()}
    counts: dict[str, list[int]] = defaultdict(list)
    kept: dict[str, float] = {}
    for node in graph.nodes:
        if isinstance(node.op, Norm) and node.op.type == "batch":
            path = node.owner or node.name
            kept[path] = 1 - float(node.op.momentum)
            counts[path] += [len(batch) * graph.types[node.inputs[0]].positions]
    for path, uses in counts.items():
        step[f"{path}.running_mean"] = state[f"{path}.running_mean"]
        # PyTorch keeps the variance over one number fewer than Keras does: of a norm
        # that is used on maps of several sizes nobody knows how much that is.
        count, name = uses[0], f"{path}.running_var"
        if len({*uses}) == 1:
            old = kept[path] ** len(uses) * np.asarray(weights[name], np.float64)
            step[name] = old + (state[name] - old) * (count - 1) / count
    return step


def _keras_step(graph: Graph, weights: Weights, batch: Array) -> dict[str, Array]:
    """The same of a Keras model on PyTorch."""
    import torch

    keras = keras_of()
    model = to_keras(graph, weights)
    found = model(_last(batch), training=True)
    named = found if isinstance(found, Mapping) else {OUTPUT: found}
    total = torch.stack([each.square().mean() for each in named.values()]).sum()
    if total.requires_grad:  # something is learned
        torch.autograd.backward(total)
    step = {}
    for bound in bindings(model):
        if bound.variable is None:
            continue
        if bound.name.endswith(("running_mean", "running_var")):
            held = keras.ops.convert_to_numpy(bound.variable)
            step[bound.name] = held
        elif bound.variable.value.grad is not None:
            gradient = bound.variable.value.grad.detach().cpu().numpy()
            step[f"the gradient of {bound.name}"] = bound.back(gradient)
    return step
