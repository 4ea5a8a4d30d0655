"""A kit's script: modules of :mod:`resgen.kit.script`, and the rule by which proofs
measure differences, as one file.

A device gets one file that can be read from top to bottom, and this repository has
one idea a file. Imports are gathered at the top, imports of each other fall away, and
the text below them is copied, comments included.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).parents[1]
#: In the order in which they are read; the last one's docstring is the script's.
SCRIPTS: Final[Mapping[str, tuple[str, ...]]] = {
    "build_and_time.py": (
        "kit/script/files", "kit/script/board", "kit/script/engine", "kit/script/cuda",
        "kit/script/tensors", "proof/reach", "kit/script/compare", "kit/script/measure",
        "kit/script/command", "kit/script/main",
    ),
    "check_and_time.py": (
        "kit/script/files", "proof/reach", "kit/script/compare", "kit/script/command",
        "kit/script/litert",
    ),
}  # fmt: skip

_NUMPY: Final = "import numpy as np"
#: A device may lack numpy, and then deserves a sentence.
_GUARDED: Final = f"""\
try:
    {_NUMPY}
except ImportError:
    sys.stderr.write("{{}}: numpy is not installed: pip install numpy\\n")
    sys.exit(3)"""


def assemble(script: str) -> str:
    """The text of one of the :data:`SCRIPTS`."""
    plain: set[str] = set()
    members: dict[str, set[str]] = defaultdict(set)
    bodies = []
    head = ""
    for part in SCRIPTS[script]:
        text = (_PACKAGE / f"{part}.py").read_text(encoding="utf-8")
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
        name = Path(part).name
        bodies.append(f"# --- {name} {'-' * (79 - len(name))}\n\n{body}")
    gathered = [
        f"from {module} import {', '.join(sorted(names))}"
        for module, names in members.items()
        if module.split(".")[0] not in ("resgen", "__future__")
    ]
    plain.remove(_NUMPY)
    guarded = _GUARDED.format(script.removesuffix(".py"))
    imports = "\n".join([*sorted(plain), *sorted(gathered), "", guarded])
    top = f"#!/usr/bin/env python3\n{head}\n\nfrom __future__ import annotations\n"
    return "\n\n\n".join([f"{top}\n{imports}", *bodies]) + "\n"
