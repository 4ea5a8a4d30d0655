"""Live modules of two libraries, and the zoo's own, read as graphs."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from shaken import shake
from torch import Tensor, nn

import resgen
from resgen.errors import ResgenError
from resgen.graph.identity import identity
from resgen.importing.flat import Flat
from resgen.importing.rules import simplified
from resgen.importing.torch.read import read
from resgen.lower.torch import to_torch
from resgen.proof.compare import Departure
from resgen.proof.same_module import prove_module
from resgen.recovery.imported import imported
from resgen.weights.initialize import initialize

pytestmark = [pytest.mark.soak, pytest.mark.peers]

SEED, DRAWN = 8, 200
#: Networks of timm that are drawn have at most so many parameters.
MOST = 90_000_000
CLASSIFIERS = (
    "alexnet", "densenet121", "efficientnet_b0", "googlenet", "mnasnet0_5",
    "mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf", "resnet18",
    "resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_0", "vgg11_bn",
    "inception_v3", "convnext_tiny", "swin_t", "swin_v2_t", "vit_b_32", "maxvit_t",
)  # fmt: skip
SEGMENTERS = (
    "fcn_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large",
)  # fmt: skip
DETECTORS = (
    "retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2", "fcos_resnet50_fpn",
    "ssdlite320_mobilenet_v3_large",
)  # fmt: skip


class Maps(nn.Module):
    """A detector without what it does before its backbone and after its head."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps: dict[str, Tensor] = self.head(list(self.backbone(x).values()))
        return maps


def outcome(name: str, module: nn.Module, shape: tuple[int, ...]) -> str:
    """``equal``, ``refused`` or ``wrong``; the row of the table is printed."""
    began = time.process_time()
    shake(module.eval())
    told, why = "equal", ""
    try:
        proof = prove_module(imported(read(module, shape)), module)
    except Departure as error:
        told, why = "wrong", str(error)
    except ResgenError as error:
        told, why = "refused", str(error)
    else:
        strict = "strictly" if proof.strict else "under other names"
        why = f"{proof.own:.1e}, {proof.gradients} gradients, {strict}"
    seconds = time.process_time() - began
    print(f"{name:44} {told:8} {seconds:5.1f} s  {why}", flush=True)
    return told


def torchvisions(peers: ModuleType) -> Iterator[tuple[str, nn.Module, int]]:
    models = peers.torchvision.models
    for name in CLASSIFIERS:
        small = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        yield name, getattr(models, name)(**small), 299 if "inception" in name else 224
    bare = {"weights": None, "weights_backbone": None}
    for name in SEGMENTERS:
        yield name, getattr(models.segmentation, name)(**bare), 224
    for name in DETECTORS:
        made = getattr(models.detection, name)(**bare)
        yield name, Maps(made.backbone, made.head), 320


def timms(peers: ModuleType) -> Iterator[tuple[str, nn.Module, tuple[int, ...]]]:
    names = sorted(peers.timm.list_models())
    random.Random(SEED).shuffle(names)
    left = DRAWN
    for name in names:
        if not left:
            return
        with torch.device("meta"):
            try:
                size = sum(
                    p.numel() for p in peers.timm.create_model(name).parameters()
                )
            except (NotImplementedError, RuntimeError):  # made of real numbers alone
                size = 0
        if size > MOST:
            continue
        left -= 1
        module = peers.timm.create_model(name)
        yield name, module, module.pretrained_cfg["input_size"]


def test_torchvisions_networks_are_equal(peers: ModuleType) -> None:
    found = Counter(
        outcome(name, module, (3, size, size))
        for name, module, size in torchvisions(peers)
    )
    assert set(found) == {"equal"}


def test_drawn_networks_of_timm_are_equal_or_refused(peers: ModuleType) -> None:
    found = Counter(outcome(*each) for each in timms(peers))
    assert not found["wrong"]
    assert found["equal"] >= 0.98 * found.total()


def test_the_zoo_comes_back(specs: Path) -> None:
    """Each network of it, as torch has it, is in its plain form the one that it was."""
    names = sorted(path.stem for path in specs.rglob("*.json"))
    differ = []
    for name in random.Random(SEED).sample(names, 60):
        graph = resgen.expand(resgen.load(name)).inference
        weights = dict(initialize(graph.parameters, 0))
        plain = simplified(Flat(graph, weights, {key: (key,) for key in weights}))
        flat = read(to_torch(graph, weights), graph.inputs[0].type.shape)
        if identity(plain.graph) != identity(flat.graph):
            differ.append(name)
    print(differ)
    assert len(differ) <= 5
