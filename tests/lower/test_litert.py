"""LiteRT files hold what PyTorch computes, operator by operator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from one_node import (
    assert_close,
    one_node,
    random_inputs,
    random_weights,
    run_torch,
)

import resgen
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


class Cut(torch.nn.Module):
    """What is cut of one parameter, and joined of two, beside what flows."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(torch.randn(1, 12, 4, 4))
        self.one = torch.nn.Parameter(torch.randn(1, 3, 4, 4))
        self.two = torch.nn.Parameter(torch.randn(1, 5, 4, 4))
        self.conv = torch.nn.Conv2d(3, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        both = torch.cat([self.one, self.two], 1)
        return (self.conv(x) + self.table[:, 2:10]) * both


def test_parameters_are_cut_and_joined_in_the_file(tmp_path: Path) -> None:
    from resgen.lower.litert.write import derive
    from resgen.runtime.litert import LiteRtSession

    module, x = Cut().eval(), np.float32(np.random.default_rng(0).random((1, 3, 4, 4)))
    spec, weights = resgen.from_torch(module, (3, 4, 4), verify=False)
    graph = resgen.expand(spec)
    file = tmp_path / "model.tflite"
    with file.open("wb") as out:
        out.writelines(derive(graph).pieces(weights))
    with torch.no_grad(), LiteRtSession(file) as session:
        wanted = module(torch.tensor(x)).numpy()
        assert_close(session.run({"input": x})["output"], wanted, 2e-6)
