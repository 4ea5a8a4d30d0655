"""Networks of the zoo as LiteRT files, proven operator by operator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from published import GOLDEN, sampled

import resgen
from resgen.errors import ResgenError
from resgen.graph.passes.inference import for_inference
from resgen.weights.initialize import initialize
from tests.zoo.test_zoo import LARGEST, smallest

pytest.importorskip("ai_edge_litert")

#: What chooses among boxes, which LiteRT has no operator for.
CHOOSING = ("fcos", "retinanet", "yolo")


@pytest.mark.parametrize("name", sampled(set(GOLDEN) - LARGEST, 2))
@pytest.mark.slow
def test_a_network_is_proven(name: str, tmp_path: Path) -> None:
    from resgen.lower.litert.write import derive
    from resgen.proof.litert import prove_litert

    graph = resgen.expand(resgen.load(name, [smallest(name)])).inference
    folded = for_inference(graph)
    try:
        plan = derive(folded)
    except ResgenError as refused:
        lines = str(refused).splitlines()[1:]
        chosen = name.startswith(CHOOSING)
        missing = all("suppress_boxes" in x or "pick_boxes" in x for x in lines)
        if not chosen or not missing:
            raise
        return
    assert plan.transposes == 0
    weights = initialize(graph.parameters, 0)
    file = tmp_path / "model.tflite"
    with file.open("wb") as out:
        out.writelines(plan.pieces(weights))
    x = np.random.default_rng(0).standard_normal(
        (2, *graph.inputs[0].type.shape), np.float32
    )
    found = prove_litert(graph, folded, plan, file, weights, x)
    assert found.operators
