"""Classes for the bodies of a graph, with arguments for the numbers that differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from graphlib import TopologicalSorter
from itertools import chain, pairwise
from typing import Any, Final

import networkx as nx

from resgen.lower.source.bodies import Body, Step, chain_names, linear
from resgen.lower.source.expressions import (
    Call,
    Chain,
    Column,
    Expr,
    Formula,
    Leaf,
    Loop,
    New,
    Signature,
    Sweep,
    filled,
    leaves,
    parts,
    same,
    skeleton,
    walk,
    with_parts,
)
from resgen.lower.source.families import Family
from resgen.lower.source.naming import Namer, camel

#: Stands for the number of a module that an instance does not have.
ABSENT: Final = object()
_INPUTS: Final = {
    "in_channels", "in_features", "num_features", "num_channels", "normalized_shape",
}  # fmt: skip
_OUTPUTS: Final = {"out_channels", "out_features"}
#: How often modules in a row are written, at least, where they are a class.
_OFTEN: Final = 3
#: The finest share of a width that is written as one.
_FINEST: Final = 16
#: What is 1 unless it is said.
_ONES: Final = {"stride", "dilation", "groups"}
WIDTHS: Final = _INPUTS | _OUTPUTS | {"width", "channels"}


@dataclass(slots=True)
class Argument:
    """An argument of a class; ``values`` are those of each instance."""

    name: str
    values: list[Any]
    default: Any = ABSENT


@dataclass(slots=True)
class Class:
    """A class of the file.

    ``steps`` hold formulas where instances differ, and ``conditions`` the argument that
    tells whether a step is there. ``stored`` are the arguments that ``forward`` reads.
    """

    name: str
    body: Body
    steps: list[Step]
    outputs: tuple[int, ...]
    attributes: dict[str, tuple[bool, Expr]]
    arguments: list[Argument]
    conditions: list[str | None]
    chained: bool = False
    stored: list[str] = field(default_factory=list)

    @property
    def signature(self) -> Signature:
        ends = {a.name: a.default for a in self.arguments if a.default is not ABSENT}
        return Signature(tuple(a.name for a in self.arguments), ends)


def classes(bodies: list[Body], taken: Sequence[str]) -> list[Class]:
    """The classes of the bodies, each after those that it calls."""
    return _Classes(bodies, taken).run()


class _Classes:
    """The bodies by name, innermost first, so that instances are calls by then."""

    def __init__(self, bodies: list[Body], taken: Sequence[str]) -> None:
        self.bodies = bodies
        self.taken = {*taken}
        self.names = Namer(taken)
        self.calls: dict[int, Expr] = {}
        self.made: list[Class] = []

    def run(self) -> list[Class]:
        for group in self.groups():
            families: list[Family] = []
            distinct: dict[Any, list[int]] = {}
            for at in group:
                body = self.bodies[at]
                steps = [
                    s if s.expr is None else replace(s, expr=self.call(s.expr))
                    for s in body.steps
                ]
                body = replace(body, steps=steps)
                key = (repr(body.steps), repr(body.attributes), body.outputs)
                distinct.setdefault(key, []).append(at)
                if len(distinct[key]) == 1:
                    self.bodies[at] = body
            # The longest come first, so that others lack what these have.
            firsts = sorted(
                distinct.values(), key=lambda ats: -len(self.bodies[ats[0]].steps)
            )
            rows: list[tuple[Family, list[int]]] = []
            for ats in firsts:
                body = self.bodies[ats[0]]
                family = next((f for f in families if f.admit(body)), None)
                if family is None:
                    family = Family.of(body)
                    families.append(family)
                rows.append((family, ats))
            order = {id(f): min(a[0] for g, a in rows if g is f) for f in families}
            for family in sorted(families, key=lambda f: order[id(f)]):
                mine = [ats for other, ats in rows if other is family]
                if family.first.loose and sum(map(len, mine)) < _OFTEN:
                    for at in (at for ats in mine for at in ats):
                        loose = self.bodies[at].loose
                        self.calls[at] = self.call(loose) if loose else Call("")
                else:
                    self.add(family, mine)
        return self.made

    def groups(self) -> Iterator[list[int]]:
        """Bodies of one name, those of names within others first."""
        inner = [
            [each.body for each in _trees(body) if isinstance(each, New)]
            for body in self.bodies
        ]
        labels = [camel(body.name) for body in self.bodies]
        heights: list[int] = []
        for held in inner:  # each is after those that it holds
            heights.append(1 + max((heights[i] for i in held), default=0))
        holds = nx.DiGraph(
            (labels[at], labels[i]) for at, held in enumerate(inner) for i in held
        )
        loops = nx.strongly_connected_components(holds)
        around = {label for loop in loops if len(loop) > 1 for label in loop}
        around |= {*nx.nodes_with_selfloops(holds)}
        # A name that holds itself is one for each of its heights.
        keys = [
            (label, heights[at] if label in around else 0)
            for at, label in enumerate(labels)
        ]
        order: TopologicalSorter[tuple[str, int]] = TopologicalSorter()
        members: dict[tuple[str, int], list[int]] = {}
        for at, key in enumerate(keys):
            order.add(key, *(keys[i] for i in inner[at] if keys[i] != key))
            members.setdefault(key, []).append(at)
        for key in order.static_order():
            yield members[key]

    def call(self, expr: Expr) -> Expr:
        """A tree with calls of classes in place of bodies, and with loops."""
        if isinstance(expr, New):
            return self.calls[expr.body]
        whole = with_parts(expr, iter([self.call(part) for part in parts(expr)]))
        return looped(whole) if isinstance(whole, Chain) else whole

    # --- a class ----------------------------------------------------------------------

    def add(self, family: Family, instances: list[list[int]]) -> None:
        """Make the class of a family, and the calls of its instances."""
        first = family.first
        kept = {p.partition(".")[0] for p in first.attributes}
        kept |= {s.path.partition(".")[0] for s in family.steps}
        finder = _Arguments(family, kept, self.taken)
        steps, conditions = finder.run()
        name = self.names(camel(first.name))
        numbers = [str(at) for at in range(len(steps))]
        chained = (
            bool(first.path and steps[1:] and not first.attributes)
            and steps[0].inputs == (0,)
            and linear(steps, family.outputs)
            and all(step.expr is not None for step in steps)
            and chain_names(steps) == numbers
        )
        made = Class(
            name, first, steps, family.outputs, finder.attributes, finder.arguments,
            conditions, chained,
        )  # fmt: skip
        _order(made, [len(ats) for ats in instances])
        for step, condition in zip(steps, conditions, strict=True):
            if not step.module and step.expr is not None:
                read = [each for each in walk(step.expr) if isinstance(each, Formula)]
                names = [name for each in read for name in each.arguments]
                made.stored += [*names, *filter(None, [condition])]
        made.stored = [*dict.fromkeys(made.stored)]
        self.made.append(made)
        for row, ats in enumerate(instances):
            given = tuple((a.name, Leaf(a.values[row], a.name)) for a in made.arguments)
            for at in ats:
                self.calls[at] = Call(name, given)


def _trees(body: Body) -> Iterator[Expr]:
    """All trees of a body's steps."""
    return chain.from_iterable(walk(s.expr) for s in body.steps if s.expr is not None)


def _order(made: Class, uses: Sequence[int]) -> None:
    """Defaults for what is usual, and arguments that have one behind the others."""
    for argument in made.arguments:
        kind = argument.name
        usual, often = _usual(argument.values, uses)
        if argument.default is not ABSENT:
            continue
        if kind in _ONES and any(same(value, 1) for value in argument.values):
            argument.default = 1
        elif not _wide(kind) and 2 * often >= sum(uses):
            argument.default = usual
    made.arguments.sort(key=lambda a: a.default is not ABSENT)


def _wide(name: str) -> bool:
    """Whether an argument is a number of channels."""
    return name in WIDTHS or name.endswith(("_channels", "width"))


def _usual(values: list[Any], uses: Sequence[int] = ()) -> tuple[Any, int]:
    counts: Counter[str] = Counter()
    for value, often in zip(values, uses or [1] * len(values), strict=True):
        counts[repr(value)] += often
    shown, often = counts.most_common(1)[0]
    return next(v for v in values if repr(v) == shown), often


# --- arguments ------------------------------------------------------------------------


class _Arguments:
    """The numbers of a family: constants, arguments, and what follows from those."""

    def __init__(self, family: Family, kept: set[str], taken: set[str]) -> None:
        self.family = family
        self.names = Namer(kept | taken)
        self.taken = taken
        self.inputs = _from_input(family.steps)
        self.last = _last_wide(family.steps)
        self.arguments: list[Argument] = []
        self.attributes: dict[str, tuple[bool, Expr]] = {}

    def run(self) -> tuple[list[Step], list[str | None]]:
        """The steps with formulas, and the argument that each depends on."""
        family = self.family
        every = range(len(family.steps))
        steps = {at: self.step(at) for at in every if not family.optional(at)}
        for path, (trained, expr) in family.first.attributes.items():
            rows = [[*leaves(b.attributes[path][1])] for b in family.bodies]
            found = [
                self.settle([r[i].value for r in rows], leaf.role, path)
                for i, leaf in enumerate(rows[0])
            ]
            self.attributes[path] = (trained, filled(expr, iter(found)))
        steps.update((at, self.step(at)) for at in every if family.optional(at))
        conditions = [self.condition(at) for at in every]
        for argument in self.arguments:
            present = [v for v in argument.values if v is not ABSENT]
            usual, _ = _usual(present)
            ones = argument.name in _ONES and any(same(v, 1) for v in present)
            if len(present) < len(argument.values):
                usual = argument.default = (
                    1 if ones else usual
                )  # where it is not there nothing is said
            argument.values = [usual if v is ABSENT else v for v in argument.values]
        return [steps[at] for at in every], conditions

    def step(self, at: int) -> Step:
        step = self.family.steps[at]
        if step.expr is None:
            return step
        rows = [
            None if s is None or s.expr is None else [*leaves(s.expr)]
            for row in self.family.members
            for s in [row[at]]
        ]
        usual = next(r for r in rows if r is not None)
        found = [
            self.settle(
                [ABSENT if r is None else r[i].value for r in rows],
                self.role(step, leaf.role),
                step.path,
            )
            for i, leaf in enumerate(usual)
        ]
        return replace(step, expr=filled(step.expr, iter(found)))

    def role(self, step: Step, role: str) -> str:
        """``in_channels`` only of what reads the input of the class itself."""
        if role in _INPUTS:
            return "in_channels" if self.inputs & {*step.inputs} else "width"
        if role in _OUTPUTS:
            return "out_channels" if step.outputs == self.last else "width"
        return role

    def condition(self, at: int) -> str | None:
        """The argument that tells whether this step is there."""
        if not self.family.optional(at):
            return None
        there = [row[at] is not None for row in self.family.members]
        for argument in self.arguments:
            if all(same(a, b) for a, b in zip(argument.values, there, strict=True)):
                return argument.name
        alike = [
            step
            for i, step in enumerate(self.family.steps)
            if [row[i] is not None for row in self.family.members] == there
        ]
        summed = any(not step.module for step in alike)
        label = "residual" if summed else alike[0].path.rpartition(".")[2]
        label = label if label.isidentifier() else "optional"
        # The argument may have the name of the module that it is about.
        known = {argument.name for argument in self.arguments}
        mine = not summed and label not in known and Namer(self.taken).free(label)
        name = label if mine else self.names(label)
        self.arguments.append(Argument(name, list(there)))
        return name

    def settle(self, values: list[Any], role: str, path: str) -> Expr:
        """What takes the place of a leaf, given its values in every instance."""
        present = [v for v in values if v is not ABSENT]
        some = len(present) < len(values) and role in WIDTHS
        if not some and all(same(v, present[0]) for v in present):
            return Leaf(present[0], role)
        for argument in self.arguments:
            fits = not some or _wide(argument.name)
            if fits and _agree(argument.values, values):
                argument.values = [
                    v if a is ABSENT else a
                    for a, v in zip(argument.values, values, strict=True)
                ]
                return Formula("{0}", (argument.name,))
        found = self.derived(values, role)
        if found is not None:
            return found
        if all(same(v, present[0]) for v in present):
            return Leaf(present[0], role)
        label = path.rpartition(".")[2]
        label = label if label.isidentifier() else ""
        name = self.names.first(role or "value", f"{label}_{role}", label)
        self.arguments.append(Argument(name, list(values)))
        return Formula("{0}", (name,))

    def derived(self, values: list[Any], role: str) -> Formula | None:
        """A simple expression in other arguments that gives these values."""
        if not all(v is ABSENT or type(v) is int for v in values):
            return None
        whole = [
            a
            for a in self.arguments
            if all(v is ABSENT or type(v) is int for v in a.values)
            and len({*a.values} - {ABSENT}) > 1
            and (_wide(a.name) or role not in WIDTHS)
            and all(x is not ABSENT for x, y in _pairs(a.values, values))
        ]
        for a in whole:
            pairs = _pairs(a.values, values)
            u, v = next(((u, v) for u, v in pairs if u and v), (0, 0))
            if not v:
                continue
            share = Fraction(v, u)
            if share.numerator > 1 and share.denominator <= _FINEST:
                part = f" // {share.denominator}" if share.denominator > 1 else ""
                if all(y == x * share for x, y in pairs):
                    return Formula(f"{{0}} * {share.numerator}{part}", (a.name,))
            for by in (2, u // v, u // v + 1):
                if by > 1 and all(y == x // by for x, y in pairs):
                    return Formula(f"{{0}} // {by}", (a.name,))
        for n, a in enumerate(whole):
            for b in whole[n + 1 :]:
                both = [
                    (x, y, v)
                    for x, y, v in zip(a.values, b.values, values, strict=True)
                    if v is not ABSENT
                ]
                if len(both) < 3:
                    continue
                if all(v == x + y for x, y, v in both):
                    return Formula("{0} + {1}", (a.name, b.name))
                if all(v == x * y for x, y, v in both):
                    return Formula("{0} * {1}", (a.name, b.name))
        return None


def _from_input(steps: Sequence[Step]) -> set[int]:
    """The first input, and what modules without parameters make of it."""
    found = {0}
    for step in steps:
        if step.plain and step.passes and step.inputs[0] in found:
            found |= {*step.outputs}
    return found


def _last_wide(steps: Sequence[Step]) -> tuple[int, ...]:
    """The outputs of the last step that chooses how many channels there are."""
    wide = [
        step.outputs
        for step in steps
        if step.expr is not None
        and any(leaf.role in _OUTPUTS for leaf in leaves(step.expr))
    ]
    return wide[-1] if wide else ()


def _pairs(known: list[Any], values: list[Any]) -> list[tuple[int, int]]:
    both = zip(known, values, strict=True)
    return [(x, y) for x, y in both if y is not ABSENT]


def _agree(known: list[Any], values: list[Any]) -> bool:
    """Whether two rows of values are the same wherever both are there."""
    met = [
        (a, v)
        for a, v in zip(known, values, strict=True)
        if a is not ABSENT and v is not ABSENT
    ]
    return bool(met) and all(same(a, v) for a, v in met)


# --- loops ----------------------------------------------------------------------------


def looped(whole: Chain) -> Chain:
    """The chain with a loop for each run of children that are made alike."""
    found: list[tuple[str, Expr]] = []
    children = whole.children
    at = 0
    while at < len(children):
        end = _run(children, at)
        for start, stop in _cut([each for _, each in children[at:end]]):
            run = children[at + start : at + stop]
            loop = _loop(run)
            found.extend(run) if loop is None else found.append(("", loop))
        at = end
    return Chain(tuple(found))


def _run(children: Sequence[tuple[str, Expr]], at: int) -> int:
    """Where the children that are made like this one, and named on from it, end."""
    name, expr = children[at]
    prefix, number = _numbered(name)
    end = at + 1
    if number is None or not isinstance(expr, Call) or expr.target[:3] == "nn.":
        return end
    while end < len(children):
        name, other = children[end]
        if name != f"{prefix}{number + end - at}" or skeleton(other) != skeleton(expr):
            break
        end += 1
    return end


def _numbered(name: str) -> tuple[str, int | None]:
    prefix = name.rstrip("0123456789")
    digits = name[len(prefix) :]
    plain = digits.isascii() and digits.isdigit() and str(int(digits)) == digits
    return prefix, int(digits) if plain else None


def _cut(items: list[Expr]) -> Iterator[tuple[int, int]]:
    """A run as loops: the whole, or its first apart, whichever varies less."""
    costs = [(_cost(items), 0), (_cost(items[1:]) + 1, 1)]
    if len(items) > 1 and min(costs)[1]:
        yield 0, 1
        yield from ((1 + a, 1 + b) for a, b in _cut(items[1:]))
    elif len(items) > 2 and _cost(items):
        # The last may be the odd one.
        if _cost(items[:-1]) + 1 < _cost(items):
            yield 0, len(items) - 1
            yield len(items) - 1, len(items)
        else:
            yield 0, len(items)
    else:
        yield 0, len(items)


def _cost(items: list[Expr]) -> int:
    """How much of a loop over these differs from turn to turn."""
    return sum(
        0 if all(same(v, column[0]) for v in column) else 1 + 3 * (not _even(column))
        for column in _columns(items)
    )


def _columns(items: Sequence[Expr]) -> list[list[Any]]:
    rows = [[leaf.value for leaf in leaves(item)] for item in items]
    return [[row[i] for row in rows] for i in range(len(rows[0]))] if rows else []


def _even(column: list[Any]) -> bool:
    """Whether whole numbers grow by one step."""
    return all(type(v) is int for v in column) and (
        len({b - a for a, b in pairwise(column)}) <= 1
    )


def _loop(run: Sequence[tuple[str, Expr]]) -> Loop | None:
    """The loop that makes these children, or None where they are few and differ."""
    name, item = run[0]
    if not (isinstance(item, Call) and item.target and item.target[:3] != "nn."):
        return None
    prefix, first = _numbered(name)
    if first is None:
        return None
    columns = _columns([each for _, each in run])
    alike = [all(same(v, column[0]) for v in column) for column in columns]
    if len(run) < 3 and not all(alike):
        return None
    found: list[Expr] = []
    for leaf, column, constant in zip(leaves(item), columns, alike, strict=True):
        if constant:
            found.append(leaf)
        elif _even(column):
            step = column[1] - column[0]
            found.append(Sweep(leaf, Leaf(step, f"{leaf.role}_step")))
        else:
            found.append(Column(Leaf(tuple(column), f"{leaf.role}s")))
    if sum(isinstance(each, Column) for each in found) > 1:
        return None  # a table reads no better than the calls
    count = Leaf(len(run), "depth")
    return Loop(prefix, first, filled(item, iter(found)), count)
