"""Networks of the zoo as Keras models, proven on probe parameters as they are saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from published import GOLDEN, sampled

import resgen
from resgen.errors import ResgenError
from resgen.weights.initialize import initialize
from tests.zoo.test_zoo import LARGEST, smallest

pytest.importorskip("keras")


@pytest.mark.parametrize("name", sampled(set(GOLDEN) - LARGEST, 2))
@pytest.mark.slow
def test_a_network_is_proven(name: str, tmp_path: Path) -> None:
    from resgen.proof.keras import prove_keras

    graph = resgen.expand(resgen.load(name, [smallest(name)])).inference
    weights = initialize(graph.parameters, 0)
    try:
        model = resgen.to_keras(graph, weights)
    except ResgenError as refused:
        lines = str(refused).splitlines()[1:]
        if not all("suppress_boxes" in x or "pick_boxes" in x for x in lines):
            raise
        return
    model.save(tmp_path / "model.keras")
    shape = (2, *graph.inputs[0].type.shape)
    x = np.random.default_rng(0).standard_normal(shape, np.float32)
    assert prove_keras(graph, tmp_path / "model.keras", weights, x).relative < 1e-4
