"""A space of networks: one of them, what varies, and what has to hold.

A candidate is told by its genes: of each choice the number of the value that it takes.
Genes are what is drawn, changed and written down; the spec follows from them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from math import log10, prod
from random import Random
from typing import Any, Final, TypeAlias

from resgen.errors import SpecError
from resgen.spec.expr import Expr, ExprError, parse
from resgen.spec.places import Json, Problems, describe, escaped
from resgen.spec.resolve import put
from resgen.spec.source import from_plain, plain
from resgen.words.numbers import count, figure, share

#: Of each choice, which of its values is taken.
Genes: TypeAlias = tuple[int, ...]

#: Draws that may fail what has to hold, one after the other, before a space is empty.
MOST_DRAWS: Final = 20_000
#: Candidates of a space that are all looked at to count those that hold.
COUNTED: Final = 20_000
#: Draws by which the share of those that hold is told of a larger space.
SURVEYED: Final = 1_000
#: Parts of candidates that are kept.
MOST_MADE: Final = 4096


@dataclass(frozen=True, slots=True)
class Choice:
    """What is free: ``values`` are tuples of one value for each of ``pointers``."""

    pointers: tuple[str, ...]
    values: tuple[tuple[Json, ...], ...]

    def said(self, gene: int) -> Iterator[tuple[str, Json]]:
        """What stands where if it takes this value."""
        return zip(self.pointers, self.values[gene], strict=True)


@dataclass(frozen=True, slots=True)
class Rule:
    """An expression that has to hold of a candidate, and where it stands."""

    expr: Expr
    at: Json


@dataclass(frozen=True)
class Counted:
    """How many candidates a space has, and of how many of them the rules hold.

    The latter is exact where all were looked at.
    """

    size: int
    holding: float
    exact: bool

    def __str__(self) -> str:
        if self.exact:
            return count(round(self.holding), "candidate")
        power = f"10^{log10(self.size):.1f} candidates"
        if self.holding == self.size:
            return power
        return f"{power}, of which about {share(self.holding, self.size)} hold"


@dataclass(frozen=True)
class Space:
    """The candidates: ``base`` with values put in, where the ``rules`` hold of them."""

    name: str
    base: Json
    choices: tuple[Choice, ...]
    rules: tuple[Rule, ...]

    @cached_property
    def size(self) -> int:
        """Candidates, before rules are asked."""
        return prod(len(choice.values) for choice in self.choices)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of all that decides which genes are which network."""
        told = {
            "base": plain(self.base),
            "choices": [
                [choice.pointers, [[plain(v) for v in each] for each in choice.values]]
                for choice in self.choices
            ],
            "rules": [rule.expr.text for rule in self.rules],
        }
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    # --- candidates -------------------------------------------------------------------

    def at(self, number: int) -> Genes:
        """The genes of a candidate by its number, from 0 up to the size."""
        genes = []
        for choice in reversed(self.choices):
            number, gene = divmod(number, len(choice.values))
            genes.append(gene)
        return tuple(reversed(genes))

    def draw(self, random: Random) -> Genes:
        """A candidate of which the rules hold; each is as likely as another.

        Raises :class:`~resgen.errors.SpecError` where none is found.
        """
        for _ in range(MOST_DRAWS):
            genes = tuple(random.randrange(len(c.values)) for c in self.choices)
            if self.holds(genes):
                return genes
        raise self.empty()

    def changed(self, genes: Genes, random: Random) -> Genes:
        """Another candidate that differs in one gene; the same where there is none."""
        free = [at for at, choice in enumerate(self.choices) if len(choice.values) > 1]
        for _ in range(MOST_DRAWS if free else 0):
            at = random.choice(free)
            gene = random.randrange(len(self.choices[at].values) - 1)
            gene += gene >= genes[at]
            other = (*genes[:at], gene, *genes[at + 1 :])
            if self.holds(other):
                return other
        return genes

    def set(self, genes: Genes) -> dict[str, Any]:
        """What a candidate sets, by pointer, as JSON has it."""
        return {
            pointer: plain(value)
            for choice, gene in zip(self.choices, genes, strict=True)
            for pointer, value in choice.said(gene)
        }

    def tree(self, genes: Genes) -> Json:
        """The resolved spec of a candidate; each of its values knows where it stands.

        Raises :class:`~resgen.errors.SpecError` where a value has no place in it.
        """
        members = dict(self.base.value) if isinstance(self.base.value, dict) else {}
        stages = members.get("stages")
        of_stages: dict[int, Json] = {}
        for unit, said in self._units.items():
            found = self._unit(unit, tuple([genes[at] for at in said]))
            if found is None:
                members.pop(unit[0], None)
            elif len(unit) > 1:
                of_stages[int(unit[1])] = found
            else:
                members[unit[0]] = found
        if of_stages and stages is not None and isinstance(stages.value, list):
            each = [of_stages.get(n, at) for n, at in enumerate(stages.value)]
            members["stages"] = replace(stages, value=each)
        members["name"] = from_plain(self.called(genes), "name")
        return replace(self.base, value=members)

    @cached_property
    def _units(self) -> dict[tuple[str, ...], tuple[int, ...]]:
        """Parts of a spec that vary, a member or one stage, by which choices they do.

        What is put in one of them changes no other.
        """
        parts = [
            (at, pointer.split("/")[1:])
            for at, choice in enumerate(self.choices)
            for pointer in choice.pointers
        ]
        within = all(len(each) > 2 for _, each in parts if each[0] == "stages")
        found: dict[tuple[str, ...], dict[int, None]] = {}
        for at, each in parts:
            unit = each[: 2 if within and each[0] == "stages" else 1]
            found.setdefault(tuple(unit), {})[at] = None
        return {unit: tuple(choices) for unit, choices in found.items()}

    def _unit(self, unit: tuple[str, ...], genes: Genes) -> Json | None:
        """A part that varies as it is with these genes of its choices.

        Parts that candidates have in common are one object.
        """
        if (unit, genes) in self._made:
            return self._made[unit, genes]
        problems, tree = Problems(), self.base
        above = f"/{'/'.join(unit)}"
        for at, gene in zip(self._units[unit], genes, strict=True):
            for pointer, value in self.choices[at].said(gene):
                if pointer == above or pointer.startswith(f"{above}/"):
                    tree = put(tree, pointer, value, problems)
        if problems.errors:
            raise SpecError(problems.items)
        found: Json | None = tree
        for part in unit:
            name = part.replace("~1", "/").replace("~0", "~")
            found = None if found is None else child(found, name)
        if len(self._made) >= MOST_MADE:
            self._made.clear()
        self._made[unit, genes] = found
        return found

    @cached_property
    def _made(self) -> dict[tuple[tuple[str, ...], Genes], Json | None]:
        return {}

    def called(self, genes: Genes) -> str:
        """The name of a candidate, which is its own among those of the space."""
        told = sha256(repr(genes).encode()).hexdigest()
        return f"{self.name}-{told[:8]}"

    # --- rules ------------------------------------------------------------------------

    def holds(self, genes: Genes) -> bool:
        """Whether all rules hold; SpecError at a rule that has no value."""
        said = _Said(self, genes)
        return all(_holds(rule, said) for rule in self.rules)

    def count(self) -> Counted:
        """How many candidates there are; SpecError where there is none."""
        if not self.rules:
            return Counted(self.size, self.size, exact=self.size <= COUNTED)
        if self.size <= COUNTED:
            holding = sum(self.holds(self.at(n)) for n in range(self.size))
            if not holding:
                raise self.empty()
            return Counted(self.size, holding, exact=True)
        random = Random(0)
        drawn = [random.randrange(self.size) for _ in range(SURVEYED)]
        holding = sum(self.holds(self.at(number)) for number in drawn)
        if not holding:
            self.draw(random)
        return Counted(self.size, self.size * max(holding, 1) / SURVEYED, exact=False)

    def empty(self) -> SpecError:
        """The error of rules that leave nothing."""
        problems = Problems()
        tried = f"none of {count(self.size, 'candidate')}"
        if self.size > COUNTED:
            tried = f"none of {MOST_DRAWS:,} candidates drawn of {figure(self.size)}"
        message = f"the space is empty: {tried} meets this rule and all others"
        problems.error("RG013", message, self.rules[0].at.place())
        return SpecError(problems.items)

    def source(self, pointer: str) -> Callable[[Genes], Json | None]:
        """What tells the value at a pointer, in the base or as it varies."""
        found = self._sources.get(pointer)
        if found is None:
            found = self._sources[pointer] = self._source(pointer)
        return found

    def _source(self, pointer: str) -> Callable[[Genes], Json | None]:
        varied = self._varied.get(pointer)
        if varied is not None:
            values, place = self.choices[varied[0]].values, varied[1]
            return lambda genes: values[genes[varied[0]]][place]
        above, _, part = pointer.rpartition("/")
        if not above:
            at = child(self.base, part)
            return lambda genes: at
        around = self.source(above)

        def within(genes: Genes) -> Json | None:
            at = around(genes)
            return None if at is None else child(at, part)

        if any(above == p or above.startswith(f"{p}/") for p in self._varied):
            return within
        fixed = within(())
        return lambda genes: fixed

    @cached_property
    def _sources(self) -> dict[str, Callable[[Genes], Json | None]]:
        return {}

    @cached_property
    def _varied(self) -> dict[str, tuple[int, int]]:
        """Of each varied pointer its choice, and its place among that one's."""
        return {
            pointer: (at, place)
            for at, choice in enumerate(self.choices)
            for place, pointer in enumerate(choice.pointers)
        }


#: What a rule may name.
NAMED: Final = (
    "a rule names what `let` names, members of the spec, and keys of stages, which are "
    "lists with a value for each stage"
)


class _Said(dict[str, Any]):
    """What a rule may name, of one candidate, found when it is asked for."""

    def __init__(self, space: Space, genes: Genes) -> None:
        super().__init__()
        self.space, self.genes = space, genes
        self._lets: dict[str, Any] = {}

    def __missing__(self, name: str) -> Any:
        value = self._let(name)
        if value is None:
            value = self._stages(name)
        if value is None:
            value = _value(self._at(f"/{name}"), self)
        if value is None:
            raise KeyError(name)
        self[name] = value
        return value

    def _let(self, name: str) -> Any:
        """A value that the spec names for itself."""
        if name not in self._lets:
            self._lets[name] = _value(self._at(f"/let/{name}"), self)
        return self._lets[name]

    def _stages(self, name: str) -> tuple[Any, ...] | None:
        """Of each stage the value of a key, its own or that of the defaults."""
        stages = self._at("/stages")
        if stages is None or not isinstance(stages.value, list):
            return None
        found = []
        for number in range(len(stages.value)):
            at = self._at(f"/stages/{number}/{name}") or self._at(f"/defaults/{name}")
            found.append(_value(at, _Staged(self, number)))
        return None if all(each is None for each in found) else tuple(found)

    def _at(self, pointer: str) -> Json | None:
        """The value at a pointer, as this candidate has it."""
        return self.space.source(pointer)(self.genes)


def _holds(rule: Rule, said: _Said) -> bool:
    problems = Problems()
    try:
        holds = rule.expr.evaluate(said)
    except (ExprError, RecursionError) as error:
        why = getattr(error, "message", "values name one another in a circle")
        message = f'in "{rule.expr.text}": {why}'
        problems.error("RG031", message, rule.at.place(), NAMED)
        raise SpecError(problems.items) from None
    if not isinstance(holds, bool):
        message = f'"{rule.expr.text}" is {describe(holds)}, and not true or false'
        hint = "what has to hold compares something, as in width[0] <= width[1]"
        problems.error("RG012", message, rule.at.place(), hint)
        raise SpecError(problems.items)
    return holds


class _Staged(dict[str, Any]):
    """The names of a candidate as an expression of one of its stages sees them."""

    def __init__(self, said: _Said, stage: int) -> None:
        super().__init__({"stage": stage})
        self._said = said

    def __missing__(self, name: str) -> Any:
        value = self._said._let(name)
        if value is None:
            raise KeyError(name)
        return value


def child(at: Json, part: str) -> Json | None:
    """The member or item of this name."""
    if isinstance(at.value, dict):
        return at.value.get(part)
    if isinstance(at.value, list) and part.isdecimal() and int(part) < len(at.value):
        return at.value[int(part)]
    return None


def _value(at: Json | None, names: Mapping[str, Any]) -> Any:
    """A value as an expression has it: a text is one itself, or a word."""
    if at is None or at.value is None or isinstance(at.value, dict):
        return None
    if isinstance(at.value, list):
        return tuple(_value(item, names) for item in at.value)
    if isinstance(at.value, str):
        try:
            expr = parse(at.value)
            return expr.evaluate({name: names[name] for name in expr.names})
        except (ExprError, KeyError):
            return at.value
    return at.value


def matches(at: Json, parts: Sequence[str], above: str = "") -> Iterator[str]:
    """Pointers that a pattern meets; its last part may be a member still to come."""
    part, *rest = parts
    if part == "*":
        value = at.value
        names = (
            list(value) if isinstance(value, dict)
            else [str(n) for n in range(len(value))] if isinstance(value, list)
            else []
        )  # fmt: skip
    else:
        names = [part]
    for name in names:
        found, here = child(at, name), f"{above}/{escaped(name)}"
        if not rest:
            if found is not None or isinstance(at.value, dict):
                yield here
        elif found is not None:
            yield from matches(found, rest, here)
