"""Parts of the table about looking at gradients: what it costs to see them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from parts import Asked, Found, Group, grouped, script

#: Networks of the zoo, with a batch and the edge of its images.
NETWORKS = {
    "resnet20_cifar": ("64", "32"),
    "resnet56_cifar": ("64", "32"),
    "resnet18": ("16", "64"),
}


def passing(name: str, mode: str) -> list[str]:
    return script("ours/observe.py", name, mode, *NETWORKS[name])


def observe(tmp: Path) -> Group:
    """Everything that `diagnose` measures at initialisation, over the bare pass."""
    commands, lines = {}, []
    for name in NETWORKS:
        plain, ours = f"forward and backward of {name}", f"observed pass of {name}"
        commands[plain] = passing(name, "plain")
        commands[ours] = passing(name, "thorough")
        lines.append(Asked(f"diagnosed pass, {name}", ours, plain, 4.0, "said"))
        lines.append(Asked(f"the same, memory, {name}", ours, plain, None, "peak"))
    return Group(commands, tuple(lines), rounds=5)


def watch(tmp: Path) -> Group:
    """Training with every 10th step recorded, over the bare loop."""
    commands, lines = {}, []
    for name in ("resnet20_cifar", "resnet18"):
        bare, ours = f"training {name}", f"training {name}, watched"
        commands[bare] = passing(name, "loop")
        commands[ours] = passing(name, "watch")
        lines.append(Asked(f"watched training, {name}", ours, bare, 1.05, "said"))
    return Group(commands, tuple(lines), rounds=7)


PARTS: dict[str, Callable[[Path, bool], Found]] = {
    "observe": grouped(observe),
    "watch": grouped(watch),
}
