"""Which network of the zoo one is, up to its head, its input and folded norms."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from resgen.expansion.network import examine
from resgen.graph.identity import read
from resgen.graph.ir import Graph
from resgen.recovery.recover import met
from resgen.recovery.write import NO_NORM
from resgen.spec import zoo
from resgen.spec.source import plain

#: The trunks of the zoo by name, beside this file: to expand all takes a minute.
INDEX: Final = Path(__file__).with_name("trunks.json")
#: Attributes that differ where a norm was folded into what it reads.
_FOLDED: Final = ("bias", "eps")
#: What files leave out, as it is there in training alone.
_CHANCE: Final = {"dropout": "dropout", "drop_path": "drop_path_rate"}


def extending(
    graph: Graph, *, own: bool = True, head: Any = None
) -> dict[str, Any] | None:
    """The network as a change of one of the zoo, or None where it is not one.

    With a ``head`` that one is put in place of the zoo's. ``own`` names of parameters
    are to be the same; others become those of the zoo.
    """
    for parent in _parents(graph):
        for made in _changes(parent, graph, head):
            if met(graph, made, names=own):
                return made
    return None


def indexed() -> str:
    """The index as it has to be: a line a network that has a trunk."""
    from resgen.expansion.network import expand, load

    ends = {name: trunk(expand(load(name))) for name in zoo.names()}
    rows = (f"{json.dumps(k)}: {json.dumps(v)}" for k, v in ends.items() if v)
    return "{\n" + ",\n".join(rows) + "\n}\n"


def trunk(graph: Graph) -> str:
    """The hash of what the head of a network begins with; "" where it has none else."""
    ends = [
        node.name
        for node in graph.nodes
        if graph.sections[node.origin.section].kind != "head"
    ]
    return _computed(graph)[ends[-1]] if ends else ""


def _computed(graph: Graph) -> dict[str, str]:
    """For each value a hash of what computes it, inputs and what folds left out."""
    found = {each.name: "" for each in graph.inputs}
    for node in graph.nodes:
        given = graph.types[node.inputs[0]]
        told = node.op.effective(given)
        folds = node.op.name == "norm" and told.get("type") == "batch"
        if folds or node.op.training_only:
            found[node.name] = found[node.inputs[0]]
            continue
        attributes = sorted((k, v) for k, v in told.items() if k not in _FOLDED)
        values = [found[value] for value in read(node)]
        if node.op.commutative:
            values.sort()
        text = repr((node.op.name, attributes, values))
        found[node.name] = sha256(text.encode()).hexdigest()[:16]
    return found


@cache
def _trunks() -> Mapping[str, list[str]]:
    """The networks of the zoo by their trunks, the shorter files first."""
    known: dict[str, list[str]] = {}
    for name, end in json.loads(INDEX.read_text("utf-8")).items():
        known.setdefault(end, []).append(name)
    files = zoo.names()
    for names in known.values():
        names.sort(key=lambda name: files[name].stat().st_size)
    return known


def _parents(graph: Graph) -> list[str]:
    """Networks of the zoo whose trunk is in this one, the most of it first."""
    known = _trunks()
    ends = dict.fromkeys(reversed(_computed(graph).values()))
    return [name for end in ends for name in known.get(end, ())]


def _changes(parent: str, graph: Graph, head: Any) -> Iterator[dict[str, Any]]:
    """The zoo's network with its input, norms and head as this one has them."""
    made: dict[str, Any] = {"resgen": 1, "extends": parent, "name": graph.name}
    found = examine(made)
    if found.spec is None or found.graph is None:
        return
    given = graph.inputs[0].type.shape
    if found.spec.input != given:
        made["input"] = list(given)
    if found.spec.labels is not None:
        made["labels"] = None
    lost = [key for kind, key in _CHANCE.items() if not _has(graph, kind)]
    chance = dict.fromkeys(_places(plain(found.spec.at), lost), 0)
    if head is not None:
        chance = {at: 0 for at in chance if not at.startswith("/head/")}
    folded = _has(found.graph, "norm") and not _has(graph, "norm")
    norms: list[dict[str, Any]] = [{"norm": NO_NORM["type"]}] if folded else [{}]
    if folded:
        norms.append({**norms[0], "conv": {"bias": True}})
    for defaults in norms:
        more = {"defaults": defaults, "set": chance, "head": head}
        yield {**made, **{key: value for key, value in more.items() if value}}


def _has(graph: Graph, kind: str) -> bool:
    return any(node.op.name == kind for node in graph.nodes)


def _places(value: Any, keys: Collection[str], at: str = "") -> Iterator[str]:
    """The JSON Pointers of numbers under some keys."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in keys and not isinstance(inner, Mapping):
                yield f"{at}/{key}"
            elif key != "blocks":
                yield from _places(inner, keys, f"{at}/{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _places(inner, keys, f"{at}/{number}")
