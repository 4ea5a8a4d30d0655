"""Specs of the zoo with a few places spoiled, from a seed."""

from __future__ import annotations

import copy
import json
import random
from functools import cache
from pathlib import Path
from typing import Any

from resgen.spec import zoo

WORDS = (
    *("1/0", "2**9**9", "(((((((1", "width", "10**400", "-1", "1e999", "x if", "$x"),
    *("len(width)", "[1][5]", "{index}", "{", "a.b", "stage ** stage", "log2(0)"),
    *("train", "a..b", 'a"b', "a\0b", "\u00b2", "", "/", ".", "conv", "basic", "none"),
    *("identity", "projection", "fp16", "1/3", "n", "channels", "here", "\u202e"),
)
NUMBERS = (0, -1, 1, 2, 3, 7, 2**31, 2**63, 10**30, -(10**12), 0.5, 1e308, 5e-324)
SHAPES: tuple[Any, ...] = (
    *(None, True, False, [], {}, [[]], [[[3]]], [1, 2, 3], [None], [3, [3]], ["r"]),
    *({"op": "conv"}, {"op": "act"}, {"use": "basic"}, {"type": "int"}, {"seq": []}),
    *({"for": "i", "in": 3, "body": []}, {"for": "i", "in": 10**5, "body": []}),
    *({"type": "normal", "std": []}, {"project": []}, {"residual": []}, {"add": []}),
)
KEYS = (
    *("as", "when", "name", "from", "precision", "op", "use", "with", "seq", "for"),
    *("in", "body", "share", "residual", "shortcut", "pre", "post", "drop_path"),
    *("let", "names", "blocks", "labels", "preprocess", "extends", "set", "defaults"),
    *("block", "depth", "entry", "exit", "stride", "dilate", "width", "kernel", "out"),
    *("init", "padding", "groups", "params", "type", "default", "min", "max", "enum"),
)
Path_ = tuple[Any, ...]


@cache
def texts() -> list[str]:
    """The zoo and the built-in definitions, but for the two that take a second."""
    found = []
    for name, path in sorted(zoo.names().items()):
        if "1202" not in name and "1001" not in name:
            tree = json.loads(path.read_text("utf-8"))
            if "extends" in tree:
                tree["extends"] = Path(tree["extends"]).name
            found.append(json.dumps(tree))
    return found


@cache
def definitions() -> list[str]:
    blocks = Path(zoo.__file__).parent.parent / "blocks"
    return [p.read_text("utf-8") for p in sorted(blocks.glob("*/*.json"))]


def places(value: Any, path: Path_ = ()) -> list[Path_]:
    """The paths of everything below a value."""
    if isinstance(value, dict):
        members: list[tuple[Any, Any]] = list(value.items())
    elif isinstance(value, list):
        members = list(enumerate(value))
    else:
        return []
    found = []
    for key, item in members:
        found += [(*path, key), *places(item, (*path, key))]
    return found


def holder(tree: Any, path: Path_) -> Any:
    for key in path[:-1]:
        tree = tree[key]
    return tree


def value(rng: random.Random) -> Any:
    return copy.deepcopy(rng.choice(rng.choice((WORDS, NUMBERS, SHAPES))))


def mutant(rng: random.Random) -> dict[str, Any]:
    """A spec with one to five places spoiled; some with a block of their own."""
    tree: dict[str, Any] = json.loads(rng.choice(texts()))
    if rng.random() < 0.4:
        made = json.loads(rng.choice(definitions()))
        kind = "blocks" if "body" in made else "shortcuts"
        name = made.get("block", made.get("shortcut"))
        tree.setdefault(kind, {})[name] = made
    for _ in range(rng.randint(1, 5)):
        known = places(tree)
        if not known:
            break
        path = rng.choice(known)
        parent, key = holder(tree, path), path[-1]
        match rng.randrange(6):
            case 0 | 1:
                parent[key] = value(rng)
            case 2 if isinstance(parent, dict):
                new = rng.choice((*KEYS, str(rng.choice(known)[-1])))
                parent[new] = parent.pop(key)
            case 3 if isinstance(parent, dict):
                parent[rng.choice(KEYS)] = value(rng)
            case 4:
                other = rng.choice(known)
                parent[key] = copy.deepcopy(holder(tree, other)[other[-1]])
            case _:
                del parent[key]
    return tree
