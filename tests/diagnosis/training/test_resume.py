"""Training that is taken up again gives the numbers of one that was never stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from diagnosis.hearing import Hearing

import resgen
from resgen.diagnosis.data.dataset import Dataset
from resgen.diagnosis.data.gather import gather
from resgen.diagnosis.training.options import Options, Trainee
from resgen.diagnosis.training.train import train
from resgen.errors import ResgenError, UsageError

OPTIONS = Options(24, (0, 1), 16)


def stop_at(turns: int) -> Hearing:
    """Somebody who interrupts at its n-th call."""
    left = [turns]

    def report(done: int, total: int, text: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    return Hearing(report)


@pytest.mark.slow
def test_it_is_bit_for_bit_the_same(
    trainee: Trainee, dropping: Trainee, brief: Dataset, tmp_path: Path
) -> None:
    networks = [trainee, dropping]
    whole = train(networks, brief, OPTIONS, folder=tmp_path / "a", keep_weights=True)
    # Interrupted in the middle of a turn, twice.
    parts = [
        train(networks, brief, OPTIONS, folder=tmp_path / "b", resume=i > 0,
              progress=stop_at(6), keep_weights=True)
        for i in range(2)
    ]  # fmt: skip
    assert [part.interrupted for part in parts] == [True, True]
    assert [part.weights for part in parts] == [(), ()]
    lengths = [sum(len(run.losses) for own in p.runs for run in own) for p in parts]
    # Six turns of five steps each; those that are behind catch up first.
    assert lengths == [30, 60]
    last = train(networks, brief, OPTIONS, folder=tmp_path / "b", resume=True,
                 keep_weights=True)  # fmt: skip
    assert last.runs == whole.runs
    for mine, theirs in zip(last.weights, whole.weights, strict=True):
        assert mine.name == theirs.name
        assert mine.read_bytes() == theirs.read_bytes()
    # A finished training has nothing left to do, and says the same again.
    again = train(networks, brief, OPTIONS, folder=tmp_path / "b", resume=True)
    assert again.runs == whole.runs


@pytest.mark.slow
def test_a_run_that_is_stopped_within_a_step_goes_back_to_its_file(
    trainee: Trainee, brief: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    whole = train([trainee], brief, replace(OPTIONS, seeds=(0,)))
    real, left = torch.optim.SGD.step, [8]

    def step(self: Any, closure: Any = None) -> Any:
        left[0] -= 1
        made = real(self, closure)
        if left[0] == 0:
            raise KeyboardInterrupt  # weights have moved, the loss is not yet noted
        return made

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    monkeypatch.setattr("resgen.diagnosis.training.train.SAVED_EVERY", 0.0)
    options = replace(OPTIONS, seeds=(0,))
    stopped = train([trainee], brief, options, folder=tmp_path)
    assert len(stopped.runs[0][0].losses) == 7
    made = train([trainee], brief, options, folder=tmp_path, resume=True)
    assert made.runs == whole.runs


@pytest.mark.slow
def test_an_error_loses_nothing(
    trainee: Trainee, brief: Dataset, tmp_path: Path
) -> None:
    def fail(done: int, total: int, text: str) -> None:
        if done >= 20:
            raise ResgenError("the disk with the pictures is gone")

    with pytest.raises(ResgenError, match="is gone"):
        train([trainee], brief, OPTIONS, folder=tmp_path, progress=Hearing(fail))
    made = train([trainee], brief, OPTIONS, folder=tmp_path, resume=True)
    assert made.runs == train([trainee], brief, OPTIONS).runs


@pytest.mark.slow
def test_other_options_are_refused(
    tiny: dict[str, Any], trainee: Trainee, brief: Dataset, tmp_path: Path
) -> None:
    train([trainee], brief, OPTIONS, folder=tmp_path, progress=stop_at(3))

    def resumed(said: str, **changes: Any) -> None:
        options = replace(OPTIONS, **changes.pop("options", {}))
        given = {"trainee": trainee, "data": brief, **changes}
        with pytest.raises(ResgenError, match=said) as caught:
            train([given["trainee"]], given["data"], options, folder=tmp_path,
                  resume=True)  # fmt: skip
        assert "instead of resuming" in (caught.value.hint or "")

    resumed("learning rate 0.05, not 0.1", options={"rate": 0.1})
    resumed("steps 24, not 25; batch size 16, not 8", options={"steps": 25, "batch": 8})
    spec = resgen.load(tiny)
    other = gather("digits", trainee.graph, replace(spec.preprocess, scale=1.0))
    resumed("of another training: other data", data=other)
    deep = resgen.expand(resgen.load(tiny, ["/stages/0/depth=2"]))
    resumed("other network", trainee=Trainee("tiny", deep, trainee.paths))
    # Nothing of the refused was written.
    made = train([trainee], brief, OPTIONS, folder=tmp_path, resume=True)
    assert made.runs == train([trainee], brief, OPTIONS).runs


def test_files_that_are_no_state(
    trainee: Trainee, brief: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(ResgenError, match="no training to resume in"):
        train([trainee], brief, OPTIONS, folder=tmp_path, resume=True)
    train([trainee], brief, OPTIONS, folder=tmp_path, progress=stop_at(1))
    path = tmp_path / "training" / "tiny-seed1.safetensors"
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "tiny-seed0.safetensors", "tiny-seed1.safetensors",
    ]  # fmt: skip
    whole = path.read_bytes()
    kept = train([trainee], brief, Options(2), folder=tmp_path / "w", keep_weights=True)
    for content in (b"", whole[:-9], whole[:40], kept.weights[0].read_bytes()):
        path.write_bytes(content)
        with pytest.raises(ResgenError, match=r"tiny-seed1.safetensors is no state"):
            train([trainee], brief, OPTIONS, folder=tmp_path, resume=True)


def test_a_folder_that_cannot_be_written(
    trainee: Trainee, brief: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "training").write_text("a file")
    with pytest.raises(ResgenError, match="cannot write"):
        train([trainee], brief, Options(2), folder=tmp_path)


def test_networks_of_one_name_are_refused(
    trainee: Trainee, brief: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match='two networks are called "tiny"'):
        train([trainee, replace(trainee)], brief, OPTIONS, folder=tmp_path)
