"""The text of what torch lacks, so that a file needs nothing but torch."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

from resgen.lower import modules
from resgen.lower.source.text import NAMED

_NAMED: Final = f'''def {NAMED}(modules: dict[str, nn.Module]) -> nn.Sequential:
    """Modules one after another, by names of their own."""
    chain = nn.Sequential()
    for name, module in modules.items():
        chain.add_module(name, module)
    return chain'''


@cache
def texts() -> Mapping[str, tuple[str, frozenset[str]]]:
    """Everything that can be carried by name: its text, and the names that it uses."""
    source = inspect.getsource(modules)
    found = {NAMED: (_NAMED, frozenset({"nn"}))}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            name = node.name
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
        else:
            continue
        used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        text = ast.get_source_segment(source, node) or ""
        found[name] = (text, frozenset(used))
    return found


@cache
def imports() -> Mapping[str, str]:
    """Where the names come from that those texts use."""
    found = {}
    for node in ast.parse(inspect.getsource(modules)).body:
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            for each in node.names:
                alias = f" as {each.asname}" if each.asname else ""
                line = f"from {node.module} import {each.name}{alias}"
                found[each.asname or each.name] = line
    return found


def carried(names: Iterable[str]) -> tuple[list[str], set[str]]:
    """The texts of these and of what they use, in order, and all names in them."""
    known = texts()
    wanted: set[str] = set()
    words: set[str] = set()
    waiting = [name for name in names if name in known]
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            words |= known[name][1]
            waiting.extend(known[name][1] & known.keys())
    return [text for name, (text, _) in known.items() if name in wanted], words
