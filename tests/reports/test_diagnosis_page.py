"""The page of a diagnosis in a browser: what is drawn, said, sorted and printed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from reports.diagnosed import arm, broken, diagnosis
from reports.looking import column, inked
from reports.make import NASTY

from resgen.records.diagnosis import Diagnosis, Measures, Moment, Run
from resgen.reports.diagnosis.html import render

Open = Callable[..., Any]
DEPTH = (
    "network", "gradient", "variance", "parameter_gradient", "relative_gradient",
    "gain", "correlation", "alike", "dead",
)  # fmt: skip
TRAINING = ("loss", "accuracy", "time", "range")
CHARTS = (*DEPTH, "sums", "lengths", *TRAINING)


def option(page: Any, chart: str) -> Any:
    """What a chart was told to draw."""
    text = f"JSON.stringify(CHARTS.{chart}(state)?.option ?? null)"
    return json.loads(page.evaluate(text))


@pytest.mark.drawn(1)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.slow
def test_every_chart_is_drawn_in_light_and_dark(opened: Open, scheme: str) -> None:
    page = opened(render([diagnosis()]), color_scheme=scheme)
    for chart in CHARTS:
        assert inked(page, chart) > 5, chart
        assert page.locator(f"#{chart}").get_attribute("aria-label"), chart
    assert page.locator("html").get_attribute("data-theme") == scheme


@pytest.mark.slow
def test_the_verdict_stands_first_in_words(opened: Open) -> None:
    page = opened(render([diagnosis()]))
    text = page.locator("#summary").inner_text()
    for words in (
        "resnet20: nothing is wrong with it at initialisation.",
        "resnet20, plain: RG402, RG403.",
        "layer1.0 to layer3.2",
        "mine.json:7:6",
        "28.3, against 10.0 (He et al. 2016, and the benchmark)",
        "not finite, against 10.0",
        "give the blocks a shortcut",
        "3 seeds",
    ):
        assert words in text
    assert "8 × 8 resized to 32 × 32" in page.locator("#settings").inner_text()
    assert "--against plain" in page.locator("#settings pre").inner_text()


@pytest.mark.slow
def test_lines_are_medians_and_bands_all_of_the_seeds(opened: Open) -> None:
    one = arm(seeds=3)
    page = opened(render([diagnosis(one)]))
    seen = [run.moments[0].parts[4].gradient for run in one.runs]
    line = next(s for s in option(page, "gradient")["series"] if s["type"] == "line")
    low, middle, high = sorted(value for value in seen if value is not None)
    assert line["data"][4] == pytest.approx([4, middle, low, high], rel=1e-4)


@pytest.mark.slow
def test_another_step_is_chosen(opened: Open) -> None:
    page = opened(render([diagnosis()]))
    before = option(page, "gradient")
    page.locator("#step").select_option(label="80")
    assert option(page, "gradient") != before


@pytest.mark.slow
def test_headers_of_the_parts_sort(opened: Open) -> None:
    page = opened(render([diagnosis()]))
    head = page.locator("#parts thead th", has_text=re.compile(r"^gradient\s*$"))
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, "#parts", 1)[0] == "resnet20, plain"
    assert column(page, "#parts", 2)[0] == "stem"
    page.keyboard.press("Enter")  # the button has the focus
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, "#parts", 2)[-1] == "stem"


@pytest.mark.slow
def test_hovering_tells_what_is_there(opened: Open) -> None:
    page = opened(render([diagnosis()]))
    canvas = page.locator("#gradient canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    canvas.hover(position={"x": box["width"] * 0.5, "y": box["height"] * 0.5})
    tip = page.locator("#gradient div", has_text="Gradient norm").last
    tip.wait_for(state="visible")
    assert re.search(r"resnet20, plain, layer\d\.\d: [\d.]+ \(", tip.inner_text())


@pytest.mark.slow
def test_numbers_that_are_not_finite_are_gaps_and_words(opened: Open) -> None:
    page = opened(render([broken()]))
    series = option(page, "gradient")["series"]
    line = next(s for s in series if s["type"] == "line")
    assert [row[1] is None for row in line["data"]] == [False, *[True] * 10]
    assert "not finite" in column(page, "#parts", 4)
    assert "diverged at step 11" in column(page, "#training", 3)
    assert "left the finite numbers" in page.locator("#summary").inner_text()


@pytest.mark.slow
def test_a_survivor_is_not_taken_for_the_median(opened: Open) -> None:
    """Two of three seeds are lost, so there is no finite median of the loss."""
    one = arm()
    lost = (replace(run, losses=(*run.losses[:10], None), left=11, stopped="diverged")
            for run in one.runs[:2])  # fmt: skip
    runs: tuple[Run, ...] = (*lost, one.runs[2])
    page = opened(render([diagnosis(replace(one, runs=runs))]))
    rows = page.evaluate("ARMS[0].loss")
    assert [row[1] is None for row in rows if row[0] <= 10] == [False] * 5
    assert all(row[1] is None for row in rows if row[0] > 10)


def without_training() -> Diagnosis:
    return diagnosis(trained=False)


def one_plain() -> Diagnosis:
    return diagnosis(arm("plain20", plain=True, trained=False, seeds=1))


def watched() -> Diagnosis:
    """As a watch writes it: few measures, no losses told, no data known."""
    one = arm("resnet18", trained=False, seeds=1)
    parts = tuple(Measures(0.1, 1.0, 0.3, 0.5) for _ in one.parts)
    moments = tuple(Moment(10 * n, None, parts) for n in range(100))
    run = Run(0, moments, losses=(None,) * 1000)
    one = replace(one, runs=(run,), lengths=None, range_test=None, sha256=None)
    return replace(diagnosis(one), data=None)


def never_looked_at() -> Diagnosis:
    return diagnosis(replace(arm(), runs=(), lengths=None, range_test=None))


@pytest.mark.drawn(2)
@pytest.mark.parametrize(
    ("made", "shown", "missing"),
    [
        (without_training, (*DEPTH, "sums", "lengths"), TRAINING),
        (one_plain, DEPTH, ("sums", "lengths", *TRAINING)),
        (watched, ("network", "gradient", "time"), ("gain", "sums", "loss", "range")),
        (never_looked_at, (), CHARTS),
    ],
)
@pytest.mark.slow
def test_what_is_not_there_is_not_shown(
    opened: Open,
    made: Callable[[], Diagnosis],
    shown: tuple[str, ...],
    missing: tuple[str, ...],
) -> None:
    page = opened(render([made()]))
    for chart in shown:
        assert page.locator(f"#{chart}").is_visible(), chart
    for chart in missing:
        assert page.locator(f"#{chart}").is_hidden(), chart
    for link in page.locator("nav a").all():
        section = page.locator(link.get_attribute("href"))
        assert link.is_visible() is section.is_visible()


@pytest.mark.slow
def test_a_watched_training_has_no_verdict(opened: Open) -> None:
    page = opened(render([watched()]))
    text = page.locator("#summary").inner_text()
    assert "no verdict" in text
    assert "nothing is wrong" not in text
    assert page.locator("#step option").count() == 12  # of a hundred


@pytest.mark.slow
def test_networks_of_other_depths_share_an_axis(opened: Open) -> None:
    deep = arm("resnet56", (9, 9, 9))
    page = opened(
        render([diagnosis(arm(), deep), diagnosis(deep, created="2026-11-25")])
    )
    series = option(page, "gradient")["series"]
    names = {one["name"] for one in series}
    assert len(names) == 3
    for one in series:
        if one["type"] == "line":
            assert [one["data"][0][0], one["data"][-1][0]] == [0, 1]


@pytest.mark.slow
def test_names_are_never_obeyed(opened: Open) -> None:
    one = arm(NASTY, plain=True)
    parts = tuple(replace(part, path=NASTY, label=NASTY) for part in one.parts)
    found = tuple(replace(f, message=NASTY, hint=NASTY) for f in one.findings)
    page = opened(
        render(
            [
                replace(
                    diagnosis(replace(one, parts=parts, findings=found)),
                    settings={NASTY: NASTY},
                    command=("resgen", NASTY),
                )
            ]
        )
    )
    assert page.locator("img").count() == 0
    assert NASTY in page.locator("h1").inner_text()
    canvas = page.locator("#gradient canvas")
    canvas.scroll_into_view_if_needed()
    canvas.hover(position={"x": 200, "y": 150})
    page.locator("#gradient div", has_text="Gradient norm").last.wait_for()
    assert page.locator("img").count() == 0


@pytest.mark.slow
def test_what_is_printed_is_light_and_whole(opened: Open) -> None:
    page = opened(render([diagnosis()]), color_scheme="dark")
    page.emulate_media(media="print")
    page.locator("html[data-theme=light]").wait_for()  # the page hears of it later
    assert page.locator("nav").is_hidden()
    assert page.pdf().startswith(b"%PDF")


def test_findings_stand_in_the_page_below_the_name_of_their_network() -> None:
    text = render([diagnosis(arm("deep", plain=True), arm("residual"))])
    body = text.partition("<script")[0]
    assert re.findall(r'class="finding"><p><b>(\w+)', body) == ["RG402", "RG403"]
    assert "give the blocks a shortcut" in body
    assert re.findall("<h3>(.*?)</h3>", body) == ["deep, plain"]


def test_the_page_refers_to_nothing_outside() -> None:
    text = render([diagnosis()])
    assert not re.search(r"""(?:src|href)\s*=\s*["']?\s*(?:https?:)?//""", text)
    assert "url(" not in text.partition("<script")[0]
