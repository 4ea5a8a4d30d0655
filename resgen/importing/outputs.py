"""What a spec calls the outputs of a network from elsewhere."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from resgen.graph.ir import INPUT, OUTPUT


def output_names(theirs: Iterable[str]) -> list[str]:
    """Names that a spec can give outputs, each its own, in the order of theirs.

    Items of a list keep their numbers where all of them are there.

    >>> output_names(["28", "head/boxes:0", "maps.0", "maps.1", "p.3"])
    ['output_28', 'head_boxes_0', 'maps.0', 'maps.1', 'p_3']
    """
    theirs = list(theirs)
    items: dict[str, set[str]] = defaultdict(set)
    for name in theirs:
        whole, _, item = name.rpartition(".")
        items[whole].add(item)
    found: dict[str, None] = {}
    for name in theirs:
        whole, _, item = name.rpartition(".")
        if whole and items[whole] == set(map(str, range(len(items[whole])))):
            said = f"{_spoken(whole)}.{item}"
        else:
            said = _spoken(name)
        while said in found:
            said += "_"
        found[said] = None
    return list(found)


def _spoken(name: str) -> str:
    """Letters, digits and _, no digit first, and not what the input is called."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
    if not plain or plain[0].isdecimal() or plain == INPUT:
        return f"{OUTPUT}_{plain}".rstrip("_")
    return plain
