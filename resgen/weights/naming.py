"""The names that torchvision, timm and others give the parameters of a network.

A file of ``families`` has those of one family in several ``libraries``. The first of
its ``rules`` that fits a name renames it: the names in each library, then, where they
differ, the shapes, as ONNX's Reshape reads them (0 keeps an axis, -1 takes the rest);
the last stands for those that follow. A name that ends in a dot is that of all that
begin so; ``{s}`` is a number, ``{2s+1}`` one that is computed of it, ``{S}`` the number
as a letter, 0 as ``a``, and ``{*}`` any text. Rules ``with`` a name are for networks
that have it.

``{n}`` is how many came before, in the order of the network, of what ``count`` names.
``shapes`` tells apart families of the same names: by the shape, -1 for any size, of
parameters as the first library names them. ``needs`` is an operator, and attributes,
without which a network computes something else there; ``takers`` are the networks of
the zoo that compute what the second library's do, where others have the same
parameters. ``eps`` is that of the batch norms in the second library, of networks that
have the parameter by which it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import permutations
from math import prod
from pathlib import Path
from typing import Any, Final, TypeVar

from resgen.errors import ResgenError
from resgen.graph.ir import Graph, Parameter
from resgen.ops.norm import Norm

_FAMILIES: Final = Path(__file__).parent / "families"
_TERM: Final = re.compile(r"\{(\d*)([a-zA-Z*])([+-]\d+)?\}")

Shape = tuple[int, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Naming:
    """How ``library`` names the parameters of a network that has names of ``own``.

    ``parameters`` are the library's, by the network's own names; ``eps`` is that of its
    batch norms, where not every network has it.
    """

    family: str
    library: str
    own: str
    parameters: Mapping[str, Parameter]
    eps: float | None

    @property
    def said(self) -> str:
        """Whose names they are, in words."""
        return f"named as {self.family} in {self.library}"

    def differences(self, graph: Graph) -> list[str]:
        """What the same weights compute otherwise there, a line on each."""
        norms = (node.op for node in graph.nodes if isinstance(node.op, Norm))
        here = {norm.eps for norm in norms if norm.type == "batch"}
        if self.eps is None or not (others := sorted(here - {self.eps})):
            return []
        told = ", ".join(map(str, others))
        return [f"batch norms have eps {self.eps} in {self.library}, here {told}"]

    def to_own(self, values: Mapping[str, Any], graph: Graph) -> dict[str, Any]:
        """Arrays or tensors of the library's names by the network's; others stay."""
        pairs = ((p, graph.parameter[n]) for n, p in self.parameters.items())
        return _as(pairs, values)

    def from_own(self, values: Mapping[str, Any], graph: Graph) -> dict[str, Any]:
        """Arrays or tensors of the network's names by the library's; others stay."""
        pairs = ((graph.parameter[n], p) for n, p in self.parameters.items())
        return _as(pairs, values)


def namings(graph: Graph, loose: Collection[str] = ()) -> Iterator[Naming]:
    """How libraries name a network's parameters, where a family has all of its names.

    Where two name it alike there are both ways between them, of its own names. What no
    rule knows of the ``loose`` (those of a head of one's own) keeps its name.
    """
    for family in _families():
        for own, other in permutations(range(len(family.libraries)), 2):
            if (naming := family.naming(graph, own, other, loose)) is not None:
                yield naming


def takers(names: Collection[str]) -> Iterator[str]:
    """Networks of the zoo that may take weights of such names, by the names alone."""
    for family in _families():
        if 2 * family.known(names) >= len(names):
            yield from family.takers


# --- parts ----------------------------------------------------------------------------


class _Name:
    """A name with numbers in it, or what names begin with."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._terms = [
            (letter, int(times or 1), int(plus or 0))
            for times, letter, plus in _TERM.findall(text)
        ]
        plain = map(re.escape, _TERM.sub("\0", text).split("\0"))
        pattern = next(plain)
        for (letter, *_), more in zip(self._terms, plain, strict=True):
            pattern += _pattern(letter) + more
        self._pattern = re.compile(pattern + ("(.*)" if text.endswith(".") else "()$"))

    def read(self, name: str) -> tuple[dict[str, Any], str] | None:
        """The terms of a name and what follows it; None of one that is another."""
        if (found := self._pattern.match(name)) is None:
            return None
        *said, rest = found.groups()
        terms: dict[str, Any] = {}
        for (letter, times, plus), text in zip(self._terms, said, strict=True):
            value: Any = text
            if letter != "*":
                count = ord(text) - ord("a") if letter.isupper() else int(text)
                value, odd = divmod(count - plus, times)
                if odd:
                    return None
            if terms.setdefault(letter.lower(), value) != value:
                return None
        return terms, rest

    def write(self, terms: Mapping[str, Any]) -> str:
        """The name with these terms in it."""

        def said(letter: str, times: int, plus: int) -> str:
            value = terms[letter.lower()]
            if letter == "*":
                return str(value)
            number = value * times + plus
            return chr(ord("a") + number) if letter.isupper() else str(number)

        found = (said(*term) for term in self._terms)
        return _TERM.sub(lambda _: next(found), self._text)


def _pattern(letter: str) -> str:
    """What a term may stand for."""
    if letter == "*":
        return "(.+)"
    return "([a-z])" if letter.isupper() else "(0|[1-9][0-9]{0,5})"


class _Family:
    """What a file of ``families`` says."""

    def __init__(self, read: Mapping[str, Any]) -> None:
        self._read = read
        self.libraries: list[str] = read["libraries"]
        self.takers: list[str] = read.get("takers", [])
        self._count = _Name(read["count"]) if "count" in read else None
        #: Names and shapes in each library, and the name that is asked for.
        self._rules: list[tuple[list[_Name], list[Shape], _Name | None]] = []
        for entry in read["rules"]:
            grouped = isinstance(entry, dict)
            within = _Name(entry["with"]) if grouped else None
            for rule in entry["rules"] if grouped else [entry]:
                names = [_Name(part) for part in rule if isinstance(part, str)]
                shapes = [tuple(part) for part in rule[len(names) :]]
                self._rules.append((names, shapes, within))

    def known(self, names: Collection[str]) -> int:
        """How many of the names are of the second library."""
        theirs = [_of(each, 1) for each, *_ in self._rules]
        return sum(any(rule.read(name) for rule in theirs) for name in names)

    def naming(
        self, graph: Graph, own: int, other: int, loose: Collection[str]
    ) -> Naming | None:
        """How one library names a graph that has the names of another.

        They are counted in ``libraries``. None where not all names are known.
        """
        # What is counted and asked for is known by the first library's names alone.
        if own and (self._count or any(within for *_, within in self._rules)):
            return None
        for name, said in self._read.get("needs", {}).items():
            ops = (node.op for node in graph.nodes if node.op.name == name)
            if not any(said.items() <= vars(op).items() for op in ops):
                return None
        counted: dict[str, int] = {}
        theirs: dict[str, Parameter] = {}
        for parameter in graph.parameters:
            n = len(counted)
            if self._count and (found := self._count.read(parameter.name)):
                n = counted.setdefault(self._count.write(found[0]), n)
            for names, shapes, within in self._rules:
                if (found := _of(names, own).read(parameter.name)) is None:
                    continue
                terms, rest = found
                if within and within.write(terms) not in graph.parameter:
                    continue
                name = _of(names, other).write({**terms, "n": n}) + rest
                shape = parameter.shape
                if shapes:
                    shape = _shape(shape, _of(shapes, other))
                theirs[parameter.name] = replace(parameter, name=name, shape=shape)
                break
            else:
                if parameter.name not in loose:
                    return None
                theirs[parameter.name] = parameter
        sizes = {p.name: p.size for p in theirs.values()}
        if [*sizes.values()] != [p.size for p in graph.parameters]:
            return None  # two of one name, or a shape that is no other way to see it
        known = graph.parameters if other else theirs.values()
        first = {p.name: p.shape for p in known}
        wanted = self._read.get("shapes", {})
        if any(first.get(n) != _shape(first.get(n, ()), s) for n, s in wanted.items()):
            return None
        eps = (e for n, e in self._read.get("eps", {}).items() if n in first)
        return Naming(
            self._read["network"],
            self.libraries[other],
            self.libraries[own],
            theirs,
            next(eps, None) if other == 1 else None,
        )


@cache
def _families() -> tuple[_Family, ...]:
    files = sorted(_FAMILIES.glob("*.json"))
    return tuple(_Family(json.loads(file.read_text("utf-8"))) for file in files)


def _of(each: Sequence[T], library: int) -> T:
    """What is a library's own; the last is also that of those that follow."""
    return each[min(library, len(each) - 1)]


def _shape(shape: Shape, wanted: Shape) -> Shape:
    """A shape made another as ONNX's Reshape does it."""
    sizes = [shape[i] if size == 0 else size for i, size in enumerate(wanted)]
    rest = prod(shape) // prod(size for size in sizes if size != -1)
    return tuple(rest if size == -1 else size for size in sizes)


def _as(
    pairs: Iterable[tuple[Parameter, Parameter]], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Values by the names, and in the shapes, of what is wanted in their place.

    ``pairs`` are what a value is and what it becomes. One of another shape
    keeps it, to be refused: as many numbers in another order are other weights.
    """
    known = {was.name: (was, wanted) for was, wanted in pairs}
    found = {}
    for name, value in values.items():
        if name in known:
            was, wanted = known[name]
            name = wanted.name
            if tuple(value.shape) == was.shape != wanted.shape:
                value = value.reshape(wanted.shape)
        if name in found:
            raise ResgenError(f'the weights have "{name}" by two libraries\' names')
        found[name] = value
    return found
