"""The picture: well-formed, alone in the world, and true to the graph."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from resgen.graph.draw import svg
from resgen.graph.ir import Graph

NAME = "{http://www.w3.org/2000/svg}"


def arcs(text: str) -> list[str]:
    """Kinds of the shortcuts drawn over boxes, in order."""
    drawing = ElementTree.fromstring(text).find(f"{NAME}g")
    assert drawing is not None
    return [
        path.attrib["class"].removeprefix("arc ")
        for path in drawing.findall(f"{NAME}path")
        if path.attrib["class"].startswith("arc ")
    ]


def words(text: str) -> list[str]:
    return [t.text or "" for t in ElementTree.fromstring(text).iter(f"{NAME}text")]


def test_every_block_has_its_shortcut(network) -> None:
    found = arcs(svg(network("resnet50")))
    stages = [["projection"] + ["identity"] * (depth - 1) for depth in (3, 4, 6, 3)]
    assert found == [kind for stage in stages for kind in stage]


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("plain20_cifar", set()),
        ("resnet20_cifar", {"identity", "resized"}),
        ("densenet121", {"concat"}),
        ("preact_resnet110_cifar", {"identity", "projection"}),
    ],
)
def test_kinds_of_shortcuts(network, name: str, kinds: set[str]) -> None:
    assert set(arcs(svg(network(name)))) == kinds


def test_shapes_and_counts_are_written(network) -> None:
    found = words(svg(network("resnet50")))
    assert {"resnet50", "layer3", "6 × bottleneck", "1024 × 14 × 14"} <= set(found)
    assert any("25.56 M parameters · 4.09 G" in line for line in found)


def test_a_long_stage_is_elided(network) -> None:
    text = svg(network("preact_resnet1001_cifar"))
    assert words(text).count("… × 106 …") == 3  # of 111 blocks five are drawn
    assert len(arcs(text)) == 15


def test_taps_and_outputs_are_shown(network) -> None:
    drawing = svg(network("retinanet_resnet50_fpn"))
    assert arcs(drawing).count("tap") == 2  # of the second and the third stage
    assert "boxes.0 to 4: 36 × 100 × 100 … 36 × 7 × 7" in words(drawing)
    assert "tap" not in arcs(svg(network("resnet18")))


@pytest.mark.parametrize("name", ["resnet50", "vgg16", "convnext_tiny"])
def test_it_stands_alone_and_is_the_same_each_time(network, name: str) -> None:
    graph = network(name)
    text = svg(graph)
    assert text == svg(graph) == graph._repr_svg_()
    root = ElementTree.fromstring(text)
    assert root.find(f"{NAME}title") is not None
    assert graph.name in (root.findtext(f"{NAME}desc") or "")
    outside = text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?:|href|url\(|@import|<script", outside)
    assert "prefers-color-scheme: dark" in text


def test_boxes_lie_inside_the_picture_and_apart(network) -> None:
    root = ElementTree.fromstring(svg(network("resnet101")))
    boxes = [
        tuple(float(r.attrib[key]) for key in ("x", "y", "width", "height"))
        for r in root.iter(f"{NAME}rect")
        if r.attrib["class"] == "box"
    ]
    width, height = (float(root.attrib[key]) for key in ("width", "height"))
    for x, y, w, h in boxes:
        assert 0 < x < x + w < width
        assert 0 < y < y + h < height
    for (x, _, w, _), (after, *_) in pairwise(boxes):
        assert x + w < after


def test_a_name_is_text_and_never_markup(described) -> None:
    graph: Graph = described(name='<b>&"x"')
    assert words(svg(graph))[0] == '<b>&"x"'
    assert words(svg(replace(graph, name="a\x01b")))[0] == "a?b"
