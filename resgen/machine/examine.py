"""All that ``resgen doctor`` tells: what is here, and what would be better."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from resgen.machine import gpu, packages
from resgen.machine.components import (
    ONNXRUNTIME,
    TORCH,
    Component,
    components,
)
from resgen.machine.environment import environment
from resgen.machine.examination import Advice, Examination
from resgen.machine.files import Tree
from resgen.machine.state import snapshot
from resgen.machine.steadiness import unsteady

#: Seconds for which the machine is watched.
WATCHED: Final = 0.5
_NVIDIA: Final = "0x10de"
_DISPLAY: Final = "0x03"


def examine(*, root: Path = Path("/")) -> Examination:
    """Look at everything, and watch the machine for half a second."""
    before = snapshot(root=root)
    started = time.monotonic()
    here = environment(root=root)
    found = components()
    time.sleep(max(WATCHED - (time.monotonic() - started), 0))
    after = snapshot(root=root)
    advice = (
        *_of_gpus(Tree(root), here, found),
        *_of_packages(),
        *_of_clocks(here, after),
    )
    return Examination(
        here,
        found,
        tuple(gpu.state(f"cuda:{index}") for index in range(len(here["gpus"]))),
        unsteady(before, after),
        advice,
    )


def _of_gpus(
    tree: Tree, here: dict[str, Any], found: Sequence[Component]
) -> Iterator[Advice]:
    if not here["gpus"]:
        if _has_card(tree):
            yield Advice(
                "an NVIDIA GPU is in this machine, but its driver does not answer",
                "install NVIDIA's driver, or give the container its GPUs (docker run "
                "--gpus all); then `nvidia-smi` lists it",
            )
        return
    details = {c.name: c.detail or "" for c in found if c.state == "ok"}
    if "CUDA" not in details.get(ONNXRUNTIME, "CUDA"):
        yield Advice(
            "this build of ONNX Runtime does not use the GPU",
            'pip uninstall onnxruntime; pip install "onnxruntime-gpu[cuda,cudnn]"',
        )
    if details.get(TORCH) == "CPU":
        yield Advice(
            "this build of PyTorch does not use the GPU",
            "pip install --force-reinstall torch",
        )
    if any(each.get("persistence") is False for each in here["gpus"]):
        yield Advice(
            "the GPU's driver is unloaded between programs, so their start is slow",
            "sudo nvidia-smi --persistence-mode=1",
        )


def _has_card(tree: Tree) -> bool:
    return any(
        tree.text(f"{folder}/vendor") == _NVIDIA
        and (tree.text(f"{folder}/class") or "").startswith(_DISPLAY)
        for folder in tree.paths("sys/bus/pci/devices/*")
    )


def _of_packages() -> Iterator[Advice]:
    for module, name in (("onnxruntime", "ONNX Runtime"), ("cv2", "OpenCV")):
        builds = packages.distributions_of(module)
        if len(builds) > 1:
            yield Advice(
                f"{len(builds)} builds of {name} overwrite each other's files: "
                f"{', '.join(builds)}",
                f"pip uninstall {' '.join(builds)}; then install the one that you want",
            )


def _of_clocks(here: dict[str, Any], state: dict[str, Any]) -> Iterator[Advice]:
    governor = here["processor"]["clocks"].get("governor")
    if governor not in (None, "performance"):
        yield Advice(
            f'the governor "{governor}" lets clocks follow the load',
            "sudo cpupower frequency-set --governor performance",
        )
    if here.get("jetson", {}).get("pinned") is False:
        yield Advice("the clocks of this Jetson are not pinned", "sudo jetson_clocks")
    if state.get("on_battery"):
        yield Advice("the machine runs on its battery", "plug it in")
