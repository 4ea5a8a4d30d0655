"""``resgen.inspect``, and how a network, a spec and costs are printed."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from cli.conftest import SPEC
from click.testing import CliRunner

import resgen
from resgen.cli import main


def asked(*words: str) -> str:
    """What the command prints."""
    done = CliRunner().invoke(main, ["inspect", *words], catch_exceptions=False)
    return done.stdout


def test_the_function_tells_what_the_command_tells() -> None:
    changes = {"/stages/0/depth": 2}
    found = resgen.inspect("resnet20_cifar", set=changes, operators=True)
    words = ("resnet20_cifar", "--set", "/stages/0/depth=2", "--operators")
    assert found.to_dict() == json.loads(asked(*words, "--json"))
    told = str(found).splitlines()
    assert told[0] == asked(*words).splitlines()[0]
    assert max(map(len, told)) <= 88
    assert found.resolved == json.loads(asked(*words[:-1], "--resolved"))


def test_what_was_read_already_and_python_values_are_taken() -> None:
    spec = resgen.load(SPEC)
    assert resgen.inspect(spec).to_dict() == resgen.inspect(SPEC).to_dict()
    with pytest.raises(resgen.ResgenError, match=r"^set changes a spec while it is"):
        resgen.inspect(spec, set=["/stages/0/depth=2"])
    with pytest.raises(resgen.ResgenError, match=r"^vary changes a spec while it is"):
        resgen.inspect(spec, vary=["/stages/0/depth=2"])


def test_a_notebook_shows_the_drawing_and_tables() -> None:
    shown = resgen.inspect(SPEC, vary={"/stages/0/depth": [1, 2]})._repr_html_()
    drawing, table = shown.split("</svg>")
    assert ElementTree.fromstring(f"{drawing}</svg>").tag.endswith("svg")
    assert table.count("<table") == 2


def test_printed_they_show_what_inspect_shows() -> None:
    spec = resgen.load("resnet20_cifar")
    graph = resgen.expand(spec)
    told = asked("resnet20_cifar").splitlines()
    assert str(graph).splitlines() == told[: len(str(graph).splitlines())]
    costs = str(resgen.analyse(graph)).splitlines()
    assert costs == told[: len(costs)]
    assert len(costs) > 5
    assert "resnet20_cifar" in str(spec)
    assert '/stages/2    {"width": 64' in str(spec)


@pytest.mark.parametrize("name", ["resnet50", "preact_resnet1001_cifar"])
@pytest.mark.slow
def test_nothing_that_is_looked_at_fills_the_screen(name: str) -> None:
    spec = resgen.load(name)
    graph = resgen.expand(spec)
    for each in (spec, graph, resgen.analyse(graph)):
        assert len(str(each)) < 2000
        assert name in repr(each)
        assert len(repr(each)) < 100
