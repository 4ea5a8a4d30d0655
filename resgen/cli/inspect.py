"""``resgen inspect``: what a network costs and what shapes it has."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click

from resgen.api.specs import network
from resgen.cli._options import json_option, spec_argument, spec_options
from resgen.cli._problems import summarize
from resgen.cli._text import say, say_json, width
from resgen.errors import ResgenError
from resgen.pictures.words import told
from resgen.words.numbers import count, in_unit, shape, unit_of
from resgen.words.terminal import fitted, style, table

if TYPE_CHECKING:
    from resgen.graph.cost import Analysis
    from resgen.graph.ir import Graph
    from resgen.graph.paths import Paths
    from resgen.spec.model import Spec
    from resgen.spec.source import Json

#: A count of more digits is written as a power of ten: JSON readers refuse it.
_DIGITS = 300


def _svg(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() != ".svg":
        raise click.BadParameter(f"{path} does not end in .svg", ctx, param)
    return path


@click.command(
    epilog="""\b
Examples:
  resgen inspect specs/resnet50.json
  resgen inspect resnet50 --set /stages/2/depth=23
  resgen inspect resnet50 --json | jq .macs
  resgen inspect resnet50 --diagram resnet50.svg

MACs are multiply-adds of convolutions and linear maps for one input, without bias, as
torchvision counts them. Live memory is of activations in fp32 at batch 1."""
)
@spec_argument
@spec_options
@click.option(
    "--resolved", is_flag=True, help="Print the spec with all that it extends and uses."
)
@click.option(
    "--diagram",
    metavar="FILE.svg",
    type=click.Path(path_type=Path),
    callback=_svg,
    help="Draw the network: stages, blocks and shortcuts.",
)
@json_option
def command(
    spec: str,
    assignments: tuple[str, ...],
    max_operators: int | None,
    max_parameters: int | None,
    *,
    resolved: bool,
    diagram: Path | None,
    as_json: bool,
) -> None:
    """Show parameters, MACs, shapes and memory, by stage.

    SPEC is a file or the name of a network that comes with resgen.
    """
    from resgen.graph.cost import analyse
    from resgen.graph.paths import paths

    read, graph, warnings = network(spec, assignments, max_operators, max_parameters)
    if diagram is not None:
        _draw(graph, diagram)
    if resolved:
        from resgen.spec.canonical import canonical_form

        say_json(canonical_form(read))
    elif as_json:
        say_json(_document(analyse(graph), paths(graph)))
    else:
        _show(read, analyse(graph), paths(graph))
    if diagram is not None:
        say(f"the drawing is in {diagram}", err=True)
    summarize(warnings, spec)


def _draw(graph: Graph, path: Path) -> None:
    from resgen.files.whole import write_text
    from resgen.graph.draw import svg

    if not path.parent.is_dir():
        raise ResgenError(f"the folder of {path} does not exist")
    write_text(path, svg(graph))


def _document(found: Analysis, ways: Paths) -> dict[str, Any]:
    return {
        "name": found.name,
        "params": found.params,
        "macs": found.macs,
        "input": list(found.input),
        "outputs": {name: list(sizes) for name, sizes in found.outputs},
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
        "paths": {
            "count": ways.count if log10(ways.count) < _DIGITS else None,
            "log10_count": log10(ways.count),
            "shortest": ways.shortest,
            "longest": ways.longest,
        },
    }


# --- for a person ---------------------------------------------------------------------


def _show(spec: Spec, found: Analysis, ways: Paths) -> None:
    params, macs = unit_of(found.params), unit_of(found.macs, "MACs")
    say(
        f"{style(found.name, bold=True)}    "
        f"{in_unit(found.params, params)} parameters    "
        f"{in_unit(found.macs, macs)}    "
        f"input {shape(found.input)}"
    )
    size = unit_of(found.peak_activation_bytes, "B")
    rows = [
        ("", "", "", "", "", "receptive", "live"),
        ("stage", "blocks", "output", "params", "MACs", "field", "memory"),
    ]
    for index, section in enumerate(found.sections):
        field = section.receptive_field
        rows.append(
            (
                section.name,
                _content(spec, index, section.blocks),
                shape(section.output),
                in_unit(section.params, params),
                f"{100 * section.macs / max(found.macs, 1):.1f} %",
                shape(field if len(set(field)) > 1 else field[:1]),
                in_unit(section.activation_bytes, size, 1),
            )
        )
    for number, line in enumerate(_narrowed(rows)):
        say(style(line, dim=True) if number < 2 else line)
    say(
        f"{count(found.nodes, 'operator')}; weights "
        f"{in_unit(found.weight_bytes, unit_of(found.weight_bytes, 'B'), 1)}; at most "
        f"{in_unit(found.peak_activation_bytes, size, 1)} of activations alive at once"
    )
    say(_paths(ways))
    line = f"pictures: {told(spec.preprocess, spec.input)}"
    say("\n".join(wrap(line, width(), subsequent_indent="  ")))


def _narrowed(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The table, its first two columns cut until it fits the terminal."""
    if max(map(len, table(rows, left=3))) > width():
        rows = [(row[0].rpartition(".")[2], *row[1:]) for row in rows]
    wide = max(map(len, table(rows, left=3)))
    spare = max(len(row[1]) for row in rows) - max(wide - width(), 0)
    cut = [(row[0], fitted(row[1], max(spare, 8)), *row[2:]) for row in rows]
    return list(table(cut, left=3))


def _content(spec: Spec, index: int, blocks: int) -> str:
    """What a section consists of, as the spec says it."""
    if index == 0:
        return _name(spec.members["stem"])
    if index > len(spec.stages):
        return _name(spec.members["head"])
    taker = spec.stages[index - 1].block
    return "body" if taker is None else f"{blocks} x {taker.block}"


def _name(at: Json) -> str:
    """The name of a body, or the number of a head's classes."""
    value = at.value
    if isinstance(value, dict):
        given = value["with"].value if "with" in value else value
        if isinstance(given, dict) and "classes" in given:
            return f"{given['classes'].value} classes"
        value = value["use"].value if "use" in value else ""
    return value if isinstance(value, str) else ""


def _paths(ways: Paths) -> str:
    if ways.count == 1:
        layers = count(ways.longest, "weighted layer")
        return f"one path from input to output, through {layers}"
    number = f"{ways.count:,}" if ways.count < 100_000 else _power(ways.count)
    return (
        f"{number} paths from input to output, through {ways.shortest:,} to "
        f"{ways.longest:,} weighted layers"
    )


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
