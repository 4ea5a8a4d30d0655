"""What a reader of a recovered spec would not accept."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any


def faults(spec: dict[str, Any]) -> Iterator[str]:
    """Twins under opposite conditions, numbered parameters, attention spelled out."""
    for name, block in spec.get("blocks", {}).items():
        numbered = [key for key in block.get("params", {}) if re.search(r"\d", key)]
        if numbered:
            yield f"{name}: numbered parameters {numbered}"
    blocks = spec.get("blocks", {}).values()
    bodies = Counter(json.dumps(block, sort_keys=True) for block in blocks)
    if any(times > 1 for times in bodies.values()):
        yield "a block that is there twice"
    for elements in _lists(spec):
        yield from _twins(elements)
        kinds = [e.get("op") for e in elements if isinstance(e, dict)]
        if "matmul" in kinds and "softmax" in json.dumps(elements):
            yield "attention as products"


def _twins(elements: list[Any]) -> Iterator[str]:
    """Elements that are the same but for the condition, which is the opposite."""
    told = [
        e for e in elements if isinstance(e, dict) and isinstance(e.get("when"), str)
    ]
    for element in told:
        for other in told:
            opposite = f"not {element['when']}", f"not ({element['when']})"
            if other["when"] in opposite and _bare(element) == _bare(other):
                yield f"twins under {element['when']} and not"


def _bare(element: dict[str, Any]) -> str:
    """The form of an element, without its condition and numbers."""
    rest = {key: value for key, value in element.items() if key not in ("when", "as")}
    return re.sub(r"\d+", "N", json.dumps(rest, sort_keys=True))


def _lists(value: Any) -> Iterator[list[Any]]:
    if isinstance(value, list):
        yield value
    inner = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        for each in inner:
            yield from _lists(each)
