"""Trials climb a bracket: who goes on, and that an interruption changes nothing."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, astuple, replace
from pathlib import Path
from subprocess import Popen
from threading import Thread

import numpy as np
import pytest
from lessons import blobs, journal, known, small
from safetensors.numpy import load_file

from resgen.diagnosis.data.gather import gather
from resgen.diagnosis.training.options import Options, Trainee
from resgen.diagnosis.training.train import train
from resgen.errors import ResgenError
from resgen.expansion.network import expand
from resgen.files.lock import claimed
from resgen.searching import training
from resgen.searching.halving import bracket
from resgen.searching.rungs import Here, halve
from resgen.searching.training import Contender, lesson

#: One convolution each; those of pool 1 cannot learn what is asked.
SPECS = [
    small(4, 1, "blind4"),
    small(8, 1, "blind8"),
    small(2, name="sees2"),
    small(12, name="sees12"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return blobs(tmp_path_factory.mktemp("data") / "blobs.npz")


@pytest.fixture(scope="module")
def taught(data):
    return lesson(SPECS[0], str(data), epochs=3, batch=16)[0]


CONTENDERS = [Contender.of(spec) for spec in SPECS]


def climb(taught, folder):
    rungs, kept = bracket(len(CONTENDERS), taught.steps), journal(folder)
    return halve(CONTENDERS, taught, rungs, kept, folder), kept


@pytest.fixture(scope="module")
def climbed(taught, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    return *climb(taught, folder), folder


def test_those_that_learn_go_on(climbed):
    (first, last), kept, _ = climbed
    assert first.promoted == (CONTENDERS[3].name,)
    assert {one.trial for one in first.reached[2:]} == {t.name for t in CONTENDERS[:2]}
    assert len(known(kept)) == 5
    (best,) = last.reached
    assert best.unseen[0] / best.unseen[1] > 0.9


def test_a_trial_that_goes_on_is_as_if_it_had_never_paused(climbed, taught, data):
    (_, last), _, folder = climbed
    graph = expand(SPECS[3]).inference
    chooses, _ = gather(str(data), graph, SPECS[3].preprocess).halves()
    options = Options(taught.steps, (0,), 16, taught.rate, annealed=True)
    (learner,) = train([Trainee("whole", graph, ())], chooses, options).learners
    (kept,) = (folder / "weights").iterdir()
    for name, array in load_file(kept).items():
        held = learner.module.state_dict()[name].numpy()
        np.testing.assert_array_equal(array, held)
    (seen,) = learner.evaluations[-1:]
    assert (seen.correct, seen.loss) == (last.reached[0].correct, last.reached[0].loss)


def test_what_is_left_behind_leaves_no_state(climbed):
    _, _, folder = climbed
    left = {path.name for path in folder.rglob("*") if path.is_file()}
    assert left == {"journal.jsonl", f"{CONTENDERS[3].name}-seed0.safetensors"}


def test_interrupted_anywhere_it_ends_as_if_it_had_not_been(
    climbed, taught, tmp_path, monkeypatch
):
    """It is stopped in the middle of every trial of every rung, one after the other."""
    _, whole, _ = climbed
    stops = 0
    original = Here.train

    def stopped(self, trials, lesson, until, folder):
        from resgen.diagnosis.training.learner import Learner

        nonlocal stops
        step, again = Learner._step, folder / f"{trials[0].name}-{until}"

        def fails(learner):
            if learner.done == until - 1 and not again.exists():
                again.touch()
                raise KeyboardInterrupt
            step(learner)

        with monkeypatch.context() as patch:
            patch.setattr(Learner, "_step", fails)
            yield from original(self, trials, lesson, until, folder)

    monkeypatch.setattr(Here, "train", stopped)
    for _ in range(20):
        try:
            _, kept = climb(taught, tmp_path)
            break
        except KeyboardInterrupt:
            stops += 1
    assert stops == len(known(whole))
    assert known(kept) == known(whole)


def test_what_another_process_is_at_is_waited_for(climbed, taught, tmp_path):
    _, whole, _ = climbed
    kept, at = journal(tmp_path), CONTENDERS[2].name
    with claimed(tmp_path / f"{at}.lock") as mine:
        assert mine
        climbing = Thread(target=climb, args=(taught, tmp_path))
        climbing.start()
        until = time.monotonic() + 60
        while len(kept.reached.get(taught.sha256, ())) < len(CONTENDERS) - 1:
            assert time.monotonic() < until
            assert climbing.is_alive()
            time.sleep(0.02)
            kept.refresh()
        assert at not in {one.trial for one in known(kept)}
        for one in known(whole):
            if one.trial == at:
                kept.reach(taught.sha256, one)
    climbing.join(60)
    kept.refresh()
    assert known(kept) == known(whole)


#: What a process of a search does that shares a folder with others.
SHARING = """
import json, pathlib, sys
sys.path.insert(0, sys.argv[1])
from lessons import journal
from resgen.searching.halving import Rung
from resgen.searching.rungs import halve
from resgen.searching.training import Contender, Lesson
folder = pathlib.Path(sys.argv[2])
contenders, taught, rungs = json.loads(sys.argv[3])
halve([Contender(*one) for one in contenders], Lesson(**taught),
      [Rung(*one) for one in rungs], journal(folder), folder)
"""


@pytest.mark.slow
def test_processes_share_a_folder_and_one_that_is_killed_loses_nothing(
    climbed, taught, tmp_path
):
    _, whole, _ = climbed
    rungs = bracket(len(CONTENDERS), taught.steps)
    told = [
        [astuple(one) for one in CONTENDERS],
        asdict(taught),
        [astuple(rung) for rung in rungs],
    ]
    here = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", SHARING, here, str(tmp_path), json.dumps(told)]
    kept = journal(tmp_path)
    with Popen(command) as killed:
        while not kept.reached and killed.poll() is None:
            time.sleep(0.01)
            kept.refresh()
        killed.kill()
    with Popen(command) as one, Popen(command) as other:
        assert (one.wait(120), other.wait(120)) == (0, 0)
    kept.refresh()
    assert known(kept) == known(whole)
    lines = (tmp_path / "journal.jsonl").read_text().count('"reached"')
    assert lines == len(known(whole))


def test_other_data_than_those_of_the_search_are_refused(taught, tmp_path):
    other = blobs(tmp_path / "other.npz", each=30)
    with pytest.raises(ResgenError, match="other data here"):
        training.advance(CONTENDERS[0], replace(taught, data=str(other)), 1, tmp_path)


def test_halves_are_of_every_class_and_apart(data):
    graph = expand(SPECS[0]).inference
    whole = gather(str(data), graph, SPECS[0].preprocess)
    one, other = whole.halves()
    assert set(one.held_back) | set(other.held_back) == set(whole.held_back)
    assert not set(one.held_back) & set(other.held_back)
    for half in (one, other):
        (batch,) = half.tested(100)
        assert np.bincount(batch.labels).tolist() == [4, 4, 4, 4]
        assert set(half.trained_on) == set(whole.trained_on)
