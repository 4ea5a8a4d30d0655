"""Cuts of a network that are chosen by times of kernels, in sizes that those like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from time import monotonic
from typing import Final

import numpy as np

from resgen.api.asked.shrink import Shrinking
from resgen.files.aside import temporary_folder
from resgen.graph.ir import Graph
from resgen.latency.kernels import Kernel, runs
from resgen.latency.measure import Recorder, conditions
from resgen.latency.table import Conditions, Table
from resgen.leases.lease import leased
from resgen.machine.place import Place
from resgen.machine.process import Failure
from resgen.shrinking.choose import PAIR, Choice, Scores, choose, pairs
from resgen.shrinking.cut import Size, cut, size_without
from resgen.shrinking.groups import Group
from resgen.shrinking.labels import Labelled, Labels
from resgen.words.numbers import count, seconds
from resgen.words.progress import Progress

#: Shares of the multiply-adds of cuts that are timed to choose by.
TRIED: Final = (0.7, 0.4, 0.2)
#: Cuts that are timed kernel by kernel before one of them is taken.
TIMED: Final = 3
#: Seconds after which no more sizes are tried, and how often all groups are gone over.
TRYING: Final = 60.0
OVER: Final = 3
#: By what share kernels have to be faster in another size: a table is as rough.
NOISE: Final = 0.1

#: Gives scores from the time of the network without some classes.
Scoring = Callable[[Callable[[Labels], float]], Sequence[Scores]]


@contextmanager
def recording(
    asked: Shrinking, progress: Progress
) -> Iterator[tuple[Place, Conditions, Recorder]]:
    """Where cuts are timed, under which conditions, and what keeps their times."""
    with ExitStack() as stack:
        place = stack.enter_context(leased(asked.on, progress=progress))
        told = place.ask(
            conditions, asked.runtime, asked.threads, precision=asked.precision
        )
        file = asked.table
        if file is None:
            file = stack.enter_context(temporary_folder()) / "table.json"
        recorder = Recorder(file, told, place)
        stack.callback(recorder.done)
        yield place, told, recorder


def timed(
    found: Labelled,
    free: Sequence[Group],
    asked: Shrinking,
    scoring: Scoring,
    fits: Callable[[Choice], bool],
    progress: Progress,
) -> Choice:
    """The largest cut that fits, of channels that are worth most for their time.

    It is chosen by the table that is asked for, to which it adds what it has timed.
    """
    with recording(asked, progress) as (_, _, recorder):
        cuts = Cuts(found, free, asked, recorder, progress)
        cuts.begin(found.graph, scoring)
        cuts.suit(fits)
        choice = cuts.timed(fits)
        before = cuts.seconds(np.empty(0, np.int64))
        after = cuts.seconds(choice.gone)
        told = f"{seconds(after)} against {seconds(before)}: {after / before:.2f}x"
        progress.say("time", f"{told} by the table")
        return choice


@dataclass
class Cuts:
    """Cuts of a network, chosen by what a table says of their time.

    Of groups that are ``odd``, by their number, a pair of channels fewer stays than
    kernels compute at once.
    """

    found: Labelled
    free: Sequence[Group]
    asked: Shrinking
    recorder: Recorder
    progress: Progress
    odd: Collection[int] = field(default=(), init=False)

    def begin(self, whole: Graph, scoring: Scoring) -> None:
        """Time a whole network and cuts that are even, and compare groups by that."""
        self.scores: Sequence[Scores] = [np.ones(g.classes.size) for g in self.free]
        self._time(whole)
        for number, portion in enumerate(TRIED):
            self.progress.advance("timing cuts", number, len(TRIED))
            self._time(self.graph(self.chosen(self._macs(portion)).gone))
        self.table: Table = self.recorder.table()
        self.scores = scoring(self.seconds)

    def chosen(self, enough: Callable[[Choice], bool]) -> Choice:
        """The largest one that is small enough."""
        step = self.asked.step
        return choose(
            self.found, self.free, self.scores, enough, step=step, odd=self.odd
        )

    def timed(self, enough: Callable[[Choice], bool]) -> Choice:
        """The same, chosen again by what timing it has added to the table."""
        choice = self.chosen(enough)
        for _ in range(TIMED):
            if not self._time(self.graph(choice.gone)):
                break
            self.table = self.recorder.table()
            choice = self.chosen(enough)
        return choice

    def suit(self, enough: Callable[[Choice], bool]) -> None:
        """Make groups odd whose kernels are faster so, in a cut that is small enough.

        Which sizes kernels like depends on their place, the precision and the machine,
        so that they are timed.
        """
        if self.asked.round is not None:
            return
        begin, choice = monotonic(), self.timed(enough)
        extra = pairs(self.found, self.free, self.scores, choice, self.asked.step)

        def graph(odd: Collection[int]) -> Graph:
            pair = (extra[number] for number in sorted(odd))
            return self.graph(np.concatenate([choice.gone, *pair]))

        @cache
        def kernels(odd: frozenset[int]) -> Counter[Kernel]:
            return Counter(run.kernel for run in runs(graph(odd)))

        tries = [*_beside_each_other([*extra])]
        for number, tried in enumerate(tries):
            if monotonic() - begin > TRYING:
                break
            self.progress.advance("trying sizes", number, len(tries))
            self._time(graph(tried))
        self.table = self.recorder.table()
        odd: frozenset[int] = frozenset()
        for _ in range(OVER):
            before = odd
            for number in extra:
                even, odd = odd - {number}, odd | {number}
                if not self._faster(kernels(odd), kernels(even)):
                    odd = even
            if odd == before:
                break
        self.odd = odd
        if odd:
            told = (
                f"{len(odd)} of {count(len(self.free), 'group')} keep {PAIR} channels"
            )
            self.progress.say("sizes", f"{told} fewer than a multiple, which is faster")

    def _faster(self, these: Counter[Kernel], those: Counter[Kernel]) -> bool:
        """Whether kernels were timed and are faster, where two cuts differ.

        By more than they have fewer multiply-adds.
        """
        paces, timed = [], []
        for each in (these - those, those - these):
            kernels = [*each.elements()]
            took, known = self.table.told(kernels)
            paces.append(took / max(sum(kernel.macs for kernel in kernels), 1))
            timed.append(known == 1)
        return timed[0] and paces[0] < (1 - NOISE) * paces[1]

    def graph(self, gone: Labels) -> Graph:
        """What is left."""
        zero = np.zeros((), np.float32)
        zeros = {
            parameter.name: np.broadcast_to(zero, parameter.shape)
            for parameter in self.found.graph.parameters
        }
        return cut(self.found, zeros, gone).graph

    def seconds(self, gone: Labels) -> float:
        """What that takes, as the table says."""
        return self.table.seconds(self.graph(gone))

    def size(self) -> Size:
        """What all of it costs."""
        return size_without(self.found, np.empty(0, np.int64))

    def _time(self, graph: Graph) -> bool:
        """Time a network, unless it is in the table: then it is false."""
        found = self.recorder.time(graph)
        if isinstance(found, Failure):
            raise found.error()
        return found is not None

    def _macs(self, portion: float) -> Callable[[Choice], bool]:
        most = portion * self.size().macs
        return lambda choice: choice.size.macs <= most


def _beside_each_other(numbers: Sequence[int]) -> Iterator[frozenset[int]]:
    """Sets of numbers in which of each two both are, either, and somewhere none.

    Kernels depend on what they read and on what they make, so that each group is tried
    odd and even beside each other one that is either. Two of them differ in some bit.
    """
    yield frozenset(numbers)
    for bit in range((len(numbers) - 1).bit_length()):
        ones = frozenset(n for at, n in enumerate(numbers) if at >> bit & 1)
        yield from (ones, frozenset(numbers) - ones)
