"""What differs between two networks, in words and numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from resgen.api.asked.looking import Diffing
from resgen.api.specs import SPEC, opened, read_spec
from resgen.errors import listed
from resgen.graph.analysis import Analysis, SectionCost
from resgen.graph.cost import analyse
from resgen.graph.difference import Change, changes, paired_sections
from resgen.graph.identity import identity
from resgen.graph.precision import Precision, precisions
from resgen.options.kinds import argument
from resgen.spec.model import Spec
from resgen.words.numbers import count, in_unit, shape, unit_of
from resgen.words.terminal import TEXT, Shown, fitted, printable, style, table

if TYPE_CHECKING:
    from resgen.expansion.arguments import Source
    from resgen.graph.ir import Graph

#: Changes that a person reads.
_MOST: Final = 20
#: What a section costs, under what name, and in what unit.
_COSTS: Final = (
    ("params", "params", ""),
    ("macs", "MACs", "MACs"),
    ("activation_bytes", "live memory", "B"),
)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two; ``precision`` is that of every operator by name."""

    title: str
    spec: Spec
    graph: Graph
    analysis: Analysis
    identity: str
    precision: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """What it is and costs."""
        found = self.analysis
        return {
            "name": found.name,
            "identity": self.identity,
            "input": list(found.input),
            "outputs": {name: list(sizes) for name, sizes in found.outputs},
            "params": found.params,
            "macs": found.macs,
            "peak_activation_bytes": found.peak_activation_bytes,
            "nodes": found.nodes,
        }


@dataclass(frozen=True, slots=True)
class Fact:
    """Something of the whole that differs: an input, an output, what is prepared."""

    what: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.what}: {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True)
class Diffed(Shown):
    """What of ``b`` is not as in ``a``.

    ``facts`` are of the whole, ``changes`` of its parts. ``sections`` are the costs of
    those that stand for one another, None where there is no other. ``remarks`` are what
    differs although it is the same network: names, initialisers, labels, documentation.
    """

    a: Side
    b: Side
    facts: tuple[Fact, ...]
    changes: tuple[Change, ...]
    sections: tuple[tuple[SectionCost | None, SectionCost | None], ...]
    remarks: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether they have the same operators, wired alike."""
        return self.a.identity == self.b.identity

    @property
    def equal(self) -> bool:
        """Whether they compute the same of the same pictures, at the same precision.

        In training too, which may have outputs of its own.
        """
        return self.same and not (self.facts or self.changes)

    def to_dict(self) -> dict[str, Any]:
        """What ``resgen diff --json`` prints."""
        return {
            "equal": self.equal,
            "same_network": self.same,
            "a": self.a.to_dict(),
            "b": self.b.to_dict(),
            "facts": [asdict(fact) for fact in self.facts],
            "changes": [asdict(change) for change in self.changes],
            "sections": [
                {
                    "a": None if a is None else _cost(a),
                    "b": None if b is None else _cost(b),
                }
                for a, b in self.sections
            ],
            "remarks": list(self.remarks),
        }

    def lines(self, width: int = TEXT) -> Iterator[str]:
        """What the terminal shows, in so many columns."""
        names = f"{printable(self.a.title)} and {printable(self.b.title)}"
        verdict = "differ" if not self.same else "are the same network"
        but = ", but" if self.same and not self.equal else ""
        yield style(f"{names} {verdict}{but}", bold=True)
        told = [*map(str, self.facts), *self._told()]
        for line in (*told[:_MOST], *self.remarks):
            yield from wrap(printable(line), width, subsequent_indent="  ")
        if len(told) > _MOST:
            yield f"... and {len(told) - _MOST} more, which --json lists"
        rows = self._rows()
        if len(rows) > 1:
            yield ""
            for number, line in enumerate(table(rows, left=1)):
                cut = fitted(line, width)
                yield style(cut, dim=True) if number == 0 else cut

    def _told(self) -> Iterator[str]:
        """Changes, those of the same operators at the same places as one."""
        if not (self.same or self.changes or self.facts):
            yield "operators that are alike read, or share parameters with, others"
        lines: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for change in self.changes:
            lines.setdefault((change.where, change.operators), []).append(change.text)
        for (where, operators), texts in lines.items():
            of = f"{', '.join(operators)} " if operators else ""
            yield f"{where}: {of}{', '.join(texts)}"

    def _rows(self) -> list[tuple[str, ...]]:
        """A row for each section whose costs differ, and one for all of it."""
        rows: list[tuple[str, ...]] = [("", *(name for _, name, _ in _COSTS))]
        for a, b in self.sections:
            names = dict.fromkeys(each.name for each in (a, b) if each is not None)
            row = tuple(
                _beside(_number(a, cost), _number(b, cost), unit)
                for cost, _, unit in _COSTS
            )
            if any("->" in cell for cell in row):
                rows.append((" / ".join(names), *row))
        old, new = self.a.analysis, self.b.analysis
        totals = (
            _beside(old.params, new.params, ""),
            _beside(old.macs, new.macs, "MACs"),
            _beside(old.peak_activation_bytes, new.peak_activation_bytes, "B"),
        )
        if len(rows) > 1:
            rows.append(("all", *totals))
        return rows


def diff(a: Spec | Source, b: Spec | Source, **options: Any) -> Diffed:
    """Say what differs between two networks.

    ``a`` and ``b`` are specs (a file, a name of the zoo, JSON values, or what
    :func:`resgen.load` read) or folders that resgen made. ``options`` are those of
    :class:`~resgen.api.asked.looking.Diffing`, which are the command's.

    >>> found = diff("resnet50", "resnet50", set={"/stages/2/depth": 4})
    >>> print(found.changes[0].where, found.changes[0].text)
    layer3 depth 6 -> 4
    >>> diff("resnet50", "resnet50", set={"/defaults/norm": {"eps": 1e-5}}).equal
    True

    Raises :class:`~resgen.errors.ResgenError` where one of them cannot be read.
    """
    asked = Diffing.of(options)
    a, b = argument("a", SPEC, a), argument("b", SPEC, b)
    first, second = _side(a, replace(asked, set=())), _side(b, asked)
    same = first.identity == second.identity
    one, other = first.graph, second.graph
    if same:  # in inference; as they train they may not be
        one, other = one.training or one, other.training or other
    alike = same and identity(one) == identity(other)
    return Diffed(
        first,
        second,
        tuple(_facts(first, second)),
        () if alike else changes(one, other),
        tuple(_sections(first, second)),
        tuple(_remarks(first, second)) if same else (),
    )


def _side(source: Spec | Source, asked: Diffing) -> Side:
    title, wanted = _title(source), Precision()
    source, _ = opened(source, asked)
    if isinstance(source, str | Path) and Path(source).is_dir():
        from resgen.artifact.folder import SPEC as FILE
        from resgen.artifact.opened import open_folder

        folder = open_folder(Path(source))
        wanted = folder.manifest.precision or wanted
        source = folder.folder / FILE
    spec, graph = read_spec(source, asked)
    if asked.set:
        title += f" with {', '.join(asked.set)}"
    return Side(
        title, spec, graph, analyse(graph), identity(graph), precisions(graph, wanted)
    )


def _title(source: Spec | Source) -> str:
    if isinstance(source, str | Path):
        return str(source)
    name = source.name if isinstance(source, Spec) else source.get("name", "")
    return str(name)


def _facts(a: Side, b: Side) -> Iterator[Fact]:
    if a.spec.input != b.spec.input:
        yield Fact("input", shape(a.spec.input), shape(b.spec.input))
    ways = asdict(a.spec.preprocess), asdict(b.spec.preprocess)
    for name, before in ways[0].items():
        if before != ways[1][name]:
            yield Fact(f"preprocessing, {name}", before, ways[1][name])
    common = a.precision.keys() & b.precision.keys()
    moved = Counter((a.precision[name], b.precision[name]) for name in common)
    for (before, after), number in sorted(moved.items()):
        if before != after:
            yield Fact(f"precision of {count(number, 'operator')}", before, after)
    trained = [dict((s.analysis.training or s.analysis).outputs) for s in (a, b)]
    old, new = dict(a.analysis.outputs), dict(b.analysis.outputs)
    if old.keys() != new.keys():
        yield Fact("outputs", listed(old), listed(new))
    elif trained[0].keys() != trained[1].keys():
        yield Fact("outputs in training", *map(listed, trained))
    for name, sizes in old.items():
        if sizes != new.get(name, sizes):
            yield Fact(f"output {name}", shape(sizes), shape(new[name]))


def _sections(
    a: Side, b: Side
) -> Iterator[tuple[SectionCost | None, SectionCost | None]]:
    costs = [
        dict(zip(side.graph.sections, side.analysis.sections, strict=True))
        for side in (a, b)
    ]
    for first, second in paired_sections(a.graph, b.graph):
        yield (
            None if first is None else costs[0][first.section],
            None if second is None else costs[1][second.section],
        )


def _remarks(a: Side, b: Side) -> Iterator[str]:
    """What differs of two spellings of one network."""
    if a.spec.name != b.spec.name:
        yield f"name: {a.spec.name} -> {b.spec.name}"
    old, new = a.graph.parameter, b.graph.parameter
    only, others = ([n for n in x if n not in y] for x, y in ((old, new), (new, old)))
    if only:
        yield (
            f"{len(only)} of {count(len(old), 'tensor')} have other names: "
            f"{only[0]} -> {others[0]}"
        )
    begun = [name for name in old if name in new and old[name].init != new[name].init]
    if begun:
        yield f"initialisers of {count(len(begun), 'tensor')} differ: {begun[0]}"
    if a.spec.labels != b.spec.labels:
        yield "labels differ"
    if a.spec.doc != b.spec.doc and a.spec.doc and b.spec.doc:  # folders have none
        yield "documentation differs"


def _number(section: SectionCost | None, cost: str) -> int | None:
    return None if section is None else getattr(section, cost)


def _beside(a: int | None, b: int | None, unit: str) -> str:
    """Two costs in one unit, to as many digits as tell them apart, or one for both."""
    of = unit_of(max(a or 0, b or 0), unit)
    for digits in range(2, 13):
        old, new = ("none" if n is None else in_unit(n, of, digits) for n in (a, b))
        if a == b:
            return old
        if old != new:
            break
    return f"{old} -> {new}"


def _cost(section: SectionCost) -> dict[str, Any]:
    return {
        "name": section.name,
        "params": section.params,
        "macs": section.macs,
        "peak_activation_bytes": section.activation_bytes,
        "output": list(section.output),
    }
