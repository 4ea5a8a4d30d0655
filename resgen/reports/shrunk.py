"""A smaller network as one HTML page: its widths before and after, and what it lost."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from resgen.artifact.shrunk import Smaller
from resgen.document.files import plain
from resgen.reports import page
from resgen.reports.page import card
from resgen.reports.tables import Table
from resgen.words.numbers import digits, scaled, seconds, share, share_interval

#: What the file is called.
PAGE: Final = "report.html"
_SECTIONS: Final = {"summary": "What is left", "layers": "Layers"}


def render(name: str, source: str, told: Smaller) -> str:
    """The page of what is left of ``source``."""
    seen = any(layer.measured for layer in told.layers)
    lost = f"by {told.importance}"
    if seen:
        lost = "as the loss on data is larger"
    rows = [
        [layer.name, f"{layer.before:,}", f"{layer.after:,}"]
        + [digits(loss) for loss in (layer.measured if seen else layer.losses)]
        for layer in told.layers
    ]
    head = ["layer", "before", "after", *(f"least {n} %" for n in (25, 50, 75))]
    return page.render(
        "shrunk",
        title=f"{name}: what is left of {source}",
        name=name,
        facts=f"what is left of {source}, compared by {told.importance}",
        sections=_SECTIONS,
        parts={
            "cards": "".join(_cards(told)),
            "lost": escape(lost),
            "layers": Table.words("Channels of layers", head, rows, 1).html(),
        },
        data={
            "layers": plain(told.layers),
            "lost": "measured" if seen else "losses",
        },
        scripts=("charts.js",),
    )


def _cards(told: Smaller) -> Iterator[str]:
    before, after, latency = told.before, told.after, told.latency
    for what, now, was, unit in (
        ("multiply-adds", after.macs, before.macs, ""),
        ("parameters", after.params, before.params, ""),
        ("activations alive at once", after.memory, before.memory, "B"),
    ):
        more = f"{share(now, was)} of {scaled(was, unit)}"
        yield card(scaled(now, unit), what, more)
    if latency is not None:
        low, high = latency.interval
        more = f"{latency.ratio:.2f} × ({low:.2f} to {high:.2f}): {latency.verdict}"
        p95 = f"p95 {seconds(latency.after.p95)}"
        yield card(seconds(latency.after.median), "latency", f"{p95} · {more}")
    accuracy = told.accuracy
    if accuracy is not None:
        last = accuracy.tuned or accuracy.after
        what = "told right" if accuracy.labels == "data" else "told as by the whole"
        ends = share_interval(*last.interval)
        whole = share(accuracy.before.count, accuracy.inputs)
        more = f"{ends} at 95 % · the whole {whole}"
        yield card(share(last.count, accuracy.inputs), what, more)
