"""The modules of a file's nodes where it has lost them, by the names of its weights.

Tools that slim a file of torch's second exporter drop what it notes of modules, and
old exporters noted none. The weights' names are paths still: a node that has such is
its module, and another is of the module that what is around it is of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile

from resgen.importing.onnx.trace import FileNode


def scopes(nodes: Sequence[FileNode], modules: Mapping[str, str]) -> dict[str, str]:
    """The module of each node, by its name, from the ``modules`` of those with weights.

    A node without is where all that it reads is, or where what it reads last and a
    reader of it are, whatever is deepest: a sum with a shortcut is of its block, what
    follows a layer is of the module around that. A module that holds others in a row
    computes nothing itself, nor does one around such a row: a sum there is of the one
    that it ends.
    """
    holding = _holding(modules.values())
    makers = {name: node for node in nodes for name in node.outputs}
    readers: defaultdict[str, list[str]] = defaultdict(list)
    for node in nodes:
        if node.name in modules:
            for name in node.inputs:
                readers[name].append(_above(modules[node.name]))
    order = {node.name: at for at, node in enumerate(nodes)}
    found: dict[str, str] = {}
    around: dict[str, str] = {}  # the module that a node lies in
    for node in nodes:
        if node.name in modules:
            found[node.name] = modules[node.name]
            around[node.name] = _above(modules[node.name])
            continue
        before = [makers[name].name for name in node.inputs if name in makers]
        scope = ""
        if before:
            scope = _common([around[name] for name in before])
            last = around[max(before, key=lambda name: order[name])]
            after = [r for name in node.outputs for r in readers[name]]
            scope = max([scope, *(_common([last, r]) for r in after)], key=_depth)
            if scope in holding:
                scope = ".".join(last.split(".")[: _depth(scope) + 1])
        found[node.name] = around[node.name] = scope
    return found


def _holding(paths: Iterable[str]) -> set[str]:
    """Modules of others that are numbered, those around a row of larger ones, the root.

    >>> sorted(_holding(["stages.1.blocks.0.conv.weight"]))
    ['', 'stages', 'stages.1', 'stages.1.blocks']
    """
    found = {""}
    for path in paths:
        parts = path.split(".")
        for at, part in enumerate(parts):
            if part.isdecimal():
                found.add(".".join(parts[:at]))
                if at > 1 and at + 2 < len(parts):
                    found.add(".".join(parts[: at - 1]))
    return found


def _above(path: str) -> str:
    return path.rpartition(".")[0]


def _depth(path: str) -> int:
    return path.count(".") + bool(path)


def _common(paths: Sequence[str]) -> str:
    """The module that all of these are, or lie in.

    >>> _common(["layers.1.mlp", "layers.1.norm"]), _common(["layers.1", "layers.10"])
    ('layers.1', 'layers')
    """
    levels = zip(*(path.split(".") for path in paths), strict=False)
    same = takewhile(lambda level: len(set(level)) == 1, levels)
    return ".".join(level[0] for level in same)
