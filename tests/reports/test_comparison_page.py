"""The page of a comparison: before and after, as a boss reads it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from reports.beside import comparison
from reports.looking import column, inked
from reports.make import NASTY

from resgen.document.schema import schema
from resgen.profiling.documents import COMPARISON
from resgen.reports.comparison.terminal import lines as found_lines
from resgen.reports.forms import rendered
from resgen.words.terminal import unmarked

Open = Callable[..., Any]


@pytest.mark.drawn(1)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.slow
def test_the_page_says_what_changed(opened: Open, scheme: str) -> None:
    page = opened(rendered([comparison()], "html"), color_scheme=scheme)
    for chart in ("parts", "pairs"):
        assert inked(page, chart) > 5, chart
    text = page.locator("main").inner_text()
    for words in (
        "resnet50 int8 takes 39.1 % less time than resnet50 fp32 for one input",
        "between 37.0 % and 41.0 %",
        "102 MB", "25.7 MB", "20.0 ms", "12.2 ms", "11.8 to 12.6 ms",
        "76.0 %", "74.0 to 78.0 %", "float32 76.4 %",
        "resgen compare build/fp32 build/int8 --out boss.html",
        "Other processes took 12 % of the cores",
    ):  # fmt: skip
        assert words in text.replace("\N{NO-BREAK SPACE}", " "), words
    table = "#where > .scroll table"
    assert column(page, table, 1) == ["stem", "layer1", "head", "shortcuts"]


@pytest.mark.slow
def test_nothing_runs_out_of_a_phone(opened: Open) -> None:
    page = opened(rendered([comparison()], "html"))
    page.set_viewport_size({"width": 360, "height": 700})
    page.wait_for_function("document.documentElement.scrollWidth <= 360")
    # Before and after are seen at once, and no word of them is broken.
    sides = page.locator("#sides .scroll").first
    assert sides.evaluate("(box) => box.scrollWidth - box.clientWidth") <= 0
    one_line = sides.locator("td", has_text="parameters").bounding_box()["height"]
    assert one_line < 40
    command = page.locator("pre code")
    assert command.bounding_box()["width"] <= 360


@pytest.mark.parametrize("form", ["html", "md"])
def test_no_name_is_obeyed_and_nothing_is_fetched(form: Any) -> None:
    text = rendered([comparison(NASTY, NASTY)], form)
    assert "<img" not in text
    assert not re.search(r"""(src|href)=["']?https?:""", text)


def test_parts_of_both_are_rows() -> None:
    one = comparison()
    found = list(csv.DictReader(io.StringIO(rendered([one], "csv", "parts"))))
    assert [row["part"] for row in found] == [part.path for part in one.parts]
    outer = [row for row in found if row["kind"] != "block"]
    for share in ("a_share", "b_share"):
        assert sum(float(row[share]) for row in outer) == pytest.approx(1)
    for row in found:
        change = float(row["b_seconds"]) - float(row["a_seconds"])
        assert float(row["change"]) == pytest.approx(change)


def test_a_comparison_survives_its_file(tmp_path: Any) -> None:
    path = tmp_path / "comparison.json"
    COMPARISON.save(comparison(), path)
    assert COMPARISON.load(path) == comparison()
    jsonschema.validate(json.loads(path.read_text("utf-8")), schema(COMPARISON))


def test_an_accuracy_that_nobody_measured_is_said_to_be_none() -> None:
    found = comparison()
    low = replace(found.b, weights="probe", precision="int8", accuracy=None)
    said = "accuracy not measured: fresh weights know no classes"
    assert rendered([replace(found, b=low)], "html").count(said) >= 2
    trained = replace(low, weights="net.safetensors")
    assert said not in rendered([replace(found, b=trained)], "html")


@pytest.mark.parametrize(
    ("interval", "floor", "why"),
    [
        ((0.98, 1.01), 0.05, "the interval holds 1, so either may be faster; "),
        (
            (0.9, 1.2), 0.013,
            "the interval holds 1, so either may be faster, and reaches beyond the "
            "1.3 % that A differs from itself; ",
        ),
        ((0.95, 0.99), 0.1, "so few pairs of processes may differ so by chance; "),
    ],
)  # fmt: skip
def test_what_is_undecided_says_why(
    interval: tuple[float, float], floor: float, why: str
) -> None:
    ratio = sum(interval) / 2
    found = replace(
        comparison(), verdict="undecided", interval=interval, floor=floor, ratio=ratio
    )
    _, second, third, *_ = map(unmarked, found_lines(found))
    assert f" of {found.a.name}'s time (" in second
    assert third.strip().startswith(why)
