"""torchvision's networks by torch's first exporter: what is read computes the same."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from onnx_files import assert_equal, exported

from resgen.importing.onnx.read import read

pytestmark = [pytest.mark.soak, pytest.mark.filterwarnings("ignore")]
NAMES = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet",
    "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf",
    "regnet_y_400mf", "resnet18", "resnet50", "resnext50_32x4d", "shufflenet_v2_x0_5",
    "squeezenet1_1", "wide_resnet50_2", "vit_b_32",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_an_exported_network_is_read(
    name: str, tmp_path: Path, peers: ModuleType
) -> None:
    torch.manual_seed(0)
    module = peers.torchvision.models.get_model(name, weights=None)
    size = 224 if name in ("vit_b_32", "alexnet") else 96
    path = exported(module, tmp_path / "net.onnx", 3, size, size)
    assert_equal(path, read(path))
