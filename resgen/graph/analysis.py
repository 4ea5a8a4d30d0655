"""What a network costs, as records, and as a terminal shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from textwrap import wrap
from typing import Final

from resgen.errors import listed
from resgen.graph.outputs import spoken
from resgen.words.numbers import count, in_unit, scaled, shape, share, size, unit_of
from resgen.words.terminal import TEXT, Shown, fitted, printable, style, table

#: Bytes of one element.
BYTES: Final = {"float32": 4, "int64": 8}
#: Columns of the table of sections.
HEAD: Final = (
    "stage", "blocks", "output", "params", "MACs", "receptive field", "live memory"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NodeCost:
    """Of one operator, ``op``, and the shape of what it yields."""

    name: str
    op: str
    output: tuple[int, ...]
    params: int
    macs: int

    @property
    def output_bytes(self) -> int:
        """The size of what it yields."""
        return prod(self.output) * BYTES["float32"]


@dataclass(frozen=True, slots=True)
class SectionCost:
    """Of the stem, a stage or the head.

    ``content`` is what it is made of (``3 × bottleneck``), ``output`` the shape of its
    last value, and ``receptive_field`` what one position of it sees of the input, per
    axis (it may exceed the input: the rest is padding). ``activation_bytes`` is the
    peak of what is alive while it runs.
    """

    name: str
    kind: str
    pointer: str
    blocks: int
    content: str
    params: int
    macs: int
    output: tuple[int, ...]
    receptive_field: tuple[int, ...]
    activation_bytes: int


@dataclass(frozen=True, slots=True)
class Analysis(Shown):
    """Of a whole network.

    ``weight_bytes`` counts every stored tensor, statistics included;
    ``peak_activation_bytes`` the values that are alive at once when operators run one
    after the other and each value is freed after its last use. ``training`` is of the
    network as it trains, where it then gives out more.
    """

    name: str
    params: int
    macs: int
    input: tuple[int, ...]
    outputs: tuple[tuple[str, tuple[int, ...]], ...]
    sections: tuple[SectionCost, ...]
    weight_bytes: int
    peak_activation_bytes: int
    nodes: int
    training: Analysis | None = None

    def lines(self, width: int = TEXT) -> Iterator[str]:
        """Totals, a row for each section, and what all of it takes."""
        title = style(self.name, bold=True)
        yield f"{title}    {self._size('    ')}    input {shape(self.input)}"
        above = (*("" for _ in HEAD[:-2]), *(name.split()[0] for name in HEAD[-2:]))
        below = (*HEAD[:-2], *(name.split()[1] for name in HEAD[-2:]))
        for number, line in enumerate(_narrowed([above, below, *rows(self)], width)):
            yield style(line, dim=True) if number < 2 else line
        if len(self.outputs) > 1:
            told = f"outputs: {', '.join(spoken(dict(self.outputs)))}"
            yield from wrap(told, width, subsequent_indent="  ")
        yield (
            f"{count(self.nodes, 'operator')}; weights {size(self.weight_bytes)}; at "
            f"most {size(self.peak_activation_bytes)} of activations alive at once"
        )
        if self.training is not None:
            more = dict(self.training.outputs).keys() - dict(self.outputs)
            yield (
                f"in training it also gives out {listed(sorted(more))}, and has "
                f"{self.training._size(' and ')}"
            )

    def _size(self, between: str) -> str:
        """Parameters and MACs in words."""
        params = in_unit(self.params, unit_of(self.params))
        macs = in_unit(self.macs, unit_of(self.macs, "MACs"))
        return f"{params} parameters{between}{macs}"

    def __repr__(self) -> str:
        return (
            f"<Analysis of {printable(self.name)}: {scaled(self.params)} parameters, "
            f"{scaled(self.macs, 'MACs')}>"
        )


def rows(found: Analysis) -> list[tuple[str, ...]]:
    """A row of :data:`HEAD` for each section."""
    params, alive = unit_of(found.params), unit_of(found.peak_activation_bytes, "B")
    fields = [section.receptive_field for section in found.sections]
    number = len(found.outputs)
    several = f"{number} outputs" if number > 1 else ""
    return [
        (
            section.name,
            section.content.replace("×", "x"),
            several if section.kind == "head" and several else shape(section.output),
            in_unit(section.params, params),
            share(section.macs, max(found.macs, 1)),
            shape(field if len(set(field)) > 1 else field[:1]),
            in_unit(section.activation_bytes, alive, 1),
        )
        for section, field in zip(found.sections, fields, strict=True)
    ]


def operators(found: Sequence[NodeCost], width: int = TEXT) -> Iterator[str]:
    """A row for each operator, in the order in which they run; 0 is left out."""
    head = ("name", "operator", "output", "params", "MACs")
    counts = [tuple(f"{n:,}" if n else "" for n in (o.params, o.macs)) for o in found]
    total = (sum(o.params for o in found), sum(o.macs for o in found))
    rows = [
        head,
        *(
            (o.name, o.op, shape(o.output), *n)
            for o, n in zip(found, counts, strict=True)
        ),
        ("", "", "", *(f"{n:,}" for n in total)),
    ]
    spare = max(map(len, table(rows, left=3))) - width
    wide = max(max(len(row[0]) for row in rows) - max(spare, 0), 12)
    # The end of a name is what tells it from its neighbours.
    cut = ((n if len(n) <= wide else f"...{n[3 - wide :]}", *row) for n, *row in rows)
    for number, line in enumerate(table(list(cut), left=3)):
        yield style(line, dim=True) if number == 0 else line


def _narrowed(rows: Sequence[tuple[str, ...]], width: int) -> list[str]:
    """The table, its first two columns cut until it fits the terminal."""
    if max(map(len, table(rows, left=3))) > width:
        rows = [(row[0].rpartition(".")[2], *row[1:]) for row in rows]
    wide = max(map(len, table(rows, left=3)))
    spare = max(len(row[1]) for row in rows) - max(wide - width, 0)
    cut = [(row[0], fitted(row[1], max(spare, 8)), *row[2:]) for row in rows]
    return list(table(cut, left=3))
