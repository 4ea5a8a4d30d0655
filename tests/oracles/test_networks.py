"""Networks that are not of the zoo, written in the language as a user would.

Their blocks stand in the specs (``specs/`` beside this file); resgen knows nothing of
them. Under the peer's weights every key is used and the outputs are the peer's.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn
from twin import assert_twins, twin

SPECS = Path(__file__).parent / "specs"
NAMES = sorted(path.stem for path in SPECS.glob("*.json"))

TORCHVISION = {"googlenet", "shufflenet_v2_x1_0", "squeezenet1_1"}
#: Odd, so that strides, dilation and ceilings leave something over.
SIZE = (75, 67)

pytestmark = pytest.mark.peers


def create(name: str, peers: ModuleType) -> nn.Module:
    if name == "googlenet":
        models = peers.torchvision.models
        return models.googlenet(aux_logits=False, init_weights=False)
    if name == "convmixer":
        from timm.models.convmixer import ConvMixer

        return ConvMixer(dim=64, depth=4, kernel_size=9, patch_size=7)
    if name in TORCHVISION:
        return peers.torchvision.models.get_model(name)
    return peers.timm.create_model(name)


@pytest.mark.parametrize("name", NAMES)
def test_outputs(name: str, peers: ModuleType) -> None:
    torch.manual_seed(0)
    assert_twins(twin(SPECS / f"{name}.json", create(name, peers), SIZE))
