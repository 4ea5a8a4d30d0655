"""A spec that says which of its parts stay in higher precision."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from resgen.expansion.network import load
from resgen.graph.ir import Graph
from resgen.graph.parts import sections
from resgen.spec.canonical import canonical_bytes
from resgen.spec.model import Spec


def with_kept(
    spec: Spec, graph: Graph, keep: Sequence[str], precision: str
) -> tuple[Spec, dict[str, Any]]:
    """The spec with ``precision`` for these blocks and sections, and what changed.

    ``keep`` are paths of :class:`~resgen.graph.parts.Part`. The changes
    are values by JSON Pointer, as ``set`` of a spec takes them.
    """
    document = json.loads(canonical_bytes(spec))
    changes: dict[str, Any] = {}
    for part in sections(graph):
        section = part.section
        kept = {b.block for b in part.blocks if {part.path, b.path}.intersection(keep)}
        if section.kind == "stage" and kept:
            stage = document["stages"][int(section.pointer.rpartition("/")[2])]
            said = stage.get("precision")
            stage["precision"] = _stage(said, kept, section.blocks, precision)
            changes[f"{section.pointer}/precision"] = stage["precision"]
        elif section.kind != "stage" and part.path in keep:
            body = document[section.kind]
            elements = body if isinstance(body, list) else [body]
            document[section.kind] = {"seq": elements, "precision": precision}
            changes[section.pointer] = document[section.kind]
    return load(document), changes


def _stage(said: Any, kept: set[int | None], count: int, precision: str) -> Any:
    """What a stage says of its blocks' precision: one for all, or a list."""
    before = said if isinstance(said, list) else [said] * count
    after = [precision if block in kept else before[block] for block in range(count)]
    return precision if set(after) == {precision} else after
