"""A spec as text that a person reads: what fits on a line stands on one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

#: Columns of a line; stages of the zoo are written so.
WIDTH: Final = 100


def text(document: Mapping[str, Any]) -> str:
    """JSON of a spec: a key to a line, and what is too long for its line in parts."""
    members = ",\n".join(
        f"  {json.dumps(key)}: {_laid(value, 2, len(json.dumps(key)) + 4)}"
        for key, value in document.items()
    )
    return f"{{\n{members}\n}}\n"


def _laid(value: Any, indent: int, before: int) -> str:
    """A value that begins at column ``before``, on one line if it ends within it."""
    line = json.dumps(value, ensure_ascii=False)
    if before + len(line) < WIDTH or not isinstance(value, list | dict) or not value:
        return line
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        names = {key: json.dumps(key, ensure_ascii=False) for key in value}
        parts = [
            f"{names[key]}: {_laid(each, indent + 2, indent + len(names[key]) + 4)}"
            for key, each in value.items()
        ]
    else:
        parts = [_laid(each, indent + 2, indent + 2) for each in value]
    begin, end = ("{", "}") if isinstance(value, dict) else ("[", "]")
    return f"{begin}\n{inner}" + f",\n{inner}".join(parts) + f"\n{' ' * indent}{end}"
