"""Preprocessing from files that lie beside weights, held against timm's own."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import resgen
from resgen.errors import ResgenError
from resgen.pictures.configuration import as_expected, read_preprocess
from resgen.pictures.find import photographs
from resgen.pictures.preprocess import prepare, read
from resgen.spec.model import Preprocess

SHAPE = (3, 160, 160)
CFG = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.25, 0.5], "crop_pct": 0.95}


@pytest.mark.peers
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("share", [0.875, 0.95, 1.0])
def test_it_is_what_timm_makes(tmp_path, peers, interpolation, share):
    from timm.data import create_transform

    cfg = {**CFG, "crop_pct": share, "interpolation": interpolation}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"architecture": "x", "pretrained_cfg": cfg}))
    how = read_preprocess(path, Preprocess(), SHAPE)
    picture = read(photographs()[0])
    expected = create_transform(
        SHAPE, mean=cfg["mean"], std=cfg["std"], crop_pct=share,
        interpolation=interpolation,
    )(picture)  # fmt: skip
    np.testing.assert_allclose(prepare(picture, how, SHAPE), expected, atol=4e-6)


@pytest.mark.parametrize(
    "said",
    [
        CFG,
        {"pretrained_cfg": CFG},
        {"image_mean": CFG["mean"], "image_std": CFG["std"], "crop_pct": 0.95},
        {
            "image_mean": CFG["mean"], "image_std": CFG["std"], "resample": 2,
            "size": {"shortest_edge": 1000}, "crop_size": {"height": 950, "width": 950},
        },
        {"image_mean": CFG["mean"], "image_std": CFG["std"], "size": 1000,
         "crop_size": 950},
        {**CFG, "crop_pct": None, "resize_size": [1000], "crop_size": [950],
         "interpolation": "InterpolationMode.BILINEAR"},
    ],
    ids=["flat", "timm", "processor", "sizes", "numbers", "torchvision"],
)  # fmt: skip
def test_every_way_of_writing_it(tmp_path, said):
    (tmp_path / "a.json").write_text(json.dumps(said), "utf-8-sig")
    found = read_preprocess(tmp_path / "a.json", Preprocess(), SHAPE)
    wanted = Preprocess(168, None, mean=(0.5,) * 3, std=(0.5, 0.25, 0.5))
    assert found == wanted


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"architecture": "x"}, "says nothing of pictures"),
        ([1], "says nothing of pictures"),
        ({**CFG, "mean": [1]}, "mean is no list of 3"),
        ({**CFG, "std": [0, 1, 1]}, "std divides"),
        ({**CFG, "crop_pct": 7}, "crop_pct is 7"),
        ({**CFG, "interpolation": "hamming"}, "hamming"),
        ({**CFG, "crop_mode": "border"}, "border"),
    ],
)
def test_what_cannot_be_followed_is_said(tmp_path, said, says):
    (tmp_path / "a.json").write_text(json.dumps(said))
    with pytest.raises(ResgenError, match=says) as error:
        read_preprocess(tmp_path / "a.json", Preprocess(), SHAPE)
    assert "a.json" in error.value.message


def test_what_lies_beside_weights_is_taken(tmp_path, caplog):
    spec = resgen.load("resnet18")
    weights = tmp_path / "model.safetensors"
    assert as_expected(spec, None, weights) is spec
    for other in ("no json", "[]", '{"hidden": 3}'):
        (tmp_path / "config.json").write_text(other)
        assert as_expected(spec, None, weights) is spec
    assert not caplog.messages
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": CFG}))
    assert as_expected(spec, None, weights).preprocess.mean == (0.5,) * 3
    assert "config.json beside the weights says" in caplog.messages[-1]
    stated = resgen.load({"extends": "resnet18", "preprocess": {"resize": 224}})
    assert as_expected(stated, None, weights) is stated
    assert "otherwise than" in caplog.messages[-1]
    assert as_expected(stated, tmp_path / "config.json", None).preprocess.resize == 235


def test_a_build_keeps_it(tmp_path):
    spec = resgen.load("resnet20_cifar", ("/preprocess=null",))
    graph = resgen.expand(spec)
    torch.save(resgen.to_torch(graph).state_dict(), tmp_path / "a.pth")
    (tmp_path / "cfg.json").write_text(json.dumps(CFG))
    resgen.build(
        spec, tmp_path / "out", weights=tmp_path / "a.pth",
        preprocess=tmp_path / "cfg.json", verify=False,
    )  # fmt: skip
    kept = resgen.load(tmp_path / "out" / "spec.json").preprocess
    assert (kept.mean, kept.resize) == ((0.5,) * 3, 33)
