"""Where names of blocks and shortcuts are looked up.

A library has a spec's own definitions and, behind them, the built-in ones: JSON files
of the package, read when they are first asked for and kept for the process. Last come
those of other packages, which register a package of such files as an entry point of
the group ``resgen.blocks``; none of their code is run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Final

from resgen.errors import ResgenError, did_you_mean, listed
from resgen.spec import definition
from resgen.spec.bind import Binder
from resgen.spec.body import BodyReader
from resgen.spec.model import Argument, Definition
from resgen.spec.params import Vocabulary
from resgen.spec.places import Enough
from resgen.spec.source import Json, Problems, read

#: The folder of built-in definitions: shortcuts in one sub-folder, blocks in the rest.
BLOCKS: Final = Path(__file__).resolve().parent.parent / "blocks"
SHORTCUTS: Final = "shortcuts"
#: The group of entry points whose values are packages of definitions.
ENTRY_POINTS: Final = "resgen.blocks"
#: How many definitions may stand behind one another.
MAX_CHAIN: Final = 48

Kind = str  # "block" or "shortcut"

#: Held while a definition is looked up: of one that is being read, as it may use
#: itself, other threads would get what is there so far.
_READING: Final = RLock()


@cache
def builtin_files() -> Mapping[Kind, Mapping[str, Path]]:
    """Files of the built-in definitions by kind and name."""
    return _files(BLOCKS)


def _files(folder: Path) -> Mapping[Kind, dict[str, Path]]:
    found: dict[Kind, dict[str, Path]] = {"block": {}, "shortcut": {}}
    for path in sorted(folder.glob("*/*.json")):
        kind = "shortcut" if path.parent.name == SHORTCUTS else "block"
        found[kind][path.stem] = path
    return found


@cache
def registered_files() -> Mapping[Kind, Mapping[str, Path]]:
    """Files of the definitions that installed packages register, as built-in ones."""
    # Only where a name is not known otherwise: to look takes longer than to check.
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    found: dict[Kind, dict[str, Path]] = {"block": {}, "shortcut": {}}
    for entry in entry_points(group=ENTRY_POINTS):
        package = find_spec(entry.value)
        for folder in (package and package.submodule_search_locations) or ():
            for kind, files in _files(Path(folder)).items():
                twice = sorted(found[kind].keys() & files)
                if twice:
                    first = found[kind][twice[0]].parent
                    raise ResgenError(
                        f'two packages register a {kind} "{twice[0]}": one in {first} '
                        f"and one in {folder}",
                        hint="uninstall one, or let the spec define its own",
                    )
                found[kind].update(files)
    return found


class Library:
    """Definitions by kind and name; remembers which were asked for."""

    def __init__(
        self,
        operators: Vocabulary,
        problems: Problems,
        own: Mapping[Kind, Mapping[str, Json]],
        outer: Library | None,
    ) -> None:
        self.reader = BodyReader(Binder(problems), operators, self)
        self.problems = problems
        self.builtin = outer is None
        self._own = own
        self._outer = outer
        self._made: dict[tuple[Kind, str], Definition] = {}
        self._uses: list[set[tuple[Kind, str]]] = [set()]
        self._says: frozenset[str] = frozenset()

    # --- asking -----------------------------------------------------------------------

    def block(self, name: str) -> Definition | None:
        """The block of this name, or None."""
        return self._find("block", name)

    def shortcut(self, name: str) -> Definition | None:
        """The shortcut preset of this name, or None."""
        return self._find("shortcut", name)

    def block_names(self) -> list[str]:
        """Names of all blocks, the spec's own first."""
        return self._names("block")

    def shortcut_names(self) -> list[str]:
        """Names of all shortcut presets, the spec's own first."""
        return self._names("shortcut")

    def says(self, operator: str) -> bool:
        """Whether the spec's defaults state arguments of this operator.

        A built-in block cannot know what they will be, so it is always taken to.
        """
        return self.builtin or operator in self._says

    def state(self, operators: frozenset[str]) -> None:
        """Note the operators that the spec's defaults state arguments of."""
        self._says = operators

    def used(self) -> dict[tuple[Kind, str], Definition]:
        """Every definition asked for so far, and what these use in turn."""
        found: dict[tuple[Kind, str], Definition] = {}
        queue = sorted(self._uses[0])
        while queue:
            key = queue.pop()
            made = self._find(*key)
            if made is not None and key not in found:
                found[key] = made
                queue.extend(sorted(made.uses))
        return found

    def arguments(
        self, made: Definition, arguments: Mapping[str, Json], at: Json
    ) -> dict[str, Argument]:
        """Bind a block's arguments; what it does not take, or lacks, is reported."""
        bound: dict[str, Argument] = {}
        self.problems.spend(len(made.params) / 4, at.place)
        for key, item in arguments.items():
            if key not in made.params:
                if not made.unsure:
                    self._unknown_argument(made, key, item)
                continue
            value = self.reader.binder.argument(item, made.params[key])
            if value is not None:
                bound[key] = value
        for key, param in made.params.items():
            lacks = self.reader.binder.lacks
            if param.required and lacks(arguments, key, made.params):
                message = f'block "{made.name}" needs "{key}", {param}'
                self.problems.error("RG023", message, at.place())
        return bound

    def _unknown_argument(self, made: Definition, key: str, at: Json) -> None:
        """Report an argument that the block does not take."""
        near = did_you_mean(key, made.params)
        takes = listed(made.params) or "nothing"
        message = f'block "{made.name}" has no parameter "{key}"{near}'
        hint = None if near else f"it takes: {takes}"
        self.problems.error("RG022", message, at.place(key=True), hint)

    # --- reading ----------------------------------------------------------------------

    def _names(self, kind: Kind) -> list[str]:
        own = self._own.get(kind, {})
        if self._outer is not None:
            return list(dict.fromkeys((*own, *self._outer._names(kind))))
        found = (builtin_files()[kind], registered_files()[kind])
        return list(dict.fromkeys(name for files in found for name in files))

    def _find(self, kind: Kind, name: str) -> Definition | None:
        with _READING:
            return self._looked_up(kind, name)

    def _looked_up(self, kind: Kind, name: str) -> Definition | None:
        key = (kind, name)
        found = self._made.get(key)
        if found is None and name in self._own.get(kind, {}):
            found = self._read(kind, name, self._own[kind][name])
        elif found is None and self._outer is not None:
            found = self._outer._find(kind, name)
        elif found is None and self.builtin:
            file = builtin_files()[kind].get(name) or registered_files()[kind].get(name)
            at = None if file is None else read(file, self.problems, shown=name)
            found = None if at is None else self._read(kind, name, at)
        if found is not None:
            self._uses[-1].add(key)
        return found

    def _read(self, kind: Kind, name: str, at: Json) -> Definition:
        if len(self._uses) > MAX_CHAIN:
            message = f"more than {MAX_CHAIN} definitions use one another"
            self.problems.error("RG051", message, at.place())
            raise Enough
        self.problems.spend(30, at.place)
        made = definition.begin(name, at, self.reader, builtin=self.builtin)
        self._made[kind, name] = made
        self._uses.append(set())
        definition.finish(made, self.reader, kind)
        made.uses = frozenset(self._uses.pop())
        return made


_BUILTIN: dict[int, tuple[Vocabulary, Library]] = {}


def builtin(operators: Vocabulary) -> Library:
    """The library of built-in definitions for this vocabulary, one a process."""
    with _READING:
        kept = _BUILTIN.get(id(operators))
        if kept is None:
            made = Library(operators, Problems(math.inf), {}, None)
            kept = _BUILTIN[id(operators)] = (operators, made)
    return kept[1]
