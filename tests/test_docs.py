"""The documentation is true, is whole, and opens from a disk without a network."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urldefrag

import click
import numpy as np
import pytest
from click.testing import CliRunner
from draws import draw
from test_readme import commands_in, misused

import resgen
from resgen.cli import main
from resgen.expansion.network import examine
from resgen.graph.check import EXPLANATIONS
from resgen.graph.rules import Subject
from resgen.spec import zoo

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / ".docs" / "pages").glob("*.md"))
#: What an example that is no whole spec is added to.
HOST = {"resgen": 1, "extends": "resnet20_cifar.json", "name": "shown"}


def _examples() -> Iterator[tuple[str, dict[str, object], str]]:
    """Every JSON example that is a spec or part of one, and the code it is to give."""
    for file in SOURCES:
        text = file.read_text("utf-8")
        for index, (code, block) in enumerate(
            re.findall(r"^```json *(\w*)\n(.*?)^```", text, re.S | re.M)
        ):
            shown = json.loads(block)
            if "json.schemas" not in shown:  # an editor's settings
                yield f"{file.stem}-{index}", shown, code


@pytest.mark.parametrize(
    ("shown", "code"), [pytest.param(*rest, id=name) for name, *rest in _examples()]
)
def test_every_example_does_what_is_said(
    shown: dict[str, object], code: str, tmp_path: Path
) -> None:
    spec = shown if "resgen" in shown else HOST | shown
    file = tmp_path / "shown.json"
    file.write_text(json.dumps(spec), "utf-8")
    found = examine(str(file))
    assert {problem.code for problem in found.errors} == ({code} if code else set())


@pytest.mark.parametrize(
    "line", sorted({c for f in SOURCES for c in commands_in(f.read_text("utf-8"))})
)
def test_every_command_takes_its_line(line: str) -> None:
    assert misused(line) is None


def _outline(printed: str) -> list[str]:
    """Its lines without what differs between machines and networks."""
    lines = [re.sub(r"\S*\d\S*", "#", line).strip() for line in printed.splitlines()]
    return [
        re.split(r" {2,}", line)[0] if line.startswith("pictures") else
        re.sub(r"\S*(resnet\w*|specs/)\S*", "#", line)
        for line in lines
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("file", ["README.md", ".docs/pages/index.md"])
def test_what_a_build_prints_is_what_is_shown(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / file).read_text("utf-8")
    (shown,) = re.findall(r"((?:^    .*\n)*^    spec  .*\n(?:^    .*\n)*)", text, re.M)
    done = CliRunner().invoke(main, ["build", "resnet20_cifar"])
    assert done.exit_code == 0, done.output
    wanted = [line for line in _outline(done.stdout) if line]
    assert [line for line in _outline(shown) if not line.startswith("$")] == wanted


@pytest.mark.slow
def test_the_tutorials_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / ".docs/pages/tutorial.md").read_text("utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```", text, re.S | re.M)
    file = tmp_path / "program.py"
    file.write_text(program, "utf-8")
    subprocess.run([sys.executable, file], check=True, cwd=tmp_path)
    assert (tmp_path / "out" / "model.onnx").is_file()


def _added(heading: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The file that the page on additions shows below a heading, as a module."""
    page = (ROOT / ".docs/pages/extending.md").read_text("utf-8")
    section = page.split(f"## {heading}\n")[1]
    (folder / "shown.py").write_text(section.split("```python\n")[1].split("```")[0])
    found = spec_from_file_location("shown", folder / "shown.py")
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    monkeypatch.setitem(sys.modules, "shown", module)
    found.loader.exec_module(module)
    return module


def test_the_operator_shown_computes_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("torch")
    from one_node import one_node, random_inputs, run_onnx, run_torch

    monkeypatch.setattr("resgen.ops.base.REGISTRY", {})  # it is no part of resgen
    module = _added("An operator", tmp_path, monkeypatch)
    for case in module.Square.samples():
        graph, (x,) = one_node(case.op, case.inputs), random_inputs(case.inputs)
        for y in (run_torch(graph, {}, [x]), run_onnx(graph, {}, [x])):
            np.testing.assert_allclose(y, x * x, rtol=1e-6)


def test_the_rule_shown_finds_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = _added("A rule", tmp_path, monkeypatch)
    stem = [{"op": "conv", "as": "odd", "out": 8, "kernel": 3}]
    even = {"op": "conv", "as": "even", "out": 8, "kernel": 4, "stride": 4}
    file = tmp_path / "shown.json"
    for body, names in ((stem, []), ([*stem, even], ["even"])):
        file.write_text(json.dumps({**HOST, "stem": body}), "utf-8")
        graph = resgen.expand(resgen.load(str(file)))
        found = module.even_kernels.ask(Subject(graph))
        assert [finding.node.name for finding in found] == names
    assert module.even_kernels.explanation.text.startswith("A convolution has")


# --- the site -------------------------------------------------------------------------


class Read(HTMLParser):
    """What a page refers to, and the anchors in it."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.references: list[tuple[str, str]] = []
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.anchors.add(value or "")
            elif name in ("href", "src"):
                self.references.append((tag, value or ""))


@pytest.fixture(scope="module", params=[8, pytest.param(0, marks=pytest.mark.soak)])
def networks(request: pytest.FixtureRequest) -> list[str]:
    """Those of the zoo that have pages: some of each commit's, or all of them."""
    every = sorted(zoo.names())
    return draw(every, request.param or len(every))


@pytest.fixture(scope="module")
def site(
    networks: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    for package in ("jinja2", "markdown_it", "pygments"):
        pytest.importorskip(package)
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, ROOT / ".docs/build.py", out, *networks]
    subprocess.run(command, check=True)
    yield out
    shutil.rmtree(out, ignore_errors=True)


@pytest.mark.slow
def test_every_link_leads_somewhere(site: Path) -> None:
    pages = {file: Read(file) for file in site.rglob("*.html")}
    broken = []
    for file, page in pages.items():
        for tag, reference in page.references:
            if tag != "a" and reference.startswith("data:"):
                continue
            path, anchor = urldefrag(reference)
            target = (file.parent / unquote(path)).resolve() if path else file
            if not target.is_file() or (anchor and anchor not in pages[target].anchors):
                broken.append(f"{file.relative_to(site)}: {reference}")
    assert not broken


@pytest.mark.slow
def test_all_of_the_package_is_there(site: Path, networks: list[str]) -> None:
    text = {file.stem: file.read_text("utf-8") for file in site.glob("*.html")}
    codes, reference = Read(site / "codes.html"), Read(site / "python.html")
    assert {code.lower() for code in EXPLANATIONS} <= codes.anchors
    callables = {n.lower() for n in resgen.__all__ if not n.startswith("_")}
    assert callables <= reference.anchors
    for name in main.list_commands(click.Context(main)):
        assert f'id="resgen-{name}"' in text["commands"]
    for name in networks:
        assert (site / "networks" / f"{name}.html").is_file()
        assert (site / "pictures" / f"{name}.svg").is_file()
    for file in (ROOT / "resgen" / "blocks").rglob("*.json"):
        assert f'<h3 id="{re.sub(r"[^a-z0-9_]+", "-", file.stem)}' in text["blocks"]


@pytest.mark.slow
def test_every_page_is_in_the_menu_or_linked(site: Path) -> None:
    linked = set()
    for file in site.rglob("*.html"):
        for _, reference in Read(file).references:
            linked.add((file.parent / urldefrag(reference)[0]).resolve())
    assert {file.resolve() for file in site.rglob("*.html")} <= linked
