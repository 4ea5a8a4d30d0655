"""Where a class keeps its modules and parameters, and how its code reaches them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from keyword import iskeyword
from typing import Final

from resgen.lower.source.expressions import quoted
from resgen.lower.source.layout import Brackets, Doc, joined, repeated

#: What ``nn.ModuleDict`` has by these names.
_KEPT: Final = {"clear", "items", "keys", "pop", "update", "values"}


#: What ``nn.ModuleList`` has by these names.
_LISTED: Final = {"append", "extend", "insert", "pop"}


@dataclass
class Place:
    """A module of a class, or a name below which there are some.

    ``made`` is what stands there, ``parameter`` a parameter (or buffer) in its stead;
    ``condition`` is the argument that tells whether it is there at all. A class is
    ``indexed`` if its numbers are those of a list. What it holds is asked of it once
    all is there.
    """

    made: Doc | None = None
    parameter: bool = False
    trained: bool = True
    condition: str | None = None
    below: dict[str, Place] = field(default_factory=dict)
    indexed: bool = False

    def at(self, path: str) -> Place:
        """The place at a path, made where it is not there."""
        here = self
        for name in path.split("."):
            here = here.below.setdefault(name, Place())
        return here

    @cached_property
    def listed(self) -> bool:
        """Whether the names below are the numbers of a list."""
        return [*self.below] == [str(i) for i in range(len(self.below))]

    @cached_property
    def held(self) -> bool:
        """Whether one of torch's containers can hold all that is below."""
        return self.made is None and all(
            not p.parameter
            and (p.made is None or not p.below)
            and (p.made is not None or p.held)
            and name not in _KEPT
            for name, p in self.below.items()
        )

    def reach(self, path: str) -> str:
        """Code for what is at a path of the class."""
        here, code = self, "self"
        for depth, name in enumerate(path.split(".")):
            if (here.indexed and name.isdigit()) or (
                depth and here.held and here.listed
            ):
                code = f"{code}[{name}]"
            elif attribute(name):
                code = f"{code}.{name}"
            elif depth and here.held:
                code = f"{code}[{quoted(name)}]"
            else:
                code = f"getattr({code}, {quoted(name)})"
            here = here.below[name]
        return code


def attribute(name: str) -> bool:
    """Whether a name can stand behind a dot; Python changes those that begin so."""
    return name.isidentifier() and not iskeyword(name) and not name.startswith("__")


def statements(root: Place) -> list[tuple[int, Doc]]:
    """The lines of a constructor that put all in its place, each with its depth."""
    found: list[tuple[int, Doc]] = []
    for name, place in root.below.items():
        if not (root.indexed and name.isdigit()):
            _put("self", name, place, found)
    return found


#: How many places of a list may be empty.
_EMPTY: Final = 3


def index(root: Place) -> Doc | None:
    """Make a class a list of its numbered modules: what it is made of, if it can be."""
    numbers = [name for name in root.below if name.isdigit()]
    if not numbers or [*map(str, sorted(map(int, numbers)))] != numbers:
        return None
    if [*root.below][: len(numbers)] != numbers:  # they would come before others
        return None
    size = int(numbers[-1]) + 1
    taken = [root.below[name] for name in numbers]
    plain = all(
        p.made is not None and not (p.parameter or p.below or p.condition)
        for p in taken
    )
    clash = _LISTED & {*root.below}
    if not plain or clash or size - len(numbers) > _EMPTY:
        return None
    root.indexed = True
    items = [root.below.get(str(at)) for at in range(size)]
    docs = [p.made if p and p.made is not None else "nn.Identity()" for p in items]
    inner = Brackets("[", tuple(docs), "]", display=True)
    return Brackets("super().__init__(", (inner,), ")")


def _put(owner: str, name: str, place: Place, found: list[tuple[int, Doc]]) -> None:
    """Statements for one place and what is below it."""
    plain = attribute(name)
    code = f"{owner}.{name}" if plain else f"getattr({owner}, {quoted(name)})"
    if place.parameter and place.made is not None:
        if not place.trained:
            head = f"{owner}.register_buffer("
            found.append((0, Brackets(head, (quoted(name), place.made), ")")))
            return
        made: Doc = Brackets("nn.Parameter(", (place.made,), ")")
        if plain:
            found.append((0, joined(f"{code} = ", made)))
        else:
            head = f"{owner}.register_parameter("
            found.append((0, Brackets(head, (quoted(name), made), ")")))
        return
    inner = [*place.below.items()]
    if place.made is None:
        whole = _container(place)
        if whole is None:
            found.append((0, _set(owner, name, "nn.Module()")))
        else:
            found.append((0, _set(owner, name, whole)))
            found.extend(_conditions(code, place))
            return
    elif place.condition:
        found.append((0, _set(owner, name, "nn.Identity()")))
        found.append((0, f"if {place.condition}:"))
        found.append((1, _set(owner, name, place.made)))
    else:
        found.append((0, _set(owner, name, place.made)))
    for below, each in inner:
        _put(code, below, each, found)


def _set(owner: str, name: str, made: Doc) -> Doc:
    if attribute(name):
        return joined(f"{owner}.{name} = ", made)
    return Brackets(f"{owner}.add_module(", (quoted(name), made), ")")


def _container(place: Place) -> Doc | None:
    """What holds all that is below a name, or None where nothing of torch's can."""
    if not place.held:
        return None
    items: list[Doc] = []
    for name, each in place.below.items():
        made = _container(each) if each.made is None else each.made
        if made is None:
            return None
        if each.condition:
            made = "nn.Identity()"
        items.append(made if place.listed else joined(f"{quoted(name)}: ", made))
    if place.listed:
        docs = repeated(items)
        inner = Brackets("[", tuple(docs), "]", display=True)
        if len(docs) == 1 and isinstance(docs[0], Brackets) and len(items) > 1:
            inner = replace(docs[0], head="[")  # one loop is the whole list
        return Brackets("nn.ModuleList(", (inner,), ")")
    inner = Brackets("{", tuple(items), "}", display=True)
    return Brackets("nn.ModuleDict(", (inner,), ")")


def _conditions(code: str, place: Place) -> list[tuple[int, Doc]]:
    """What is put in later where an argument says so."""
    found: list[tuple[int, Doc]] = []
    for name, each in place.below.items():
        if place.listed:
            at = f"{code}[{name}]"
        elif attribute(name):
            at = f"{code}.{name}"
        else:
            at = f"getattr({code}, {quoted(name)})"
        if each.condition and each.made is not None:
            found.append((0, f"if {each.condition}:"))
            if attribute(name) or place.listed:
                found.append((1, joined(f"{at} = ", each.made)))
            else:
                found.append((1, _set(code, name, each.made)))
        found.extend(_conditions(at, each))
    return found
