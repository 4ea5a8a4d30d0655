"""Suppression judged by its rule: what it has to refuse, and what it must not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from one_node import one_node, run_onnx, run_torch
from suppression import suppressed

import resgen
from resgen.onnxfile.stored import read_stored
from resgen.ops.pick_boxes import PickBoxes
from resgen.ops.suppress_boxes import SuppressBoxes
from resgen.proof.choices import Choices, wrongly_left
from resgen.proof.compare import Departure
from resgen.runtime.onnxruntime import OnnxRuntimeSession

OP = SuppressBoxes(classes=4, overlap=0.4, threshold=0.1, most=30)


def boxes(rng: np.random.Generator, *shape: int) -> np.ndarray:
    low = rng.uniform(0, 60, (*shape, 2))
    return np.concatenate([low, low + rng.uniform(5, 40, (*shape, 2))], -1)


def rows(seed: int, count: int = 100) -> np.ndarray:
    """Of two inputs, in no order, some of them alike."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 40, (2, count, 1)) / 40
    kinds = rng.integers(0, 4, (2, count, 1))
    made = np.concatenate([boxes(rng, 2, count), scores, kinds], 2).astype("f4")
    made[:, 1] = made[:, 0]
    return made


def left(x: np.ndarray, op: SuppressBoxes = OP) -> np.ndarray:
    return run_torch(one_node(op, (x.shape[1:],)), {}, [x])


@pytest.mark.parametrize("most", [3, 30, 300])
@pytest.mark.parametrize("seed", range(3))
def test_both_spellings_leave_what_onnx_has_left(seed: int, most: int) -> None:
    op = SuppressBoxes(classes=4, overlap=0.4, threshold=0.1, most=most)
    x = rows(seed)
    y = left(x, op)
    for opset in (17, None):
        assert np.array_equal(
            y, run_onnx(one_node(op, ((100, 6),)), {}, [x], opset=opset)
        )
    for given, found in zip(x, y, strict=True):
        by_class = given[:, 4:5] * (given[:, 5:6] == np.arange(4))
        kept = sorted({row for _, row in suppressed(given[:, :4], by_class, 0.4, 0.1)})
        wanted = given[kept]
        wanted = wanted[np.argsort(-wanted[:, 4], kind="stable")][:most]
        assert np.array_equal(found[: len(wanted)], wanted)
        assert not found[len(wanted) :].any()


def test_picked_boxes_are_the_best_pairs_in_order() -> None:
    rng = np.random.default_rng(0)
    given, scores = boxes(rng, 2, 50), rng.integers(0, 9, (2, 50, 3))
    inputs = [given.astype("f4"), scores.astype("f4")]
    graph = one_node(PickBoxes(scores="y", most=20), ((50, 4), (50, 3)))
    found = run_torch(graph, {}, inputs)
    assert np.array_equal(found, run_onnx(graph, {}, inputs))
    for each, score, got in zip(inputs[0], inputs[1], found, strict=True):
        pairs = sorted(np.ndindex(50, 3), key=lambda pair: (-score[pair], pair))[:20]
        wanted = [[*each[box], score[box, kind], kind] for box, kind in pairs]
        assert np.array_equal(got, np.array(wanted, "f4"))


@pytest.mark.parametrize(
    "fault", ["gone", "moved", "doubled", "covering", "other", "behind"]
)
def test_what_is_not_left_by_the_rule_is_refused(fault: str) -> None:
    x, y = rows(0), left(rows(0))
    assert (y[..., 4] > 0).all()
    few = left(x, SuppressBoxes(classes=4, overlap=0.4, threshold=0.1, most=300))
    y = {
        "gone": np.delete(few, 3, 1),
        "moved": y[:, [1, 0, *range(2, 30)]],
        "doubled": y[:, [0, *range(29)]],
        "covering": left(
            x, SuppressBoxes(classes=4, overlap=0.5, threshold=0.1, most=30)
        ),
        "other": y + np.eye(1, 6, 5, dtype="f4"),
        "behind": few + np.eye(few.shape[1], 6, 1 - few.shape[1])[None].astype("f4"),
    }[fault]
    assert wrongly_left(OP, *(torch.from_numpy(v).double() for v in (x, y)))


@pytest.mark.parametrize("edge", [-1, 1])
def test_a_pair_on_the_edge_may_be_taken_either_way(edge: int) -> None:
    """Two boxes share 0.4 to the last bits; the third is covered by the second only."""
    wide = 10 * (1 + edge * 1e-8)
    x = torch.tensor([[
        [0, 0, 10, 10, 0.9, 0], [0, 0, wide, 4, 0.8, 0], [0, 1, 10, 4, 0.7, 0],
    ]]).double()  # fmt: skip
    op = SuppressBoxes(classes=1, overlap=0.4, threshold=0, most=3)

    def wrong(*left: int) -> str:
        got = torch.zeros_like(x)
        got[:, : len(left)] = x[:, list(left)]
        return wrongly_left(op, x, got)

    assert not wrong(0, 1)
    assert not wrong(0, 2)
    assert wrong(0)
    assert wrong(0, 1, 2)
    assert wrong(1, 2)


# --- a whole network ------------------------------------------------------------------

DETECTOR: dict[str, Any] = {
    "resgen": 1, "name": "detector", "input": [3, 32, 32],
    "stem": "cifar", "defaults": {"depth": 1},
    "stages": [{"block": "basic", "width": 8, "stride": 2}],
    "head": [
        {"op": "dropout", "p": 0.5}, {"name": "map"},
        {"op": "conv", "as": "where", "out": 4, "kernel": 1, "bias": True},
        {"op": "decode_boxes", "coder": "deltas", "input": [3, 32, 32], "size": 8,
         "ratios": [1]}, {"name": "boxes"},
        {"from": "map"}, {"op": "conv", "as": "what", "out": 5, "kernel": 1},
        {"use": "rows", "with": {"size": 5}}, {"op": "act", "type": "sigmoid"},
        {"name": "scores"},
        {"from": "boxes"}, {"op": "pick_boxes", "scores": "scores", "most": 60},
        {"op": "dropout", "p": 0.5}, {"name": "picked"},
        {"use": "detections",
         "with": {"classes": 5, "threshold": 0.5, "overlap": 0.4, "most": 20}},
    ],
}  # fmt: skip


@pytest.mark.slow
def test_a_deployed_file_is_held_to_its_own_numbers(tmp_path: Path) -> None:
    spec = resgen.load(DETECTOR)
    graph = resgen.expand(spec)
    folder = resgen.build(spec, tmp_path / "out").folder
    assert str(resgen.verify(folder)).endswith("is proven")
    stored = read_stored(folder / "model.onnx")
    choices = Choices(graph, {n.name: n.output[0] for n in stored.model.graph.node})
    (tmp_path / "shown").mkdir()
    file = stored.copy(tmp_path / "shown", {}, choices.shown)
    x = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype("f4")
    with OnnxRuntimeSession(file) as session:
        found = {"input": x, **session.run({"input": x})}
    choices.prove(found, {})
    assert (found["scores"] > 0).all()
    ends = {node.op.name: node.name for node in graph.nodes if node.op.chooses}
    for name in (*ends.values(), *(name for name, _ in graph.outputs)):
        with pytest.raises(Departure, match=name):
            choices.prove({**found, name: found[name][:, ::-1]}, {})
    # Another score of what is chosen from is another choice.
    scores = next(n.inputs[1] for n in graph.nodes if n.op.name == "pick_boxes")
    with pytest.raises(Departure, match="pick_boxes"):
        choices.prove({**found, scores: found[scores][:, ::-1]}, {})
