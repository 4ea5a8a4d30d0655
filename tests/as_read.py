"""Networks of the zoo as a reader would find them, and what people wrote for them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import resgen
from resgen.graph.ir import Graph, Node, Origin, Scope, Section
from resgen.importing.flat import Flat

#: What of a spec says nothing of how the network is built.
BESIDE = ("doc", "$schema", "extends", "set", "scale", "preprocess", "labels")


def read(spec: str | dict[str, Any]) -> Flat:
    """A network as it was read: no scopes, nothing of training alone."""
    graph = resgen.expand(resgen.load(spec)).inference
    alias: dict[str, str] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        inputs = tuple(alias.get(value, value) for value in node.inputs)
        if node.op.training_only:
            alias[node.name] = inputs[0]
            continue
        origin = Origin(0, None, "", node.origin.place)
        nodes.append(replace(node, inputs=inputs, scope=0, origin=origin))
    stripped = Graph(
        name=graph.name,
        inputs=graph.inputs,
        outputs=tuple((key, alias.get(v, v)) for key, v in graph.outputs),
        nodes=tuple(nodes),
        parameters=graph.parameters,
        scopes=(Scope("", None, "root", ""),),
        sections=(Section("network", "head", "/head"),),
    )
    return Flat(stripped, {}, {})


def size(spec: Any) -> int:
    """Bytes of the minified JSON."""
    return len(json.dumps(spec, separators=(",", ":")))


def by_hand(name: str) -> dict[str, Any]:
    """What people wrote, with all that it extends; without remarks and pictures."""
    spec = resgen.load(name)
    written = resgen.inspect(spec).resolved
    own = spec.members.get("blocks")
    found = {key: value for key, value in written.items() if key not in BESIDE}
    blocks = found.pop("blocks", {})
    found.pop("shortcuts", None)
    if own is not None:
        kept = {key: value for key, value in blocks.items() if key in own.value}
        if kept:
            found["blocks"] = kept
    return found
