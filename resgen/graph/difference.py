"""What differs between two networks, section by section and block by block.

Sections are paired by their names, what is left over in order; blocks by their numbers;
operators of a block by name and kind, what is left over by kind and role in order. A
number in a name is a place and no name, so an operator put in before others leaves
those what they are. All of it is linear in the number of operators.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import (
    Callable,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    Set,
)
from dataclasses import dataclass
from difflib import SequenceMatcher
from fractions import Fraction
from itertools import groupby, zip_longest
from typing import Any

from resgen.graph.cost import strides
from resgen.graph.ir import Graph, Node
from resgen.graph.parts import Part, sections


@dataclass(frozen=True, slots=True)
class Change:
    """One difference, wherever it occurs.

    ``where`` says in words which ``parts`` (sections and blocks by name) it is of, and
    ``operators`` which operators in each; none where the part itself differs.
    ``before`` and ``after`` are the values of the ``attribute``, each once; ``added``
    and ``removed`` are attributes as well. ``text`` tells them in words.
    """

    where: str
    parts: tuple[str, ...]
    operators: tuple[str, ...]
    attribute: str
    before: tuple[Any, ...]
    after: tuple[Any, ...]
    text: str


@dataclass(frozen=True, slots=True)
class _Found:
    """One difference at one place."""

    part: Part
    operator: str
    attribute: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class _Unit:
    """A block, or what of a section is outside blocks: its part, and its operators."""

    part: Part
    nodes: Sequence[Node]

    def local(self, value: str) -> str:
        """The name of a value within the unit."""
        return value.removeprefix(f"{self.part.path}.")

    def words(self, node: Node) -> str:
        """The name of an operator within the unit, without numbers of its places."""
        parts = self.local(node.name).split(".")
        return ".".join(part for part in parts if not part.isdigit())

    def label(self, node: Node) -> str:
        """What an operator is called, whether a name or a number tells it apart."""
        words, kind = self.words(node), node.op.name
        numbered = self.local(node.name).rpartition(".")[2].isdigit()
        return f"{words} {kind}".strip() if numbered else words

    def called(self, node: Node) -> tuple[str, str]:
        """The first name of an operator, and its kind, as it is listed with others."""
        return self.words(node).partition(".")[0], node.op.name

    def owner(self, node: Node) -> str:
        """Whose parameters an operator has."""
        return self.local(node.owner) if node.owner != node.name else "its own"

    def read(self, node: Node) -> tuple[str, ...]:
        """What an operator reads, by names that blocks have in common."""
        inside = {each.name for each in self.nodes}
        return tuple(
            self.local(v) if v in inside else "what enters" for v in node.inputs
        )


Units = tuple[_Unit, _Unit]
Pair = tuple[Node, Node]


def changes(a: Graph, b: Graph) -> tuple[Change, ...]:
    """What of ``b`` is not as in ``a``: sections first, then their operators.

    Names make no change. Networks without changes may yet be two, by how operators
    that look alike share what they read: :func:`~resgen.graph.identity.identity` tells.
    """
    paired = list(paired_sections(a, b))
    both = [(one, other) for one, other in paired if one and other]
    units = [each for one, other in both for each in _units(one, other)]
    found = [*_of_sections(a, b, paired), *_of_operators(a, b, units)]
    return tuple(_grouped(found, [part for part, _ in paired if part is not None]))


def paired_sections(
    one: Graph, other: Graph
) -> Iterator[tuple[Part | None, Part | None]]:
    """The sections of two networks that stand for one another; None has no other."""
    a, b = sections(one), sections(other)
    old, new = ([(p.section.kind, p.section.name) for p in parts] for parts in (a, b))
    matched = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    for _, begin, end, first, last in matched:
        # One by one and kind by kind, where names do not say.
        kinds = (p.section.kind for p in (*a[begin:end], *b[first:last]))
        for kind in dict.fromkeys(kinds):
            yield from zip_longest(
                [p for p in a[begin:end] if p.section.kind == kind],
                [p for p in b[first:last] if p.section.kind == kind],
            )


def _units(a: Part, b: Part) -> Iterator[Units]:
    """What is outside the blocks of a section, and the blocks that both have."""
    one, other = (
        _Unit(part, [node for node in part.nodes if node.origin.block is None])
        for part in (a, b)
    )
    yield one, other
    for first, second in zip(a.blocks, b.blocks, strict=False):
        yield _Unit(first, first.nodes), _Unit(second, second.nodes)


def _of_sections(
    a: Graph, b: Graph, paired: Iterable[tuple[Part | None, Part | None]]
) -> Iterator[_Found]:
    steps, other_steps = strides(a), strides(b)
    for one, other in paired:
        if one is not None and other is not None:
            old, new = _facts(one, steps), _facts(other, other_steps)
            for name in old:
                if old[name] != new[name]:
                    yield _Found(one, "", name, old[name], new[name])
        elif one is not None and one.nodes:
            yield _Found(one, "", "removed", one.label, None)
        elif other is not None and other.nodes:
            yield _Found(other, "", "added", None, other.label)


def _facts(part: Part, steps: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """What a section as such is, beside the operators that it has."""
    facts: dict[str, Any] = dict.fromkeys(("depth", "width", "stride"))
    if part.section.kind == "stage" and part.nodes:
        facts["depth"] = len(part.blocks) or None
        first, last = part.nodes[0].inputs[0], part.nodes[-1]
        facts["width"] = last.type.channels
        pairs = zip(steps[first], steps[last.name], strict=True)
        facts["stride"] = _one(tuple(after // before for before, after in pairs))
    return facts


def _one(value: Any) -> Any:
    """One number for all axes as that number, however many axes there are."""
    alike = isinstance(value, tuple) and len(set(value)) == 1
    return value[0] if alike else value


def _of_operators(a: Graph, b: Graph, units: Iterable[Units]) -> Iterator[_Found]:
    paired: list[tuple[Units, Pair]] = []
    alone: list[_Found] = []
    for one, other in units:
        pairs, removed, added = _pairs(one, other)
        made_by = [unit.part.definition or "unnamed" for unit in (one, other)]
        if (removed or added) and made_by[0] != made_by[1]:
            # Whatever operators of such blocks have in common is chance.
            yield _Found(one.part, "", "block", *made_by)
            continue
        paired += [((one, other), pair) for pair in pairs]
        fewer, more = map(one.called, removed), map(other.called, added)
        alone += [_Found(one.part, "", "removed", each, None) for each in fewer]
        alone += [_Found(one.part, "", "added", None, each) for each in more]
    yield from alone
    same = {i.name: j.name for i, j in zip(a.inputs, b.inputs, strict=False)}
    same |= {n.name: m.name for _, (n, m) in paired}
    known = set(same.values())
    for (one, other), (n, m) in paired:
        name = one.label(n)
        old, new = _attributes(a, n), _attributes(b, m)
        for key in old | new:
            if old.get(key) != new.get(key):
                yield _Found(one.part, name, key, old.get(key), new.get(key))
        if _reads_others(n, m, same, known):
            yield _Found(one.part, name, "reads", one.read(n), other.read(m))
        owners = one.owner(n), other.owner(m)
        others = n.operands and same.get(n.owner, n.owner) != m.owner
        if others and owners[0] != owners[1]:
            yield _Found(one.part, name, "parameters", *owners)


def _attributes(graph: Graph, node: Node) -> dict[str, Any]:
    effective = node.op.effective(graph.types[node.inputs[0]])
    return {key: _one(value) for key, value in effective.items()}


def _reads_others(n: Node, m: Node, same: Mapping[str, str], known: Set[str]) -> bool:
    """Whether two operators that belong together read values that do not.

    ``same`` leads from values of the one network to those of the other, ``known``.
    Where one is not paired it is told of, and what reads it follows.
    """
    if not (same.keys() >= set(n.inputs) and known >= set(m.inputs)):
        return False
    read, reads = [same[value] for value in n.inputs], list(m.inputs)
    return sorted(read) != sorted(reads) if n.op.commutative else read != reads


def _pairs(one: _Unit, other: _Unit) -> tuple[list[Pair], list[Node], list[Node]]:
    """Operators that belong together, and those of either that are left over."""

    def named(unit: _Unit) -> Callable[[Node], Hashable]:
        return lambda node: (unit.words(node), node.op.name)

    def alike(node: Node) -> Hashable:
        return node.origin.role, node.op.name

    pairs, a, b = _matched(one.nodes, other.nodes, named(one), named(other))
    more, a, b = _matched(a, b, alike, alike)
    return [*pairs, *more], a, b


def _matched(
    a: Sequence[Node],
    b: Sequence[Node],
    key: Callable[[Node], Hashable],
    other: Callable[[Node], Hashable],
) -> tuple[list[Pair], list[Node], list[Node]]:
    """Pairs of equal keys, the first with the first, and what is left over."""
    waiting: defaultdict[Hashable, list[Node]] = defaultdict(list)
    for node in reversed(b):
        waiting[other(node)].append(node)
    pairs: list[Pair] = []
    left = []
    for node in a:
        if waiting[key(node)]:
            pairs.append((node, waiting[key(node)].pop()))
        else:
            left.append(node)
    unpaired = {node.name for nodes in waiting.values() for node in nodes}
    return pairs, left, [node for node in b if node.name in unpaired]


# --- in words -------------------------------------------------------------------------


def _grouped(found: Iterable[_Found], parts: Sequence[Part]) -> Iterator[Change]:
    """Equal differences of several places as one, and of several operators."""
    by_operator: defaultdict[tuple[str, str], list[_Found]] = defaultdict(list)
    for each in _together(found):
        by_operator[each.operator, each.attribute].append(each)
    alike: defaultdict[tuple[Any, ...], list[list[_Found]]] = defaultdict(list)
    for (operator, attribute), group in by_operator.items():
        # What is added differs from place to place; a number is told as a range.
        apart: defaultdict[str, list[_Found]] = defaultdict(list)
        for each in group:
            own = _change(attribute, [each]) if attribute in ALONE else ""
            apart[own].append(each)
        for some in apart.values():
            names = tuple(dict.fromkeys(each.part.name for each in some))
            text = _change(attribute, some)
            alike[names, operator != "", attribute, text].append(some)
    for (names, _, attribute, text), groups in alike.items():
        every = [each for group in groups for each in group]
        yield Change(
            _where({each.part.name: each.part for each in every}.values(), parts),
            names,
            tuple(dict.fromkeys(each.operator for each in every if each.operator)),
            attribute,
            tuple(dict.fromkeys(e.before for e in every if e.before is not None)),
            tuple(dict.fromkeys(e.after for e in every if e.after is not None)),
            text,
        )


#: What is told apart by what it says, and not merged into a range.
ALONE = ("added", "removed", "block", "reads", "parameters", "depth", "stride")


def _together(found: Iterable[_Found]) -> Iterator[_Found]:
    """All operators that are added to one part as one difference, and so removed."""
    ranked: defaultdict[tuple[str, str], list[_Found]] = defaultdict(list)
    for each in found:
        if isinstance(each.before or each.after, tuple) and each.attribute in (
            "added",
            "removed",
        ):
            ranked[each.part.name, each.attribute].append(each)
        else:
            yield each
    for (_, attribute), group in ranked.items():
        told = _listed([each.before or each.after for each in group])
        pair = (None, told) if attribute == "added" else (told, None)
        yield _Found(group[0].part, "", attribute, *pair)


def _listed(operators: Sequence[tuple[str, str]]) -> str:
    """Operators by the name that they have in common: ``se (2 conv, act), norm3``."""
    by_name: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, kind in operators:
        by_name[name][kind] += 1
    told = []
    for name, kinds in by_name.items():
        words = ", ".join(k if n == 1 else f"{n} {k}" for k, n in kinds.items())
        plain = name.rstrip("_0123456789")
        told.append(name if words == plain else f"{name} ({words})" if name else words)
    return ", ".join(told)


def _change(attribute: str, found: Sequence[_Found]) -> str:
    """``stride 1 -> 2``, and over several places ``out 64..512 -> 128..1024``."""
    pairs = dict.fromkeys((each.before, each.after) for each in found)
    (before, after), *others = pairs
    if attribute in ("added", "removed"):
        return f"{attribute} {after if before is None else before}"
    if not others:
        return f"{attribute} {_said(before)} -> {_said(after)}"
    olds, news = ([pair[side] for pair in pairs] for side in (0, 1))
    if all(type(value) in (int, float) for value in (*olds, *news)):
        ratios = {Fraction(new) / Fraction(old) if old else None for old, new in pairs}
        (ratio, *more) = ratios
        if not more and ratio:
            return (
                f"{attribute} x {float(ratio):g}"
                if ratio > 1
                else f"{attribute} / {float(1 / ratio):g}"
            )
    if len(pairs) < 4 and len(set(olds)) > 1 and len(set(news)) > 1:
        return f"{attribute} {', '.join(f'{_said(b)} -> {_said(a)}' for b, a in pairs)}"
    return f"{attribute} {_range(olds)} -> {_range(news)}"


def _range(values: Sequence[Any]) -> str:
    different = dict.fromkeys(values)
    if all(type(value) in (int, float) for value in different) and len(different) > 2:
        return f"{_said(min(different))} to {_said(max(different))}"
    return " or ".join(map(_said, different))


def _said(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(map(_said, value))
    return str(value)


def _where(of: Iterable[Part], parts: Sequence[Part]) -> str:
    """Parts in words: ``every block of layer1 to layer4``, ``block 0 of layer2``."""
    within: defaultdict[str, list[int | None]] = defaultdict(list)
    for part in of:
        within[part.section.name].append(part.block)
    order = {part.section.name: at for at, part in enumerate(parts)}
    said: defaultdict[str, list[str]] = defaultdict(list)
    for name, blocks in within.items():
        numbers = sorted(n for n in blocks if n is not None)
        if not numbers:
            said[""].append(name)
        elif len(numbers) == len(parts[order[name]].blocks):
            said["every block of "].append(name)
        else:
            noun = "block" if len(numbers) == 1 else "blocks"
            runs = (
                f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0])
                for run in _runs(numbers)
            )
            said[f"{noun} {', '.join(runs)} of "].append(name)
    return "; ".join(
        f"{how}{_run_together(names, order)}" for how, names in said.items()
    )


def _run_together(names: Sequence[str], order: dict[str, int]) -> str:
    by_place = {order.get(name, len(order) + at): name for at, name in enumerate(names)}
    told = []
    for run in _runs(sorted(by_place)):
        ends = [by_place[run[0]], by_place[run[-1]]]
        told += [" to ".join(ends)] if len(run) > 2 else [by_place[at] for at in run]
    return ", ".join(told)


def _runs(numbers: Sequence[int]) -> Iterator[list[int]]:
    """Numbers in order, those that follow one another together."""
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        yield [number for _, number in run]
