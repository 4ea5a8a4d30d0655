"""LiteRT files hold what PyTorch computes, operator by operator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from one_node import (
    assert_close,
    one_node,
    random_inputs,
    random_weights,
    run_torch,
)

from resgen.errors import ResgenError
from resgen.ops import OPERATORS
from resgen.ops.base import Case

pytest.importorskip("ai_edge_litert")

CASES = [
    pytest.param(case, id=f"{name}-{number}")
    for name, op in OPERATORS.items()
    if not op.placed
    for number, case in enumerate(op.samples())
]


@pytest.mark.parametrize("case", CASES)
def test_an_operator_is_written_or_refused_by_name(case: Case, tmp_path: Path) -> None:
    from resgen.lower.litert.write import derive
    from resgen.runtime.litert import LiteRtSession

    graph = one_node(case.op, case.inputs)
    weights = random_weights(graph)
    arrays = random_inputs(case.inputs)
    try:
        plan = derive(graph)
    except ResgenError as refused:
        said = str(refused)
    else:
        said = ""
    if said:
        assert "spec.json:1:1: " in said
        assert f"for {case.op.name} in" in said
        pytest.skip(said.splitlines()[-1])
    file = tmp_path / "model.tflite"
    with file.open("wb") as out:
        out.writelines(plan.pieces(weights))
    wanted = run_torch(graph, weights, arrays)
    feeds = {i.name: a for i, a in zip(graph.inputs, arrays, strict=True)}
    for reference in (True, False):
        with LiteRtSession(file, reference=reference) as session:
            assert_close(session.run(feeds)["output"], wanted, 2e-6)
    assert np.isfinite(wanted).all()
