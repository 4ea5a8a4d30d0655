"""Which channels go first, and how many until a network is small enough."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, gcd, lcm, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from resgen.ops.norm import Norm
from resgen.shrinking.cut import Size, size_without
from resgen.shrinking.groups import Group
from resgen.shrinking.labels import Labelled, Labels
from resgen.weights.evaluate import Array

Scores = NDArray[np.float64]
#: What gives each class of a group a score, from the weights.
Importance = Callable[[Labelled, Group, Mapping[str, Array]], Scores]

#: The share of a group's channels that stays whatever they are worth, and how many, or
#: half of them: a layer of a few channels is a bottleneck that training does not mend,
#: and what the loss changes by without one channel says nothing of it.
LEAST: Final = 0.1
FEWEST: Final = 8

#: Channels that kernels compute at once, which those that stay are multiples of; of
#: layers with fewer than ``NARROW``, of half as many.
STEP: Final = 16
NARROW: Final = 64
#: Channels that a layer is narrower by where its kernels do not like multiples: it is a
#: multiple of nothing that they compute at once.
PAIR: Final = 2


def magnitude(found: Labelled, group: Group, weights: Mapping[str, Array]) -> Scores:
    """How large the weights of each class of a group are: Li et al. 2017, over groups.

    The sum of squares of what lies at a class, in each tensor of the group by itself,
    as a share of the tensor's mean; then the mean over tensors, as Fang et al. 2023
    equalise layers. Norms count by their scale alone: what they add says nothing of
    what goes through.
    """
    parts = []
    for name, axis in group.axes:
        array = weights[name]
        if array.ndim < 2 and not name.endswith(".weight"):
            continue
        squares = np.square(array, dtype=np.float64)
        each = by_class(found, group, (name, axis), squares)
        if each.any():
            parts.append(each / each.mean())
    return np.mean(parts, axis=0) if parts else np.ones(group.classes.size)


def by_class(
    found: Labelled, group: Group, at: tuple[str, int], numbers: Array
) -> Scores:
    """The sum of a parameter's numbers over what lies at each class of a group."""
    labels = found.axes[at]
    others = tuple(each for each in range(numbers.ndim) if each != at[1])
    places = np.searchsorted(group.classes, labels).clip(max=group.classes.size - 1)
    own = np.isin(labels, group.classes)
    each = np.where(own, numbers.sum(others, dtype=np.float64), 0.0)
    return np.bincount(places, each, group.classes.size).astype(np.float64)


def norm_scale(found: Labelled, group: Group, weights: Mapping[str, Array]) -> Scores:
    """How much norms let through of each class of a group: Liu et al. 2017.

    Where a group has no norm with a scale, as :func:`magnitude`.
    """
    scales = scales_of(found, group)
    return magnitude(found, replace(group, axes=scales or group.axes), weights)


def scales_of(found: Labelled, group: Group) -> tuple[tuple[str, int], ...]:
    """The scales of norms among the axes of a group."""
    norms = {
        f"{node.owner}.weight"
        for node in found.graph.nodes
        if isinstance(node.op, Norm)
    }
    return tuple(at for at in group.axes if at[0] in norms)


def chance(
    found: Labelled, group: Group, weights: Mapping[str, Array], *, seed: int = 0
) -> Scores:
    """Scores that mean nothing, which tell what the others are worth."""
    draw = np.random.default_rng((seed, int(group.classes[0])))
    return draw.random(group.classes.size)


def as_losses(
    found: Labelled,
    groups: Sequence[Group],
    scores: Sequence[Scores],
    time: Callable[[Labels], float],
) -> list[Scores]:
    """Scores that compare the channels of one group, as losses that compare all.

    Nothing is known of what groups are worth beside each other. So a channel is worth
    as much as it is computed for, half way between its multiply-adds and its time, and
    the more the fewer are left: by the logarithm of a layer's width, as a network's
    accuracy goes about with it. By multiply-adds alone, only what is slow would go, and
    a small MobileNet is a point behind on digits; by time alone nothing slow would.
    ``time`` is that of the network without some classes.
    """
    macs = _saved(found, groups, lambda gone: size_without(found, gone).macs)
    times = _saved(found, groups, time)
    made = []
    for each, saved, spared in zip(scores, macs, times, strict=True):
        left = each.size - np.argsort(np.argsort(each, kind="stable"))
        made.append(each * sqrt(saved * spared) * each.size / left)
    return made


def per_cost(
    found: Labelled,
    groups: Sequence[Group],
    scores: Sequence[Scores],
    cost: Callable[[Labels], float],
) -> list[Scores]:
    """Scores that are losses, by what the channels cost: the greedy knapsack.

    ``cost`` is that of the network without some classes. Those come last whose absence
    saves nothing.
    """
    saved = _saved(found, groups, cost)
    return [each / there for each, there in zip(scores, saved, strict=True)]


def _saved(
    found: Labelled,
    groups: Sequence[Group],
    cost: Callable[[Labels], float],
) -> Iterator[float]:
    """What a class of each group costs.

    It is its share of what the network is less without half of its group, or as many
    channels as kernels compute at once: of fewer, a table of times tells too little.
    """
    whole = cost(np.empty(0, np.int64))
    for group in groups:
        count = group.classes.size
        unit = min(max(_classes(found, group, STEP), count // 2), count - 1)
        saved = (whole - cost(group.classes[:unit])) / unit
        yield max(saved, 1e-9 * whole)


@dataclass(frozen=True)
class Choice:
    """The classes that go, and what is left without them."""

    gone: Labels
    size: Size


def choose(
    found: Labelled,
    groups: Sequence[Group],
    scores: Sequence[Scores],
    enough: Callable[[Choice], bool],
    *,
    step: int | None = None,
    odd: Collection[int] = (),
) -> Choice:
    """As few channels as make a network small enough, the least ones first.

    Groups are compared by their scores, so that these have to be of one scale. What
    stays of each is a multiple of ``step`` channels, or of what kernels are written
    for, or all of it; of groups that are ``odd``, by their number, a :data:`PAIR`
    fewer. A step may be more than was needed, so steps of other groups come back for
    it, the dearest first. Where nothing is small enough, it is the least network.
    """
    steps = [_classes(found, group, step) for group in groups]
    fewer = [
        _classes(found, group, PAIR) if number in odd else 0
        for number, group in enumerate(groups)
    ]
    leasts = [_least(found, group) for group in groups]
    orders = [np.argsort(each, kind="stable") for each in scores]
    places = _places(scores)
    every = sum(map(len, places))

    def numbers(count: int) -> list[int]:
        """How many of each go, of so many of all classes, as far as these may."""
        return [
            _number(place < count, *each)
            for place, *each in zip(places, steps, fewer, leasts, strict=True)
        ]

    def at(goes: Sequence[int]) -> Choice:
        gone = [
            group.classes[order[:number]]
            for group, order, number in zip(groups, orders, goes, strict=True)
        ]
        lost = np.concatenate([np.empty(0, np.int64), *gone])
        return Choice(lost, size_without(found, lost))

    low, high, goes = 0, every, numbers(every)
    best = at(goes)
    while low < high:
        middle = (low + high) // 2
        asked = numbers(middle)
        tried = at(asked)
        if enough(tried):
            high, goes, best = middle, asked, tried
        else:
            low = middle + 1
    if not enough(best):
        return best
    spared = [*map(_spared, map(len, scores), steps, fewer)]
    back = {n for n, gone in enumerate(goes) if gone > spared[n]}
    while back:
        number = max(back, key=lambda n: scores[n][orders[n][goes[n] - 1]])
        less = [*goes]
        less[number] = max(goes[number] - steps[number], spared[number])
        tried = at(less)
        small = enough(tried)
        if small:
            goes, best = less, tried
        if not small or goes[number] == spared[number]:
            back.remove(number)
    return best


def pairs(
    found: Labelled,
    groups: Sequence[Group],
    scores: Sequence[Scores],
    choice: Choice,
    step: int | None,
) -> dict[int, Labels]:
    """The classes that go besides where a group is odd, by its number.

    Those of groups of which a multiple stays, and enough without a pair.
    """
    made = {}
    for number, (group, each) in enumerate(zip(groups, scores, strict=True)):
        unit, pair = (_classes(found, group, channels) for channels in (step, PAIR))
        ranked = group.classes[np.argsort(each, kind="stable")]
        left = ranked[~np.isin(ranked, choice.gone)]
        enough = left.size - pair >= _least(found, group)
        if enough and pair < unit and left.size % unit == 0:
            made[number] = left[:pair]
    return made


def _places(scores: Sequence[Scores]) -> list[Labels]:
    """The place of each class among all of them, the least first.

    Of classes that are worth the same, equal shares of each group come first.
    """
    if not scores:
        return []
    shares = [np.argsort(np.argsort(s, kind="stable")) / len(s) for s in scores]
    order = np.lexsort((np.concatenate(shares), np.concatenate(scores)))
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    ends = np.cumsum([len(each) for each in scores])
    return np.split(places, ends[:-1])


def _channels(found: Labelled, group: Group) -> Iterator[int]:
    """How many channels a class has, along each of the axes where it lies."""
    for at in group.axes:
        labels = found.axes[at]
        counts = np.unique(labels[np.isin(labels, group.classes)], return_counts=True)
        yield int(counts[1].min())


def _classes(found: Labelled, group: Group, step: int | None) -> int:
    """How many classes make up so many channels wherever they lie."""
    channels = [*_channels(found, group)]
    if step is None:
        narrow = group.classes.size * min(channels) < NARROW
        step = STEP // 2 if narrow else STEP
    return lcm(*(step // gcd(step, each) for each in channels))


def _least(found: Labelled, group: Group) -> int:
    """How many classes of a group stay."""
    count, each = group.classes.size, min(_channels(found, group))
    return max(ceil(count * LEAST), min(ceil(FEWEST / each), ceil(count / 2)))


def _number(below: NDArray[np.bool_], unit: int, fewer: int, least: int) -> int:
    """How many of a group go, of those that are worth too little."""
    count = below.size
    left = max(count - int(below.sum()), least)
    return max(
        _spared(count, unit, fewer), count + fewer - -(-(left + fewer) // unit) * unit
    )


def _spared(count: int, unit: int, fewer: int) -> int:
    """How many of a group go at least."""
    return 0 if count % unit else fewer
