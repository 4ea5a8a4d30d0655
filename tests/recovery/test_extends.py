"""A network of the zoo is told as what changes it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from as_read import read
from published import GOLDEN, sampled

import resgen
from resgen.graph.identity import identity
from resgen.graph.ir import Graph
from resgen.recovery.extends import INDEX, extending, indexed, trunk
from resgen.recovery.imported import imported
from resgen.spec import zoo
from resgen.spec.model import Preprocess


def changed(name: str, *changes: str) -> Graph:
    """A network of the zoo with other values at some JSON Pointers, as it was read."""
    spec = {"extends": name, "name": name}
    return read(resgen.inspect(resgen.load(spec, changes)).resolved).graph


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("resnet18", [], {}),
        ("resnet18", ["/input=[1, 64, 64]"], {"input": [1, 64, 64]}),
        ("resnet18", ['/defaults/norm="none"'], {"defaults": {"norm": "none"}}),
        ("fcos_resnet50_fpn", [], {}),
        ("mobilenetv2_100", [], {"set": {"/let/dropout": 0}}),
    ],
)
def test_up_to_input_norms_and_chance_in_training(
    name: str, changes: list[str], told: dict[str, Any]
) -> None:
    graph = changed(name, *changes)
    made = extending(graph)
    assert made == {"resgen": 1, "extends": name, "name": name, **told}
    assert identity(resgen.expand(resgen.load(made))) == identity(graph)


def test_up_to_the_head() -> None:
    graph = changed("resnet18", "/head/classes=7")
    assert extending(graph) is None
    made = extending(graph, head={"classes": 7})
    assert made is not None
    assert made["head"] == {"classes": 7}
    assert identity(resgen.expand(resgen.load(made))) == identity(graph)


def test_where_names_differ_it_is_another_network_unless_any_will_do() -> None:
    graph = changed("resnet18", "/names/trunk=features")
    assert extending(graph) is None
    assert extending(graph, own=False) == {
        "resgen": 1, "extends": "resnet18", "name": "resnet18"
    }  # fmt: skip


@pytest.mark.parametrize(
    "change", ["/stages/1/width=120", "/stages/3/depth=3", "/defaults/act=silu"]
)
def test_what_differs_before_its_head_is_no_network_of_the_zoo(change: str) -> None:
    graph = changed("resnet18", change)
    assert extending(graph, own=False, head={"classes": 1000}) is None


@pytest.mark.slow
def test_a_module_comes_back_as_the_network_that_it_is() -> None:
    spec = resgen.load("resnet20_cifar", ["/head/classes=7", "/labels=null"])
    module = resgen.to_torch(resgen.expand(spec))
    spec, _ = resgen.from_torch(module, (3, 32, 32), verify=False)
    assert spec.members["stages"].place().file.endswith("resnet20_cifar.json")
    assert resgen.inspect(spec).resolved["head"] == {"classes": 7}


@pytest.mark.parametrize("name", sampled(GOLDEN, 3))
def test_the_index_has_the_networks_as_they_are(name: str) -> None:
    kept = json.loads(INDEX.read_text("utf-8"))
    assert kept.keys() == zoo.names().keys(), "run `make schema`"
    assert kept[name] == trunk(resgen.expand(resgen.load(name))), "run `make schema`"


@pytest.mark.soak
def test_the_whole_index_is_what_the_files_say() -> None:
    assert INDEX.read_text("utf-8") == indexed(), "run `make schema`"


def test_pictures_are_prepared_as_the_source_says_and_else_as_the_parent() -> None:
    flat = read("mobilenetv3_small_050")
    numbers = {p.name: np.zeros(p.shape, np.float32) for p in flat.graph.parameters}
    flat = replace(flat, weights=numbers)
    theirs = resgen.load("mobilenetv3_small_050").preprocess
    silent = imported(flat)
    assert silent.document["extends"] == "mobilenetv3_small_050"
    assert silent.spec.preprocess == theirs != Preprocess()
    assert any("those of mobilenetv3_small_050" in n.why for n in silent.flat.notes)
    told = imported(flat, stated=lambda _: {"preprocess": {"resize": 300}})
    assert told.spec.preprocess == replace(Preprocess(), resize=300)
    assert not any("pictures" in note.why for note in told.flat.notes)
