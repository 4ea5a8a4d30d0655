"""What a network costs, as a terminal shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log10
from typing import TYPE_CHECKING, Final

from resgen.words.numbers import count, in_unit, shape, unit_of
from resgen.words.terminal import TEXT, fitted, style, table

if TYPE_CHECKING:
    from resgen.graph.cost import Analysis, NodeCost
    from resgen.graph.paths import Paths


HEAD: Final = (
    "stage", "blocks", "output", "params", "MACs", "receptive field", "live memory"
)  # fmt: skip


def lines(found: Analysis, width: int = TEXT) -> Iterator[str]:
    """Totals, a row for each section, and what all of it takes."""
    params, macs = unit_of(found.params), unit_of(found.macs, "MACs")
    yield (
        f"{style(found.name, bold=True)}    "
        f"{in_unit(found.params, params)} parameters    "
        f"{in_unit(found.macs, macs)}    "
        f"input {shape(found.input)}"
    )
    above = (*("" for _ in HEAD[:-2]), *(name.split()[0] for name in HEAD[-2:]))
    below = (*HEAD[:-2], *(name.split()[1] for name in HEAD[-2:]))
    for number, line in enumerate(_narrowed([above, below, *rows(found)], width)):
        yield style(line, dim=True) if number < 2 else line
    yield (
        f"{count(found.nodes, 'operator')}; weights {_bytes(found.weight_bytes)}; at "
        f"most {_bytes(found.peak_activation_bytes)} of activations alive at once"
    )


def rows(found: Analysis) -> list[tuple[str, ...]]:
    """A row of :data:`HEAD` for each section."""
    params, size = unit_of(found.params), unit_of(found.peak_activation_bytes, "B")
    fields = [section.receptive_field for section in found.sections]
    return [
        (
            section.name,
            section.content.replace("×", "x"),
            shape(section.output),
            in_unit(section.params, params),
            f"{100 * section.macs / max(found.macs, 1):.1f} %",
            shape(field if len(set(field)) > 1 else field[:1]),
            in_unit(section.activation_bytes, size, 1),
        )
        for section, field in zip(found.sections, fields, strict=True)
    ]


def ways(found: Paths) -> str:
    """How many paths there are, and how long."""
    if found.count == 1:
        layers = count(found.longest, "weighted layer")
        return f"one path from input to output, through {layers}"
    few = found.count < 100_000
    return (
        f"{f'{found.count:,}' if few else _power(found.count)} paths from input to "
        f"output, through {found.shortest:,} to {found.longest:,} weighted layers"
    )


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


def _bytes(number: int) -> str:
    return in_unit(number, unit_of(number, "B"), 1)


def _narrowed(rows: Sequence[tuple[str, ...]], width: int) -> list[str]:
    """The table, its first two columns cut until it fits the terminal."""
    if max(map(len, table(rows, left=3))) > width:
        rows = [(row[0].rpartition(".")[2], *row[1:]) for row in rows]
    wide = max(map(len, table(rows, left=3)))
    spare = max(len(row[1]) for row in rows) - max(wide - width, 0)
    cut = [(row[0], fitted(row[1], max(spare, 8)), *row[2:]) for row in rows]
    return list(table(cut, left=3))


def _power(number: int) -> str:
    """A number too long to read.

    >>> _power(123_456)
    '1.2 x 10^5'
    """
    exponent = int(log10(number))
    mantissa = f"{10 ** (log10(number) - exponent):.1f}"
    return (
        f"1.0 x 10^{exponent + 1}"
        if mantissa == "10.0"
        else f"{mantissa} x 10^{exponent}"
    )
