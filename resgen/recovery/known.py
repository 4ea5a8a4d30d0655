"""What the language has built in, by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from resgen.ops import VOCABULARY
from resgen.spec.library import builtin, builtin_files
from resgen.spec.params import Param


@cache
def definition(name: str) -> Mapping[str, Param]:
    """The parameters of a built-in block."""
    made = builtin(VOCABULARY).block(name)
    return {} if made is None else made.params


@cache
def named(folder: str) -> tuple[str, ...]:
    """The built-in definitions of a folder: blocks, stems, heads or parts."""
    files = builtin_files()["block"]
    return tuple(n for n, path in files.items() if path.parent.name == folder)


def unused(wanted: str, taken: Mapping[str, Any] | set[str]) -> str:
    """The name, with a letter behind it if it is another's already."""
    letters = iter("bcdefghijklmnopqrstuvwxyz")
    name = wanted
    while name in taken:
        name = f"{wanted}_{next(letters)}"
    return name
