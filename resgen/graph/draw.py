"""A network as a picture: SVG that stands by itself, for a README or a notebook.

Read from left to right: the height of a box follows the map's size, its width the
number of channels (both as logarithms), and a line over a block is its shortcut. The
file holds no script, no font and no reference to anything outside, follows the
reader's light or dark setting, and is the same each time it is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import exp, log, log2, sqrt
from typing import Final

from resgen.errors import MissingComponent, ResgenError
from resgen.graph.analysis import Analysis, SectionCost
from resgen.graph.cost import analyse
from resgen.graph.ir import Graph
from resgen.graph.sketch import Unit, sketch
from resgen.ops.types import TensorType

#: Of a longer row of boxes the first and last few are drawn.
LONGEST_ROW: Final = 8
SHOWN_FIRST: Final = 3
SHOWN_LAST: Final = 2

# Lengths in pixels.
MARGIN: Final = 28.0
GAP: Final = 20.0  # between boxes
MERGE: Final = 7.0  # from a box to the merge after it
FORK: Final = 6.0  # from where a shortcut leaves to the box that it goes round
TOP: Final = 96.0  # where the tallest box begins
TALLEST: Final = 150.0
SHORTEST: Final = 26.0
ELISION: Final = 84.0  # what stands for the boxes left out
LINE: Final = 17.0  # of text
LINES: Final = 4  # under a section, its name included
LETTER: Final = 6.4  # the mean width of one
NARROWEST: Final = 620.0  # picture

#: Fonts of systems, for a drawing that is to be dots.
FONTS: Final = (
    "Segoe UI", "Helvetica Neue", "Arial", "Noto Sans", "DejaVu Sans", "Liberation Sans"
)  # fmt: skip

_LETTER: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" class="resgen-net" width="20" height="20">'
    '<text y="15">a</text></svg>'
)

STYLE: Final = """
.resgen-net { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; }
.resgen-net .card { fill: #ffffff; stroke: #d8dee4; }
.resgen-net text { fill: #57606a; }
.resgen-net .title { font-size: 19px; font-weight: 650; fill: #1f2328; }
.resgen-net .name { font-size: 13px; font-weight: 600; fill: #1f2328; }
.resgen-net .panel { fill: #6e7781; fill-opacity: .06; }
.resgen-net .flow { fill: none; stroke: #8c959f; stroke-width: 1.4; }
.resgen-net .box { stroke-width: 1.3; fill: #ffffff; }
.resgen-net .tint { fill-opacity: .2; stroke-width: 1.3; }
.resgen-net .input { fill: #6e7781; stroke: #6e7781; }
.resgen-net .stem { fill: #0e8a7d; stroke: #0e8a7d; }
.resgen-net .stage0 { fill: #0b7fc4; stroke: #0b7fc4; }
.resgen-net .stage1 { fill: #3d63dd; stroke: #3d63dd; }
.resgen-net .stage2 { fill: #7048d8; stroke: #7048d8; }
.resgen-net .stage3 { fill: #a53bbf; stroke: #a53bbf; }
.resgen-net .head { fill: #c2255c; stroke: #c2255c; }
.resgen-net .arc { fill: none; stroke-width: 1.6; }
.resgen-net .identity, .resgen-net .resized { stroke: #424a53; }
.resgen-net .resized { stroke-dasharray: 5 3; }
.resgen-net .projection { stroke: #d9730d; stroke-width: 2.2; }
.resgen-net .concat { stroke: #1a7f37; stroke-width: 2.2; stroke-dasharray: 1.5 3; }
.resgen-net .tap { stroke: #0e8a7d; stroke-dasharray: 4 3; }
.resgen-net .merge { fill: #ffffff; stroke-width: 1.4; stroke-dasharray: none; }
@media (prefers-color-scheme: dark) {
  .resgen-net .card { fill: #0d1117; stroke: #30363d; }
  .resgen-net text { fill: #9198a1; }
  .resgen-net .title, .resgen-net .name { fill: #f0f6fc; }
  .resgen-net .box, .resgen-net .merge { fill: #0d1117; }
  .resgen-net .tint { fill-opacity: .32; }
  .resgen-net .identity, .resgen-net .resized { stroke: #c9d1d9; }
  .resgen-net .projection { stroke: #f0953f; }
  .resgen-net .concat { stroke: #3fb950; }
  .resgen-net .tap { stroke: #2cc0b0; }
  .resgen-net .stage0 { fill: #339af0; stroke: #339af0; }
  .resgen-net .stage1 { fill: #6d8dff; stroke: #6d8dff; }
  .resgen-net .stage2 { fill: #9d7bff; stroke: #9d7bff; }
  .resgen-net .stage3 { fill: #d277ea; stroke: #d277ea; }
  .resgen-net .stem { fill: #2cc0b0; stroke: #2cc0b0; }
  .resgen-net .head { fill: #f06595; stroke: #f06595; }
}
"""

LEGEND: Final = {
    "identity": "identity shortcut",
    "resized": "shortcut resized without parameters",
    "projection": "projection shortcut",
    "concat": "shortcut by concatenation",
    "tap": "read by a later part as well",
}


def svg(graph: Graph) -> str:
    """The picture as the text of an SVG file, headed by the network's name."""
    found = analyse(graph)
    entry = graph.inputs[0]
    drawn = _Drawing(max(_side(entry.type), 1.0))
    drawn.column(
        [Unit("map", "input", entry.name, entry.type)],
        "input",
        ["input", "", _shape(entry.type.shape)],
    )
    stages = 0
    for cost, units in zip(found.sections, sketch(graph), strict=True):
        style = cost.kind
        if style == "stage":
            style, stages = f"stage{stages % 4}", stages + 1
        drawn.column(units, style, _lines(cost, found.params))
    if len(graph.outputs) > 1:
        drawn.column([], "head", ["outputs", *_outputs(found)])
    drawn.taps(_taps(graph))
    facts = (
        f"{_count(found.params)} parameters · {_count(found.macs)} multiply-adds of "
        "convolutions and linear maps"
    )
    return drawn.document(graph.name, facts, _description(found))


def png(drawing: str) -> bytes:
    """A drawing as it looks by day, twice as large as its measures.

    Raises :class:`~resgen.errors.MissingComponent` without resvg, and another
    :class:`~resgen.errors.ResgenError` without a font.
    """
    try:
        from resvg_py import svg_to_bytes
    except ImportError as missing:
        install = "pip install 'resgen[png]'"
        why = "a drawing can be an .svg only"
        raise MissingComponent("resvg", why, install) from missing
    # What it calls sans-serif need not be there; text without a font is left out.
    families = ", ".join(f'"{name}"' for name in FONTS)
    look = f".resgen-net, .resgen-net text {{ font-family: {families} }}"

    def dots(svg: str) -> bytes:
        return bytes(svg_to_bytes(svg_string=svg, style_sheet=look, zoom=2))

    if dots(_LETTER) == dots(_LETTER.replace("a</text>", "</text>")):
        raise ResgenError(
            "no font is here that a .png can be lettered with",
            hint="install one, such as DejaVu Sans, or draw an .svg",
        )
    return dots(drawing)


def _lines(cost: SectionCost, total: int) -> list[str]:
    share = f" · {cost.params / total:.0%}" if cost.params * 100 >= total else ""
    params = f"{_count(cost.params)} params{share}" if cost.params else "no parameters"
    return [cost.name, cost.content, _shape(cost.output), params]


def _description(found: Analysis) -> str:
    parts = [
        f"{cost.name}: {cost.content or 'nothing'}, output {_shape(cost.output)}"
        for cost in found.sections
    ]
    return f"The network {found.name} from left to right. " + "; ".join(parts) + "."


def _outputs(found: Analysis) -> list[str]:
    """The outputs by name, those of a list in one line."""
    lists: dict[str, list[Sequence[int]]] = {}
    for name, shape in found.outputs:
        lists.setdefault(name.partition(".")[0], []).append(shape)
    lines = []
    for name, shapes in lists.items():
        first, last = _shape(shapes[0]), _shape(shapes[-1])
        several = f"{name}.0 to {len(shapes) - 1}: {first} … {last}"
        lines.append(f"{name}: {first}" if len(shapes) == 1 else several)
    if len(lists) > LINES - 1:
        left = len(lists) - LINES + 2
        lines[LINES - 2 :] = [f"and {left} more"]
    return lines


def _taps(graph: Graph) -> list[tuple[int, int]]:
    """Columns whose values a column beyond the next one reads, the input the first."""
    at = {node.name: node.origin.section + 1 for node in graph.nodes}
    pairs = {
        (at.get(value, 0), at[node.name])
        for node in graph.nodes
        for value in node.inputs
    }
    return sorted((a, b) for a, b in pairs if b - a > 1)


class _Drawing:
    """Elements from left to right, and how far they have come."""

    def __init__(self, side: float) -> None:
        self.side = side
        self.x = MARGIN
        self.axis = TOP + TALLEST / 2
        self.floor = TOP + TALLEST + 18
        self.panels: list[str] = []
        self.boxes: list[str] = []
        self.arcs: list[str] = []
        self.kinds: set[str] = set()
        self.flow = (0.0, 0.0)  # where the line through the boxes begins and ends
        self.spans: list[tuple[float, float]] = []  # of the columns

    # --- columns ----------------------------------------------------------------------

    def column(self, units: Sequence[Unit], style: str, lines: Sequence[str]) -> None:
        """One section: its boxes in a row, with lines of text under them."""
        shown, hidden = _elided(units)
        widths = [ELISION if unit is None else self._width(unit) for unit in shown]
        row = sum(widths) + GAP * (len(widths) + 1)
        text = max(len(line) for line in lines) * LETTER + 12
        width = max(row, text, 48.0)
        x, middle = self.x, self.x + width / 2
        self.panels.append(
            f'<rect class="panel" x="{x:.1f}" y="{TOP - 26:.1f}" width="{width:.1f}" '
            f'height="{self.floor - TOP + 30 + LINE * LINES:.1f}" rx="10"/>'
        )
        at = middle - row / 2 + GAP
        for unit, w in zip(shown, widths, strict=True):
            if unit is None:
                self._elision(at, hidden)
            else:
                self._unit(unit, style, at, w)
            at += w + GAP
        for number, line in enumerate(lines):
            kind = ' class="name"' if number == 0 else ""
            y = self.floor + 10 + LINE * number
            self.panels.append(
                f'<text{kind} x="{middle:.1f}" y="{y:.1f}" text-anchor="middle">'
                f"{_text(line)}</text>"
            )
        begin = self.flow[0] or middle
        self.flow = (begin, middle + row / 2 - GAP if shown else middle)
        self.spans.append((x, x + width))
        self.x += width + 8

    def taps(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Lines under the boxes, from columns to those that read them as well."""
        for number, (source, reader) in enumerate(pairs):
            self.kinds.add("tap")
            low = TOP + TALLEST + 4 + 4 * (number % 4)
            left = self.spans[source][1] - 6 - 3 * (number % 3)
            right = self.spans[reader][0] + 4 + 3 * (number % 4)
            self.arcs.append(
                f'<path class="arc tap" d="M{left:.1f} {self.axis:.1f}V{low - 6:.1f}'
                f"Q{left:.1f} {low:.1f} {left + 6:.1f} {low:.1f}H{right - 6:.1f}"
                f"Q{right:.1f} {low:.1f} {right:.1f} {low - 6:.1f}"
                f'V{self.axis:.1f}"/>'
            )

    def _unit(self, unit: Unit, style: str, x: float, width: float) -> None:
        height = self._height(unit)
        top = self.axis - height / 2
        round_ = 6 if unit.kind == "block" else 3
        place = (
            f'x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'rx="{round_}"'
        )
        label = f"{unit.name}: {unit.label}, {_shape(unit.type.shape)}"
        pale = ' style="fill-opacity:.07"' if unit.kind == "pool" else ""
        self.boxes.append(
            f'<g><title>{_text(label)}</title><rect class="box" {place}/>'
            f'<rect class="tint {style}" {place}{pale}/></g>'
        )
        if unit.shortcut is not None:
            self.kinds.add(unit.shortcut)
            self.arcs.append(self._arc(unit.shortcut, x, width, top))

    def _arc(self, kind: str, x: float, width: float, top: float) -> str:
        """From the line before a box over it to a merge after it."""
        left, right, over, bend = x - FORK, x + width + MERGE, top - 11, 6
        path = (
            f"M{left:.1f} {self.axis:.1f}V{over + bend:.1f}"
            f"Q{left:.1f} {over:.1f} {left + bend:.1f} {over:.1f}"
            f"H{right - bend:.1f}Q{right:.1f} {over:.1f} {right:.1f} {over + bend:.1f}"
            f"V{self.axis - 3.5:.1f}"
        )
        return (
            f'<path class="arc {kind}" d="{path}"/>'
            f'<circle class="merge {kind}" cx="{right:.1f}" '
            f'cy="{self.axis:.1f}" r="3.5"/>'
        )

    def _elision(self, x: float, hidden: int) -> None:
        middle = x + ELISION / 2
        self.boxes.append(
            f'<rect class="card" x="{x:.1f}" y="{self.axis - 10:.1f}" '
            f'width="{ELISION:.1f}" height="20" rx="10"/>'
            f'<text x="{middle:.1f}" y="{self.axis + 4:.1f}" text-anchor="middle">'
            f"… × {hidden:,} …</text>"
        )

    def _width(self, unit: Unit) -> float:
        return 8 + 2.6 * log2(unit.type.channels + 1)

    def _height(self, unit: Unit) -> float:
        share = log2(_side(unit.type) + 1) / log2(self.side + 1)
        share = min(share, 1.2)  # an upsampled map may exceed the input
        return SHORTEST + (TALLEST - SHORTEST) * share * sqrt(share)

    # --- the whole --------------------------------------------------------------------

    def document(self, title: str, facts: str, description: str) -> str:
        """The SVG around what was drawn."""
        drawn = self.x - 8 + MARGIN
        width = max(drawn, NARROWEST, len(title) * LETTER * 1.7 + 2 * MARGIN)
        shift = (width - drawn) / 2
        low = self.floor + LINE * LINES + 36
        height = low + 26
        begin, end = self.flow
        return "\n".join(
            [
                '<svg xmlns="http://www.w3.org/2000/svg" class="resgen-net" role="img" '
                f'width="{width:.0f}" height="{height:.0f}" '
                f'viewBox="0 0 {width:.0f} {height:.0f}">',
                f"<title>{_text(title)}</title>",
                f"<desc>{_text(description)}</desc>",
                f"<style>{STYLE}</style>",
                f'<rect class="card" x=".5" y=".5" width="{width - 1:.0f}" '
                f'height="{height - 1:.0f}" rx="12"/>',
                f'<text class="title" x="{MARGIN:.0f}" y="33">{_text(title)}</text>',
                f'<text x="{MARGIN:.0f}" y="53">{_text(facts)}</text>',
                f'<g transform="translate({shift:.1f} 0)">',
                *self.panels,
                f'<path class="flow" d="M{begin:.1f} {self.axis:.1f}H{end:.1f}"/>',
                *self.arcs,
                *self.boxes,
                "</g>",
                *self._legend(low),
                "</svg>",
                "",
            ]
        )

    def _legend(self, y: float) -> Iterator[str]:
        x = MARGIN
        for kind, words in LEGEND.items():
            if kind in self.kinds:
                yield (
                    f'<path class="arc {kind}" d="M{x:.1f} {y - 4:.1f}h26"/>'
                    f'<text x="{x + 33:.1f}" y="{y:.1f}">{words}</text>'
                )
                x += 33 + len(words) * LETTER + 22
        words = "taller: larger map · wider: more channels"
        yield f'<text x="{x:.1f}" y="{y:.1f}">{words}</text>'


def _elided(units: Sequence[Unit]) -> tuple[list[Unit | None], int]:
    """The boxes to draw, None for those left out, and how many these are."""
    if len(units) <= LONGEST_ROW:
        return list(units), 0
    first, last = units[:SHOWN_FIRST], units[-SHOWN_LAST:]
    return [*first, None, *last], len(units) - SHOWN_FIRST - SHOWN_LAST


def _side(kind: TensorType) -> float:
    """The mean length of a map's sides."""
    return exp(log(kind.positions) / max(len(kind.spatial), 1))


def _shape(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def _count(number: int) -> str:
    """``25.56 M``, as a person says it."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return str(number)


def _text(words: str) -> str:
    """Words as XML text; what XML cannot hold becomes a question mark."""
    return escape("".join(c if c.isprintable() else "?" for c in words))
