"""Spaces: what varies, what has to hold, and mistakes at their lines."""

from __future__ import annotations

import json
import re
from itertools import combinations_with_replacement
from pathlib import Path
from random import Random
from typing import Any

import pytest

import resgen
from resgen.searching.mistakes import require_networks
from resgen.searching.price import Bounds, Price
from resgen.searching.pricing import Pricer
from resgen.searching.reading import load
from resgen.searching.space import Space
from resgen.spec.places import Problems
from resgen.spec.resolve import put
from resgen.spec.source import from_plain, plain

BASE = "resnet20_cifar"
RISING = "width[0] <= width[1] <= width[2]"


def space(**told: Any) -> Space:
    return load({"base": BASE, "vary": {}, **told})


def values(found: Space, pointer: str) -> list[Any]:
    """What a space has at a place that varies."""
    return sorted({found.set(found.at(n))[pointer] for n in range(found.size)})


def test_every_match_of_a_star_has_a_value_of_its_own() -> None:
    found = space(vary={"/stages/*/depth": [1, 2], "/stages/0/width": [8, 16, 24]})
    assert found.size == 2**3 * 3
    told = {json.dumps(found.set(found.at(n))) for n in range(found.size)}
    assert len(told) == found.size
    spec = resgen.load(plain(found.tree(found.at(found.size - 1))))
    assert [plain(stage.at)["depth"] for stage in spec.stages] == [2, 2, 2]


def test_together_all_matches_take_the_same() -> None:
    found = space(vary={"/stages/*/depth": {"values": [1, 2, 5], "together": True}})
    assert [set(found.set(found.at(n)).values()) for n in range(found.size)] == [
        {1}, {2}, {5},
    ]  # fmt: skip


def test_what_is_zipped_goes_in_step() -> None:
    pairs = {"/stages/0/depth": [1, 2, 3], "/stages/*/act": ["relu", "silu", "gelu"]}
    found = space(zip=[pairs], vary={"/stages/0/width": [8, 16]})
    assert found.size == 6
    seen = {tuple(map(str, found.set(found.at(n)).values())) for n in range(6)}
    assert len(seen) == 6
    assert all(("1" in each) == ("relu" in each) for each in seen)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"from": 8, "to": 20, "step": 4}, [8, 12, 16, 20]),
        ({"from": 8, "to": 21, "step": 4}, [8, 12, 16, 20]),
        ({"from": 1, "to": 3}, [1, 2, 3]),
        ({"from": 0.25, "to": 1, "step": 0.25}, [0.25, 0.5, 0.75, 1]),
        ({"from": 0, "to": 1, "sample": 3}, [0, 1]),
        ({"from": 0.0, "to": 0.5, "sample": 3, "step": 0.25}, [0, 0.25, 0.5]),
        ({"from": 1, "to": 64, "sample": 4, "log": True}, [1, 4, 16, 64]),
    ],
)
def test_a_range_has_both_its_ends(told: Any, expected: list[float]) -> None:
    assert values(space(vary={"/let/it": told}), "/let/it") == expected


def test_candidates_are_counted_and_those_that_hold_too() -> None:
    widths = [8, 16, 24, 32]
    found = space(vary={"/stages/*/width": widths}, where=[RISING])
    rising = len([*combinations_with_replacement(widths, 3)])
    count = found.count()
    assert (count.size, count.holding, count.exact) == (64, rising, True)
    drawn = {found.draw(Random(n)) for n in range(400)}
    assert len(drawn) == rising
    larger = space(
        vary={"/stages/*/width": {"from": 8, "to": 2048, "step": 8}}, where=[RISING]
    ).count()
    assert larger.size == 256**3
    exact = 258 * 257 * 256 / 6 / 256**3
    assert abs(larger.holding / larger.size - exact) < 0.05
    assert "10^7.2" in str(larger)


def test_a_rule_names_what_the_spec_says_where_nothing_varies() -> None:
    """RegNet's four numbers: widths and depths follow, and rules may speak of them."""
    found = load(
        {
            "base": "regnetx_002",
            "vary": {
                "/let/w_0": {"from": 8, "to": 256, "step": 8},
                "/let/w_a": {"from": 8, "to": 256, "step": 8},
                "/let/w_m": [2, 2.5, 3],
                "/let/total": {"from": 12, "to": 28},
            },
            "where": [
                "depth[0] + depth[1] + depth[2] + depth[3] == total",
                "min(depth) >= 1",
                "depth[2] > depth[1]",
                "total < 20",
            ],
        }
    )
    for seed in range(20):
        genes = found.draw(Random(seed))
        graph = resgen.expand(resgen.load(plain(found.tree(genes))))
        depths = [s.blocks for s in graph.sections if s.kind == "stage"]
        told = found.set(genes)
        assert sum(depths) == told["/let/total"] < 20
        assert min(depths) >= 1
        assert depths[2] > depths[1]


def test_a_child_differs_in_one_gene_and_holds() -> None:
    found = space(vary={"/stages/*/width": [8, 16, 24, 32]}, where=[RISING])
    random = Random(0)
    genes = found.draw(random)
    for _ in range(50):
        child = found.changed(genes, random)
        assert sum(a != b for a, b in zip(genes, child, strict=True)) == 1
        assert found.holds(child)
        genes = child


def test_the_digest_is_of_what_candidates_are() -> None:
    one, other = ({"/stages/0/depth": [1, 2]}, {"/stages/0/depth": [1, 3]})
    assert space(vary=one).digest == space(vary=one, doc="a remark").digest
    assert space(vary=one).digest != space(vary=other).digest
    assert space(vary=one).digest != space(vary=one, where=["depth[0] > 0"]).digest


def test_blocks_of_ones_own_and_shortcuts_vary() -> None:
    block = {
        "params": {"width": {"type": "channels"}, "stride": {"type": "integer"},
                   "grow": {"type": "integer", "default": 2}},
        "body": {"residual": [
            {"op": "conv", "as": "a", "kernel": 3, "stride": "stride",
             "out": "grow * width"},
            "act", {"op": "conv", "as": "b", "kernel": 1, "out": "width"}],
            "shortcut": "projection", "with": {"width": "width", "stride": "stride"}},
    }  # fmt: skip
    own = {
        "extends": BASE,
        "blocks": {"mine": block},
        "defaults": {"block": "mine", "shortcut": None},
    }
    shortcuts = ["projection", "avg-projection"]
    found = load(
        {
            "base": own,
            "vary": {
                "/blocks/mine/params/grow/default": [1, 2, 4],
                "/blocks/mine/body/shortcut": shortcuts,
            },
        }
    )
    costs = {
        resgen.analyse(resgen.expand(resgen.load(plain(found.tree(found.at(n)))))).macs
        for n in range(found.size)
    }
    assert len(costs) >= 3


def test_the_spaces_that_the_page_shows_are_spaces() -> None:
    """Candidates of each are networks, and what varies makes them different."""
    page = Path(__file__).resolve().parents[2] / ".docs" / "pages" / "search.md"
    blocks = re.findall(r"^```js\n(.*?)^```", page.read_text("utf-8"), re.S | re.M)
    shown = [json.loads(block) for block in blocks]
    shown[0]["base"] = "resnet50"  # a file that its reader has beside the space
    for told in shown:
        found, random, pricer = load(told), Random(0), Pricer(Bounds())
        prices = [pricer.price(found.tree(found.draw(random))) for _ in range(8)]
        assert len({each.macs for each in prices if isinstance(each, Price)}) >= 4
    assert shown[1]["base"] == "regnetx_002"
    assert "blocks" in shown[2]["base"]
    assert "zip" in shown[2]


WRONG = """{
 "base": "resnet50", "where": ["width[0] <", 3],
 "vary": {"/stagess/*/depth": [2, 3],
  "/stages/9/width": [64],
  "/stages/*/width": {"from": 64, "step": 32},
  "/stages/0/width": {"from": 8, "to": 4},
  "/defaults/block": [],
  "/defaults/ratio": {"from": 0.1, "to": 0.5},
  "stem": ["cifar"]},
 "zip": [{"/stages/0/depth": [1, 2], "/stages/1/depth": [1]}],
 "were": []
}
"""


def test_every_mistake_is_told_at_its_line(tmp_path: Path) -> None:
    file = tmp_path / "space.json"
    file.write_text(WRONG, "utf-8")
    with pytest.raises(resgen.SpecError) as refused:
        load(file)
    told = [(p.place.line, p.code) for p in refused.value.problems]
    assert sorted(told) == [
        (2, "RG012"), (2, "RG030"), (3, "RG041"), (4, "RG041"), (5, "RG011"),
        (6, "RG013"), (6, "RG041"), (7, "RG013"), (8, "RG013"), (9, "RG041"),
        (10, "RG013"), (11, "RG010"),
    ]  # fmt: skip
    text = str(refused.value)
    assert 'did you mean "stages"?' in text
    assert "unbounded" in text
    assert "varies already, in line 5" in text


@pytest.mark.parametrize(
    "name", ["../esc", "/abs", "..", "", "a/b", "n" * 300, "a\nb", 5]
)
def test_a_name_that_files_cannot_have_is_told_where_it_stands(name: Any) -> None:
    base = {"extends": BASE, "name": name}
    varies = {"/stages/0/depth": [1, 2]}
    for told in ({"base": base}, {"base": BASE, "name": name}):
        with pytest.raises(resgen.SpecError) as refused:
            load({**told, "vary": varies})
        (problem,) = refused.value.problems
        assert problem.place.pointer.endswith("/name")
    if name != 5:
        assert load({"base": base, "name": "sound", "vary": varies}).name == "sound"


def test_a_base_that_is_not_there_is_told_with_what_was_meant() -> None:
    with pytest.raises(resgen.SpecError, match='did you mean "resnet20_cifar"'):
        load({"base": "resnet20_cifr", "vary": {"/stages/0/depth": [1]}})


VALUES = """{"base": "resnet20_cifar",
 "vary": {
  "/stages/0/act": ["relu",
                    "rélu"],
  "/stages/*/width": [16, 32,
                      -3],
  "/defaults/shortcut": {"values": ["projection",
                                    "projektion"]},
  "/stages/1/depth": {"from": -1, "to": 99}},
 "zip": [{"/stages/2/depth": [1, 2, 3],
          "/defaults/block": ["basic",
                              "bottlenck", "bottleneck"]}]}
"""


def test_a_value_that_is_wrong_in_any_candidate_is_told_at_its_line(
    tmp_path: Path,
) -> None:
    file = tmp_path / "space.json"
    file.write_text(VALUES, "utf-8")
    with pytest.raises(resgen.SpecError) as refused:
        require_networks(load(file))
    told = {(p.place.line, p.code) for p in refused.value.problems}
    assert told == {
        (4, "RG013"), (6, "RG013"), (8, "RG021"), (9, "RG013"), (12, "RG020"),
    }  # fmt: skip
    assert 'did you mean "relu"?' in str(refused.value)


def test_what_is_wrong_beside_some_values_only_is_counted() -> None:
    """An expression is above 0 for some, a rule leaves another value out.

    Seven groups divide some numbers of channels.
    """
    require_networks(
        load(
            {
                "base": {"extends": "resnext50_32x4d", "let": {"w": 8}},
                "vary": {
                    "/let/w": [64, 8],
                    "/defaults/groups": [32, 7, 1],
                    "/stages/0/width": [64, "w - 16"],
                    "/stages/1/width": [-3, 128],
                },
                "where": ["width[1] > 0"],
            }
        )
    )


def test_a_rule_is_true_or_false() -> None:
    for rule in ("width[0]", "depth"):
        found = space(vary={"/stages/0/depth": [1, 2]}, where=[rule])
        with pytest.raises(resgen.SpecError, match="not true or false") as refused:
            found.count()
        assert refused.value.problems[0].place.pointer == "/where/0"


def test_a_value_that_is_said_twice_counts_once() -> None:
    pairs = {"/stages/1/depth": [1, 1, 1], "/stages/2/depth": [3, 4, 3]}
    found = space(vary={"/stages/0/depth": [2, 2, 2.0, 5]}, zip=[pairs])
    assert found.size == 2 * 2
    assert str(space(vary={"/stages/0/depth": [2, 2]}).count()) == "1 candidate"


def test_rules_that_leave_nothing_are_an_empty_space() -> None:
    found = space(vary={"/stages/0/depth": [1, 2]}, where=["depth[0] > 9"])
    with pytest.raises(resgen.SpecError, match="the space is empty"):
        found.count()
    wide = {"/stages/*/width": {"from": 8, "to": 2048, "step": 8}}
    with pytest.raises(resgen.SpecError, match="the space is empty"):
        space(vary=wide, where=["width[0] > 9999"]).count()
    with pytest.raises(resgen.SpecError, match='no "widht" here'):
        space(vary=wide, where=["widht[0] > 9"]).count()


@pytest.mark.parametrize(
    "vary",
    [
        {"/stages/*/depth": [1, 2], "/stages/1/width": [None, 64], "/let/a": [1, 2]},
        {"/stages/*": [{"width": 8, "depth": 1}, {"width": 16, "depth": 2}]},
        {"/stages": [[{"width": 8, "depth": 1}]], "/head/classes": [10, 100]},
        {"/defaults": [{"block": "basic"}], "/defaults/act": ["relu", "silu"]},
    ],
    ids=["stages", "whole stages", "all of them", "below another"],
)
def test_a_candidate_is_its_base_with_its_values_set(vary: dict[str, Any]) -> None:
    made = load({"base": "resnet18", "vary": vary})
    for number in range(0, made.size, 3):
        genes = made.at(number)
        tree, problems = made.base, Problems()
        for pointer, value in made.set(genes).items():
            tree = put(tree, pointer, from_plain(value, "value"), problems)
        expected = {**plain(tree), "name": made.called(genes)}
        assert not problems.items
        assert plain(made.tree(genes)) == expected


def test_a_spec_in_the_place_of_a_space_is_told_in_one_sentence() -> None:
    with pytest.raises(resgen.SpecError) as caught:
        load({"resgen": 1, "name": "x", "input": [3, 8, 8], "stages": [], "head": []})
    (problem,) = caught.value.problems
    assert problem.message == "this is a spec, and a space names one"
