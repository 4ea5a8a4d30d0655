"""Short training: what is learned, what diverges, and what an interruption leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diagnosis.hearing import Hearing

import resgen
from resgen.diagnosis.data.dataset import Dataset
from resgen.diagnosis.training.options import Options, Trainee
from resgen.diagnosis.training.train import train
from resgen.errors import ResgenError


@pytest.mark.slow
def test_a_residual_network_learns_digits(trainee: Trainee, data: Dataset) -> None:
    seen: list[tuple[int, int, str]] = []
    made = train(
        [trainee], data, Options(160), progress=Hearing(lambda *step: seen.append(step))
    )
    ((run,),) = made.runs
    assert (run.stopped, run.left, made.interrupted) == ("finished", None, False)
    assert len(run.losses) == 160
    last = run.evaluations[-1]
    assert last.correct / last.count > 0.9
    assert last.count == len(data.held_back)
    assert [e.step for e in run.evaluations] == list(range(20, 161, 20))
    assert [m.step for m in run.moments] == list(range(8, 160, 8))
    for moment in run.moments:
        assert moment.loss == run.losses[moment.step]
        assert len(moment.parts) == len(trainee.paths)
        assert all(part.gradient for part in moment.parts)
    assert seen[-1] == (160, 160, "tiny, seed 0")


def test_losses_are_those_of_a_plain_loop(trainee: Trainee, data: Dataset) -> None:
    ((run,),) = train([trainee], data, Options(12, (3,), 32, 0.02)).runs
    model = resgen.to_torch(trainee.graph, seed=3)
    optimizer = torch.optim.SGD(
        model.parameters(), 0.02, momentum=0.9, weight_decay=5e-4
    )
    for step, loss in enumerate(run.losses):
        images, labels = map(torch.from_numpy, data.batch(step, 32))
        wanted = torch.nn.functional.cross_entropy(model(images), labels)
        assert loss == wanted.item()
        optimizer.zero_grad()
        wanted.backward()
        optimizer.step()
    model.eval()
    images = np.concatenate([batch.images for batch in data.tested(100)])
    labels = np.concatenate([batch.labels for batch in data.tested(100)])
    with torch.no_grad():
        scores = model(torch.from_numpy(images))
    wanted = torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels))
    assert run.evaluations[-1].loss == pytest.approx(wanted.item(), rel=1e-5)
    told = scores.argmax(1).numpy() == labels
    assert run.evaluations[-1].correct == told.sum()


def test_with_bfloat16_it_learns_as_in_float32(
    trainee: Trainee, brief: Dataset, tmp_path: Path
) -> None:
    """A bfloat16 has 8 bits: a loss is off by some of its 256th parts.

    What was begun so can be taken up in float32: weights and momentum are.
    """
    plain = Options(12, (3,), 32, 0.02)
    mixed = replace(plain, mixed=True)
    ((run,),) = train([trainee], brief, plain).runs
    begun = train([trainee], brief, mixed, folder=tmp_path, until=6)
    ((half,),) = begun.runs
    assert half.losses[0] != run.losses[0]
    np.testing.assert_allclose(half.losses, run.losses[:6], rtol=4 / 256)
    parameters = begun.learners[0].module.parameters()
    assert {p.dtype for p in parameters} == {torch.float32}
    ((last,),) = train([trainee], brief, plain, folder=tmp_path, resume=True).runs
    assert last.losses[:6] == half.losses
    np.testing.assert_allclose(last.losses, run.losses, rtol=8 / 256)


@pytest.mark.slow
def test_each_run_is_what_it_would_be_alone(
    trainee: Trainee, dropping: Trainee, brief: Dataset
) -> None:
    torch.manual_seed(7)
    begin = torch.random.get_rng_state()
    together = train([trainee, dropping], brief, Options(12, (0, 1), 16))
    assert torch.equal(torch.random.get_rng_state(), begin)
    for own, runs in zip((trainee, dropping), together.runs, strict=True):
        assert [run.seed for run in runs] == [0, 1]
        for run in runs:
            assert train([own], brief, Options(12, (run.seed,), 16)).runs == ((run,),)


def test_a_run_that_diverges_is_kept_and_the_others_go_on(
    tiny: dict[str, Any], trainee: Trainee, data: Dataset, tmp_path: Path
) -> None:
    wild = {**tiny, "name": "wild", "defaults": {**tiny["defaults"], "norm": "none"}}
    bare = Trainee("wild", resgen.expand(resgen.load(wild)), trainee.paths)
    made = train(
        [bare, trainee], data, Options(20, rate=1e3, batch=16), folder=tmp_path,
        keep_weights=True,
    )  # fmt: skip
    (lost,), (other,) = made.runs
    assert lost.stopped == "diverged"
    assert lost.left == len(lost.losses) < 20
    assert lost.losses[-1] is None
    assert all(loss is not None for loss in lost.losses[:-1])
    assert lost.moments[-1].step == lost.left - 1
    assert any(part.nonfinite for part in lost.moments[-1].parts)
    assert len(other.losses) == 20 or other.stopped == "diverged"
    assert all("wild" not in path.name for path in made.weights)


@pytest.mark.slow
def test_an_interruption_leaves_all_equally_far(
    trainee: Trainee, dropping: Trainee, brief: Dataset
) -> None:
    def stop(done: int, total: int, text: str) -> None:
        assert total == 4 * 40
        if done >= 60:
            raise KeyboardInterrupt

    made = train(
        [trainee, dropping], brief, Options(40, (0, 1), 16), progress=Hearing(stop)
    )
    runs = [run for own in made.runs for run in own]
    assert made.interrupted
    assert {run.stopped for run in runs} == {"interrupted"}
    assert {len(run.losses) for run in runs} == {15}
    whole = train([trainee], brief, Options(40, (0,), 16)).runs[0][0]
    assert runs[0].losses == whole.losses[:15]


@pytest.mark.slow
def test_weights_go_through_the_gate_of_build(
    tiny: dict[str, Any], trainee: Trainee, data: Dataset, tmp_path: Path
) -> None:
    made = train(
        [trainee], data, Options(30), folder=tmp_path / "out", keep_weights=True
    )
    (path,) = made.weights
    assert path == tmp_path / "out" / "weights" / "tiny-seed0.safetensors"
    built = resgen.build(resgen.load(tiny), tmp_path / "built", weights=path)
    assert built.manifest.verified
    from onnxruntime import InferenceSession

    session = InferenceSession(built.folder / "model.onnx")
    correct = sum(
        int((session.run(None, {"input": images})[0].argmax(1) == labels).sum())
        for images, labels in data.tested(64)
    )
    assert correct == made.runs[0][0].evaluations[-1].correct


def test_a_network_of_other_inputs_is_refused(
    tiny: dict[str, Any], trainee: Trainee, data: Dataset
) -> None:
    wide = resgen.expand(resgen.load({**tiny, "name": "wide", "input": [1, 16, 16]}))
    with pytest.raises(ResgenError, match="wide takes 1 x 16 x 16"):
        train([trainee, Trainee("wide", wide, ())], data, Options(2))
    with pytest.raises(ResgenError, match="too few for a batch of 4,096"):
        train([trainee], data, Options(2, batch=4096))
