"""What the names in an engine's profile stand for: the operators of a network.

An operator is found by its own name, by that of a tensor that it yields, of a weight
that it alone consumes, or by what a longer name says before its first slash (an
operator that is several ONNX nodes). Nothing is ever found by position.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

#: Between the ends of a range of operators that an engine compiled as one.
RANGE: Final = "..."


@dataclass(frozen=True, slots=True)
class Work:
    """One operator: where it lies and what it costs, for one input.

    ``reads`` and ``makes`` are values by name; ``weights`` are names and bytes of what
    it consumes of the parameters. A ``helper`` changes how numbers are stored
    (quantisers, casts), so that it never decides which block a kernel belongs to.
    ``section`` is None where nothing tells where it lies.
    """

    name: str
    section: str | None
    block: int | None
    role: str | None
    reads: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    weights: tuple[tuple[str, int], ...] = ()
    macs: int | None = 0
    helper: bool = False

    @property
    def path(self) -> str | None:
        """Of the block, or of the section where it lies in none."""
        if self.section is None or self.block is None:
            return self.section
        return f"{self.section}.{self.block}"


@dataclass(frozen=True, slots=True)
class Named:
    """A section, or a block of one."""

    path: str
    block: int | None = None
    label: str | None = None
    pointer: str | None = None


@dataclass(frozen=True)
class Names:
    """The operators of a network by every name that an engine may give them.

    ``sizes`` are the bytes of values for one input, None where not known; ``outputs``
    are values that leave the network. ``aliases`` are further names of operators,
    ``hints`` names that only tell which operator is meant, such as a weight's.
    ``constants`` are values that do not grow with the batch. ``parts`` are all sections
    and blocks, in order, each section before its blocks.
    """

    works: Mapping[str, Work]
    sizes: Mapping[str, int | None]
    outputs: frozenset[str]
    parts: tuple[Named, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)
    constants: frozenset[str] = frozenset()

    def find(self, name: str) -> Iterator[tuple[Work, bool]]:
        """The operators that a name stands for, and whether it is all of each.

        Part of one is a node before the last of those that it was written as, or a
        weight of it.
        """
        work = self._whole(name)
        if work is not None:
            yield work, True
            return
        start, found, end = name.partition(RANGE)
        if found:
            ends = [w for end in (start, end) for w, _ in self.find(end)]
            if len(ends) == 2:
                yield from ((w, True) for w in self._between(*ends))
            else:
                yield from ((w, False) for w in ends)
            return
        known = self.hints.get(name) or name.partition("/")[0]
        work = self._whole(known)
        if work is not None:
            yield work, False

    def bytes_of(self, works: Iterable[Work], batch: int) -> int | None:
        """Bytes that a kernel of these operators has to read and write.

        What one of them makes for another stays within it, and so does what a helper
        makes for one of them: other kernels make it again. Every value and every weight
        counts once.
        """
        inside = {work.name: work for work in works}
        if any(work.macs is None for work in inside.values()):
            return None  # nothing is known of its shapes
        made = {value: work for work in inside.values() for value in work.makes}
        asked = {value for work in inside.values() for value in work.reads}
        read = asked - made.keys()
        left = {
            value
            for value, work in made.items()
            if self._leaves(value, inside) and not (work.helper and value in asked)
        }
        weights = dict(w for work in inside.values() for w in work.weights)
        total = sum(weights.values())
        for value in read | left:
            size = self.sizes.get(value)
            if size is None:
                return None
            total += size if value in self.constants else size * batch
        return total

    # --- within ---------------------------------------------------------------------

    def _whole(self, name: str) -> Work | None:
        found = self.works.get(self.aliases.get(name, name))
        return found or self.works.get(self._labels.get(name, ""))

    @cached_property
    def _labels(self) -> dict[str, str]:
        """Names as single words, as torch.fx has them, but for those of several."""
        found: dict[str, str] = {}
        twice = set()
        for name in self.works:
            word = label(name)
            if found.setdefault(word, name) != name:
                twice.add(word)
        return {word: name for word, name in found.items() if word not in twice}

    @cached_property
    def _readers(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for work in self.works.values():
            for value in work.reads:
                found.setdefault(value, []).append(work.name)
        return found

    @cached_property
    def _makers(self) -> dict[str, str]:
        return {v: work.name for work in self.works.values() for v in work.makes}

    def _leaves(self, value: str, inside: Mapping[str, Work]) -> bool:
        """Whether a value that a kernel makes is for others, or for nobody."""
        readers = self._readers.get(value, ())
        within = all(reader in inside for reader in readers)
        return value in self.outputs or not readers or not within

    def _between(self, start: Work, end: Work) -> Iterator[Work]:
        """All operators on the ways from one to another, both included."""
        below = reached([start.name], self._users)
        above = reached([end.name], self._sources)
        chosen = {start.name, end.name, *(below & above)}
        yield from (work for name, work in self.works.items() if name in chosen)

    def _users(self, name: str) -> Iterator[str]:
        for value in self.works[name].makes:
            yield from self._readers.get(value, ())

    def _sources(self, name: str) -> Iterator[str]:
        values = self.works[name].reads
        return (self._makers[value] for value in values if value in self._makers)


def reached(start: Iterable[str], near: Callable[[str], Iterable[str]]) -> set[str]:
    """All that is reached in one step or more."""
    found: set[str] = set()
    todo = list(start)
    while todo:
        new = set(near(todo.pop())) - found
        found |= new
        todo += new
    return found


def label(path: str) -> str:
    """A path as one word.

    >>> label("layer1.0.act_1")
    'layer1_0_act_1'
    """
    return re.sub(r"\W", "_", path)
