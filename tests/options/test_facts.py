"""Who knows no options names none: what is wrong is said in facts.

A Python caller reads the same messages, and knows no words that begin with dashes.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "resgen"
#: Where options are declared, or are those of other programs: a kit's own script, what
#: it calls, and what trtexec wrote.
KNOWING = ("options", "api", "cli", "kit", "reports/readers", "attribution/operators")
OPTION = re.compile(r"(?<![\w-])(--[a-z]|-o\b)")
#: A whole command, of resgen or of another program, is a mend that works.
COMMAND = re.compile(
    r"\b(?:resgen (?:build|export|check|compare|diagnose|profile)|pip install"
    r"|docker run|tritonserver|xcode-select|sudo \S+)\b[^`;,]*"
)
#: The name of a change in places, the text that explains it, a manifest's command, a
#: program of NVIDIA's.
NAMED = {
    "spec/resolve.py",
    "graph/explanations.py",
    "tensorrt/request.py",
    "machine/jetson.py",
}


def texts(tree: ast.AST) -> Iterator[ast.Constant]:
    """Texts of the code; neither its documentation nor the words of options."""
    passed = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            passed.add(id(node.value))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "option":
            passed.update(map(id, ast.walk(node)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in passed:
            yield node


def test_only_options_api_and_command_line_name_options() -> None:
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        if name in NAMED or name.startswith(KNOWING):
            continue
        source = file.read_text("utf-8")
        if not OPTION.search(source):  # most need no parsing
            continue
        for text in texts(ast.parse(source)):
            said = COMMAND.sub("", text.value) if isinstance(text.value, str) else ""
            if OPTION.search(said):
                found.append(f"{name}:{text.lineno}: {text.value}")
    assert not found, "\n".join(found)
