"""Whatever a Python caller gives for an argument is taken, or refused in a sentence."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from api.test_functions import COMMANDS, groups_of
from small_subject import SPEC

import resgen
from resgen import forms
from resgen.api.asked.making import Exporting
from resgen.api.asked.profile import Profiling
from resgen.options.group import options_of

WRONG = [
    None, [], {}, (), 3, -1, 10**9, 10**400, True, float("nan"), float("inf"), "",
    "a\0b", b"bytes", Path("nowhere/x"), [None], {"a": None}, {3: 4}, object(), int,
    lambda: 0, np.int64(3), np.float32(2.5), np.array([1, 2]),
]  # fmt: skip


def arguments() -> Iterator[tuple[str, str]]:
    for name in set(resgen.__all__) - {"__version__", "doctor"}:
        function = getattr(resgen, name)
        if inspect.isclass(function):
            continue
        for each in inspect.signature(function).parameters.values():
            if each.kind is not each.VAR_KEYWORD:
                yield name, each.name
        if name.rstrip("_") in COMMANDS:
            for group in groups_of(name.rstrip("_")):
                yield from ((name, field) for field, _ in options_of(group))


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    """Something that is right, by the name of an argument."""
    spec = resgen.load(SPEC)
    graph = resgen.expand(spec)
    return {
        "spec": spec,
        "graph": graph,
        "model": resgen.to_torch(graph),
        "weights": {},
        "state_dict": {},
        "source": "resnet20_cifar",
        "space": {"base": "resnet20_cifar", "vary": {"/stages/0/depth": [1, 2]}},
        "path": "nowhere.onnx",
        "module": torch.nn.Conv2d(3, 4, 3),
        "input": (3, 8, 8),
    }


@pytest.mark.parametrize(("name", "argument"), sorted(set(arguments())), ids=str)
def test_a_wrong_type_is_a_sentence_that_names_the_argument(
    name: str,
    argument: str,
    good: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    function = getattr(resgen, name)
    given = inspect.signature(function).parameters
    usual = {
        each.name: "nowhere.json" if name.rstrip("_") in COMMANDS else good[each.name]
        for each in given.values()
        if each.kind is each.POSITIONAL_OR_KEYWORD and each.default is each.empty
    }
    if argument == "state_dict" and name in COMMANDS:
        usual = {next(iter(usual)): good["spec"]}
    if name == "export":
        takers = [f for f in forms.names() if argument in of_form(f)]
        usual |= {"to": takers[0]} if takers else {}
    if name == "list":
        usual = {"what": "blocks"}
    if name == "choose":  # a right latency alone would have networks timed
        usual = {"min_top1": 100.0}
    for wrong in WRONG:
        # Where nothing is said, or somebody listens, a network would be made.
        unsaid = wrong is None and argument in ("progress", "state_dict")
        if unsaid or (argument == "progress" and callable(wrong)):
            continue
        told = ""
        with contextlib.suppress(resgen.ResgenError):
            try:
                if argument == "specs":
                    function(wrong)
                else:
                    function(**{**usual, argument: wrong})
            except resgen.ResgenError as error:
                told = error.message
                raise
        assert " at 0x" not in told
        if type(wrong) is object:
            assert told.startswith(argument)


def of_form(form: str) -> set[str]:
    """Options that a form has of its own."""
    return {name for name, _ in options_of(forms.find(form).options)}


def test_numbers_of_numpy_are_numbers() -> None:
    asked = Exporting(
        seed=np.int64(3), tolerate=np.float32(0.5), camera=np.array([480, 640])
    )
    assert asked == Exporting(seed=3, tolerate=0.5, camera=(480, 640))
    assert Profiling(batch=np.array([1, 8]), cold_l2=np.True_).to_json() == {
        "batch": "1,8",
        "cold_l2": True,
    }
    assert Profiling(time=np.float64(2), shape={"x": (np.int64(3), 8)}).shapes == {
        "x": (3, 8)
    }


def test_what_is_none_is_unsaid() -> None:
    assert Profiling(time=None, batch=None, runtime=None) == Profiling()


def test_progress_is_any_callable_that_takes_a_line(tmp_path: Path) -> None:
    heard: list[str] = []
    resgen.build(
        "resnet20_cifar", tmp_path / "net", verify=False, progress=heard.append
    )
    heads = [line.split()[0] for line in heard if line[0] != " "]
    assert heads[0] == "spec"
    assert "onnx" in heads
    assert all("\n" not in line for line in heard)


def test_changes_are_given_as_set_takes_them() -> None:
    spec = resgen.load("resnet20_cifar", {"/name": "mine", "/stages/0/depth": 1})
    assert spec.name == "mine"
    with pytest.raises(resgen.ResgenError, match="changes: 3 is not of the form"):
        resgen.load("resnet20_cifar", 3)
    with pytest.raises(resgen.SpecError) as refused:
        resgen.load("resnet20_cifar", {"/stages/9/depth": 1})
    assert "--" not in str(refused.value)
