"""Sections and blocks of a network of which only the paths of its modules are known.

``layer1.0.conv1`` lies in block 0 of ``layer1``, ``blocks.2.1.conv_dw`` in block 1 of
``blocks.2``, ``features.3.conv.0.0`` in block 3 of ``features``. What counts as a block
follows from the network: parts that are numbered, at least one of which holds several
convolutions or linear maps. The outer two such levels are taken; of one alone the
parent is the section.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

#: What lies in no module of its own.
TOP: Final = "(top)"
#: How many maps the largest of some numbered parts needs so that they are blocks.
MAPS: Final = 2
#: How many modules lie in each other at most; a name with more dots is no path.
_DEEPEST: Final = 64
_NUMBERED: Final = re.compile(r"(?P<stem>.*?)(?P<number>\d+)$")


class Hierarchy:
    """Made from the paths of a network's modules; ``maps`` are those of its maps.

    >>> tree = Hierarchy(["conv1", "layer1.0.conv1", "layer1.0.conv2", "fc"])
    >>> tree.place("layer1.0.conv2"), tree.place("fc"), tree.place("")
    (('layer1', 0), ('fc', None), ('(top)', None))
    """

    def __init__(self, maps: Iterable[str]) -> None:
        held: Counter[str] = Counter()
        for path in maps:
            parts = _parts(path)
            held.update(".".join(parts[:n]) for n in range(1, len(parts)))
        #: Groups of numbered siblings that are stages or blocks.
        large = Counter(_group(path) for path, n in held.items() if n >= MAPS)
        # What is a number alone comes from a list; another name may just end in one,
        # and does not where another stage has several of it.
        several = {_kind(group) for group, members in large.items() if members > 1}
        self._groups = {
            group
            for group in large
            if group is not None and (group.endswith(".") or _kind(group) in several)
        }
        #: Groups whose members hold numbered parts in turn: stages.
        self._outer = {
            _group(levels[0]) for levels in map(self._levels, held) if len(levels) > 1
        }

    def place(self, path: str) -> tuple[str, int | None]:
        """The section of a module, and the number of its block there."""
        if not path:
            return TOP, None
        levels = self._levels(path)
        if not levels:
            return path.partition(".")[0], None
        if len(levels) > 1:
            return levels[0], _number(levels[1])
        if _group(levels[0]) in self._outer:
            return levels[0], None
        above = levels[0].rpartition(".")[0]
        return (above, _number(levels[0])) if above else (levels[0], None)

    def staged(self, path: str) -> bool:
        """Whether a module lies in a stage or a block."""
        return bool(self._levels(path))

    def _levels(self, path: str) -> list[str]:
        parts = _parts(path)
        above = (".".join(parts[:n]) for n in range(1, len(parts) + 1))
        return [level for level in above if _group(level) in self._groups]


def _parts(path: str) -> list[str]:
    """The path's modules, as deep as a module can lie."""
    return path.split(".", _DEEPEST)[:_DEEPEST]


def _group(path: str) -> str | None:
    """What a numbered part has in common with its siblings: its path but the number."""
    found = _NUMBERED.fullmatch(path)
    return found["stem"] if found else None


def _kind(group: str | None) -> str:
    """What a group has in common with those of other stages."""
    return re.sub(r"\d+", "0", group or "")


def _number(path: str) -> int:
    found = _NUMBERED.fullmatch(path)
    return int(found["number"]) if found else 0
