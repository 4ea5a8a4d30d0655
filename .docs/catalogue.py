"""What comes with resgen, asked of its own commands: what a page says, they say."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from page import Page, code, fenced, plain, table

from resgen.cli import main

ROOT = Path(__file__).resolve().parent.parent
#: Sections of the page of definitions, in the order in which a spec names them.
KINDS = {
    "blocks": 'A stage names one: `"block": NAME`, in `defaults` or in the stage.',
    "shortcuts": 'How the input of a block reaches its output: `"shortcut": NAME`.',
    "stems": 'What stands before the stages: `"stem": NAME`.',
    "heads": 'What stands after them. `"head": {"classes": N}` is the first of these.',
    "parts": 'Used within blocks, as in `"attention": "se"` and `"antialias": "blur"`.',
}


def ask(*words: str) -> Any:
    """What `resgen WORDS --json` prints."""
    found = CliRunner().invoke(main, [*words, "--json"], catch_exceptions=False)
    if found.exit_code:
        raise SystemExit(f"resgen {' '.join(words)}: {found.output}")
    return json.loads(found.stdout)


def vocabulary() -> Iterator[Page]:
    """The operators, and the definitions that are written in them."""
    text = [
        "# Blocks, shortcuts, stems and heads",
        "Each is a JSON file of the package, written in the language that your own are "
        "written in. What it takes can stand in a stage or, for all stages, in "
        "`defaults`; `resgen list NAME` shows the same.",
    ]
    for kind, about in KINDS.items():
        text += [f"## {kind.capitalize()}", about]
        for entry in ask("list", kind):
            text += [_entry(entry), _source(kind, entry["name"])]
    yield Page.of("blocks", *text)
    text = [
        "# Operators",
        "What blocks are made of. An element of a body names one and what it takes: "
        '`{"op": "conv", "out": 64, "kernel": 3}`, or `"act"` alone where nothing '
        "needs saying. `defaults` may give any operator other values: "
        '`"defaults": {"act": "silu"}`. Any attribute of space takes one number or '
        "one an axis.",
        "## All of them",
    ]
    found = ask("list", "operators")
    text.append(", ".join(f"[{e['name']}](#{_address(e['name'])})" for e in found))
    yield Page.of("operators", *text, *map(_entry, found))


def _address(name: str) -> str:
    return name.replace(" ", "-")


def _entry(entry: dict[str, Any]) -> str:
    text = [f"### {entry['name']}", plain(entry["doc"])]
    rows = [
        (
            code(param["name"]),
            plain(param["type"]),
            "required" if param["required"] else code(json.dumps(param["default"])),
            plain(param["doc"]),
        )
        for param in entry["parameters"]
    ]
    if rows:
        text.append(table(("takes", "type", "default", ""), rows))
    else:
        text.append("It takes nothing.")
    return "\n\n".join(text)


def _source(kind: str, name: str) -> str:
    file = ROOT / "resgen" / "blocks" / kind / f"{name}.json"
    text = fenced(file.read_text("utf-8"), "json")
    return f"<details><summary>{name}.json</summary>\n\n{text}\n\n</details>"


def networks(pictures: Path, names: Container[str] = ()) -> Iterator[Page]:
    """One page a network of the zoo with its drawing, and one of them all.

    Where ``names`` are given, it is they that are all.
    """
    published = {
        name: entry
        for file in (ROOT / "tests/golden/zoo").glob("*.json")
        for name, entry in json.loads(file.read_text("utf-8")).items()
    }
    text = [
        "# The networks that come along",
        "Every command takes one by its name, and a spec takes one as its parent: "
        '`"extends": "resnet50.json"`. Parameters and multiply-adds of each are held '
        "against what its authors or its usual implementation publish.",
    ]
    pages = []
    for family, members in groupby(ask("list"), lambda network: network["family"]):
        rows = []
        for network in members:
            name = network["name"]
            if name not in published:  # somebody's own, put beside them
                continue
            if names and name not in names:
                continue
            size = ask("inspect", name, "--diagram", str(pictures / f"{name}.svg"))
            parameters, macs = _millions(size["params"]), _giga(size["macs"])
            link = f"[{name}](networks/{name}.html)"
            rows.append((link, parameters, macs, plain(network["doc"])))
            pages.append(_network(network, size, published[name]["source"]))
        text += [
            f"## {family or 'The one to begin with'}",
            table(("network", "parameters", "MACs", ""), rows),
        ]
    yield Page.of("networks", *text)
    yield from pages


def _network(network: dict[str, Any], size: dict[str, Any], source: str) -> Page:
    name = network["name"]
    rows = [
        (
            code(stage["name"]),
            " × ".join(map(str, stage["output"])),
            f"{stage['params']:,}",
            f"{stage['macs']:,}",
            " × ".join(map(str, dict.fromkeys(stage["receptive_field"]))) or "-",
        )
        for stage in size["stages"]
    ]
    where = Path(network["file"]).relative_to(ROOT).as_posix()
    return Page.of(
        f"networks/{name}",
        f"# {name}",
        plain(network["doc"]),
        f"![The drawing of {name}](../pictures/{name}.svg)",
        f"{size['params']:,} parameters, {size['macs']:,} multiply-adds of an input of "
        f"{' × '.join(map(str, size['input']))}, {size['nodes']} operators. "
        f"Published count: {plain(source)}.",
        "## The spec",
        f"All of {code(where)}:",
        fenced(Path(network["file"]).read_text("utf-8"), "json"),
        "## By stage",
        table(("stage", "output", "parameters", "MACs", "receptive field"), rows),
        "## Use it",
        fenced(f"resgen build {name}\nresgen inspect {name}", "bash"),
    )


def _millions(number: int) -> str:
    return f"{number / 1e6:.2f}\N{NO-BREAK SPACE}M"


def _giga(number: int) -> str:
    if number < 1e9:
        return _millions(number)
    return f"{number / 1e9:.2f}\N{NO-BREAK SPACE}G"
