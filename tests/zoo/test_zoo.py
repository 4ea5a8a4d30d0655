"""Every network of the zoo: published size, no complaints, and one function in both
PyTorch and ONNX Runtime."""

from __future__ import annotations

import pytest
from published import GOLDEN, sampled

import resgen
from resgen.spec import zoo

#: Sizes to try, the smallest first.
SIZES = (8, 16, 32, 48, 64, 96, 224)

#: What a lint rightly says of published networks, by how their names begin.
KNOWN = {
    "densenet100_k12": "RG210",
    "densenet40_k12": "RG210",
    "dpn": "RG210 RG213",
    "ghostnet": "RG210",
    "hrnet_w18": "RG210",
    "hrnet_w18_small": None,
    "hrnet_w18_small_v2": "RG210",
    "keras_resnet": "RG213",
    "keras_resnet50v2": None,
    "keras_resnet101v2": None,
    "keras_resnet152v2": None,
    "legacy_senet154": "RG212",
    "legacy_seresnet": "RG213",
    "legacy_seresnext": None,
    "mixer": "RG210",
    "mobileone": "RG213",
    "mobilenetv4_conv_small": "RG211",
    "pyramidnet": "RG210",
    "r2plus1d": "RG210",
    "repvgg": "RG213",
    "res2net": "RG210",
    "res2net50_48w": None,
    "rexnet": "RG210",
    "selecsls60": "RG210",
    "senet154": "RG212",
    "tresnet_l": "RG210",
    "tresnet_xl": "RG210",
    "shufflenet_v2_x1_0": "RG210",
    "shufflenet_v2_x2_0": "RG210",
}


def known_warnings(name: str) -> set[str]:
    """Of the longest beginning that a name has."""
    begins = [start for start in KNOWN if name.startswith(start)]
    code = KNOWN[max(begins, key=len)] if begins else None
    return set((code or "").split())


#: The largest of families that smaller ones stand for in all but a soak.
LARGEST = {
    "plain1202_cifar", "preact_resnet1001_cifar", "resnet1202_cifar",
    "resnetv2_152", "resnetv2_200", "resnet152",
    "resnext101_32x8d", "resnext101_64x4d", "wide_resnet101_2",
    "retinanet_resnet50_fpn_v2", "keras_efficientnet_b5",
}  # fmt: skip

#: Networks so deep that fresh weights leave float32's range, so nothing can be
#: calibrated on them.
OVERFLOWING = {"preact_resnet1001_cifar", "resnet1202_cifar"}


def smallest(name: str) -> str:
    """The change to a spec that makes its input the smallest that does not collapse.

    A map of one position would leave batch norm nothing to calibrate on.
    """
    shape = resgen.load(name).input
    kept = shape[: 2 if len(shape) > 3 else 1]  # channels, and of a film its length
    for size in SIZES:
        change = f"/input={[*kept, *[size] * len(shape[len(kept) :])]}"
        found = resgen.examine(name, [change])
        if found.graph and _smallest_map(found.graph) >= 2:
            return change
    raise AssertionError(f"{name} collapses at every size")


def _smallest_map(graph: resgen.Graph) -> int:
    sections = resgen.analyse(graph).sections
    # A row of positions, as a transformer has, is no map that could collapse.
    return min((min(s.output[1:]) for s in sections if len(s.output) > 2), default=2)


def test_golden_file_lists_the_zoo():
    assert set(GOLDEN) == set(zoo.names())


@pytest.mark.parametrize("name", sampled(GOLDEN, 25))
@pytest.mark.slow
def test_published_size(name):
    found = resgen.examine(name)
    assert {p.code for p in found.problems} == known_warnings(name)
    counted = resgen.analyse(found.graph)
    assert counted.params == GOLDEN[name]["params"], GOLDEN[name]["source"]
    if GOLDEN[name]["macs"] is not None:
        assert counted.macs == GOLDEN[name]["macs"], GOLDEN[name]["source"]


@pytest.mark.parametrize(
    "name",
    [
        *sampled(set(GOLDEN) - LARGEST, 5),
        *(pytest.param(name, marks=pytest.mark.soak) for name in sorted(LARGEST)),
    ],
)
@pytest.mark.slow
def test_builds_and_agrees(name, tmp_path):
    spec = resgen.load(name, [smallest(name)])
    built = resgen.build(spec, tmp_path / name)
    assert built.manifest.verified["verdict"] == "equal"


@pytest.mark.soak
@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_builds_and_agrees_at_full_size(name, tmp_path):
    built = resgen.build(resgen.load(name), tmp_path / name)
    assert built.manifest.verified["verdict"] == "equal"


@pytest.mark.soak
@pytest.mark.parametrize(
    ("precision", "consumer"),
    [
        ("fp16", "onnxruntime"),
        ("bf16", "tensorrt"),
        ("int8", "onnxruntime"),
        ("int8", "tensorrt"),
        ("fp8", "tensorrt"),
    ],
)
@pytest.mark.parametrize("name", sorted(set(GOLDEN) - OVERFLOWING))
def test_exports_at_every_precision(name, precision, consumer, tmp_path):
    spec = resgen.load(name, [smallest(name)])
    done = resgen.export(spec, tmp_path / name, precision=precision, for_=consumer)
    assert done.manifest.verified["verdict"] == "equal"
