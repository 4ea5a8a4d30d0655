"""What a page in a browser shows."""

from __future__ import annotations

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
