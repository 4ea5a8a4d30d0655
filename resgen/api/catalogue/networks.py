"""The zoo at a glance: what its files say, without expanding a network."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from resgen.spec import zoo

_INDEX: Final = Path(__file__).with_name("index.json")


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the zoo; ``family`` is its folder, "" for the top one.

    ``params`` and ``macs`` take a graph to count, and are None unless that was done.
    """

    name: str
    family: str
    doc: str
    input: tuple[int, ...]
    file: Path
    params: int | None = None
    macs: int | None = None

    def counted(self) -> Network:
        """With its costs."""
        from resgen.expansion.network import expand, load
        from resgen.graph.cost import analyse

        found = analyse(expand(load(self.name)))
        return replace(self, params=found.params, macs=found.macs)

    def to_dict(self) -> dict[str, Any]:
        """As ``resgen list --json`` has it."""
        found = {
            "name": self.name,
            "family": self.family,
            "doc": self.doc,
            "input": list(self.input),
            "file": str(self.file),
        }
        if self.params is None:
            return found
        return {**found, "params": self.params, "macs": self.macs}


def networks() -> list[Network]:
    """All networks, by family and in each by name, numbers in their order.

    What each says is in an index beside this file, since hundreds of files take longer
    to read than the interpreter to start.
    """
    index = json.loads(_INDEX.read_text("utf-8"))
    found = []
    for name, path in zoo.names().items():
        doc, sizes = index.get(name) or _says(path)
        family = "" if path.parent == zoo.root() else path.parent.name
        found.append(Network(name, family, doc, tuple(sizes), path))
    return sorted(found, key=lambda n: (n.family, _natural(n.name)))


def indexed() -> str:
    """The index as it has to be: a line a network, its remark and its input."""
    rows = (
        f"{json.dumps(name)}: {json.dumps(_says(path), ensure_ascii=False)}"
        for name, path in zoo.names().items()
    )
    return "{\n" + ",\n".join(rows) + "\n}\n"


def _says(path: Path) -> tuple[str, tuple[int, ...]]:
    said = _inherited(path)
    return said.get("doc", ""), tuple(said.get("input", ()))


@cache
def _inherited(path: Path) -> dict[str, Any]:
    """The top level of a file, with that of the files that it extends below it."""
    own: dict[str, Any] = json.loads(path.read_text("utf-8"))
    parent, scale = own.pop("extends", None), own.pop("scale", {})
    if parent is None:
        return own
    base = dict(_inherited(_parent(path, parent)))
    if "resolution" in scale:
        channels, *sizes = base["input"]
        base["input"] = [channels, *(scale["resolution"] for _ in sizes)]
    return {**base, **own}


def _parent(path: Path, name: str) -> Path:
    beside = path.parent / name
    return beside if beside.is_file() else zoo.find(name.removesuffix(".json"))


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """A key that sorts ``resnet50`` before ``resnet101``."""
    parts = re.findall(r"(\d+)|(\D)", name)
    return [(digits != "", int(digits or 0), text) for digits, text in parts]
