"""Do pieces of a value judge what the whole value does, and all of it?"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from resgen.expansion.expand import expand
from resgen.ops import VOCABULARY
from resgen.proof import pieces as module
from resgen.proof.pieces import pieces
from resgen.spec.load import load
from resgen.spec.source import Problems

FIRST = {"op": "conv", "out": 6, "kernel": 3, "padding": 1}
#: Each with what PyTorch computes of whole values.
OPERATORS = {
    "act": ("relu", torch.relu),
    "softmax": ({"op": "softmax", "axis": 1}, lambda x: x.softmax(2)),
    "reduce_mean": ({"op": "reduce_mean", "axis": 2}, lambda x: x.mean(3)),
    "reduce_max": ({"op": "reduce_max", "axis": 0}, lambda x: x.amax(1)),
    "reduce_sum": (
        {"op": "reduce_sum", "axis": [2, 1], "keep": True},
        lambda x: x.sum((2, 3), keepdim=True),
    ),
    "multiply": ({"multiply": [[], ["act"]]}, torch.mul),
}


def node_of(part, name):
    part = {"op": "act", "type": part} if isinstance(part, str) else part
    problems = Problems()
    written = {
        "resgen": 1,
        "name": "one",
        "input": [3, 5, 7],
        "stem": [],
        "stages": [{"body": [FIRST, part]}],
        "head": [],
    }
    spec = load(written, VOCABULARY, problems)
    assert spec is not None, [str(p) for p in problems.items]
    return next(n for n in expand(spec).nodes if n.op.name == name)


@pytest.mark.parametrize("size", [1, 20, 100, 2**17])
@pytest.mark.parametrize("name", OPERATORS)
def test_pieces_yield_their_share_of_the_whole(name, size, monkeypatch):
    monkeypatch.setattr(module, "PIECE", size)
    part, compute = OPERATORS[name]
    node = node_of(part, name)
    given = [
        np.random.default_rng(i).normal(size=(2, 6, 5, 7))
        for i, _ in enumerate(node.inputs)
    ]
    found = compute(*map(torch.from_numpy, given)).numpy()
    seen = list(pieces(node, given, found))
    for inputs, piece in seen:
        own = compute(*map(torch.from_numpy, inputs)).numpy()
        np.testing.assert_allclose(own, piece, rtol=1e-12)
    assert sorted(np.concatenate([y.ravel() for _, y in seen])) == sorted(found.ravel())
