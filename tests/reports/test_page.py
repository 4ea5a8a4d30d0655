"""The page in a browser: as a person opens it, sorts, hovers, prints."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from reports.looking import column, inked
from reports.make import NASTY, RESNET152, breakdown, parts, record, run

from resgen.records.profile import Breakdown, Charge, OperatorTime, Record
from resgen.reports.profile.html import render

Open = Callable[..., Any]
CHARTS = ("medians", "load", "distribution", "order", "icicle", "network", "roofline")


@pytest.mark.drawn(1)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.slow
def test_every_chart_is_drawn_in_light_and_dark(opened: Open, scheme: str) -> None:
    page = opened(render([record()]), color_scheme=scheme)
    for chart in CHARTS:
        assert inked(page, chart) > 5, chart
    assert page.locator("html").get_attribute("data-theme") == scheme
    back = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (back == "rgb(255, 255, 255)") is (scheme == "light")
    page.locator("#theme").click()
    assert page.locator("html").get_attribute("data-theme") != scheme


@pytest.mark.slow
def test_the_page_says_what_was_measured(opened: Open) -> None:
    one = record()
    page = opened(render([one]))
    text = page.locator("main").inner_text()
    for words in (
        "out of memory at batch 32",
        "other processes took 38 % of the cores",
        "resgen profile resnet50 --batch 1,8,32",
        "avx2, amx",
    ):
        assert words in text
    rows = page.locator("#runs table tbody tr")
    assert rows.count() == len(one.runs)
    told = one.runs[0].breakdown
    assert told is not None
    assert page.locator("#table tbody tr").count() == len(told.operators)
    assert page.locator("#parts tbody tr").count() == len(told.charges)
    # Every chart is described to those who do not see it.
    for chart in CHARTS:
        assert page.locator(f"#{chart}").get_attribute("aria-label")


@pytest.mark.slow
def test_several_networks_stand_side_by_side(opened: Open) -> None:
    one, low = record(), record(factor=0.5)
    low = replace(low, runs=tuple(replace(run, precision="int8") for run in low.runs))
    page = opened(render([one, low]))
    assert column(page, "#networks", 1) == ["fp32", "int8"]
    assert column(page, "#networks", 5)[0] == "102 MB"
    assert column(page, "#networks", 8) == ["1.000", "0.500"]
    assert inked(page, "trend") > 5


@pytest.mark.slow
def test_headers_sort_with_the_mouse_and_the_keyboard(opened: Open) -> None:
    one = record()
    page = opened(render([one]))
    told = one.runs[0].breakdown
    assert told is not None
    by_time = sorted(told.operators, key=lambda operator: -operator.seconds)
    head = page.locator("#table thead th", has_text="time")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, "#table", 1) == [operator.name for operator in by_time]
    page.keyboard.press("Enter")  # the button has the focus
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, "#table", 1)[-1] == by_time[0].name
    # What was not measured comes last, whichever way.
    head = page.locator("#runs thead th", has_text="median").locator("button")
    for _ in range(2):
        head.click()
        assert column(page, "#runs", 4)[-1] == "not measured"


@pytest.mark.slow
def test_hovering_tells_what_is_there(opened: Open) -> None:
    page = opened(render([record()]))
    box = page.locator("#icicle canvas").bounding_box()
    page.locator("#icicle").scroll_into_view_if_needed()
    page.locator("#icicle canvas").hover(
        position={"x": box["width"] * 0.3, "y": box["height"] * 0.35}
    )
    tip = page.locator("#icicle div", has_text="layer1").last
    tip.wait_for(state="visible")
    assert re.search(r"stage.*ms, \d+\.\d %", tip.inner_text(), re.DOTALL)


@pytest.mark.slow
def test_a_click_looks_closer_and_a_button_shows_all_again(opened: Open) -> None:
    page = opened(render([record()]))
    canvas = page.locator("#icicle canvas")
    canvas.scroll_into_view_if_needed()
    before = canvas.screenshot()
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] * 0.3, "y": box["height"] * 0.35})
    page.mouse.move(0, 0)
    assert page.locator("#icicle canvas").screenshot() != before
    page.locator("#out").click()
    page.mouse.move(0, 0)
    assert page.locator("#icicle canvas").screenshot() == before


@pytest.mark.slow
def test_operators_are_filtered(opened: Open) -> None:
    page = opened(render([record()]))
    page.locator("#filter").fill("layer3.1")
    visible = page.locator("#table tbody tr:visible")
    assert visible.count() == 4
    assert page.locator("#shown").inner_text().startswith("4 of ")


@pytest.mark.slow
def test_another_run_is_chosen(opened: Open) -> None:
    page = opened(render([record()]))
    before = page.locator("#order canvas").screenshot()
    page.locator("#sampled").select_option(label="torch cpu fp32 · batch 8 · latency")
    assert page.locator("#order canvas").screenshot() != before


@pytest.mark.slow
def test_no_sample_is_left_out(opened: Open) -> None:
    one = record(n=1500)
    page = opened(render([one]))
    found = page.evaluate("RUNS.map((run) => run.samples && points(run.samples))")
    for measured, seen in zip(one.runs, found, strict=True):
        if measured.samples is None:
            assert seen is None
            continue
        began, took = zip(*seen, strict=True)
        # To the nanosecond.
        assert took == pytest.approx(measured.samples.seconds, abs=0.51e-9)
        assert began == pytest.approx(measured.samples.at, abs=0.51e-9)


@pytest.mark.slow
def test_several_results_are_laid_side_by_side(opened: Open) -> None:
    days = ((1, 1.0), (8, 1.05), (15, 0.9))
    results = [
        record(created=f"2026-11-{day:02}T12:00:00+00:00", factor=factor)
        for day, factor in reversed(days)
    ]
    page = opened(render(results))
    assert inked(page, "trend") > 5
    heads = page.locator("#comparison thead th").all_inner_texts()
    dates = [found.group() for h in heads if (found := re.search(r"2026-\d\d-\d\d", h))]
    assert dates == ["2026-11-01", "2026-11-08", "2026-11-15"]
    assert column(page, "#same", 5)[0] == "0.900"
    assert "no verdict" in page.locator("#summary").inner_text()


@pytest.mark.slow
def test_the_knee_of_a_sweep_is_marked(opened: Open) -> None:
    """The smallest batch that reaches 95 % of the best throughput, of each engine."""
    runs = [run("onnxruntime", b, "throughput", median=m)
            for b, m in ((1, 0.020), (4, 0.041), (8, 0.080), (16, 0.165))]  # fmt: skip
    page = opened(render([replace(record(), runs=tuple(runs))]))
    assert inked(page, "load") > 5
    said = page.locator("#load").get_attribute("aria-label")
    assert "knee at batch 4" in said
    assert said.count("knee at") == 1
    marked = page.evaluate("RUNS.filter((run) => run.knee).map((run) => run.batch)")
    assert marked == [4]
    page = opened(render([record()]))
    assert "knee at" not in page.locator("#load").get_attribute("aria-label")


@pytest.mark.slow
def test_parts_without_an_output_are_not_in_the_strip(opened: Open) -> None:
    """Of a file with open sizes nobody knows how large a map is."""
    one = record()
    sizeless = tuple(
        replace(part, output=(), macs=None, bytes=None) for part in one.subject.parts
    )
    page = opened(render([replace(one, subject=replace(one.subject, parts=sizeless))]))
    assert page.locator("#icicle").is_visible()
    assert page.locator('[data-chart="network"]').is_hidden()


@pytest.mark.slow
def test_modes_are_not_mixed_in_a_figure(opened: Open) -> None:
    page = opened(render([record()]))
    label = page.locator("#medians").get_attribute("aria-label")
    assert "latency" in label
    assert "throughput" not in label


@pytest.mark.slow
def test_names_are_never_obeyed(opened: Open) -> None:
    one = record(name=NASTY)
    one = replace(
        one,
        environment={NASTY: NASTY},
        command=("resgen", NASTY),
        runs=tuple(replace(run, runtime=NASTY, notes=(NASTY,)) for run in one.runs),
    )
    page = opened(render([one, one]))
    assert page.locator("img").count() == 0
    assert NASTY in page.locator("h1").inner_text()
    canvas = page.locator("#medians canvas")
    box = canvas.bounding_box()
    tip = page.locator("#medians div", has_text="95 % interval")
    # The dots stand near each other: one of these places is on one.
    for x in range(int(box["width"] * 0.3), int(box["width"] * 0.6), 7):
        canvas.hover(position={"x": x, "y": 23})
        if tip.count():
            break
    assert NASTY in tip.last.inner_text()
    assert page.locator("img").count() == 0


@pytest.mark.slow
def test_what_is_printed_is_light_and_whole(opened: Open) -> None:
    page = opened(render([record()]), color_scheme="dark")
    page.emulate_media(media="print")
    page.locator("html[data-theme=light]").wait_for()  # the page hears of it later
    assert page.locator("nav").is_hidden()
    table = page.locator("#table .scroll")
    assert table.evaluate("(e) => getComputedStyle(e).maxHeight") == "none"
    assert page.pdf().startswith(b"%PDF")


@pytest.mark.drawn(2)
@pytest.mark.parametrize(
    "runs",
    [
        (),
        (replace(run(), samples=None, summary=None, throughput=None, error="it died"),),
        (run(n=1),),
        (run(told=Breakdown("nothing", (), (), 0.0, 0.0)),),
        (replace(run(told=breakdown(parts())), samples=None, summary=None),),
        (
            run(
                told=Breakdown(
                    "times of zero",
                    (OperatorTime("a", "Conv", 0.0),),
                    (Charge("unknown", "unknown", 0.0),),
                    0.0,
                    0.0,
                )
            ),
        ),
    ],
    ids=["no run", "an error", "one sample", "no operator", "no samples", "no time"],
)
@pytest.mark.slow
def test_what_is_not_there_is_not_drawn(opened: Open, runs: Any) -> None:
    page = opened(render([replace(record(), runs=runs)]))
    assert page.locator("h1").inner_text() == "resnet50"
    assert page.locator("#distribution").is_visible() is any(r.samples for r in runs)


@pytest.mark.slow
def test_a_deep_network_with_all_its_samples_is_small_and_quick(opened: Open) -> None:
    deep = record("resnet152", RESNET152, n=5000)
    begin = time.perf_counter()
    text = render([deep])
    page = opened(text)
    page.locator("#table tbody tr").first.wait_for()
    assert time.perf_counter() - begin < 10  # 1 s where nothing else runs
    assert len(text.encode()) < 3e6
    # Long frames while it scrolls: the charts are still pictures, so there are none.
    slowest = page.evaluate(
        """async () => {
          const took = [];
          let last = performance.now();
          for (let y = 0; y < document.body.scrollHeight; y += 200) {
            scrollTo(0, y);
            await new Promise(requestAnimationFrame);
            took.push(performance.now() - last);
            last = performance.now();
          }
          return took.sort((a, b) => a - b)[Math.floor(took.length / 2)];
        }"""
    )
    assert slowest < 100


def test_the_page_refers_to_nothing_outside() -> None:
    text = render([record()])
    assert not re.search(r"""(?:src|href)\s*=\s*["']?\s*(?:https?:)?//""", text)
    assert "url(" not in text.partition("<script")[0]
    data = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    assert json.loads(data.group(1))[0]["name"] == "resnet50"


def test_a_result_of_nothing_still_renders() -> None:
    empty = replace(record(), runs=(), environment={}, command=())
    assert isinstance(empty, Record)
    assert "Nothing was timed of resnet50." in render([empty])
