"""``resgen.list``: what the command lists, as a function."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import resgen
from resgen.api.catalogue import networks
from resgen.cli import main


@pytest.mark.parametrize("what", ["networks", "blocks", "codes", "forms", "bottleneck"])
def test_the_function_lists_what_the_command_lists(what: str) -> None:
    found = resgen.list(what)
    done = CliRunner().invoke(main, ["list", what, "--json"], catch_exceptions=False)
    assert found.to_dict() == json.loads(done.stdout)
    assert len(found) == len(found.items)
    told = str(found)
    assert all(item.name in told for item in found)
    assert max(map(len, told.splitlines())) <= 88
    assert found.items[0].name in found._repr_html_()


def test_without_a_word_it_is_networks() -> None:
    assert resgen.list() == resgen.list("networks")
    with pytest.raises(resgen.ResgenError, match=r"^long is for networks"):
        resgen.list("blocks", long=True)


@pytest.mark.slow
def test_the_index_is_what_the_files_say() -> None:
    kept = Path(networks.__file__).with_name("index.json").read_text("utf-8")
    assert kept == networks.indexed(), "run `make schema`"


def test_inputs_are_those_of_the_networks() -> None:
    """A list reads files only; what it says of each is what the network has."""
    told = {network.name: network.input for network in resgen.list().items[::9]}
    assert told == {name: resgen.load(name).input for name in told}
