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

#: What a network costs without some classes.
Cost = Callable[[Labels], float]


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
    paths = {scope.path for scope in graph.scopes if scope.path} | set(graph.node)
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

    known = asked.measure == "taylor"
    if known and data is not None:
        output = data.dataset.scores.name
        worth: Sequence[Scores] = taylor(found, free, weights, batches(data), output)
    else:
        measures: Mapping[str, Importance] = {
            "magnitude": magnitude,
            "norm": norm_scale,
            "random": partial(chance, seed=asked.seed),
        }
        score = measures[asked.measure]
        worth = [score(found, group, weights) for group in free]

    def scoring(time: Cost, spent: Cost) -> Sequence[Scores]:
        """Losses by what is spent, of a network that takes so much time."""
        losses = worth if known else as_losses(found, free, worth, time)
        return per_cost(found, free, losses, spent)

    def bounded(spent: Cost) -> Cost:
        return _cost(found, before, bounds, spent)

    def counted(gone: Labels) -> float:
        return size_without(found, gone).macs

    if asked.latency is not None:
        from resgen.api.paced import paced

        met = paced(found, free, whole, asked, lambda t: scoring(t, t), fits, progress)
        return worth, _fitting(met.choice, fits), met.latency
    if not shares(before):
        none = np.empty(0, np.int64)
        choice = Choice(none, size_without(found, none))
    elif asked.table is not None:
        from resgen.api.timed import timed

        choice = timed(
            found, free, asked, lambda t: scoring(t, bounded(t)), fits, progress
        )
    else:
        guessed = partial(work, found)
        scores = scoring(guessed, bounded(counted if known else guessed))
        choice = choose(found, free, scores, fits, step=asked.step)
    return worth, _fitting(choice, fits), None


def _fitting(choice: Choice, fits: Callable[[Choice], bool]) -> Choice:
    """A choice that fits; others are refused."""
    if not fits(choice):
        raise ResgenError(
            f"the network cannot be made as small: {choice.size} is the least",
            hint="ask for more, or keep less of it",
        )
    return choice


def _cost(
    found: Labelled,
    before: Size,
    bounds: Sequence[float | None],
    spent: Cost,
) -> Cost:
    """What a network takes of bounds on sums; without one, of multiply-adds.

    What is ``spent`` stands for these: of layers that are as good as others the fast
    ones stay.
    """
    macs, params, _ = bounds
    whole = spent(np.empty(0, np.int64)) * (macs or before.macs) / before.macs

    def cost(gone: Labels) -> float:
        shares = []
        if macs is not None or params is None:
            shares.append(spent(gone) / whole)
        if params is not None:
            shares.append(size_without(found, gone).params / params)
        return sum(shares)

    return cost
