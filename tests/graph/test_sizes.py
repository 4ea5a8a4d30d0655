"""Which networks take inputs of other sizes, against torch run at those sizes."""

from __future__ import annotations

import pytest
import torch

import resgen
from resgen.errors import ResgenError
from resgen.graph.sizes import check_sizes, total_stride


@pytest.mark.parametrize(
    ("name", "stride"),
    [("resnet50", 32), ("resnet20_cifar", 4), ("densenet121", 32), ("vgg16", 32)],
)
def test_total_stride_is_the_published_one(name, stride):
    assert total_stride(resgen.expand(resgen.load(name))) == stride


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet20_cifar", "resnet50d", "resnest50d"])
def test_pooled_networks_take_any_size(name):
    graph = resgen.expand(resgen.load(name, ["/input=[3, 33, 47]"]))
    check_sizes(graph)
    model = resgen.to_torch(graph).eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 50, 71)).shape == (
            1,
            *graph.nodes[-1].type.shape,
        )


FLATTENED = {
    "resgen": 1, "name": "flattened", "input": [3, 8, 8], "stem": [], "stages": [],
    "head": ["flatten", {"op": "linear", "as": "fc", "out": 10}],
}  # fmt: skip


def test_a_flattened_map_fixes_the_size():
    graph = resgen.expand(resgen.load(FLATTENED))
    with pytest.raises(ResgenError, match=r"fc .*parameters depend") as caught:
        check_sizes(graph)
    assert "write it for one size" in (caught.value.hint or "")
    with pytest.raises(RuntimeError):
        resgen.to_torch(graph).eval()(torch.zeros(1, 3, 16, 16))


def test_adaptive_windows_fix_the_size_unless_there_is_one():
    written = {
        "resgen": 1, "name": "pooled", "input": [3, 9, 8],
        "stem": {"op": "adaptive_avg_pool", "size": 2},
        "stages": [], "head": {"op": "adaptive_max_pool", "size": 1},
    }  # fmt: skip
    with pytest.raises(ResgenError, match="windows follow from the size"):
        check_sizes(resgen.expand(resgen.load(written)))
    check_sizes(resgen.expand(resgen.load({**written, "stem": []})))
