"""``graph.json``: the graph as data, for programs that have no resgen.

Nodes carry the place in the spec that made them, so that anything measured by a node's
name can be charged to a block and a stage.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from resgen.graph.ir import Graph, Node
from resgen.ops.base import Op

#: Version of the document's form.
FORMAT: Final = 1


def describe(graph: Graph) -> dict[str, Any]:
    """The whole graph as JSON values."""
    return {
        "format": FORMAT,
        "name": graph.name,
        "inputs": {i.name: list(i.type.shape) for i in graph.inputs},
        "outputs": dict(graph.outputs),
        "sections": [
            {"name": s.name, "kind": s.kind, "pointer": s.pointer, "blocks": s.blocks}
            for s in graph.sections
        ],
        "scopes": [
            {
                "path": s.path,
                "parent": s.parent,
                "kind": s.kind,
                "pointer": s.pointer,
                "definition": s.definition,
            }
            for s in graph.scopes
        ],
        "parameters": [
            {"name": p.name, "shape": list(p.shape), "trainable": p.trainable}
            for p in graph.parameters
        ],
        "nodes": [_node(node) for node in graph.nodes],
    }


def _node(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "op": node.op.name,
        "attributes": _attributes(node.op),
        "inputs": list(node.inputs),
        "output": list(node.type.shape),
        "parameters": list(dict.fromkeys(node.references())),
        "scope": node.scope,
        "section": node.origin.section,
        "block": node.origin.block,
        "role": node.origin.role,
    }


def _attributes(op: Op) -> dict[str, Any]:
    """What differs from the operator's own defaults; initialisers are left out."""
    return {
        f.name: getattr(op, f.name)
        for f in fields(op)
        if f.name != "init" and getattr(op, f.name) != f.default
    }
