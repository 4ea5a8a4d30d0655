"""What data say of a network: what its channels are worth, what its norms divide by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from resgen.graph.ir import Graph
from resgen.shrinking.choose import Scores, by_class
from resgen.shrinking.groups import Group
from resgen.shrinking.labels import Labelled
from resgen.weights.evaluate import Array, Weights

if TYPE_CHECKING:
    import torch


def taylor(
    found: Labelled,
    groups: Sequence[Group],
    weights: Mapping[str, Array],
    batches: Iterable[tuple[Array, Array]],
    output: str,
) -> list[Scores]:
    """What the loss changes by without each class, to first order (Molchanov 2019).

    To take a class away is to put zeros where a map reads it, so the change is the sum
    of weight times gradient over these places. What is given is the root of its mean
    square over ``batches``: inputs, and the classes that ``output`` should tell of
    them. The network runs as in inference. A group that no map reads is worth all.
    """
    import torch
    from torch.nn.functional import cross_entropy

    from resgen.lower.torch import scores_of, to_torch

    module = to_torch(found.graph, weights).eval()
    read = {name for name, _ in found.reads}
    learned = {n: p for n, p in module.named_parameters() if n in read}
    places = [[at for at in group.axes if at in found.reads] for group in groups]
    sums = [np.zeros(group.classes.size) for group in groups]
    count = 0
    for inputs, wanted in batches:
        loss = cross_entropy(
            scores_of(module, inputs, output), torch.from_numpy(wanted), reduction="sum"
        )
        slopes = torch.autograd.grad(loss, list(learned.values()))
        products = {
            name: (parameter * slope).detach().double().numpy()
            for (name, parameter), slope in zip(learned.items(), slopes, strict=True)
        }
        for group, reads, total in zip(groups, places, sums, strict=True):
            changes = (by_class(found, group, at, products[at[0]]) for at in reads)
            total += np.square(sum(changes, np.zeros(group.classes.size)))
        count += len(inputs)
    return [
        np.sqrt(total) / count if reads else np.full(total.size, np.inf)
        for reads, total in zip(places, sums, strict=True)
    ]


def sensitivity(
    found: Labelled,
    groups: Sequence[Group],
    scores: Sequence[Scores],
    weights: Weights,
    batches: Sequence[tuple[Array, Array]],
    output: str,
) -> Iterator[tuple[float, ...]]:
    """By how much the loss is larger without a part of one group alone.

    For each group it is that without the least quarter, half and three quarters of it:
    zeros wherever a map reads them, in inference.
    """
    import torch

    from resgen.lower.torch import to_torch

    own = {name: array.copy() for name, array in weights.items()}
    module = to_torch(found.graph, own).eval()
    numbers = dict(module.named_parameters())
    whole = _loss(module, batches, output)
    for group, each in zip(groups, scores, strict=True):
        reads = [at for at in group.axes if at in found.reads]
        before = {name: numbers[name].detach().clone() for name, _ in reads}
        order, made = np.argsort(each, kind="stable"), []
        with torch.no_grad():
            for quarters in (1, 2, 3):
                gone = group.classes[order[: order.size * quarters // 4]]
                for name, axis in reads:
                    at = np.flatnonzero(np.isin(found.axes[name, axis], gone))
                    numbers[name].index_fill_(axis, torch.from_numpy(at), 0)
                made.append(_loss(module, batches, output) - whole)
            for name, held in before.items():
                numbers[name].copy_(held)
        yield tuple(made)


def loss(
    graph: Graph,
    weights: Weights,
    batches: Iterable[tuple[Array, Array]],
    output: str,
) -> float:
    """The mean cross-entropy of a network in inference, by this output."""
    from resgen.lower.torch import to_torch

    return _loss(to_torch(graph, weights).eval(), batches, output)


def _loss(
    module: torch.nn.Module, batches: Iterable[tuple[Array, Array]], output: str
) -> float:
    import torch
    from torch.nn.functional import cross_entropy

    from resgen.lower.torch import scores_of

    with torch.no_grad():
        each = [
            cross_entropy(scores_of(module, x, output), torch.from_numpy(y)).item()
            for x, y in batches
        ]
    return float(np.mean(each))


def settled(graph: Graph, weights: Weights, inputs: Iterable[Array]) -> Weights:
    """The weights, with the statistics of batch norms as these batches have them.

    What channels went from changes what the next norm is given; its averages of before
    are then wrong, and with them all that follows (Li et al. 2020, EagleEye).
    """
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    from resgen.lower.torch import to_torch
    from resgen.weights.checkpoint import from_state_dict

    # The module shares its numbers with the arrays, which others may have, too.
    own = {name: array.copy() for name, array in weights.items()}
    module = to_torch(graph, own).eval()
    norms = [each for each in module.modules() if isinstance(each, _BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all batches
        norm.train()
    with torch.no_grad():
        for batch in inputs:
            module(torch.from_numpy(batch))
    return from_state_dict(module.state_dict())


def told(graph: Graph, weights: Weights, inputs: Iterable[Array], output: str) -> Array:
    """The class that a network tells of each input."""
    import torch

    from resgen.lower.torch import scores_of, to_torch

    module = to_torch(graph, weights).eval()
    with torch.no_grad():
        each = [scores_of(module, batch, output).argmax(1).numpy() for batch in inputs]
    return np.concatenate(each)
