"""What is seen of torchvision's and timm's blocks, against hooks on their modules."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from resgen.diagnosis.seen.found import found_parts
from resgen.diagnosis.seen.observer import Observer

pytestmark = pytest.mark.peers


def seen_of(model, x, **options):
    parts = found_parts(model)
    with Observer(model, [p.path for p in parts], **options) as seen:
        out = model(x)
        functional.cross_entropy(out, torch.arange(len(x)) % out.shape[1]).backward()
    return {p.path: m for p, m in zip(parts, seen.measures(), strict=True)}


def rms(x):
    return float(x.detach().square().mean().sqrt())


def caught(model, *paths):
    """Root mean squares of what modules give out, taken before anything is in place."""
    kept = {}
    for path in paths:
        model.get_submodule(path).register_forward_hook(
            lambda m, args, out, path=path: kept.update({path: rms(out)})
        )
    return kept


def inputs(size, edge=32):
    return torch.randn(size, 3, edge, edge, generator=torch.Generator().manual_seed(0))


@pytest.mark.slow
def test_torchvision_adds_in_place(peers):
    torch.manual_seed(0)
    model = peers.torchvision.models.resnet18(num_classes=10)
    kept = caught(
        model, "layer1.0", "layer1.1.bn2", "layer2.0.bn2", "layer2.0.downsample"
    )
    found = seen_of(model, inputs(4, 64), thorough=True)
    assert found["layer1.1"].branch == pytest.approx(kept["layer1.1.bn2"])
    assert found["layer1.1"].shortcut == pytest.approx(kept["layer1.0"])
    assert found["layer2.0"].branch == pytest.approx(kept["layer2.0.bn2"])
    assert found["layer2.0"].shortcut == pytest.approx(kept["layer2.0.downsample"])
    blocks = [m for path, m in found.items() if path.startswith("layer")]
    for measures in blocks:
        assert 0.1 < measures.gain < 10
        assert measures.gain**2 == pytest.approx(
            measures.branch_gain**2 + measures.shortcut_gain**2, rel=0.5
        )
        assert measures.dead is not None
    assert found["fc"].branch is None


@pytest.mark.slow
def test_the_last_of_the_sums_within_a_block_counts(peers):
    """Res2Net adds between the groups of its branch as well."""
    torch.manual_seed(0)
    model = peers.timm.create_model("res2net50_14w_8s", num_classes=10)
    path = "layer1.1"
    kept = caught(model, f"{path}.bn3", "layer1.0")
    found = seen_of(model, inputs(2, 64))[path]
    assert found.branch == pytest.approx(kept[f"{path}.bn3"])
    assert found.shortcut == pytest.approx(kept["layer1.0"])


def test_a_transformer_has_its_last_sum(peers):
    torch.manual_seed(0)
    model = peers.timm.create_model(
        "vit_tiny_patch16_224", img_size=32, depth=3, num_classes=10
    )
    kept = caught(model, "blocks.1.mlp", "blocks.1.attn")
    found = seen_of(model, inputs(4), thorough=True, pairs=True)["blocks.1"]
    assert found.branch == pytest.approx(kept["blocks.1.mlp"])
    assert found.shortcut > found.branch
    assert found.gain is not None
    assert found.correlation is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "residual"),
    [("densenet121", False), ("mobilenet_v2", True), ("convnext_tiny", True)],
)
def test_others_of_torchvision(peers, name, residual):
    torch.manual_seed(0)
    model = peers.torchvision.models.get_model(name, num_classes=10)
    found = seen_of(model, inputs(2), thorough=True, pairs=True)
    sums = [m for m in found.values() if m.branch is not None]
    assert bool(sums) == residual
    for path, measures in found.items():
        assert measures.gradient, path
        assert measures.gain, path
        assert measures.parameter_gradient, path
