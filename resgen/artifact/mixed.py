"""A spec that says which of its parts stay in higher precision."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from resgen.expansion.network import load
from resgen.graph.ir import Graph
from resgen.spec.canonical import canonical_bytes
from resgen.spec.model import Spec


def with_kept(
    spec: Spec, graph: Graph, keep: Sequence[str], precision: str
) -> tuple[Spec, dict[str, Any]]:
    """The spec with ``precision`` for these blocks and sections, and what changed.

    ``keep`` are paths as :func:`resgen.calibrate.bisect.parts` gives them. The changes
    are values by JSON Pointer, as ``set`` of a spec takes them.
    """
    document = json.loads(canonical_bytes(spec))
    blocks: dict[int, set[int]] = {}
    whole: set[int] = set()
    for path in keep:
        for index, section in enumerate(graph.sections):
            if section.name == path:
                whole.add(index)
        for node in graph.nodes:
            block = node.origin.block
            if block is not None and node.name.startswith(f"{path}."):
                blocks.setdefault(node.origin.section, set()).add(block)
    changes: dict[str, Any] = {}
    for index, section in enumerate(graph.sections):
        if section.kind == "stage" and (index in whole or index in blocks):
            stage = document["stages"][int(section.pointer.rpartition("/")[2])]
            stage["precision"] = _stage(
                stage.get("precision"),
                set(range(section.blocks)) if index in whole else blocks[index],
                section.blocks,
                precision,
            )
            changes[f"{section.pointer}/precision"] = stage["precision"]
        elif section.kind != "stage" and index in whole:
            body = document[section.kind]
            elements = body if isinstance(body, list) else [body]
            document[section.kind] = {"seq": elements, "precision": precision}
            changes[section.pointer] = document[section.kind]
    return load(document), changes


def _stage(said: Any, kept: set[int], count: int, precision: str) -> Any:
    """What a stage says of its blocks' precision: one for all, or a list."""
    before = said if isinstance(said, list) else [said] * count
    after = [precision if block in kept else before[block] for block in range(count)]
    return precision if set(after) == {precision} else after
