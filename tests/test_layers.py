"""The structure of the repository: what lies where, and who may import whom."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "resgen"
FILES = sorted(PACKAGE.rglob("*.py"))

# A module imports its own layer and those before it, never one that comes after.
LAYERS = (
    "_version",
    "interrupt",
    "errors",
    "words",
    "options",
    "files",
    "document",
    "records",
    "spec",
    "ops",
    "graph",
    "expansion",
    "weights",
    "onnxfile",
    "lower",
    "machine",
    "tensorrt",
    "leases",
    "runtime",
    "pictures",
    "importing",
    "recovery",
    "shrinking",
    "proof",
    "calibrate",
    "serve",
    "kit",
    "attribution",
    "artifact",
    "forms",
    "profiling",
    "latency",
    "diagnosis",
    "searching",
    "reports",
    "api",
    "cli",
    "__main__",
    "__init__",  # the public API: it may (lazily) import everything, nobody imports it
)
LIGHT = {"_version", "errors", "words", "options", "spec", "ops", "graph", "expansion"}
# The files that are about a framework itself; all others import it where they use it.
HOMES = {
    "torch": (
        "lower/torch*.py",
        "lower/modules.py",
        "lower/scope_module.py",
        "diagnosis/seen/*.py",
        "diagnosis/training/*.py",
    ),
    "onnx": (
        "onnxfile/check.py",
        "onnxfile/ends.py",
        "onnxfile/write.py",
        "lower/onnx*.py",
    ),
    "onnxruntime": (),
}
HEAVY = HOMES.keys()
#: Lines of code that a room may have: what it had when this was written, and a little.
BUDGET = {
    "_version": 10,
    "interrupt": 30,
    "errors": 110,
    "words": 188,
    "options": 265,
    "files": 771,
    "document": 320,
    "records": 400,
    "spec": 4419,
    "ops": 4765,
    "graph": 3349,
    "expansion": 2214,
    "weights": 1508,
    "onnxfile": 930,
    "lower": 6692,
    "machine": 1512,
    "tensorrt": 1417,
    "leases": 871,
    "runtime": 1209,
    "pictures": 535,
    "importing": 6411,
    "recovery": 5103,
    "proof": 3289,
    "calibrate": 718,
    "shrinking": 926,
    "serve": 380,
    "kit": 1205,
    "artifact": 2854,
    "forms": 896,
    "attribution": 1796,
    "profiling": 1985,
    "latency": 1170,
    "diagnosis": 3035,
    "searching": 2555,
    "reports": 2929,
    "api": 6076,
    "cli": 1279,
    "__main__": 50,
    "__init__": 143,
}

TOP_LEVEL = {
    "resgen",
    "specs",
    "tests",
    "pyproject.toml",
    "Makefile",
    "README.md",
    "LICENSE",
}


@cache
def parsed(source: str) -> ast.Module:
    """The tree of a file, which several tests walk."""
    return ast.parse(source)


def at_home(name: str, framework: str) -> bool:
    """Whether the file may import the framework as soon as it is imported itself."""
    return any(fnmatch(name, pattern) for pattern in HOMES[framework])


def layer_of(parts: tuple[str, ...]) -> str:
    """The layer of ``resgen.<parts>``; the package itself is its ``__init__``."""
    return parts[0] if parts else "__init__"


def imports(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    """Every module that the code imports, wherever the statement stands.

    ``from resgen import spec`` is an import of ``resgen.spec``, and a relative import
    is given with its dots.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                is_layer = module == "resgen" and alias.name in LAYERS
                yield node, f"resgen.{alias.name}" if is_layer else module


def breaches(name: str, source: str) -> list[str]:
    """What the imports of the file ``resgen/<name>`` do against the rules."""
    tree = parsed(source)
    own = layer_of(tuple(Path(name).with_suffix("").parts))
    top = {id(node) for node in tree.body}
    found = []
    if own not in LAYERS:
        found.append(f'{name}: "{own}" is not a layer; give it a place in LAYERS')
        return found
    for node, module in imports(tree):
        where = f"{name}:{node.lineno}: {own} imports {module}"
        root, *rest = module.split(".")
        if not root:
            found.append(f"{where}: a relative import")
        elif root == "resgen":
            theirs = layer_of(tuple(rest))
            if theirs not in LAYERS:
                found.append(f"{where}: not a layer")
            elif LAYERS.index(theirs) > LAYERS.index(own):
                found.append(f"{where}: against the direction of the layers")
        elif root == "onnxruntime" and name != "machine/components.py":
            found.append(f"{where}: load_onnxruntime switches its telemetry off")
        elif own in LIGHT and root in HEAVY | {"numpy"}:
            found.append(f"{where}: this layer needs no arrays")
        elif own in LIGHT and root == "networkx" and name != "graph/views.py":
            found.append(f"{where}: networkx is for graph/views.py")
        elif root in HEAVY and id(node) in top and not at_home(name, root):
            found.append(f"{where}: slow to import, so import it where it is used")
    return found


def test_imports_keep_the_direction_of_the_layers() -> None:
    found = [
        breach
        for file in FILES
        for breach in breaches(
            file.relative_to(PACKAGE).as_posix(), file.read_text(encoding="utf-8")
        )
    ]
    assert not found, "\n".join(found)


def test_no_file_imports_itself_by_way_of_others() -> None:
    """Imports within functions and for types alone count as well."""
    modules = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(
            ".__init__"
        ): file
        for file in FILES
    }
    arrows = nx.DiGraph()
    for module, file in modules.items():
        for node in ast.walk(parsed(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                named = [f"{node.module}.{alias.name}" for alias in node.names]
                arrows.add_edges_from(
                    (module, name if name in modules else node.module) for name in named
                )
            elif isinstance(node, ast.Import):
                arrows.add_edges_from((module, alias.name) for alias in node.names)
    circles = [c for c in nx.strongly_connected_components(arrows) if len(c) > 1]
    assert circles == [], circles


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("errors.py", "import resgen.spec.model"),
        ("importing/onnx/trace.py", "def f(): from onnxruntime.capi import x"),
        ("errors.py", "from resgen import spec"),
        ("spec/zoo.py", "def f():\n    from resgen.graph.ir import Graph"),
        ("spec/zoo.py", "import resgen"),
        ("spec/zoo.py", "from . import model"),
        ("spec/zoo.py", "from ..errors import ResgenError"),
        ("ops/conv.py", "def f():\n    import torch.nn"),
        ("graph/ir.py", "import numpy as np"),
        ("graph/ir.py", "import networkx"),
        ("weights/evaluate.py", "import onnx"),
        ("lower/onnx.py", "import torch"),
        ("proof/compare.py", "from onnxruntime import InferenceSession"),
        ("cli/build.py", "import torch"),
        ("unheard_of.py", ""),
    ],
)
def test_a_breach_is_seen(name: str, source: str) -> None:
    assert len(breaches(name, source)) == 1


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("spec/zoo.py", "from resgen.errors import ResgenError"),
        ("graph/views.py", "import networkx as nx"),
        ("lower/torch.py", "import torch\nfrom resgen.graph.ir import Graph"),
        ("lower/onnx.py", "import onnx"),
        ("weights/evaluate.py", "def f():\n    import onnx"),
        ("cli/__init__.py", "from resgen import artifact, _version"),
        ("__init__.py", "def f():\n    from resgen.artifact import build"),
    ],
)
def test_what_is_allowed_is_no_breach(name: str, source: str) -> None:
    assert breaches(name, source) == []


def code_lines(file: Path) -> int:
    """Lines that hold code: no comment, no text by itself, nothing blank."""
    lines: set[int] = set()
    with file.open("rb") as source:
        begins = True  # of a statement
        for token in tokenize.tokenize(source.readline):
            if token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
                begins = True
            elif token.type in (tokenize.COMMENT, tokenize.NL, tokenize.ENCODING):
                continue
            elif not (begins and token.type == tokenize.STRING):
                lines.update(range(token.start[0], token.end[0] + 1))
                begins = False
    return len(lines)


def test_every_room_keeps_to_its_budget() -> None:
    """Who needs more looks for what can go first; splitting a file brings nothing."""
    spent = dict.fromkeys(BUDGET, 0)
    for file in FILES:
        room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        spent[room] = spent.get(room, 0) + code_lines(file)
    assert {room: n for room, n in spent.items() if n > BUDGET.get(room, 0)} == {}
    assert max(spent.values()) < 0.12 * sum(spent.values())


def test_the_top_level_is_what_the_readme_says() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    tops = {name.split("/")[0] for name in listed if name}
    assert {"resgen", "tests"} <= tops
    assert {top for top in tops if not top.startswith(".")} <= TOP_LEVEL


# Runs the command line as the entry point does, and writes down what it has imported.
RUNNER = """
import json, pathlib, sys
from resgen.cli import main
out, *sys.argv[1:] = sys.argv[1:]
code = 0
try:
    main()
except SystemExit as stop:
    code = stop.code or 0
pathlib.Path(out).write_text(json.dumps([code, sorted(sys.modules)]))
"""


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "check specs/resnet50.json",
        "inspect specs/resnet50.json",
        "inspect specs/resnet50.json --json",
        "list",
        "schema",
    ],
)
@pytest.mark.slow
def test_looking_imports_neither_torch_nor_onnx(command: str, tmp_path: Path) -> None:
    out = tmp_path / "modules.json"
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(out), *command.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    code, modules = json.loads(out.read_text())
    assert code == 0, done.stderr
    assert done.stdout.strip() or command.startswith("check")
    assert HEAVY.isdisjoint(modules)
