"""A module and the spec that was read of it compute the same, and train alike.

Both are given the same inputs, under the module's own numbers in float32 and under
others in float64: probes, in which every part shows. Then both train a step, so that
gradients and the statistics of batch norms are compared as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from resgen.errors import ResgenError
from resgen.graph.ir import Graph
from resgen.importing.torch.read import named_outputs
from resgen.proof.compare import TOLERANCE, Departure
from resgen.proof.gate import probed
from resgen.proof.imports import Imports
from resgen.proof.probe import draw
from resgen.recovery.imported import Imported
from resgen.weights.evaluate import Array

if TYPE_CHECKING:
    import torch

#: Sizes of the batches that outputs are compared on.
BATCHES: Final = (1, 2)
#: Inputs of the step of training: statistics want several.
TRAINED: Final = 4
#: In float64 outputs, gradients and statistics agree within this share of the largest
#: number of a tensor: an epsilon of 1e-5 in place of 1e-6 is four times as much.
EXACT: Final = 1e-6
#: Within this where numbers are computed of the module's, rounded to float32.
ROUNDED: Final = 3e-5
#: Gradients below this share of the largest one are compared as if they were as large:
#: what a softmax or a norm takes out again has none but what rounding leaves.
NOISE: Final = 1e-6


def prove_module(
    found: Imported,
    module: torch.nn.Module,
    batch: int | None = None,
    *,
    seed: int = 0,
) -> Imports:
    """Prove that the spec that was read of ``module`` is what it computes, or raise.

    A network that computes something else is a
    :class:`~resgen.proof.compare.Departure`. The module itself is not changed. One
    that was exported takes its own ``batch`` alone, and trains no more.
    """
    import torch

    from resgen.lower.scope_module import again
    from resgen.lower.torch import to_torch

    graph = found.graph
    theirs = _copy(module).cpu().float().requires_grad_()
    if batch is None:
        theirs.eval()
    ours = to_torch(graph, found.weights).eval()
    state = theirs.state_dict()
    for name in again(state, graph.parameter):  # they are there under names of ours
        del state[name]
    strict = _strict(graph, ours.own_numbers, state)
    keys = _keys(found, state)
    batches = BATCHES if batch is None else (batch,)
    generator = torch.Generator().manual_seed(seed)
    shape = graph.inputs[0].type.shape
    feeds = [torch.randn(size, *shape, generator=generator) for size in batches]
    sides = _Sides(graph, ours, theirs, keys)
    own = max(map(sides.apart, feeds))
    settled = probed(graph, draw(graph, seed), feeds[-1].numpy()).state_dict()
    settled |= {
        name: tensor.clone()
        for name, tensor in ours.state_dict().items()
        if name not in keys
    }
    ours.load_state_dict(settled, assign=True)  # what it held are found.weights
    # Updated where it is: modules ask for the version that it says it is of.
    state.update(_moved(settled, state, keys))
    theirs.load_state_dict(state, strict=False)
    ours.double()
    theirs.double()
    probe = max(sides.apart(x.double()) for x in feeds)
    gradients = statistics = None
    notes = [*_apart(found, theirs, keys)]
    if batch is None:
        x = torch.randn(TRAINED, *shape, generator=generator)
        gradients, statistics, note = sides.trained(x.double())
        notes += [note] if note else []
    return Imports(
        "equal",
        sum(batches),
        batches,
        own,
        probe=probe,
        gradients=gradients,
        statistics=statistics,
        strict=strict,
        notes=tuple(notes),
    )


def _copy(module: torch.nn.Module) -> torch.nn.Module:
    """A module of its own, or why there is none."""
    import torch

    # What hooks compute before each call, which torch does not copy, they compute anew.
    computed = {
        id(held): held.detach().clone()
        for part in module.modules()
        for held in vars(part).values()
        if isinstance(held, torch.Tensor) and not held.is_leaf
    }
    try:
        return deepcopy(module, computed)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ResgenError(
            f"{type(module).__name__} cannot be copied, so nothing can be proven of "
            f"it: {str(error).partition('.')[0]}"
        ) from error


def _keys(found: Imported, state: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """The key of the module's state_dict that each parameter is the tensor of.

    What is computed of such tensors, or stands in the module's code, has none. It is
    compared on its own numbers alone, and so is all that it is computed of.
    """
    sources = {
        parameter.name: found.flat.sources.get(found.parameters[parameter.name], ())
        for parameter in found.graph.parameters
    }
    keys = {
        name: of[0]
        for name, of in sources.items()
        if len(of) == 1 and _is(found.weights[name], state.get(of[0]))
    }
    shared = {key for name, of in sources.items() if name not in keys for key in of}
    shared |= {key for key, times in Counter(keys.values()).items() if times > 1}
    return {name: key for name, key in keys.items() if key not in shared}


def _is(array: Array, held: torch.Tensor | None) -> bool:
    """Whether these are the numbers of a tensor, in its order."""
    if held is None or held.numel() != array.size:
        return False
    return bool(np.array_equal(array.ravel(), held.numpy().ravel(), equal_nan=True))


def _strict(graph: Graph, own: Set[str], state: Mapping[str, torch.Tensor]) -> bool:
    """Whether the module's own state_dict loads strictly, as it is."""
    from resgen.lower.scope_module import alike

    ours = graph.parameter
    return ours.keys() - own == state.keys() and all(
        alike(ours[name].shape, tensor.shape) for name, tensor in state.items()
    )


def _apart(
    found: Imported, theirs: torch.nn.Module, keys: Mapping[str, str]
) -> Iterator[str]:
    """What is told of parameters that the module learns otherwise, or not at all."""
    learned = {name for name, _ in theirs.named_parameters(remove_duplicate=False)}
    fixed, made = [], []
    for parameter in found.graph.parameters:
        sources = found.flat.sources.get(found.parameters[parameter.name], ())
        if parameter.trainable and not learned.intersection(sources):
            fixed.append(parameter.name)
        elif parameter.name not in keys and learned.intersection(sources):
            made.append(parameter.name)
    if fixed:
        yield (
            f"{_shown(fixed)}: fixed in the module, trained in the spec unless "
            "requires_grad is off"
        )
    if made:
        yield (
            f"{_shown(made)}: computed of what the module learns, or learned in "
            "several places; compared on the module's own numbers, without gradients"
        )


def _shown(names: Sequence[str]) -> str:
    """The first, and how many more there are."""
    more = len(names) - 1
    return f"{names[0]} and {more} more" if more else names[0]


def _moved(
    settled: Mapping[str, torch.Tensor],
    state: Mapping[str, torch.Tensor],
    keys: Mapping[str, str],
) -> dict[str, torch.Tensor]:
    """Tensors of ours under the keys, and in the shapes, of the module's."""
    found = {key: settled[name] for name, key in keys.items()}
    return {key: tensor.reshape(state[key].shape) for key, tensor in found.items()}


@dataclass(frozen=True, slots=True)
class _Sides:
    """The network that was read, and the module that it was read of."""

    graph: Graph
    ours: torch.nn.Module
    theirs: torch.nn.Module
    keys: Mapping[str, str]

    @property
    def exact(self) -> float:
        """Within what share numbers in float64 agree."""
        whole = all(parameter.name in self.keys for parameter in self.graph.parameters)
        return EXACT if whole else ROUNDED

    def apart(self, x: torch.Tensor) -> float:
        """The largest difference of an output, as a share of its largest number."""
        import torch

        worst = 0.0
        with torch.no_grad():
            found, wanted = (
                self._named(self.ours(x)),
                dict(named_outputs(self.theirs(x))),
            )
        for name, tensor in wanted.items():
            if not bool(tensor.isfinite().all()):
                raise ResgenError(
                    f'the source gives out "{name}" with numbers that are not finite '
                    "for an input of a normal distribution, so nothing can be "
                    "compared with it"
                )
            share = _share(found[name], tensor)
            allowed = TOLERANCE if x.dtype == torch.float32 else self.exact
            if not share <= allowed:
                raise Departure(
                    name,
                    f'the output "{name}" of what was read is {share:.1e} of its size '
                    f"away from the source's, and {allowed:.0e} is allowed",
                )
            worst = max(worst, share)
        return worst

    def trained(self, x: torch.Tensor) -> tuple[int | None, int | None, str | None]:
        """Compare a step of training; how many gradients and statistics there are.

        What is random in training is what it is on average, on both sides. A module
        may do more in training than what was read of it: draw by other means, give out
        more, ask for targets. Then only what keeps state trains, and that is told. One
        that cannot do that either, as it writes over what its gradient needs, is not
        compared in training.
        """
        import torch

        held = [
            (side, {name: tensor.clone() for name, tensor in side.named_buffers()})
            for side in (self.ours, self.theirs)
        ]
        try:
            return *self._step(x, torch.nn.Module.train), None
        except ResgenError as error:
            why = _otherwise(error)
        for side, buffers in held:
            side.zero_grad(set_to_none=True)
            for name, tensor in side.named_buffers():
                tensor.copy_(buffers[name])
        try:
            counts = self._step(x, _train_state)
        except Departure:
            raise
        except ResgenError as error:
            return None, None, f"the module takes no step of training: {error.message}"
        return *counts, (
            f"in training the module does more than what was read of it ({why}), so "
            "a step was compared in which only its norms do what they do in training"
        )

    def _step(
        self, x: torch.Tensor, train: Callable[[torch.nn.Module], object]
    ) -> tuple[int, int]:
        """As :meth:`trained`, of modules that train as ``train`` sets them."""
        train(self.ours)
        self._backward(dict(self._named(self._averaged(self.ours, x))))
        train(self.theirs)
        try:
            self._backward(dict(named_outputs(self._averaged(self.theirs, x))))
        except ResgenError:
            raise
        except Exception as error:  # the code is anybody's
            first = str(error).strip().partition("\n")[0]
            kind = type(error).__name__
            raise ResgenError(f"{kind}: {first}" if first else kind) from error
        theirs = dict(self.theirs.named_parameters(remove_duplicate=False))
        held = dict(self.theirs.named_buffers())
        gradients = {
            name: (parameter.grad, theirs[self.keys[name]].grad)
            for name, parameter in self.ours.named_parameters()
            if self.keys.get(name) in theirs
        }
        statistics = {
            name: (tensor, held[self.keys[name]])
            for name, tensor in self.ours.named_buffers()
            if tensor.is_floating_point() and self.keys.get(name) in held
        }
        return (
            self._alike("gradient", gradients),
            self._alike("statistics", statistics),
        )

    def _averaged(self, module: torch.nn.Module, x: torch.Tensor) -> Any:
        with _average():
            return module(x)

    def _backward(self, given: Mapping[str, torch.Tensor]) -> None:
        """Give every parameter the gradient of some weighted sum of the outputs."""
        import torch

        generator = torch.Generator().manual_seed(0)
        total = torch.zeros((), dtype=torch.float64)
        for name, _ in self.graph.outputs:
            if name not in given:
                raise ResgenError(f'it gives out no "{name}"')
            weight = torch.randn(given[name].shape, generator=generator)
            total = total + (given[name] * weight.double()).sum()
        if total.requires_grad:  # something is learned
            total.backward()  # type: ignore[no-untyped-call]

    def _alike(
        self,
        what: str,
        pairs: Mapping[str, tuple[torch.Tensor | None, torch.Tensor | None]],
    ) -> int:
        """Compare tensors of a step of training, and count them."""
        told = {
            name: (mine, other)
            for name, (mine, other) in pairs.items()
            if mine is not None or other is not None
        }
        sizes = [_size(other) for _, other in told.values() if other is not None]
        least = NOISE * max(sizes, default=0.0)
        for name, (mine, other) in told.items():
            if mine is None or other is None:
                raise Departure(
                    name,
                    f"{name} learns in a step of training in "
                    + ("the source alone" if mine is None else "what was read alone"),
                )
            share = _share(mine, other.reshape(mine.shape), least)
            if not share <= self.exact:
                raise Departure(
                    name,
                    f"the {what} of {name} after a step of training is {share:.1e} of "
                    "its size away from the source's",
                )
        return len(told)

    def _named(self, given: Any) -> Mapping[str, torch.Tensor]:
        if isinstance(given, Mapping):
            return given
        return {self.graph.outputs[0][0]: given}


def _train_state(module: torch.nn.Module) -> None:
    """Let what holds state that a step may move, such as statistics, train alone."""
    for part in module.modules():
        part.training = any(True for _ in part.buffers(recurse=False))


def _otherwise(error: ResgenError) -> str:
    """What a module does otherwise in training, by what came of a step."""
    if isinstance(error, Departure):
        return f"a step moves {error.tensor} otherwise"
    return error.message


def _size(tensor: torch.Tensor) -> float:
    """The largest number of a tensor."""
    return float(tensor.abs().max()) if tensor.numel() else 0.0


def _share(found: torch.Tensor, wanted: torch.Tensor, least: float = 0.0) -> float:
    """How far tensors are apart, as a share of their size, or of ``least``."""
    if found.shape != wanted.shape:
        return float("inf")
    return _size(found - wanted) / (max(_size(wanted), least) or 1.0)


def _average() -> AbstractContextManager[Any]:
    """Leave nothing to chance: a draw of zeros and ones yields how many are ones.

    A dropout, and stochastic depth, is then the identity.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Average(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if func is torch.ops.aten.bernoulli_.float:
                return args[0].fill_(args[1] if len(args) > 1 else 0.5)
            return func(*args, **(kwargs or {}))

    return Average()  # type: ignore[no-untyped-call]
