"""A space read from its file, with every problem told at its line.

    {"base": "resnet50.json",
     "vary": {"/stages/*/depth": [2, 3, 4, 6],
              "/stages/*/width": {"from": 64, "to": 2048, "step": 32},
              "/defaults/block": ["basic", "bottleneck"]},
     "where": ["width[0] <= width[1] <= width[2] <= width[3]"]}

Whatever `set` can change in a spec can vary. Of a ``*`` each match has a value of its
own, unless the values are ``together``; pointers of one object in ``zip`` take the
first of their values together, or the second, and so on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from json import dumps
from math import exp, floor, log
from pathlib import Path
from typing import Any, Final

from resgen.errors import SpecError, did_you_mean
from resgen.options.kinds import unfit
from resgen.searching.space import Choice, Rule, Space, child, matches
from resgen.spec.bind import Binder
from resgen.spec.places import Enough, Json, JsonValue, Problems
from resgen.spec.resolve import OPTIONAL, resolve, shown
from resgen.spec.source import from_plain, plain, read

KEYS: Final = ("base", "vary", "zip", "where", "name", "doc", "$schema")
#: Keys of values that are no list of them.
RANGE: Final = ("from", "to", "step", "sample", "log", "together", "doc")
VALUES: Final = ("values", "together", "doc")
#: Values that one choice may have.
MOST_VALUES: Final = 100_000
RANGE_HINT: Final = '{"from": 64, "to": 2048, "step": 32}, say'
#: Digits of values that are spread by their ratio.
DIGITS: Final = 6


def load(source: str | Path | Mapping[str, Any]) -> Space:
    """The space in a file, or of JSON values; SpecError with all that is wrong."""
    problems = Problems()
    space = None
    with suppress(Enough):
        path = None
        if isinstance(source, Mapping):
            at: Json | None = from_plain(dict(source), "<space>")
        else:
            path = Path(source)
            at = read(path, problems, shown=shown(path))
        if at is not None:
            space = _Reader(at, path, problems).space()
    if space is None or problems.errors:
        raise SpecError(problems.items)
    return space


def is_space(source: object) -> bool:
    """Whether a file, or JSON values, are a space rather than a spec, by their keys."""
    at: Json | None = None
    if isinstance(source, Mapping):
        keys = set(source)
    else:
        if isinstance(source, str | Path):
            with suppress(Enough):
                at = read(Path(source), Problems(), shown="")
        keys = set(at.value) if at is not None and isinstance(at.value, dict) else set()
    return "resgen" not in keys and not keys.isdisjoint(("base", "vary", "zip"))


class _Reader:
    def __init__(self, at: Json, path: Path | None, problems: Problems) -> None:
        self.at = at
        self.path = path
        self.problems = problems
        self.binder = Binder(problems)
        self.base = at
        #: Where each place is varied.
        self.varied: dict[str, Json] = {}

    def space(self) -> Space | None:
        if isinstance(self.at.value, dict) and "resgen" in self.at.value:
            message = "this is a spec, and a space names one"
            hint = '{"base": "SPEC", "vary": {"/stages/*/depth": [2, 3]}}'
            self.problems.error("RG011", message, self.at.place(), hint)
            return None
        members = self.binder.members(self.at, KEYS, "a space")
        for key in ("base", "vary"):
            if key not in members and (key, "zip" in members) != ("vary", True):
                message = f'a space needs "{key}"'
                self.problems.error("RG011", message, self.at.place())
        base = members.get("base")
        if base is None or not self._resolved(base):
            return None
        choices = [
            *self._varied(members.get("vary")),
            *self._zipped(members.get("zip")),
        ]
        rules = tuple(self._rules(members.get("where")))
        # What stands below another is put in after it.
        choices.sort(key=lambda choice: choice.pointers[0].count("/"))
        return Space(self._name(members.get("name")), self.base, tuple(choices), rules)

    def _resolved(self, base: Json) -> bool:
        """Read what varies: a file or a network of the zoo, or the spec itself."""
        if isinstance(base.value, str):
            parent = replace(base, value={"extends": base}, key=None)
        elif isinstance(base.value, dict):
            parent = base
        else:
            self.problems.mistyped(base, '"base" is the name of a spec, or a spec')
            return False
        self.base = resolve(parent, self.path, self.problems)
        members = self.base.value
        return isinstance(members, dict) and "extends" not in members

    def _name(self, at: Json | None) -> str:
        """What the files of candidates are called by, the base's own or another."""
        given = at or child(self.base, "name")
        if given is None:
            return "network"
        if not isinstance(given.value, str):
            self.problems.mistyped(given, '"name" is a text')
            return ""
        printed = given.value.isprintable()
        why = unfit(given.value) if printed else "has what cannot be printed"
        if why is not None:
            message = f"the name, by which files of candidates are called, {why}"
            hint = None if at is not None else 'say another "name" in the space'
            self.problems.error("RG013", message, given.place(), hint)
        return given.value

    # --- what varies ------------------------------------------------------------------

    def _varied(self, at: Json | None) -> Iterator[Choice]:
        for pointer, item in self.binder.object(at, '"vary"').items():
            found, values, together = self._met(pointer, item), *self._values(item)
            if not found or not values:
                continue
            if together:
                yield _choice(found, ((v,) * len(found) for v in values))
            else:
                for each in found:
                    yield _choice((each,), ((value,) for value in values))

    def _zipped(self, at: Json | None) -> Iterator[Choice]:
        if at is None:
            return
        items = at.value if isinstance(at.value, list) else None
        if items is None:
            self.problems.mistyped(at, '"zip" is a list of objects like "vary"')
        for group in items or ():
            pointers: list[str] = []
            columns: list[list[Json]] = []
            for pointer, item in self.binder.object(group, 'one of "zip"').items():
                found, (values, _) = self._met(pointer, item), self._values(item)
                if columns and values and len(values) != len(columns[0]):
                    message = f"{len(values)} values, beside {len(columns[0])}"
                    hint = "values that go together are as many of each"
                    self.problems.error("RG013", message, item.place(), hint)
                pointers += found
                columns += [values] * len(found)
            if columns and len({len(column) for column in columns}) == 1:
                yield _choice(tuple(pointers), zip(*columns, strict=True))

    def _met(self, pointer: str, at: Json) -> tuple[str, ...]:
        """The places that a pointer meets; a problem where there is none."""

        def wrong(message: str, hint: str | None = None) -> tuple[str, ...]:
            self.problems.error("RG041", message, at.place(key=True), hint)
            return ()

        if not pointer.startswith("/"):
            return wrong(f'"{pointer}" is not a JSON Pointer: it starts with "/"')
        parts = [
            p.replace("~1", "/").replace("~0", "~") for p in pointer[1:].split("/")
        ]
        if parts[0] in ("name", "resgen", "extends", "set", "scale"):
            return wrong(f'"/{parts[0]}" is nothing that can vary')
        # What `set` may begin can be begun by what varies.
        members = self.base.value if isinstance(self.base.value, dict) else {}
        begun = {key: replace(self.base, value={}) for key in OPTIONAL}
        whole = replace(self.base, value={**begun, **members})
        found = tuple(matches(whole, parts))
        if not found:
            return wrong(f'"{pointer}" meets nothing{self._near(parts)}')
        for each in found:
            if each in self.varied:
                first = self.varied[each].place(key=True).line
                return wrong(f'"{each}" varies already, in line {first}')
            self.varied[each] = at
        return found

    def _near(self, parts: list[str]) -> str:
        """How the message ends: at what part it goes wrong, and what was meant."""
        at: Json | None = self.base
        for number, part in enumerate(parts):
            below = None if at is None else next(_below(at, part), None)
            if at is None or below is None:
                known = at.value if at is not None else None
                if isinstance(known, list):
                    return f": the list has {len(known)} items, from 0"
                names = known if isinstance(known, dict) else ()
                near = did_you_mean(part, names)
                return (
                    near or f': there is no "{part}" in "/{"/".join(parts[:number])}"'
                )
            at = below
        return ""

    # --- values -----------------------------------------------------------------------

    def _values(self, at: Json) -> tuple[list[Json], bool]:
        """The values of a choice, and whether all places take the same."""
        if isinstance(at.value, list):
            return self._listed(at), False
        if not isinstance(at.value, dict):
            self.problems.mistyped(at, "expected a list of values, or a range")
            return [], False
        keys = VALUES if "values" in at.value else RANGE
        members = self.binder.members(at, keys, "values")
        together = members.get("together")
        if together is not None and not isinstance(together.value, bool):
            self.problems.mistyped(together, '"together" is true or false')
        if "values" not in members:
            found = self._range(at, members)
        elif isinstance(members["values"].value, list):
            found = self._listed(members["values"])
        else:
            self.problems.mistyped(members["values"], '"values" is a list')
            found = []
        return found, together is not None and together.value is True

    def _listed(self, at: Json) -> list[Json]:
        found = at.value if isinstance(at.value, list) else []
        if not found:
            message = "there is no value here, so the space is empty"
            self.problems.error("RG013", message, at.place())
        return list(found)

    def _range(self, at: Json, members: Mapping[str, Json]) -> list[Json]:
        """The values from one to another, both included."""
        before = self.problems.told
        ends = [self._number(members, at, key) for key in ("from", "to")]
        step, sample = (self._above(members, key) for key in ("step", "sample"))
        first, last = ends
        if first is None or last is None or self.problems.told > before:
            return []
        if last < first:
            message = f"the range is empty: it ends at {last}, before {first}"
            self.problems.error("RG013", message, members["to"].place())
            return []
        if sample is not None and not isinstance(sample, int):
            self.problems.mistyped(members["sample"], '"sample" is a whole number')
            return []
        if step is None and sample is None:
            if isinstance(first, Fraction) or isinstance(last, Fraction):
                message = "the range is unbounded: numbers without end lie in it"
                hint = 'say "step", or how many to take: "sample"'
                self.problems.error("RG013", message, at.place(), hint)
                return []
            step = 1
        ratio = members.get("log") is not None and members["log"].value is True
        if ratio and sample is None:
            message = '"log" is of a "sample" of the range'
            self.problems.error("RG013", message, members["log"].place(key=True))
            return []
        if ratio and first <= 0:
            message = '"log" begins above 0'
            self.problems.error("RG013", message, members["from"].place())
            return []
        number = sample or int((last - first) // (step or 1)) + 1
        if number > MOST_VALUES:
            message = f"the range has {number:,} values, more than {MOST_VALUES:,}"
            self.problems.error("RG013", message, at.place(), 'say a larger "step"')
            return []
        if sample is None:
            made = [first + n * (step or 1) for n in range(number)]
        else:
            made = list(_spread(first, last, number, step, ratio=ratio))
        return [replace(at, value=_plain(value)) for value in dict.fromkeys(made)]

    def _number(
        self, members: Mapping[str, Json], at: Json, key: str
    ) -> int | Fraction | None:
        found = members.get(key)
        if found is None:
            unbounded = "the range is unbounded: " if key == "to" else ""
            message = f'{unbounded}values that are no list need "{key}"'
            self.problems.error("RG011", message, at.place(), RANGE_HINT)
            return None
        if isinstance(found.value, bool) or not isinstance(found.value, int | Fraction):
            self.problems.mistyped(found, f'"{key}" is a number')
            return None
        return found.value

    def _above(self, members: Mapping[str, Json], key: str) -> int | Fraction | None:
        """A number above 0, if it is said."""
        if key not in members:
            return None
        found = self._number(members, members[key], key)
        if found is not None and found <= 0:
            message = f'"{key}" is above 0'
            self.problems.error("RG013", message, members[key].place())
        return found

    # --- rules ------------------------------------------------------------------------

    def _rules(self, at: Json | None) -> Iterator[Rule]:
        if at is None:
            return
        if not isinstance(at.value, list):
            self.problems.mistyped(at, '"where" is a list of expressions')
            return
        for item in at.value:
            if not isinstance(item.value, str):
                self.problems.mistyped(item, "what has to hold is an expression")
                continue
            expr = self.binder.expression(item.value, item)
            if expr is not None:
                yield Rule(expr, item)


def _choice(pointers: tuple[str, ...], values: Iterable[tuple[Json, ...]]) -> Choice:
    """A choice that has each value once, however often it is said."""
    found: dict[str, tuple[Json, ...]] = {}
    for each in values:
        found.setdefault(dumps([plain(value) for value in each], sort_keys=True), each)
    return Choice(pointers, tuple(found.values()))


def _below(at: Json, part: str) -> Iterator[Json]:
    """What a part of a pointer meets."""
    if part != "*":
        found = child(at, part)
        if found is not None:
            yield found
    elif isinstance(at.value, dict):
        yield from at.value.values()
    elif isinstance(at.value, list):
        yield from at.value


def _spread(
    first: int | Fraction,
    last: int | Fraction,
    number: int,
    step: int | Fraction | None,
    *,
    ratio: bool,
) -> Iterator[int | Fraction]:
    """So many values from one to another, evenly by difference or by ratio."""
    for n in range(number):
        along = Fraction(n, max(number - 1, 1))
        value: int | Fraction = first + (last - first) * along
        if ratio:
            told = exp(log(first) + log(last / first) * float(along))
            value = Fraction(f"{told:.{DIGITS}g}")
        if step is not None:
            value = first + floor((value - first) / step + Fraction(1, 2)) * step
        elif not isinstance(first, Fraction) and not isinstance(last, Fraction):
            value = round(value)
        if first <= value <= last:
            yield value


def _plain(value: int | Fraction) -> JsonValue:
    """A number as JSON is read: whole if it is."""
    if isinstance(value, Fraction) and value.denominator == 1:
        return value.numerator
    return value
