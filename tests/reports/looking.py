"""What a page in a browser shows, and a text."""

from __future__ import annotations

from itertools import pairwise
from typing import Any


def column(page: Any, table: str, index: int) -> list[str]:
    cells = page.locator(f"{table} tbody tr td:nth-child({index})")
    return cells.all_inner_texts()


def inked(page: Any, chart: str) -> int:
    """How many colours a chart's canvas shows."""
    return page.evaluate(
        """(id) => {
          const canvas = document.querySelector(`#${id} canvas`);
          const { data } = canvas.getContext("2d")
            .getImageData(0, 0, canvas.width, canvas.height);
          return new Set(new Uint32Array(data.buffer)).size;
        }""",
        chart,
    )


def assert_sound_tables(markdown: str) -> None:
    """Every row of a table has as many cells as the one before it."""
    for line, after in pairwise(markdown.splitlines()):
        if line.startswith("|") and after.startswith("|"):
            bars = [each.replace("\\|", "").count("|") for each in (line, after)]
            assert bars[0] == bars[1], line
