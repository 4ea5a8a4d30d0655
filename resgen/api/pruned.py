"""What goes of a network: whole residual blocks, and then channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from functools import partial

import numpy as np

from resgen.api.asked.shrink import Shrinking
from resgen.api.tuned import batches
from resgen.artifact.shrunk import Latency
from resgen.diagnosis.data.learned import Known
from resgen.errors import ResgenError, did_you_mean
from resgen.graph.ir import Graph
from resgen.proof.same_cut import prove_without
from resgen.shrinking.choose import (
    Choice,
    Importance,
    Scores,
    as_losses,
    chance,
    choose,
    magnitude,
    norm_scale,
    per_cost,
)
from resgen.shrinking.cut import Size, size_without
from resgen.shrinking.depth import Branch, branches, gain, without
from resgen.shrinking.groups import Group, groups
from resgen.shrinking.labels import Labelled, Labels
from resgen.shrinking.seen import loss, taylor
from resgen.shrinking.work import work
from resgen.weights.evaluate import Weights
from resgen.words.numbers import count
from resgen.words.progress import Progress


def blocks(
    graph: Graph,
    weights: Weights,
    asked: Shrinking,
    data: Known | None,
    progress: Progress,
) -> tuple[tuple[str, ...], Graph]:
    """The residual sums that lose their branch, and the network without these."""
    if not asked.depth:
        return (), graph
    found = [b for b in branches(graph) if not _stays(b.total, asked)]
    if len(found) < asked.depth:
        raise asked.refused(
            f"{{depth}} {asked.depth}: {graph.name} has "
            f"{count(len(found), 'residual block')} that may go"
        )

    def worth(branch: Branch) -> float:
        if data is None:
            return gain(branch, weights)
        left = without(graph, [branch])
        kept = {p.name: weights[p.name] for p in left.parameters}
        return loss(left, kept, batches(data), data.dataset.scores.name)

    least = sorted(found, key=worth)[: asked.depth]
    left = without(graph, least)
    progress.say("blocks", ", ".join(branch.total for branch in least))
    if asked.verify:
        apart = prove_without(graph, left, least)
        said = "the whole with zeros for these branches = without them: largest "
        progress.say("blocks", f"{said}difference {apart:.1e} of the output")
    return tuple(branch.total for branch in least), left


def _stays(name: str, asked: Shrinking) -> bool:
    return any(f"{name}.".startswith(f"{part}.") for part in asked.keep)


def require_parts(graph: Graph, asked: Shrinking) -> None:
    """Refuse to keep what a network does not have."""
    paths = {scope.path for scope in graph.scopes} | set(graph.node)
    for part in asked.keep:
        if part not in paths:
            near = did_you_mean(part, sorted(paths))
            raise asked.refused(f"{{keep}}: the network has no part {part!r}{near}")


def free_groups(
    found: Labelled, asked: Shrinking, names: Mapping[str, str]
) -> tuple[Group, ...]:
    """The groups that may lose channels; ``names`` are the whole's for parameters."""
    return tuple(
        group
        for group in groups(found)
        if group.classes.size > 1
        and not any(_stays(names.get(name, name), asked) for name, _ in group.axes)
    )


def chosen(
    found: Labelled,
    free: tuple[Group, ...],
    before: Size,
    weights: Weights,
    whole: Graph,
    asked: Shrinking,
    data: Known | None,
    progress: Progress,
) -> tuple[Sequence[Scores], Choice, Latency | None]:
    """What goes, by what is asked, and the latency of the rest if that has a bound.

    Before it, what channels are worth: their scores, whatever they cost.
    """
    bounds = [
        (None if most is None else most.of(there))
        for most, there in zip(asked.budget, astuple(before), strict=True)
    ]

    def shares(size: Size) -> list[float]:
        """How much of each bound a network takes up."""
        pairs = zip(astuple(size), bounds, strict=True)
        return [there / most for there, most in pairs if most is not None]

    def fits(choice: Choice) -> bool:
        return all(share <= 1 for share in shares(choice.size))

    def scoring(cost: Callable[[Labels], float]) -> Sequence[Scores]:
        return per_cost(found, free, losses, cost)

    if asked.measure == "taylor" and data is not None:
        output = data.dataset.scores.name
        losses = worth = taylor(found, free, weights, batches(data), output)
    else:
        measures: Mapping[str, Importance] = {
            "magnitude": magnitude,
            "norm": norm_scale,
            "random": partial(chance, seed=asked.seed),
        }
        score = measures[asked.measure]
        worth = [score(found, group, weights) for group in free]
        losses = as_losses(found, free, worth)

    if asked.latency is not None:
        from resgen.api.paced import paced

        met = paced(found, free, weights, whole, asked, scoring, fits, progress)
        choice, latency = met.choice, met.latency
    elif not shares(before):
        none = np.empty(0, np.int64)
        choice, latency = Choice(none, size_without(found, none)), None
    else:
        known = asked.measure == "taylor"
        scores = scoring(lambda gone: _cost(found, gone, before, bounds, known=known))
        choice = choose(found, free, scores, fits, step=asked.step)
        latency = None
    if not fits(choice):
        raise ResgenError(
            f"the network cannot be made as small: {choice.size} is the least",
            hint="ask for more, or keep less of it",
        )
    return worth, choice, latency


def _cost(
    found: Labelled,
    gone: Labels,
    before: Size,
    bounds: Sequence[float | None],
    *,
    known: bool,
) -> float:
    """What a network takes of bounds on sums, or of multiply-adds where none is one.

    Where what channels are worth is not ``known`` by data, multiply-adds are what they
    take of time: of layers that are as good as others the fast ones stay.
    """
    macs, params, _ = bounds
    shares = []
    if macs is not None or params is None:
        spent = size_without(found, gone).macs if known else work(found, gone)
        shares.append(spent / (macs or before.macs))
    if params is not None:
        shares.append(size_without(found, gone).params / params)
    return sum(shares)
