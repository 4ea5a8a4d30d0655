"""Published accuracies, against what torchvision and timm carry of their weights."""

from __future__ import annotations

from math import isnan
from types import ModuleType

import pytest

from resgen.api.catalogue.published import Published, published
from resgen.spec.zoo import names

pytestmark = pytest.mark.peers


def of(source: str) -> list[Published]:
    found = [each for each in published() if each.source.startswith(source)]
    assert found
    return found


def test_torchvisions_are_all_that_its_weights_say(peers: ModuleType) -> None:
    models = peers.torchvision.models
    theirs = {
        (name, each.name): (
            each.meta["_metrics"]["ImageNet-1K"]["acc@1"],
            *each.transforms().crop_size,
        )
        for name in models.list_models(module=models)
        if name in names()
        for each in models.get_model_weights(name)
    }
    ours = {(e.network, e.weights): (e.top1, e.size) for e in of("torchvision")}
    # Of features alone there is no accuracy.
    assert ours == {key: told for key, told in theirs.items() if not isnan(told[0])}


def test_timms_are_of_weights_and_sizes_that_it_has(peers: ModuleType) -> None:
    for each in of("timm"):
        name = f"{each.network}.{each.weights}"
        known = peers.timm.models.get_pretrained_cfg(name, allow_unregistered=False)
        sizes = {known.input_size, known.test_input_size or known.input_size}
        assert (3, each.size, each.size) in sizes, name
        assert known.num_classes == 1000
