"""Specs of up to 4 MiB that repeat, nest, copy or misspell as much as they can."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

Json = dict[str, Any]

CONV: Json = {"op": "conv", "out": 3, "kernel": 1}
MOST = 4 * 1024 * 1024


def bare(stem: Any = (), **members: Any) -> Json:
    return {
        "resgen": 1,
        "name": "b",
        "input": [3, 8, 8],
        "stem": list(stem) if isinstance(stem, tuple) else stem,
        "stages": [],
        "head": [],
        **members,
    }


def many(count: int, make: Callable[[int], Any]) -> Json:
    return {f"n{i}": make(i) for i in range(count)}


#: Each way to repeat a body, most of it for nothing.
REPEATED: dict[str, Callable[[Any], Any]] = {
    "for": lambda body: {"for": "i", "in": 100_000, "body": body},
    "concat": lambda body: {"concat": {"for": "i", "in": 100_000, "body": body}},
    "add": lambda body: {"add": [{"for": "j", "in": 50_000, "body": body}, []]},
    "stack": lambda body: {"stack": [[body]] * 60},
    "residual": lambda body: {"residual": [body] * 40, "pre": body, "post": body},
    "seq": lambda body: {"seq": [body] * 90},
    "use": lambda body: {"use": "u", "with": {"p": body}},
    "shared": lambda body: {"for": "i", "in": 100_000, "share": True, "body": body},
    "as": lambda body: {"for": "i", "in": 90_000, "as": "a{i}" * 9, "body": [body]},
    "name": lambda body: {
        "for": "i",
        "in": 90_000,
        "body": {"name": "{i}", "seq": body},
    },
}
INNER: dict[str, Any] = {
    "nothing": [],
    "left out": {"when": False, "op": "act"},
    "conv": CONV,
    "act": {"op": "act", "name": "x{i}"},
    "error": {"op": "conv", "out": "nothing", "kernel": 1},
}
USER: Json = {
    "params": {"p": {"type": "body"}},
    "body": ["$p", "$p", {"seq": ["$p", "$p"]}],
}


def nested() -> Iterator[tuple[str, Json]]:
    """Each repetition in each other, around each kind of element."""
    for outer, inner, what in product(REPEATED, REPEATED, INNER):
        body = REPEATED[outer](REPEATED[inner](INNER[what]))
        yield f"{outer} of {inner} of {what}", bare(body, blocks={"u": USER})


def block(body: Any, **more: Any) -> Json:
    return {"body": body, **more}


def doubling(depth: int) -> Json:
    made = {f"b{i}": block([f"b{i + 1}", f"b{i + 1}"]) for i in range(depth)}
    return {**made, f"b{depth}": block([])}


def grown() -> Iterator[tuple[str, Json]]:
    """One thing of a spec as often, as long or as deep as the size allows."""
    loop = {"for": "i", "in": 100_000, "body": "b"}
    long, sums = "x" * 100_000, " + ".join(["i"] * 30)
    yield "empty values", bare([[]] * 1_000_000)
    yield "numbers", bare(let={"n": [0] * 1_000_000})
    yield "long key", bare(**{"k" * 1_000_000: [0] * 200_000})
    yield "long keys", bare({"seq": [{long + str(i): [0] * 900} for i in range(30)]})
    yield "stages", bare(stages=[{"body": []}] * 200_000)
    yield "conv stages", bare(stages=[{"body": [], "stride": 1}] * 100_000)
    yield "stage errors", bare(stages=[{"bodi": []}] * 100_000)
    yield "labels", bare(labels=["a"] * 900_000)
    yield "deep", bare({"seq": doubled([], 20)})
    yield "block chain", bare("b0", blocks=chain(3_000))
    yield "doubling", bare("b0", blocks=doubling(40))
    yield "unknown keys", {**bare(), **many(300_000, int)}
    yield "unknown operators", bare([f"nothing{i}" for i in range(200_000)])
    yield (
        "near names",
        bare(
            [f"bloch{i}" for i in range(3_000)],
            blocks={f"block{i}": block([]) for i in range(20_000)},
        ),
    )
    yield (
        "near lets",
        bare(
            [{**CONV, "out": f"valee{i}"} for i in range(3_000)],
            let={f"value{i}": 1 for i in range(3_000)},
        ),
    )
    params = {f"param{i}": {"type": "integer", "default": 1} for i in range(30_000)}
    yield (
        "near params",
        bare(
            {"use": "b", "with": {f"parem{i}": 1 for i in range(3_000)}},
            blocks={"b": block([], params=params)},
        ),
    )
    yield "params", bare(loop, blocks={"b": block([], params=params)})
    yield (
        "params by stage",
        bare(
            blocks={"b": block([], params=params)},
            stages=[{"block": "b", "depth": 1}] * 20_000,
        ),
    )
    yield "let", bare(loop, blocks={"b": block([], let=many(60_000, lambda i: "1+1"))})
    yield (
        "let chain",
        bare(let={f"n{i}": f"n{i + 1}" for i in range(60_000)} | {"n60000": 1}),
    )
    yield (
        "loops that know much",
        bare(
            "b",
            blocks={
                "b": block([{"for": "i", "in": 0, "body": []}] * 30_000, params=params)
            },
        ),
    )
    values = {"type": ["integer"], "default": [1] * 300_000}
    yield "list defaults", bare(loop, blocks={"b": block([], params={"p": values})})
    sized = {"type": ["integer"], "default": list(range(100_000))}
    for text in ("max(p)", "p == q", "len(p)", " or ".join(["p == q"] * 40)):
        yield (
            f"lists: {text[:9]}",
            bare(
                loop,
                blocks={
                    "b": block(
                        {"when": f"({text}) == 1", "op": "act"},
                        params={"p": sized, "q": sized},
                    )
                },
            ),
        )
    words = {"type": "string", "default": "a" * 1_000_000}
    yield (
        "strings",
        bare(
            loop,
            blocks={
                "b": block(
                    {"when": "p != q", "op": "act"}, params={"p": words, "q": words}
                )
            },
        ),
    )
    yield (
        "kept by long names",
        bare({"for": "i", "in": 100_000, "body": {"name": long + "{i}", "seq": []}}),
    )
    yield (
        "long paths",
        bare(
            {
                "as": "a." * 99 + "a",
                "seq": [
                    {
                        "for": "i",
                        "in": 100_000,
                        "as": "b{i}." + "a." * 99 + "a",
                        "body": CONV,
                    }
                ],
            }
        ),
    )
    yield (
        "expressions",
        bare({"for": "i", "in": 100_000, "body": {**CONV, "when": f"{sums} < 0"}}),
    )
    yield (
        "expressions once",
        bare([{**CONV, "when": f"{sums} < {i}"} for i in range(9_000)]),
    )
    yield (
        "powers",
        bare(let=many(30_000, lambda i: "((2**64)**3/(3**64)) " + "* 1/3" * 9)),
    )
    yield (
        "initialisers",
        bare(
            {
                "for": "i",
                "in": 50_000,
                "body": {**CONV, "init": many(60_000, lambda i: "1+1")},
            }
        ),
    )
    yield (
        "choices",
        bare(
            "b",
            blocks={
                "b": block(
                    [],
                    params={
                        "p": {"enum": [f"c{i}" for i in range(200_000)], "default": "d"}
                    },
                )
            },
        ),
    )
    yield (
        "doubled channels",
        bare({"for": "i", "in": 9_000, "body": {"concat": [[], []]}}),
    )
    yield (
        "doubled size",
        bare(
            {
                "for": "i",
                "in": 9_000,
                "body": {"op": "conv_transpose", "out": 3, "kernel": 2, "stride": 2},
            }
        ),
    )
    yield (
        "strides",
        bare(
            {
                "for": "i",
                "in": 9_000,
                "body": {"op": "conv", "out": 3, "kernel": 3, "stride": 2},
            }
        ),
    )
    yield "dilation", bare(stages=[{"body": CONV, "dilate": True, "stride": 2}] * 9_000)
    yield "branches", bare({"concat": [[]] * 200_000})
    yield (
        "sets",
        {
            **bare(stages=[{"body": []}] * 9_000),
            "set": {f"/stages/{i}/body": [] for i in range(9_000)},
        },
    )
    yield (
        "many sets",
        {
            **bare(stages=[{"body": []}] * 60_000),
            "set": {f"/stages/{i}/body": [] for i in range(20_000)},
        },
    )
    yield "deep sets", {**bare(), "set": deep_sets()}
    yield (
        "kept values",
        bare(
            [
                *({"name": f"n{i}"} for i in range(9_000)),
                *({"residual": [], "shortcut": {"project": CONV, "when": "always"}},)
                * 2_000,
            ]
        ),
    )
    yield "precisions", bare(stages=[{"body": [], "precision": ["fp16"] * 400_000}])
    yield (
        "widths",
        bare(stages=[{"block": "basic", "depth": 90_000, "width": [8] * 90_000}]),
    )
    yield "mean", bare(preprocess={"mean": [0] * 300_000})
    yield "shortcuts", bare(shortcuts=many(90_000, lambda i: {"project": []}))
    yield "warnings", bare([{**CONV, "out": 9 + i % 7} for i in range(9_000)])


def listed() -> Iterator[tuple[str, Json]]:
    """Lists, outputs, wrapped stages and scales as large as the size allows."""
    many_of = {"list": {"for": "i", "in": 100_000, "body": []}}
    two: Json = {"list": [[], []]}
    kept = [two, {"name": "x"}]
    again = {"list": [{"from": "x"}, {"from": "x"}], "name": "x"}
    stages = [{"body": []}] * 30_000
    around = {
        "params": {"inside": {"type": "body"}},
        "body": [{"list": [{"use": "$inside"}] * 900}, {"concat": [[]]}],
    }
    wrapped = {"block": "b", "depth": 2, "wrap": "w"}

    def loop(body: Any, count: int = 100_000) -> Json:
        return {"for": "k", "in": count, "body": body}

    yield "lists", bare([loop([many_of, {"item": 0}], 900)])
    yield "listed items", bare({"list": [{"op": "act", "as": "a"}] * 90_000})
    yield "deep lists", bare(nest("list", 16))
    yield "doubled lists", bare([*kept, *[again] * 60, {"item": 0}])
    yield "doubled in a loop", bare([*kept, loop([{"from": "x"}, again]), {"item": 0}])
    for text in ("len(channels) < 0", "channels != channels", "channels[k] < 0"):
        each = block([loop({"when": text, "item": 0}), {"item": 0}])
        yield f"of lists: {text}", bare([many_of, "b"], blocks={"b": each})
    yield "merged", bare([many_of, {"concat": [[]]}])
    yield "merged lists", bare([many_of, {"concat": [[]] * 90_000}])
    yield "every stage", bare(stages=stages, head=loop({"from": "stages"}))
    yield "stages", bare(stages=stages, head=loop({"from": "stages[{k % 30000}]"}))
    yield "slices", bare([many_of, {"name": "x"}, {"from": "x" + "[1:]" * 900_000}])
    yield "digits", bare([*kept, {"from": f"x[{'1' * 900_000}]"}])
    yield "braces", bare([*kept, {"from": "x[{k}]" * 90_000}])
    yield "templates", bare(loop({"name": "{k}" * 90_000, "seq": []}))
    yield "open templates", bare(loop({"from": "{" * 900_000}))
    names = {f"n{i}": [] for i in range(90_000)}
    yield "outputs", bare(head={"outputs": names})
    yield "outputs of lists", bare(head=[many_of, {"outputs": names}])
    aside = {"train_only": True, "op": "conv", "out": 3, "kernel": 1}
    trained = {f"n{i}": {**aside, "as": f"n{i}"} for i in range(60_000)}
    yield "trained outputs", bare(head={"outputs": {"y": [], **trained}})
    yield "near outputs", bare(head={"outputs": {f"output{i}": "ac" for i in names}})
    shared = {**CONV, "as": "a", "share": True}
    yield "shared", bare([{**CONV, "as": "a"}, loop(shared)])
    yield "shared names", bare([loop({**CONV, "as": "a{k}", "share": True})])
    blocks = {"b": block([CONV]), "w": around}
    yield "wrapped", bare(stages=[wrapped] * 20_000, blocks=blocks)
    yield "deep blocks", bare(stages=[{**wrapped, "depth": 90_000}], blocks=blocks)
    inside = {
        **around,
        "body": [{"use": "$inside", "as": f"{i}"} for i in range(9_000)],
    }
    yield "used inside", bare(stages=[wrapped] * 900, blocks={**blocks, "w": inside})
    for key, most in (("depth", 999), ("width", 999), ("resolution", 2**16)):
        yield (
            f"scaled {key}",
            {"resgen": 1, "extends": "resnet18", "scale": {key: most}},
        )
    wide = {"op": "resize", "like": "input", "mode": "nearest"}
    yield "large input", {**bare(loop(wide)), "input": [3, 2**16, 2**16]}


def nest(key: str, depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = {key: doubled(value, 1)}
    return value


def doubled(value: Any, times: int) -> Any:
    for _ in range(times):
        value = [value, value]
    return value


def chain(length: int) -> Json:
    made = {f"b{i}": block([f"b{i + 1}"]) for i in range(length)}
    return {**made, f"b{length}": block([])}


def deep_sets() -> Json:
    value: Any = "act"
    for _ in range(20):
        value = {"seq": value}
    return {f"/stem{'/seq' * 20 * i}": value for i in range(1, 40)}


def written(spec: Json) -> bytes:
    """As it would lie in a file: what is too long is cut, which is a bomb too."""
    return json.dumps(spec).encode()[:MOST]
