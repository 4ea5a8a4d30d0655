"""Options declared once: as words, from words, and as a Python caller gives them."""

from __future__ import annotations

import pickle
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from resgen.api.asked.choose import Choosing
from resgen.api.asked.compare import Comparing
from resgen.api.asked.diagnose import Diagnosing
from resgen.api.asked.listing import Listing
from resgen.api.asked.looking import (
    Checking,
    Diffing,
    Inspecting,
    Predicting,
    Reporting,
    Verifying,
)
from resgen.api.asked.making import Building, Exporting, Importing
from resgen.api.asked.measure import Timing
from resgen.api.asked.profile import Profiling
from resgen.api.asked.search import BUDGET, Searching
from resgen.api.asked.shrink import AMOUNT, TIME, Shrinking
from resgen.cli._options import options
from resgen.errors import UsageError
from resgen.forms import litert, tensorrt, triton
from resgen.leases.address import ADDRESS
from resgen.options.group import Group, Refused, options_of
from resgen.options.kinds import FLAG

#: Fields that build and export share.
WRITING: dict[str, st.SearchStrategy[Any]] = {
    "set": st.just(["/a=1"]),
    "max_operators": st.integers(1, 99),
    "weights": st.sampled_from([Path("w.pth"), Path("-odd name.pth")]),
    "preprocess": st.just(Path("config.json")),
    "out": st.sampled_from([Path("new"), Path("a b/new")]),
    "seed": st.integers(0, 99),
    "batch": st.integers(1, 2**31 - 1),
    "opset": st.integers(1, 99),
    "force": st.booleans(),
}
#: Hosts, of which the last has a Python of its own.
ON: st.SearchStrategy[Any] = st.sampled_from(
    ["ssh://board", "ssh://pi@[::1]:2222", "ssh://board/it's mine/python"]
).map(ADDRESS.read)
#: Groups of all commands, and values of each field that go together.
VALUES: dict[type[Group], dict[str, st.SearchStrategy[Any]]] = {
    Choosing: {
        "on": ON,
        "latency": st.floats(1e-6, 100),
        "runtime": st.sampled_from(["onnxruntime", "litert"]),
        "device": st.sampled_from(["cpu", "cuda:0"]),
        "threads": st.integers(1, 64),
        "batch": st.integers(1, 64),
        "min_top1": st.floats(0, 100),
        "weights": st.sampled_from(["any", "loadable"]),
        "table": st.just(Path("t.json")),
        "minutes": st.floats(0.1, 1440),
        "fresh": st.booleans(),
        "out": st.sampled_from([Path("c.html"), Path("new c.html")]),
    },
    Timing: {
        "on": ON,
        "runtime": st.sampled_from(["onnxruntime", "litert"]),
        "threads": st.integers(1, 64),
        "batch": st.integers(1, 64),
        "precision": st.sampled_from(["fp32", "int8"]),
        "budget": st.sampled_from(["macs=2G", "params=10M,memory=4M"]).map(BUDGET.read),
        "minutes": st.floats(0.1, 1440),
        "out": st.sampled_from([Path("t.json"), Path("a b/t.json")]),
    },
    Profiling: {
        "on": ON,
        "device": st.sampled_from(["cpu", "cuda:0", "cuda:3"]),
        "precision": st.sampled_from(["fp32", "int8"]),
        "shape": st.lists(
            st.tuples(
                st.sampled_from(["", "x", "a.b"]),
                st.lists(st.integers(1, 999), min_size=1, max_size=3).map(tuple),
            ),
            max_size=2,
        ),
        "threads": st.integers(1, 64),
        "set": st.lists(
            st.sampled_from(["/a=1", '/b="x y"', "/c=[1, 2]", "/d=--e"]), max_size=2
        ),
        "runtime": st.lists(st.sampled_from(["torch", "all"]), max_size=2),
        "batch": st.lists(st.integers(1, 99), min_size=1, max_size=3, unique=True),
        "mode": st.sampled_from(["latency", "compute", "end-to-end"]),
        "time": st.floats(0.1, 86400),
        "rate": st.floats(0.01, 1e6),
        "cold_l2": st.booleans(),
        "operators": st.booleans(),
        "weights": st.sampled_from([Path("w.pth"), Path("-odd name.pth")]),
        "out": st.sampled_from([Path("new"), Path("a b/new")]),
        "with_paths": st.booleans(),
    },
    Comparing: {
        "on": ON,
        "device": st.sampled_from(["cpu", "cuda:0"]),
        "precision": st.just("fp16"),
        "shape": st.just([("x", (3, 8, 8))]),
        "threads": st.integers(1, 64),
        "runtime": st.lists(st.sampled_from(["torch", "onnxruntime"]), max_size=2),
        "batch": st.integers(1, 64),
        "mode": st.sampled_from(["latency", "compute", "end-to-end"]),
        "time": st.floats(1, 86400),
        "part": st.lists(st.sampled_from(["stem", "layer1"]), max_size=2),
        "fail_if": st.lists(st.sampled_from(["slower", "p99>5ms"]), max_size=2),
    },
    Building: {
        **WRITING,
        "dynamic": st.booleans(),
        "keep_batchnorm": st.booleans(),
        "verify": st.booleans(),
    },
    Exporting: {
        **WRITING,
        "verify": st.booleans(),
        "precision": st.sampled_from(["int8", "fp16"]),
        "for_": st.sampled_from(["onnxruntime", "tensorrt"]),
        "keep": st.lists(st.sampled_from(["first", "layer1.0", "-x"]), max_size=2),
        "ends": st.sampled_from(["float32", "low", "nchw"]),
        "calibration": st.just(Path("photos")),
        "method": st.just("percentile"),
        "evaluate": st.just(Path("x y.npz")),
        "tolerate": st.floats(0, 1),
        "camera": st.tuples(st.integers(1, 99999), st.integers(1, 99999)),
    },
    Importing: {
        "out": st.sampled_from([Path("new"), Path("a b/new")]),
        "name": st.sampled_from(["mine", "-odd name"]),
        "flat": st.booleans(),
        "cut": st.just("/layer4/Relu"),
        "preprocess": st.just(Path("config.json")),
        "verify": st.booleans(),
        "build": st.booleans(),
        "force": st.booleans(),
    },
    Searching: {
        "on": ON,
        "budget": st.sampled_from(["latency=8ms,params=10M", "macs=2G,memory=1e6"]).map(
            BUDGET.read
        ),
        "score": st.sampled_from(["macs", "zen"]),
        "sampler": st.sampled_from(["random", "grid"]),
        "trials": st.integers(1, 10**6),
        "seed": st.integers(0, 99),
        "processes": st.integers(1, 64),
        "table": st.just(Path("t.json")),
        "winners": st.integers(1, 100),
        "runtime": st.sampled_from(["onnxruntime", "litert"]),
        "device": st.sampled_from(["cpu", "cuda:0"]),
        "threads": st.integers(1, 64),
        "batch": st.integers(1, 64),
        "minutes": st.floats(0.1, 1440),
        "train": st.integers(1, 50),
        "contenders": st.integers(2, 1000),
        "data": st.sampled_from(["digits", "photos", "a b/data.npz"]),
        "lr": st.floats(1e-3, 1),
        "cluster": st.sampled_from(["local", "ray://head:10001"]),
        "measure": st.booleans(),
        "out": st.sampled_from([Path("found"), Path("a b/found")]),
    },
    Shrinking: {
        "on": ON,
        **{name: WRITING[name] for name in ("set", "max_operators", "weights")},
        "name": st.sampled_from(["small", "-odd name"]),
        "macs": st.sampled_from(["0.5x", "2G", "30%"]).map(AMOUNT.read),
        "params": st.sampled_from(["0.5x", "4M"]).map(AMOUNT.read),
        "memory": st.sampled_from(["0.5x", "256k"]).map(AMOUNT.read),
        "latency": st.sampled_from(["0.6x", "8ms", "30%"]).map(TIME.read),
        "runtime": st.sampled_from(["onnxruntime", "litert"]),
        "precision": st.sampled_from(["fp32", "int8"]),
        "threads": st.integers(1, 64),
        "table": st.just(Path("x y.json")),
        "data": st.just("x y.npz"),
        "importance": st.sampled_from(["magnitude", "norm", "taylor", "random"]),
        "finetune": st.integers(1, 99),
        "iterations": st.integers(1, 9),
        "distill": st.booleans(),
        "lr": st.floats(1e-6, 1e3),
        "device": st.sampled_from(["cpu", "cuda:1"]),
        "seed": st.integers(0, 99),
        "resume": st.booleans(),
        "round": st.integers(1, 64),
        "depth": st.integers(0, 9),
        "report": st.booleans(),
        "keep": st.just(["layer1.0"]),
        "verify": st.booleans(),
        "force": st.booleans(),
    },
    tensorrt.Options: {
        "target": st.sampled_from(["jetson-orin", "l4,rtx-4090"]),
        "profile": st.just(["1,8,64"]),
        "workspace": st.integers(1, 9999),
        "optimization_level": st.integers(0, 5),
        "rebuild": st.booleans(),
    },
    litert.Options: {"kit": st.booleans()},
    triton.Options: {
        "max_batch": st.integers(1, 99),
        "instances": st.integers(1, 9),
        "threads": st.integers(1, 9),
        "versions": st.integers(1, 9),
    },
    Checking: {
        "set": st.just(["/a=1"]),
        "max_parameters": st.integers(1, 10**12),
        "strict": st.booleans(),
    },
    Listing: {"long": st.booleans()},
    Verifying: {
        "images": st.just(Path("photos")),
        "batch": st.lists(st.integers(1, 99), max_size=3),
    },
    Predicting: {
        "runtime": st.sampled_from(["litert", "openvino"]),
        "top": st.integers(1, 99),
        "output": st.just("scores"),
        "draw": st.just(Path("drawn")),
    },
    Reporting: {
        "out": st.sampled_from([Path("x.html"), Path("-a b.md")]),
        "format": st.sampled_from(["html", "csv"]),
        "table": st.just("operators"),
        "network": st.just(Path("spec.json")),
    },
    Diffing: {
        "set": st.just(["/a=1"]),
        "max_operators": st.integers(1, 99),
        "max_parameters": st.integers(1, 99),
    },
    Inspecting: {
        "set": st.just(["/a=1"]),
        "latency": st.just(Path("t.json")),
        "max_operators": st.integers(1, 99),
        "operators": st.booleans(),
        "vary": st.lists(
            st.tuples(
                st.sampled_from(["/a", "/b/0"]),
                st.lists(
                    st.sampled_from(["1", "x", 2, [1, 2], {"a": 'b"],'}, "p,q"]),
                    min_size=1,
                    max_size=3,
                ),
            ),
            max_size=2,
        ),
        "diagram": st.sampled_from([Path("x.svg"), Path("-a b.PNG")]),
    },
    Diagnosing: {
        "set": st.lists(st.sampled_from(["/a=1", "/b=[]"]), max_size=2),
        "against": st.lists(st.sampled_from(["plain", "a b.json"]), max_size=2),
        "data": st.sampled_from(["digits", "photos/", "x.npz"]),
        "seeds": st.integers(1, 9),
        "train": st.just(150),
        "lr": st.floats(1e-6, 10),
        "batch": st.integers(8, 512),
        "threads": st.integers(1, 64),
        "output": st.sampled_from(["y", "a.b"]),
        "out": st.just(Path("new")),
    },
}


def parsed(group: type[Group], words: tuple[str, ...]) -> Group:
    """What click makes of the words."""
    made: list[Group] = []

    @click.command()
    @options(group)
    def command(**chosen: Any) -> None:
        made.append(group(**chosen))

    command.main(list(words), standalone_mode=False)
    return made[0]


@pytest.mark.parametrize("group", VALUES, ids=lambda group: group.__name__)
@settings(max_examples=25, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_words_ask_for_the_same(group: type[Group], data: st.DataObject) -> None:
    chosen = data.draw(st.sets(st.sampled_from(sorted(VALUES[group]))))
    values = {name: data.draw(VALUES[group][name]) for name in sorted(chosen)}
    try:
        asked = group(**values)
    except Refused:  # an option that is for another one, which was not drawn
        reject()
    assert parsed(group, asked.words()) == asked


@pytest.mark.parametrize("group", VALUES, ids=lambda group: group.__name__)
def test_every_field_is_an_option_and_unsaid_ones_are_no_words(
    group: type[Group],
) -> None:
    assert [f.name for f in fields(group)] == [name for name, _ in options_of(group)]
    assert group().words() == ()
    assert parsed(group, ()) == group()
    words = [about.word for _, about in options_of(group)]
    assert len(set(words)) == len(words)
    for name, about in options_of(group):
        # A word of Python's own bears an underscore there (PEP 8): ``for_``.
        word = name.rstrip("_").replace("_", "-")
        assert about.word == ("--no-" if about.default is True else "--") + word
        assert about.kind is FLAG or about.kind.metavar


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"threads": 0}, "threads: 0 is not a whole number of at least 1"),
        ({"threads": "2"}, 'threads: "2" is not a whole number'),
        ({"threads": True}, "threads: True is not a whole number"),
        ({"time": float("nan")}, "time: nan is not a number"),
        ({"mode": "latencey"}, 'did you mean "latency"?'),
        ({"batch": (1, 0)}, "batch: (1, 0) is no list of batch sizes"),
        ({"cold_l2": 1}, "cold_l2: 1 is neither True nor False"),
        ({"weights": 3}, "weights: 3 is not a path"),
        ({"out": "a\0b"}, "cannot be a path"),
        ({"thread": 1}, 'there is no option "thread"; did you mean "threads"?'),
        ({"in_flight": 2}, "in_flight is for mode throughput"),
    ],
    ids=str,
)
def test_a_python_caller_is_told_the_argument(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        Profiling.of(wrong)
    assert said in refused.value.message
    assert "--" not in refused.value.message


def test_the_command_line_is_told_the_option() -> None:
    with pytest.raises(Refused) as refused:
        Profiling(in_flight=2)
    typed = refused.value.typed
    assert typed.message == "--in-flight is for --mode throughput"
    again = pickle.loads(pickle.dumps(refused.value))
    assert again.message == refused.value.message
    assert again.typed.message == typed.message


def test_what_python_has_is_taken() -> None:
    changed = Profiling(set={"/a/b": 3, "/c": [1, "x"], "/d": "identity"})
    assert changed.set == ("/a/b=3", '/c=[1, "x"]', "/d=identity")
    asked = Profiling(batch=8, shape={"x": (3, 8, 8)}, runtime="torch", out="new")
    assert asked.batch == (8,)
    assert asked.shapes == {"x": (3, 8, 8)}
    assert asked.runtime == ("torch",)
    assert asked.out == Path("new")
