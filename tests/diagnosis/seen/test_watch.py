"""Training loops of people's own, watched."""

from __future__ import annotations

import copy
import io
import math
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional

import resgen
from resgen.diagnosis.documents import DIAGNOSIS
from resgen.diagnosis.parts import parts_of
from resgen.diagnosis.seen.watch import watch
from resgen.errors import ResgenError, UsageError
from resgen.records.diagnosis import Measures

SPEC = {
    "resgen": 1,
    "name": "watched",
    "input": [1, 8, 8],
    "stem": {"use": "cifar", "with": {"width": 8}},
    "defaults": {"block": "basic", "shortcut": "projection"},
    "stages": [{"width": 8, "depth": 1}, {"width": 16, "depth": 1}],
    "head": {"classes": 4},
}


class Writer:
    """As TensorBoard's, as far as it is used."""

    def __init__(self):
        self.scalars = []

    def add_scalar(self, tag, scalar_value, global_step):
        self.scalars.append((tag, scalar_value, global_step))


@pytest.fixture(scope="module")
def graph():
    return resgen.expand(resgen.load(SPEC))


@pytest.fixture
def model(graph):
    return resgen.to_torch(graph, seed=0)


def train(model, steps, *, seen=None, rate=0.05, before=lambda step: None):
    """Steps of a usual loop; the losses."""
    draw = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(model.parameters(), rate)
    losses = []
    for step in range(steps):
        before(step)
        x = torch.randn(8, 1, 8, 8, generator=draw)
        loss = functional.cross_entropy(model(x), torch.arange(8) % 4)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        if seen is not None:
            seen.note(loss)
    return losses


def run_of(seen):
    (arm,) = seen.diagnosis().arms
    return arm.runs[0]


def hooks(model):
    return [
        hook
        for module in model.modules()
        for kind in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
        for hook in getattr(module, kind).values()
    ]


def test_every_kth_step_is_recorded(model):
    with watch(model, every=5) as seen:
        losses = train(model, 12, seen=seen)
    run = run_of(seen)
    assert [m.step for m in run.moments] == [0, 5, 10]
    assert [m.loss for m in run.moments] == [losses[0], losses[5], losses[10]]
    assert list(run.losses) == losses
    assert (run.left, run.stopped) == (None, "finished")
    (arm,) = seen.diagnosis().arms
    assert arm.params == sum(p.numel() for p in model.parameters())
    blocks = [part.path for part in arm.parts if part.kind == "block"]
    assert blocks == ["layer1.0", "layer2.0"]
    for moment in run.moments:
        for part, measures in zip(arm.parts, moment.parts, strict=True):
            assert measures.gradient, part.path
            assert measures.parameter_gradient, part.path
            assert (measures.branch is not None) == (part.kind == "block")


def test_training_is_the_same_watched_or_not(model, graph):
    other = resgen.to_torch(graph, seed=0)
    with watch(model, every=2):
        mine = train(model, 5)
    assert mine == train(other, 5)
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_figures_are_those_of_the_step(model):
    """Gradients before clipping or the next step change them."""
    kept = []
    with watch(model, every=1) as seen:
        for _ in range(2):
            model.zero_grad()
            loss = functional.cross_entropy(
                model(torch.ones(4, 1, 8, 8)), torch.arange(4)
            )
            loss.backward()
            grads = [p.grad for p in model.layer1[0].parameters()]
            kept.append(float(nn.utils.get_total_norm(grads)))
            nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
    where = [part.path for part in seen.parts].index("layer1.0")
    found = [m.parts[where].parameter_gradient for m in run_of(seen).moments]
    assert found == pytest.approx(kept, rel=1e-4)


def test_accumulated_gradients_are_seen_pass_by_pass(model):
    x, y = torch.ones(4, 1, 8, 8), torch.arange(4)
    with watch(model, every=1) as seen:
        for _ in range(3):
            functional.cross_entropy(model(x), y).backward()
    first, *others = run_of(seen).moments
    for moment in others:
        for mine, theirs in zip(moment.parts, first.parts, strict=True):
            assert mine.parameter_gradient == pytest.approx(theirs.parameter_gradient)


def test_evaluation_is_no_step(model):
    with watch(model, every=2) as seen:
        for _ in range(3):
            train(model, 1)
            model.eval()
            model(torch.ones(2, 1, 8, 8))
            with torch.no_grad():
                model.train()
                model(torch.ones(2, 1, 8, 8))
            seen.evaluated(7, 10, loss=torch.tensor(0.5))
    run = run_of(seen)
    assert [m.step for m in run.moments] == [0, 2]
    assert [(e.step, e.correct, e.count, e.loss) for e in run.evaluations] == [
        (1, 7, 10, 0.5),
        (2, 7, 10, 0.5),
        (3, 7, 10, 0.5),
    ]


def test_the_document_is_that_of_diagnose(model, graph, tmp_path):
    path = tmp_path / "seen.json"
    parts = parts_of(graph)
    with watch(model, parts=parts, path=path, name="mine") as seen:
        train(model, 3, seen=seen)
    read = DIAGNOSIS.load(path)
    assert read == seen.diagnosis()
    (arm,) = read.arms
    assert (arm.name, arm.parts, arm.verdict) == ("mine", parts, "ok")
    assert all(m != Measures() for m in arm.runs[0].moments[0].parts)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_loop_that_breaks_is_kept(model, tmp_path, error):
    path = tmp_path / "seen.json"

    def stop(step):
        if step == 3:
            raise error

    with pytest.raises(error), watch(model, every=2, path=path) as seen:
        train(model, 9, seen=seen, before=stop)
    run = DIAGNOSIS.load(path).arms[0].runs[0]
    assert [m.step for m in run.moments] == [0, 2]
    assert (run.stopped, len(run.losses)) == ("interrupted", 3)
    assert hooks(model) == []


def test_where_it_left_the_finite_numbers(model):
    def spoil(step):
        if step == 4:
            with torch.no_grad():
                model.layer2[0].conv1.weight.fill_(math.nan)

    with watch(model, every=2) as seen:
        train(model, 6, seen=seen, before=spoil)
    run, notes = run_of(seen), seen.diagnosis().notes
    assert run.left == 5
    assert run.losses[3] is not None
    assert run.losses[4] is None
    assert any("step 5" in note and "layer2.0" in note for note in notes)
    assert DIAGNOSIS.to_text(seen.diagnosis())


def test_scalars_go_to_a_writer(model):
    writer = Writer()
    with watch(model, every=2, writer=writer, parts=["layer1.0", "fc"]) as seen:
        train(model, 3)
    run = run_of(seen)
    told = {(tag, step): value for tag, value, step in writer.scalars}
    assert len(told) == len(writer.scalars)
    for moment in run.moments:
        block, head = moment.parts
        assert told["gradient/layer1.0", moment.step] == block.gradient
        assert told["gradient/fc", moment.step] == head.gradient
        assert told["shortcut/layer1.0", moment.step] == block.shortcut
        rms = math.sqrt(block.mean**2 + block.variance)
        assert told["activation/layer1.0", moment.step] == pytest.approx(rms)
    assert ("shortcut/fc", 0) not in told


def test_a_watched_model_is_copied_and_saved_as_ever(model):
    """Averages of weights and checkpoints are made within the loop."""
    with watch(model, every=1) as seen:
        train(model, 1)
        twin = copy.deepcopy(model)
        torch.save(model, io.BytesIO())
        again = pickle.loads(pickle.dumps(model))
        for copied in (twin, again):
            train(copied, 2)
        with watch(twin) as other:
            train(twin, 1)
        assert len(run_of(other).moments) == 1
        assert len(run_of(seen).moments) == 1
    assert hooks(model) == []
    assert not any(p._backward_hooks for p in model.parameters())


def test_watching_may_go_on_later(model):
    seen = watch(model, every=2)
    for _ in range(2):
        with seen:
            train(model, 3)
    assert [m.step for m in run_of(seen).moments] == [0, 2, 4]


@pytest.mark.slow
def test_what_torch_compile_returns_can_be_watched(model):
    compiled = torch.compile(model, backend="eager")
    with watch(compiled, every=2) as seen:
        train(compiled, 3)
    assert [m.step for m in run_of(seen).moments] == [0, 2]
    assert all(m.parameter_gradient for m in run_of(seen).moments[1].parts)


def test_a_wrapped_model(model):
    with watch(nn.DataParallel(model)) as seen:
        train(seen.model, 1)
    assert "module.layer1.0" in [part.path for part in seen.parts]
    assert all(m.gradient for m in run_of(seen).moments[0].parts)


def test_what_cannot_be_watched(model, tmp_path):
    with pytest.raises(UsageError, match="no parts"):
        watch(nn.Linear(2, 2))
    with pytest.raises(UsageError, match='no module "layer7"'):
        watch(model, parts=["layer7"])
    with pytest.raises(UsageError, match="every: 0"):
        watch(model, every=0)
    with pytest.raises(ResgenError, match="no folder"):
        watch(model, path=tmp_path / "missing" / "seen.json")
    with pytest.raises(ResgenError, match="is a folder"):
        watch(model, path=tmp_path)
    twice = pytest.raises(UsageError, match="already watched")
    with watch(model), twice, watch(model):
        pass
    model.compile(backend="eager")
    with pytest.raises(UsageError, match="in place"):
        watch(model)
