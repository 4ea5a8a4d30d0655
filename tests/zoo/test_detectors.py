"""Detectors beside torchvision's: their maps, and the boxes that are made of them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from published import GOLDEN
from suppression import suppressed
from torch import nn
from twin import EXACT, ROUNDED, assert_same, twin

import resgen
from resgen.artifact.boxes import described
from resgen.pictures.boxes import detections

#: Outputs of ours and of torchvision's head, and how many numbers each place has.
OUTPUTS = {
    "retinanet_resnet50_fpn": {
        "logits": ("cls_logits", 91),
        "boxes": ("bbox_regression", 4),
    },
    "retinanet_resnet50_fpn_v2": {
        "logits": ("cls_logits", 91),
        "boxes": ("bbox_regression", 4),
    },
    "fcos_resnet50_fpn": {
        "logits": ("cls_logits", 91),
        "boxes": ("bbox_regression", 4),
        "centers": ("bbox_ctrness", 1),
    },
}

pytestmark = [pytest.mark.peers, pytest.mark.slow]


class Maps(nn.Module):
    """What a detector of torchvision computes of an image that is prepared."""

    def __init__(self, peer: Any) -> None:
        super().__init__()
        self.backbone, self.head = peer.backbone, peer.head

    def forward(self, x: torch.Tensor) -> Any:
        return self.head(list(self.backbone(x).values()))


def create(name: str, peers: ModuleType) -> Maps:
    torch.manual_seed(0)
    make = getattr(peers.torchvision.models.detection, name)
    return Maps(make(weights=None, weights_backbone=None))


def ours(found: dict[str, torch.Tensor], name: str, size: int) -> torch.Tensor:
    """The maps of all levels as torchvision lays them out: one row an anchor."""
    rows = []
    for level in range(5):
        x = found[f"{name}.{level}"]
        n, channels, height, width = x.shape
        x = x.view(n, channels // size, size, height, width).permute(0, 3, 4, 1, 2)
        rows.append(x.reshape(n, -1, size))
    return torch.cat(rows, dim=1)


@pytest.mark.drawn(1)
@pytest.mark.parametrize("name", sorted(OUTPUTS))
def test_all_maps_are_the_peers(name: str, peers: ModuleType) -> None:
    pair = twin(name, create(name, peers), (128, 128))
    x = pair.picture(1)
    with torch.no_grad():
        wanted, found = pair.peer.eval()(x), pair.ours.eval()(x)
        for output, (known, size) in OUTPUTS[name].items():
            assert_same(ours(found, output, size), wanted[known], ROUNDED)
        wanted = pair.peer.double()(x.double())
        found = pair.ours.double()(x.double())
        for output, (known, size) in OUTPUTS[name].items():
            assert_same(ours(found, output, size), wanted[known], EXACT)
    counted = resgen.analyse(pair.graph).params
    assert (
        counted
        == GOLDEN[name]["params"]
        == sum(p.numel() for p in pair.peer.parameters())
    )


# --- decoded: beside torchvision's own anchors and post-processing --------------------


def nms(boxes: torch.Tensor, scores: torch.Tensor, most: float) -> torch.Tensor:
    """torchvision's, whose kernel a CPU build of torch lacks."""
    ranks = scores.argsort().argsort()  # equal in float32 they would not be
    kept = suppressed(boxes.numpy(), ranks.numpy()[:, None], most)
    return torch.tensor([row for _, row in kept])


@pytest.mark.drawn(1)
@pytest.mark.parametrize("name", sorted(OUTPUTS))
def test_decoded_it_finds_the_boxes_that_the_peer_finds(
    name: str, peers: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (96, 224)
    maps = create(name, peers)
    make = getattr(peers.torchvision.models.detection, name)
    peer = make(weights=None, weights_backbone=None).eval()
    pair = twin(name, maps, size, ["/head/with/decode=true"])
    # Some scores are to be good ones.
    head = maps.head.classification_head
    torch.nn.init.normal_(head.cls_logits.weight, std=0.05)
    state = {k: v.numpy().copy() for k, v in maps.state_dict().items()}
    peer.load_state_dict(maps.state_dict())
    # In float64 no two scores are equal.
    ours, peer = resgen.to_torch(pair.graph, state).double().eval(), peer.double()
    x = pair.picture(2).double()
    with torch.no_grad():
        found = ours(x)
        features = list(peer.backbone(x).values())
        given = peer.head(features)
        images = peers.torchvision.models.detection.image_list.ImageList(
            x, [size] * len(x)
        )
        anchors = peer.anchor_generator(images, features)
        rows = [
            f.shape[2] * f.shape[3] * n
            for f, n in zip(
                features, peer.anchor_generator.num_anchors_per_location(), strict=True
            )
        ]
        split = {k: list(v.split(rows, dim=1)) for k, v in given.items()}
        boxes = peers.torchvision.ops.boxes
        monkeypatch.setattr(boxes, "nms", nms)
        # The other way moves the classes apart, which rounds.
        way = "_batched_nms_coordinate_trick"
        monkeypatch.setattr(boxes, way, boxes._batched_nms_vanilla)
        wanted = peer.postprocess_detections(
            split, [list(a.split(rows)) for a in anchors], images.image_sizes
        )
    choice = {
        "threshold": peer.score_thresh,
        "overlap": peer.nms_thresh,
        "most": peer.detections_per_img,
        "candidates": peer.topk_candidates,
    }
    sizes = [f"/input/{axis}={n}" for axis, n in enumerate(size, start=1)]
    suppressing = resgen.load(name, [*sizes, "/head/with/suppress=true"])
    graph = resgen.expand(suppressing)
    assert described(suppressing, graph)["choice"] == choice
    with torch.no_grad():
        best = resgen.to_torch(graph, state).double().eval()(x)
    for index, one in enumerate(wanted):
        count = len(one["boxes"])
        assert count > 20
        got = detections(
            found["boxes"][index].numpy(),
            found["scores"][index].numpy(),
            rows,
            **choice,
        )
        assert not best["scores"][index, count:].any()
        left = {key: best[key][index, :count] for key in best}
        for boxes, scores, classes in (
            (got.boxes, got.scores, got.classes),
            (left["boxes"], left["scores"], left["classes"]),
        ):
            assert classes.tolist() == one["labels"].tolist()
            assert np.allclose(scores, one["scores"].numpy(), rtol=1e-9)
            assert np.allclose(boxes, one["boxes"].numpy(), rtol=1e-9, atol=1e-9)
