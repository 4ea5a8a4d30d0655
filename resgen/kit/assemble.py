"""``build_and_time.py``: the modules of :mod:`resgen.kit.script` as one file.

A device gets one file that can be read from top to bottom, and this repository has
one idea a file. Imports are gathered at the top, imports of each other fall away, and
the text below them is copied, comments included.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).with_name("script")
#: In the order in which they are read; the last one's docstring is the script's.
_PARTS: Final = ("files", "board", "engine", "cuda", "tensors", "measure", "main")

_NUMPY: Final = "import numpy as np"
#: A device may lack numpy, and then deserves a sentence.
_GUARDED: Final = f"""\
try:
    {_NUMPY}
except ImportError:
    sys.stderr.write("build_and_time: numpy is not installed: pip install numpy\\n")
    sys.exit(3)"""


def assemble() -> str:
    """The text of the script."""
    plain: set[str] = set()
    members: dict[str, set[str]] = defaultdict(set)
    bodies = []
    head = ""
    for name in _PARTS:
        text = (_FOLDER / f"{name}.py").read_text(encoding="utf-8")
        lines = text.splitlines()
        title, *statements = ast.parse(text).body
        head = "\n".join(lines[: title.end_lineno])
        last = 0
        for statement in statements:
            if isinstance(statement, ast.Import):
                plain.add(ast.unparse(statement))
            elif isinstance(statement, ast.ImportFrom):
                names = map(ast.unparse, statement.names)
                members[str(statement.module)].update(names)
            else:
                break
            last = statement.end_lineno or 0
        body = "\n".join(lines[last:]).strip("\n")
        bodies.append(f"# --- {name} {'-' * (79 - len(name))}\n\n{body}")
    gathered = [
        f"from {module} import {', '.join(sorted(names))}"
        for module, names in members.items()
        if module.split(".")[0] not in ("resgen", "__future__")
    ]
    plain.remove(_NUMPY)
    imports = "\n".join([*sorted(plain), *sorted(gathered), "", _GUARDED])
    top = f"#!/usr/bin/env python3\n{head}\n\nfrom __future__ import annotations\n"
    return "\n\n\n".join([f"{top}\n{imports}", *bodies]) + "\n"
