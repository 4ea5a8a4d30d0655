"""What a network costs and what shapes it has, before anything is built."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import log10
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from resgen.api.asked.looking import Inspecting
from resgen.api.specs import SPEC, examined, network, read_spec
from resgen.errors import Problem
from resgen.expansion.arguments import Source
from resgen.graph import analysis
from resgen.graph.analysis import Analysis, NodeCost
from resgen.graph.cost import analyse, node_costs
from resgen.graph.paths import Paths, paths
from resgen.options.kinds import argument
from resgen.pictures.words import told
from resgen.spec.model import Spec
from resgen.words.numbers import in_unit, seconds, share, unit_of
from resgen.words.terminal import TEXT, Shown, fitted, printable, style, table

if TYPE_CHECKING:
    from resgen.graph.ir import Graph
    from resgen.latency.table import Prediction, Table

#: A count of more digits is written as a power of ten: JSON readers refuse it.
_DIGITS: Final = 300
#: The share of a predicted latency from which on it is told what it is unlike.
TOLD: Final = 0.1


@dataclass(frozen=True, slots=True)
class Variant:
    """A network with other values, as ``set`` has them, or why there is none."""

    set: tuple[str, ...]
    analysis: Analysis | None
    problems: tuple[Problem, ...]
    latency: Prediction | None = None

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` lists it."""
        found = self.analysis
        told: dict[str, Any] = (
            {"problems": [problem.to_dict() for problem in self.problems]}
            if found is None
            else _document(found)
        )
        if self.latency is not None:
            told["latency"] = self.latency.to_dict()
        return {"set": list(self.set), **told}


@dataclass(frozen=True, slots=True)
class Inspected(Shown):
    """A network, and what it costs.

    ``operators``, ``variants`` and ``latency`` are there where they were asked for,
    ``warnings`` where the spec was read.
    """

    spec: Spec
    graph: Graph
    analysis: Analysis
    paths: Paths
    warnings: tuple[Problem, ...]
    operators: tuple[NodeCost, ...]
    variants: tuple[Variant, ...]
    latency: Prediction | None = None

    @property
    def resolved(self) -> dict[str, Any]:
        """The spec with all that it extends and uses."""
        from resgen.spec.canonical import canonical_form

        return canonical_form(self.spec)

    def to_dict(self) -> dict[str, Any]:
        """What ``resgen inspect --json`` prints."""
        ways = self.paths
        found = {
            **_document(self.analysis),
            "paths": {
                "count": ways.count if log10(ways.count) < _DIGITS else None,
                "log10_count": log10(ways.count),
                "shortest": ways.shortest,
                "longest": ways.longest,
            },
        }
        if self.operators:
            found["operators"] = [
                {
                    "name": each.name,
                    "operator": each.op,
                    "output": list(each.output),
                    "params": each.params,
                    "macs": each.macs,
                }
                for each in self.operators
            ]
        if self.latency is not None:
            found["latency"] = self.latency.to_dict()
        if self.variants:
            found["variants"] = [variant.to_dict() for variant in self.variants]
        return found

    def lines(self, width: int = TEXT) -> Iterator[str]:
        """What the terminal shows, in so many columns."""
        yield from self.analysis.lines(width)
        yield str(self.paths)
        pictures = f"pictures: {told(self.spec.preprocess, self.spec.input)}"
        yield from wrap(pictures, width, subsequent_indent="  ")
        if self.operators:
            yield ""
            yield from analysis.operators(self.operators, width)
        if self.latency is not None:
            yield ""
            yield from _timed(self.latency, width)
        if self.variants:
            yield ""
            yield from _side_by_side(self.variants, width)

    def _repr_html_(self) -> str:
        from resgen.graph.draw import svg
        from resgen.reports.tables import Table

        rows = analysis.rows(self.analysis)
        table = Table.words(self.analysis.name, analysis.HEAD, rows, left=3)
        drawn = svg(self.graph) + table.html()
        if not self.variants:
            return drawn
        head, *rows = _rows(self.variants)
        left = len(self.variants[0].set)
        return drawn + Table.words("side by side", head, rows, left).html()


def inspect(source: Spec | Source, **options: Any) -> Inspected:
    """Count parameters, MACs, shapes and memory, by stage.

    ``source`` is a spec: its file, its name in the zoo, itself as JSON values, or what
    :func:`resgen.load` read. ``options`` are those of
    :class:`~resgen.api.asked.looking.Inspecting`, which are the command's. Printed it
    is a table; a notebook shows the drawing as well.

    >>> found = inspect("resnet50", vary={"/stages/2/depth": [6, 23]})
    >>> found.analysis.params
    25557032
    >>> [variant.analysis.params for variant in found.variants]
    [25557032, 44549160]

    Raises :class:`~resgen.errors.ResgenError`; a variant that is no network says why.
    """
    asked = Inspecting.of(options)
    warnings: tuple[Problem, ...] = ()
    variants: tuple[Variant, ...] = ()
    times = None if asked.latency is None else _table(asked.latency)
    source = argument("source", SPEC, source)
    if isinstance(source, Spec):
        if asked.vary:
            raise asked.refused(
                "{vary} changes a spec while it is read, and this was read already"
            )
        spec, graph = read_spec(source, asked)
    else:
        spec, graph, warnings = network(source, asked)
        variants = tuple(_variants(source, asked, times))
    if asked.diagram is not None:
        _draw(graph, asked.diagram)
    operators = tuple(node_costs(graph)) if asked.operators else ()
    return Inspected(
        spec,
        graph,
        analyse(graph),
        paths(graph),
        warnings,
        operators,
        variants,
        None if times is None else times.predict(graph),
    )


def _table(path: Path) -> Table:
    from resgen.latency.table import load

    return load(path)


def _variants(
    source: Source, asked: Inspecting, times: Table | None
) -> Iterator[Variant]:
    """All combinations of the values that are varied."""
    if not asked.vary:
        return
    each = ([f"{pointer}={v}" for v in values] for pointer, values in asked.vary)
    for changes in product(*each):
        found = examined(source, replace(asked, set=(*asked.set, *changes), vary=()))
        if found.graph is None:
            yield Variant(changes, None, found.problems)
            continue
        latency = None if times is None else times.predict(found.graph)
        yield Variant(changes, analyse(found.graph), found.problems, latency)


def _draw(graph: Graph, path: Path) -> None:
    from resgen.files.whole import require_file, write_bytes
    from resgen.graph.draw import png, svg

    require_file(path)
    drawn = svg(graph)
    write_bytes(path, png(drawn) if path.suffix.lower() == ".png" else drawn.encode())


def _document(found: Analysis) -> dict[str, Any]:
    document = {
        "name": found.name,
        **_whole(found),
        "input": list(found.input),
        "stages": [
            {
                "name": section.name,
                "kind": section.kind,
                "pointer": section.pointer,
                "params": section.params,
                "macs": section.macs,
                "output": list(section.output),
                "receptive_field": list(section.receptive_field),
                "peak_activation_bytes": section.activation_bytes,
            }
            for section in found.sections
        ],
        "weight_bytes": found.weight_bytes,
        "peak_activation_bytes": found.peak_activation_bytes,
        "nodes": found.nodes,
    }
    if found.training is not None:
        document["training"] = _whole(found.training)
    return document


def _whole(found: Analysis) -> dict[str, Any]:
    return {
        "params": found.params,
        "macs": found.macs,
        "outputs": {name: list(sizes) for name, sizes in found.outputs},
    }


def _timed(found: Prediction, width: int) -> Iterator[str]:
    """The predicted latency, whole and by section."""
    yield fitted(f"latency {found}", width)
    rows = [("", "", "latency", "share")]
    for part in found.parts:
        if part.kind == "section":
            of_all = share(part.seconds, found.seconds)
            rows.append((part.path, part.label, seconds(part.seconds), of_all))
    for number, line in enumerate(table(rows, left=2)):
        cut = fitted(line, width)
        yield style(cut, dim=True) if number == 0 else cut
    yield from wrap(f"predicted for {found.conditions}", width)
    if found.unlike >= TOLD:
        told = (
            f"{share(found.unlike, 1, 0)} of it is like nothing in the table, most at "
            f"{', '.join(found.places)}: `resgen measure blocks SPEC -o TABLE` times it"
        )
        yield from wrap(told, width)
    if found.unknown:
        told = f"no kernel of these kinds was timed: {', '.join(found.unknown)}"
        yield from wrap(f"{told}; the interval lets them take up to 10 times", width)


def _side_by_side(variants: Sequence[Variant], width: int) -> Iterator[str]:
    rows = _rows(variants)
    for number, line in enumerate(table(rows, left=len(variants[0].set))):
        cut = fitted(line, width)
        yield style(cut, dim=True) if number == 0 else cut
    told = (_why(each) for each in variants if each.analysis is None)
    for why in dict.fromkeys(told):
        yield fitted(f"  {printable(why)}", width)


def _rows(variants: Sequence[Variant]) -> list[tuple[str, ...]]:
    pointers = (change.partition("=")[0] for change in variants[0].set)
    timed = ("latency",) if any(each.latency for each in variants) else ()
    head = (*pointers, "params", "MACs", "weights", "live memory", *timed)
    rows = map(_row, variants)
    return [head, *((*row, *[""] * (len(head) - len(row))) for row in rows)]


def _why(variant: Variant) -> str:
    first = next(each for each in variant.problems if each.severity == "error")
    return f"{first.code}: {first.message}"


def _row(variant: Variant) -> tuple[str, ...]:
    values = (change.partition("=")[2].strip('"') for change in variant.set)
    found = variant.analysis
    if found is None:
        return (*values, _why(variant).partition(":")[0])
    units = (("params", ""), ("macs", "MACs"), ("weight_bytes", "B"))
    costs = [(getattr(found, name), unit) for name, unit in units]
    costs.append((found.peak_activation_bytes, "B"))
    timed = () if variant.latency is None else (seconds(variant.latency.seconds),)
    return (*values, *(in_unit(n, unit_of(n, unit)) for n, unit in costs), *timed)
