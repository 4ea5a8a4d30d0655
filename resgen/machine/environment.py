"""What does not change during a measurement: the machine and what is on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from resgen._version import __version__
from resgen.machine import gpu, jetson, packages, system
from resgen.machine.files import Tree
from resgen.machine.processor import processor


def environment(*, paths: bool = False, root: Path = Path("/")) -> dict[str, Any]:
    """The machine as a report describes it, for JSON.

    No name of a person or of the host and no path is in it unless ``paths`` asks for
    them. What is not known is None or left out.
    """
    tree = Tree(root)
    found = {
        "resgen": __version__,
        "system": system.system(tree),
        "processor": processor(tree),
        "memory": system.memory(tree),
        "gpus": gpu.gpus(),
        "python": system.python(),
        "packages": packages.versions(),
        "settings": system.settings(tree),
    }
    if jetson.is_jetson(tree):
        found["jetson"] = jetson.describe(tree)
    if paths:
        found["places"] = system.places()
    return found
