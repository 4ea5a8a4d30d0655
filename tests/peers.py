"""torchvision and timm, imported so that they work beside a CPU build of torch.

torchvision registers fake kernels for two operators of its compiled extension when it
is imported. Where that extension cannot be loaded (it is built for CUDA, torch is
not), their schemas are missing and the import fails; so they are defined here first.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch


def _extension_loads() -> bool:
    """Whether torchvision's own operators are there, as torchvision tries it."""
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("torchvision is not installed; `make test` does it")
    for library in Path(spec.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            continue
        return True
    return False


if not _extension_loads():
    # Kept in a name: the schemas live as long as the library object.
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(
            f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )

import timm  # noqa: E402
import torchvision  # noqa: E402

__all__ = ["timm", "torchvision"]
