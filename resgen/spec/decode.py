"""A resolved tree of JSON, read as a spec.

Everything that can be told without running the network is checked here: keys, types,
names, and that every argument of a stage is taken by something. Problems are collected;
what a problem spoils is left out or read as it was most likely meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from resgen.errors import closest
from resgen.spec import library as libraries
from resgen.spec.bind import POSITIONS
from resgen.spec.definition import local_values
from resgen.spec.keys import FORMS
from resgen.spec.library import Library
from resgen.spec.model import Argument, Body, Names, Spec, Template, Widths
from resgen.spec.params import Param, Vocabulary
from resgen.spec.picture import labels, preprocess
from resgen.spec.places import describe
from resgen.spec.source import Json, Problems, from_plain
from resgen.spec.stages import StageReader

#: The version of the language that this package reads.
LANGUAGE: Final = 1

KEYS: Final = (
    "resgen",
    "name",
    "input",
    "stem",
    "stages",
    "head",
    "let",
    "defaults",
    "names",
    "blocks",
    "shortcuts",
    "widths",
    "preprocess",
    "labels",
    "doc",
    "$schema",
)
#: Keys under which stand what other parts mention by name.
SPOKEN_OF: Final = frozenset(("let", "defaults", "blocks", "shortcuts"))
REQUIRED_KEYS: Final = ("resgen", "name", "input", "stem", "stages", "head")
NAMES: Final[Mapping[str, str]] = {
    "trunk": "",
    "stage": "layer{stage + 1}",
    "block": "{index}",
    "entry": "entry",
    "exit": "exit",
}
#: Largest size of an input axis, in elements.
MAX_INPUT: Final = 1 << 16


def decode(
    at: Json, operators: Vocabulary, problems: Problems, folder: Path | None = None
) -> Spec | None:
    """Read a resolved tree; None where too little of it is there to go on.

    ``folder`` is where a file of ``labels`` is looked up.
    """
    if not isinstance(at.value, dict):
        problems.mistyped(at, "a spec is an object")
        return None
    return _Decoder(at, operators, problems, folder).spec()


def with_values(
    spec: Spec, at: Json, operators: Vocabulary, problems: Problems
) -> Spec | None:
    """A tree that differs from that of ``spec`` in ``name`` and ``let`` alone, read.

    Nothing else of a spec is read otherwise for what ``let`` says. None as of
    :func:`decode`.
    """
    return _Decoder(at, operators, problems, None).again(spec)


@lru_cache(maxsize=256)
def _is_nearly_a_form(key: str) -> bool:
    return closest(key, FORMS) is not None


class _Decoder:
    def __init__(
        self,
        at: Json,
        operators: Vocabulary,
        problems: Problems,
        folder: Path | None,
    ) -> None:
        self.at = at
        self.said: Mapping[str, Json] = at.value if isinstance(at.value, dict) else {}
        self.problems = problems
        self.operators = operators
        self.folder = folder
        probe = Library(operators, problems, {}, None)
        #: Whether a parent that could not be read may hold what is missing.
        self.orphan = "extends" in self.said
        keys = (*KEYS, "extends") if self.orphan else KEYS
        self.members = probe.reader.binder.members(at, keys, "a spec")
        own = {
            "block": self._definitions("blocks"),
            "shortcut": self._definitions("shortcuts"),
        }
        self.library = Library(operators, problems, own, libraries.builtin(operators))
        self.reader = self.library.reader
        self.binder = self.reader.binder

    def _definitions(self, key: str) -> Mapping[str, Json]:
        at = self.members.get(key)
        if at is None or at.value is None:
            return {}
        if not isinstance(at.value, dict):
            self.problems.mistyped(at, f'"{key}" is an object of definitions')
            return {}
        found = dict(at.value)
        for name in [n for n in found if key == "blocks" and n in self.operators]:
            message = f'"{name}" is an operator; choose another name for the block'
            self.problems.error("RG013", message, found.pop(name).place(key=True))
        return found

    # --- the whole --------------------------------------------------------------------

    def spec(self) -> Spec | None:
        self._version()
        for key in REQUIRED_KEYS[1:]:
            if not self.orphan and self.binder.lacks(self.said, key, KEYS):
                self.problems.error("RG011", f'a spec needs "{key}"', self.at.place())
        if any(
            not self.binder.lacks(self.said, k, KEYS)
            for k in sorted(SPOKEN_OF - self.said.keys())
        ):
            return None  # a misspelt key hides what all the rest speaks of
        stages = StageReader(self.library, self.operators)
        stages.defaults(self.members.get("defaults"))
        # Every definition of the user's is read, also one that nothing uses.
        for kind, key in (("block", "blocks"), ("shortcut", "shortcuts")):
            for name in self._definitions(key):
                getattr(self.library, kind)(name)
        let = self._let()
        made = stages.read(self.members.get("stages"))
        stem, head = self._stem(), self._head()
        shape = self._input()
        if shape is None or made is None or stem is None or head is None or let is None:
            return None
        stages.all_taken()
        return Spec(
            name=self._string("name") or "network",
            doc=self._string("doc") or "",
            at=self.at,
            input=shape,
            stem=stem,
            stages=tuple(made),
            head=head,
            let=let,
            names=self._names(),
            widths=self._widths(),
            operators=stages.operator_defaults,
            precision=stages.precision,
            preprocess=preprocess(self.members.get("preprocess"), shape, self.binder),
            labels=labels(self.members.get("labels"), self.folder, self.problems),
            members=self.members,
            used=self.library.used(),
        )

    def again(self, spec: Spec) -> Spec | None:
        """What is read, where all but the name and ``let`` is that of ``spec``."""
        let = self._let()
        if let is None:
            return None
        name = self._string("name") or spec.name
        return replace(spec, name=name, at=self.at, let=let, members=self.members)

    def _let(self) -> Mapping[str, Argument] | None:
        """Names for values; None where nothing says what they are."""
        before = self.problems.told
        stated = self.binder.object(self.members.get("let"), '"let"')
        if self.problems.told != before:
            return None
        for name in stated.keys() & POSITIONS:
            message = f'"{name}" has a meaning of its own; choose another name'
            self.problems.error("RG013", message, stated[name].place(key=True))
        made = local_values(stated, self.reader)
        self.problems.valueless |= stated.keys() - made.keys()
        return made

    def _version(self) -> None:
        at = self.members.get("resgen")
        if at is None and (
            self.orphan or not self.binder.lacks(self.said, "resgen", KEYS)
        ):
            return
        if at is None:
            message = f'a spec begins with "resgen": {LANGUAGE}, the language version'
            self.problems.error("RG011", message, self.at.place())
        elif at.value != LANGUAGE or isinstance(at.value, bool):
            message = f"language version {describe(at.value)} is not known"
            hint = f"this resgen reads version {LANGUAGE}"
            self.problems.error("RG014", message, at.place(), hint)

    def _string(self, key: str) -> str | None:
        at = self.members.get(key)
        if at is None or at.value is None:
            return None
        if isinstance(at.value, str) and (at.value or key == "doc"):
            if key == "name" and not at.value.isprintable():
                odd = next(c for c in at.value if not c.isprintable())
                message = f'"name" holds the character U+{ord(odd):04X}'
                hint = "it is shown, and names files: take what can be printed"
                self.problems.error("RG013", message, at.place(), hint)
            return at.value
        self.problems.mistyped(at, f'"{key}" is a string')
        return None

    def _input(self) -> tuple[int, ...] | None:
        at = self.members.get("input")
        if at is None:
            return None
        sizes = at.value if isinstance(at.value, list) else []
        if not 2 <= len(sizes) <= 4:
            message = '"input" is a list: channels, then 1 to 3 spatial sizes'
            self.problems.error("RG012", message, at.place(), "[3, 224, 224], say")
            return None
        param = Param("integer", minimum=1, maximum=MAX_INPUT)
        values = [self.binder.constant(item, param) for item in sizes]
        if None in values:
            return None
        shape = tuple(map(int, values))
        if len(shape) == 3 and shape[2] in (1, 3, 4) and min(shape[:2]) > 4:
            meant = f"[{shape[2]}, {shape[0]}, {shape[1]}]"
            message = f"{shape[0]} channels and pictures that are {shape[2]} wide"
            hint = f"channels come first: write {meant} if that was meant"
            self.problems.warning("RG015", message, at.place(), hint)
        return shape

    def _names(self) -> Names:
        stated = self.binder.object(self.members.get("names"), '"names"')
        if stated:
            stated = self.binder.members(self.members["names"], NAMES, '"names"')
        made: dict[str, Template] = {}
        for key, default in NAMES.items():
            usual = from_plain(default, "names")
            made[key] = (
                self.binder.path(stated.get(key) or usual)
                or self.binder.template(usual)
                or Template((), usual)
            )
        return Names(**made)

    def _widths(self) -> Widths:
        at = self.members.get("widths")
        param = Param("integer")
        made = {}
        for path, item in self.binder.object(at, '"widths"').items():
            width = None if item.value is None else self.binder.constant(item, param)
            if width is not None:
                made[path] = int(width), item
        return Widths(made, self.at if at is None else at)

    # --- stem and head ----------------------------------------------------------------

    def _stem(self) -> Body | None:
        at = self.members.get("stem")
        return None if at is None else self.reader.body(at)

    def _head(self) -> Body | None:
        at = self.members.get("head")
        if at is None:
            return None
        if isinstance(at.value, dict) and not any(
            key in at.value for key in (*FORMS, "as", "when", "name", "from")
        ):
            # {"classes": N} is short for the classifier with these arguments.
            arguments = dict(at.value)
            for key, item in arguments.items():
                if _is_nearly_a_form(key):  # no argument, but a form misspelt
                    self.binder.unknown_key(item, key, FORMS, "a head")
                    return self.reader.refused(at)
            stated = arguments.pop("precision", None)
            use = {
                "use": replace(at, value="classifier"),
                "with": replace(at, value=arguments),
            }
            if stated is not None:
                use["precision"] = stated
            return self.reader.body(replace(at, value=use))
        return self.reader.body(at)
