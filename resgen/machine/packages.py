"""Versions of installed packages, read from their metadata: nothing is imported."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Final

#: Distributions that a module may come from, by the module's name.
DISTRIBUTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "numpy": ("numpy",),
    "onnx": ("onnx",),
    "torch": ("torch",),
    "triton": ("triton",),
    "onnxruntime": (
        "onnxruntime", "onnxruntime-gpu", "onnxruntime-directml",
        "onnxruntime-openvino", "onnxruntime-qnn", "onnxruntime-rocm",
    ),
    "tensorrt": (
        "tensorrt", "tensorrt-cu13", "tensorrt-cu12", "tensorrt_cu13_bindings",
        "tensorrt_cu12_bindings",
    ),
    "tensorrt_rtx": ("tensorrt-rtx", "tensorrt_rtx_cu13", "tensorrt_rtx_cu12"),
    "openvino": ("openvino",),
    "ai_edge_litert": ("ai-edge-litert",),
    "keras": ("keras",),
    "cv2": (
        "opencv-python-headless", "opencv-python", "opencv-contrib-python-headless",
        "opencv-contrib-python",
    ),
    "tritonclient": ("tritonclient",),
    "scipy": ("scipy",),
    "PIL": ("pillow",),
    "pynvml": ("nvidia-ml-py",),
}  # fmt: skip


def distributions_of(module: str) -> dict[str, str]:
    """The versions of all distributions that bring the module, by name."""
    told = {name: _version(name) for name in DISTRIBUTIONS[module]}
    return {name: number for name, number in told.items() if number is not None}


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def is_here(module: str) -> bool:
    """Whether the module would be found, which no import is needed for."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def version_of(module: str) -> str | None:
    """The version of a module that is here; a system's own package may tell none."""
    if not is_here(module):
        return None
    return next(iter(distributions_of(module).values()), "of unknown version")


def versions() -> dict[str, str]:
    """Versions of everything here that times depend on, by the distribution's name."""
    found = {}
    for module in DISTRIBUTIONS:
        if is_here(module):
            found.update(distributions_of(module))
    return found
