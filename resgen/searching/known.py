"""What was counted of candidates, by the words that it was counted of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from resgen.expansion.builder import Made
from resgen.expansion.evaluate import NUMBERED
from resgen.searching.parts import Part
from resgen.spec.model import (
    Argument,
    Definition,
    Fields,
    Items,
    PerBlock,
    Scalar,
    Template,
    Text,
)
from resgen.spec.places import Json
from resgen.spec.source import plain

#: Members that say nothing of what a network costs.
SILENT: Final = frozenset(("resgen", "name", "doc", "$schema", "preprocess", "labels"))
#: Parts of one key that are told apart by the number of their block: more are not kept.
MOST_ALIKE: Final = 8
#: What blocks of one stage do not have in common.
PLACED: Final = NUMBERED | {"channels", "here", "stride"}
#: A name in a text of expressions, and other words.
WORD: Final = re.compile(r"[A-Za-z_]\w*")
#: Keys of parts that are kept, which take some 2 kB each.
MOST_PARTS: Final = 200_000
#: What operators make that is kept, by operator and types.
MOST_MADE: Final = 100_000
#: Pieces of specs whose text is kept.
MOST_TEXTS: Final = 4096


class Known:
    """Parts that were counted, and the texts of what candidates have in common.

    All of it can be found again, so it is dropped where it has grown too large.
    """

    def __init__(self) -> None:
        self.made = Made()
        self._parts: dict[tuple[Any, ...], list[Part]] = {}
        self._texts: dict[int, tuple[Json, str]] = {}
        self._mentioned: dict[str, frozenset[str]] = {}
        self._commons: dict[tuple[tuple[str, str], ...], int] = {}
        self._stages: dict[int, tuple[Json, str]] = {}
        self._moving: dict[int, tuple[Definition, bool]] = {}

    def shed(self) -> None:
        """Drop what operators make that is kept, where that is much."""
        if len(self.made) >= MOST_MADE:
            self.made = Made()

    def part(self, key: tuple[Any, ...], positions: Mapping[str, Any]) -> Part | None:
        """The part of a key that is the same at these positions."""
        for part in self._parts.get(key, ()):
            if all(each.holds(positions) for each in part.numbered):
                return part
        return None

    def keep(self, key: tuple[Any, ...], part: Part) -> None:
        """Remember a part, unless there are many of its words already."""
        if len(self._parts) >= MOST_PARTS:
            self._parts.clear()
        alike = self._parts.setdefault(key, [])
        if len(alike) < MOST_ALIKE:
            alike.append(part)

    def common(self, members: Mapping[str, Json], apart: tuple[str, ...]) -> int:
        """A number for what a spec says outside of ``apart``: equal if that is."""
        key = tuple(
            (name, self.text(at))
            for name, at in sorted(members.items())
            if name not in SILENT and name not in apart
        )
        return self._commons.setdefault(key, len(self._commons))

    def moves(self, made: Definition) -> bool:
        """Whether what a block comes to before its body runs is told by its place."""
        known = self._moving.get(id(made))
        if known is None:
            known = made, moving((*made.defaults.values(), *made.let.values()))
            self._moving[id(made)] = known
        return known[1]

    def mentioned(self, at: Json) -> frozenset[str]:
        """The names that the body of a definition mentions."""
        whole = self.text(at)
        if whole not in self._mentioned:
            members = at.value if isinstance(at.value, dict) else {}
            apart = ("params", "let", "doc")
            body = [text(v) for k, v in members.items() if k not in apart]
            self._mentioned[whole] = frozenset(WORD.findall(" ".join(body)))
        return self._mentioned[whole]

    def of_blocks(self, stage: Json) -> str:
        """What a stage says of its blocks: all but their number."""
        known = self._stages.get(id(stage))
        if known is None:
            own = stage.value if isinstance(stage.value, dict) else {}
            said = {key: at for key, at in own.items() if key != "depth"}
            if len(self._stages) >= MOST_TEXTS:
                self._stages.clear()
            known = stage, text(replace(stage, value=said))
            self._stages[id(stage)] = known
        return known[1]

    def text(self, at: Json) -> str:
        """A piece of a spec; those that candidates have in common are written once."""
        known = self._texts.get(id(at))
        if known is None:
            if len(self._texts) >= MOST_TEXTS:
                self._texts.clear()
            known = self._texts[id(at)] = (at, text(at))
        return known[1]


def text(at: Json) -> str:
    """A piece of a spec, alike for pieces that say the same."""
    return json.dumps(plain(at), sort_keys=True)


def moving(values: Iterable[Argument | PerBlock]) -> bool:
    """Whether any of them may be another one in another block of its stage."""
    for each in values:
        match each:
            case Scalar(expr=expr):
                moves = not PLACED.isdisjoint(expr.names)
            case Text(reference=reference):
                moves = reference
            case Items(items=items):
                moves = moving(items)
            case PerBlock() | Template() | Fields():
                moves = True
            case _:  # a body is told by its text
                moves = False
        if moves:
            return True
    return False
