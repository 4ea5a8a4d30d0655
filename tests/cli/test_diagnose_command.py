"""resgen diagnose: a verdict, a page, a document, and what careless users give it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from resgen.cli import main
from resgen.cli._progress import Progress
from resgen.diagnosis.documents import DIAGNOSIS
from resgen.runtime import engines

Run = Callable[..., Result]

SPEC: dict[str, Any] = {
    "resgen": 1,
    "name": "small",
    "input": [3, 8, 8],
    "stem": {"use": "cifar", "with": {"width": 8}},
    "defaults": {"block": "basic", "shortcut": "projection"},
    "stages": [{"width": 8, "depth": 1}, {"width": 16, "depth": 1}],
    "head": {"classes": 10},
    "preprocess": {"resize": None},
}
#: Weights so large that the second convolution leaves float32.
HUGE = {
    "block": "basic",
    "shortcut": "projection",
    "norm": "none",
    "conv": {"init": {"weight": {"type": "constant", "value": 1e30}}},
}
#: One thread, since the order of sums decides the last digits.
ONE = ("--seeds", "1", "--threads", "1")


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Of small networks more threads are slower, above all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with ``small.json``."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "small")
    return tmp_path


def write(folder: Path, name: str, **changes: Any) -> None:
    text = json.dumps({**SPEC, "name": name, **changes}, indent=1)
    (folder / f"{name}.json").write_text(text, "utf-8")


def arrays(folder: Path, **held: Any) -> None:
    np.savez(folder / "data.npz", **held)


def cells(stdout: str, row: str) -> list[str]:
    """What stands in a row of the table."""
    line = next(x for x in stdout.splitlines() if x.strip().startswith(row))
    return line.strip()[len(row) :].split()


# --- what it is for -------------------------------------------------------------------


@pytest.mark.slow
def test_a_plain_network_beside_its_residual_one(run: Run, small: Path) -> None:
    words = ("--set", "/input=[3,16,16]", *ONE)
    done = run("diagnose", "plain56_cifar", "--against", "resnet56_cifar", *words)
    assert done.exit_code == 0, done.output
    shown = done.stdout
    assert "scikit-learn's digits; 1,797 examples of 10 classes" in shown
    assert "pictures of 8 x 8 resized as preprocess says: to 16 x 16" in shown
    plain, residual = cells(shown, "first block over last")
    assert float(plain.replace(",", "")) > 100 * float(residual)
    # The verdict says what, from where to where, the line, the mend and the source.
    assert "plain56_cifar: " in shown
    assert "RG402" in shown
    text = " ".join(shown.split())
    assert "the gradient explodes" in text
    assert '| "defaults": {"shortcut": "none"}' in text
    assert 'mend: write "shortcut": "projection" in "defaults"' in text
    assert "Yang et al. 2019" in text
    assert "resnet56_cifar: ok" in shown
    assert "`resgen check --explain RG402` tells more" in shown
    record = DIAGNOSIS.load(small / "build/plain56_cifar-diagnosis/diagnosis.json")
    assert [arm.verdict for arm in record.arms] == [["RG402"], "ok"]
    page = small / "build/plain56_cifar-diagnosis/diagnosis.html"
    assert "RG402" in page.read_text("utf-8")


def test_shortcuts_taken_out(run: Run, small: Path) -> None:
    done = run("diagnose", "small.json", "--against", "plain", *ONE)
    assert done.exit_code == 0, done.output
    assert "small-plain, " in done.stdout
    assert ", its shortcuts taken out" in done.stdout
    assert cells(done.stdout, "branches' share of sums")[-1] == "-"
    assert "--train 150 shows whether it is true" in done.stdout


def test_json_is_the_document_and_nothing_else(run: Run, small: Path) -> None:
    done = run("diagnose", small / "small.json", *ONE, "--json", "-o", "out")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document == json.loads((small / "out/diagnosis.json").read_text("utf-8"))
    assert document["verdict"] == "ok"
    assert document["command"][:3] == ["resgen", "diagnose", "small.json"]
    assert "looking" in done.stderr
    # Where files lie is left out.
    assert str(small) not in done.stdout
    assert document["arms"][0]["parts"][1]["place"].startswith("small.json:")
    assert str(small) not in (small / "out/diagnosis.html").read_text("utf-8")


def test_a_narrow_terminal_that_knows_ascii_only(small: Path) -> None:
    words = ["diagnose", "small.json", *ONE, "--against", "plain", "--lr", "1e6"]
    done = CliRunner(charset="ascii").invoke(main, words, env={"COLUMNS": "44"})
    assert done.exit_code == 0, done.stderr
    shown = done.stdout
    table = shown.partition("learning rate")[2].partition("small: ")[0]
    assert table.isascii()
    assert max(map(len, table.splitlines())) <= 44
    assert table.count("gradient, by block") == 2
    assert "\x1b" not in shown


# --- training -------------------------------------------------------------------------


@pytest.mark.slow
def test_training_and_its_weights(run: Run, small: Path) -> None:
    words = ("--train", "20", "--keep-weights", *ONE)
    done = run("diagnose", "small.json", *words)
    assert done.exit_code == 0, done.output
    assert cells(done.stdout, "accuracy after 20 steps")[1] == "%"
    assert "in training: " in done.stdout
    kept = "build/small-diagnosis/weights/small-seed0.safetensors"
    assert kept in done.stdout
    built = run("build", "small.json", "--weights", kept, "-o", "trained")
    assert built.exit_code == 0, built.output


@pytest.mark.slow
def test_a_run_that_diverges_is_kept_and_marked(run: Run, small: Path) -> None:
    done = run("diagnose", "small.json", "--lr", "1e6", "--train", "12", *ONE)
    assert done.exit_code == 0, done.output
    assert "1 of 1 diverged" in done.stdout
    record = DIAGNOSIS.load(small / "build/small-diagnosis/diagnosis.json")
    (one,) = record.arms[0].runs
    assert one.left is not None
    assert one.stopped == "diverged"
    said = f"the loss left the finite numbers, seed 0 at step {one.left}"
    assert said in " ".join(done.stdout.split())


@pytest.mark.slow
def test_interrupted_training_is_reported_and_resumed(
    run: Run, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("diagnose", "small.json", "--train", "20", *ONE)
    whole = run(*words, "-o", "whole")
    assert whole.exit_code == 0, whole.output

    def advance(self: Progress, step: str, done: int, total: int) -> None:
        if (done, total) == (10, 20):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "advance", advance)
        cut = run(*words, "-o", "cut")
    assert cut.exit_code == 130
    assert "--resume goes on" in cut.stderr
    assert "in training: interrupted" in cut.stdout
    (one,) = DIAGNOSIS.load(small / "cut/diagnosis.json").arms[0].runs
    assert (one.stopped, len(one.losses)) == ("interrupted", 10)

    resumed = run(*words, "-o", "cut", "--resume")
    assert resumed.exit_code == 0, resumed.output
    ends = [DIAGNOSIS.load(small / f"{x}/diagnosis.json") for x in ("whole", "cut")]
    assert ends[0].arms == ends[1].arms

    other = run(
        "diagnose", "small.json", "--train", "30", *ONE, "-o", "cut", "--resume"
    )
    assert other.exit_code == 1
    assert "steps 20, not 30" in other.stderr


#: A diagnosis that is terminated when something of it has been called.
TERMINATED = """
import os, signal, sys
from {module} import {holder} as holder
called = holder.{name}
def and_then(*given, **more):
    made = called(*given, **more)
    os.kill(os.getpid(), signal.SIGTERM)
    return made
holder.{name} = and_then
sys.argv = ["resgen", "diagnose", "small.json", "--train", "20", "--seeds", "1",
            "--threads", "1", "--no-lr-test", "-o", "out"]
from resgen.__main__ import run
run()
"""


@pytest.mark.drawn(1)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "holder", "name", "left"),
    [
        (
            "resgen.diagnosis.training.learner",
            "Learner",
            "advance",
            {"diagnosis.html", "diagnosis.json", "small-seed0.safetensors"},
        ),
        ("resgen.diagnosis.training", "state", "save_file", set()),
    ],
    ids=["in training", "while its state is written"],
)
def test_terminated_training_ends_in_order(
    small: Path, module: str, holder: str, name: str, left: set[str]
) -> None:
    program = TERMINATED.format(module=module, holder=holder, name=name)
    done = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _, said = done.communicate()
    assert done.returncode == 143, said
    assert "Traceback" not in said
    with pytest.raises(ProcessLookupError):  # nobody of its session is left
        os.killpg(done.pid, 0)
    assert {path.name for path in (small / "out").rglob("*") if path.is_file()} == left
    assert (small / "out").exists() == bool(left)
    if left:
        (one,) = DIAGNOSIS.load(small / "out/diagnosis.json").arms[0].runs
        assert (one.stopped, len(one.losses)) == ("interrupted", 5)
        assert "--resume goes on" in said


def test_interrupted_before_training_leaves_nothing(
    run: Run, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def advance(self: Progress, step: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "advance", advance)
    done = run("diagnose", "small.json", "--train", "20", *ONE)
    assert done.exit_code == 130
    assert not (small / "build").exists()


# --- networks of all kinds ------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "classes"), [((1, 32), 3), ((32,), 3), ((2, 4, 8, 8), 4)]
)
def test_signals_and_volumes(
    run: Run, small: Path, shape: tuple[int, ...], classes: int
) -> None:
    given = shape if len(shape) > 1 else (1, *shape)
    write(small, "other", input=given, head={"classes": classes})
    rng = np.random.default_rng(0)
    arrays(small, x=rng.normal(size=(40, *shape)), y=np.arange(40) % classes)
    done = run("diagnose", "other.json", "--data", "data.npz", *ONE)
    assert done.exit_code == 0, done.output
    refused = run("diagnose", "other.json", *ONE)
    assert refused.exit_code == 1
    assert "cannot learn from digits" in refused.stderr
    assert "give it an .npz file with an array x of N x" in refused.stderr


def test_numbers_that_overflow_at_once(run: Run, small: Path) -> None:
    write(small, "huge", defaults=HUGE)
    done = run("diagnose", "huge.json", *ONE, "--train", "2")
    assert done.exit_code == 0, done.output
    assert "RG408" in done.stdout
    assert cells(done.stdout, "loss (guessing: 2.30)") == ["not", "finite"]
    record = DIAGNOSIS.load(small / "build/huge-diagnosis/diagnosis.json")
    assert record.arms[0].verdict == ["RG408"]


def test_a_single_block_has_no_first_and_last(run: Run, small: Path) -> None:
    write(small, "one", stages=[{"width": 8, "depth": 1}])
    done = run("diagnose", "one.json", *ONE)
    assert done.exit_code == 0, done.output
    assert "over last" not in done.stdout


def test_a_folder_that_build_made(run: Run, small: Path) -> None:
    run("build", "small.json", "-o", "built", "--no-verify")
    done = run("diagnose", "built", *ONE)
    assert done.exit_code == 0, done.output
    assert "small: ok" in done.stdout


def test_guessing_is_among_the_classes_of_the_network(run: Run, small: Path) -> None:
    write(small, "many", head={"classes": 1000})
    done = run("diagnose", "many.json", *ONE)
    assert "the network tells 1000 classes, of which 10 occur" in done.stdout
    assert "loss (guessing: 6.91)" in done.stdout


# --- bad input ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["missing.json"], 1, "there is no such file"),
        (["smal.json"], 1, "did you mean small.json?"),
        (["resnet56_cifr"], 1, 'did you mean "resnet56_cifar"?'),
        (["empty"], 1, "holds no spec.json"),
        (["model.onnx"], 2, "it cannot be trained"),
        (["small.json", "--against", "small.json"], 2, 'are called "small"'),
        (["small.json", "--against", "wide.json"], 1, "wide takes 3 x 16 x 16"),
        (["small.json", "--against", "few.json"], 1, "few gives N x 5"),
        (["small.json", "--against", "none.json"], 1, "no such file"),
        (["few.json"], 1, 'the digits have 10 classes, and "output" of few tells 5'),
        (["plain20_cifar", "--against", "plain"], 1, "has no shortcut"),
        (["small.json", "--data", "missing"], 1, "missing does not exist"),
        (["small.json", "--data", "empty"], 1, "one sub-folder of pictures for each"),
        (["small.json", "--data", "small.json"], 1, "neither a folder nor an .npz"),
        (["small.json", "--output", "outptu"], 2, 'did you mean "output"?'),
        (["small.json", "-o", "small.json"], 1, "small.json is a file"),
        (["small.json", "-o", "small.json/x"], 1, "cannot write small.json/x"),
        (["small.json", "--resume"], 2, "add --train STEPS"),
        (["small.json", "--train", "5", "--resume"], 1, "no training to resume"),
        (["small.json", "--lr", "nan"], 2, '"nan" is not a number above 0'),
        (["small.json", "--lr", "0"], 2, '"0" is not a number above 0'),
        (["small.json", "--seeds", "0"], 2, "at least 1"),
        (["small.json", "--batch", "4"], 2, "at least 8"),
        (["small.json", "--batch", "2000"], 1, "are too few for a batch of 2,000"),
        (["small.json", "--batch", "100000000"], 1, "of memory"),
        (["small.json", "--set", "/stags/0/width=8"], 1, 'did you mean "stages"?'),
    ],
)
def test_what_is_refused(
    run: Run, small: Path, words: list[str], code: int, said: str
) -> None:
    (small / "empty").mkdir()
    write(small, "wide", input=[3, 16, 16])
    write(small, "few", head={"classes": 5})
    done = run("diagnose", *words, *(ONE if "--seeds" not in words else ()))
    assert done.exit_code == code
    assert said in done.stderr
    assert not (small / "build").exists()


X = np.zeros((20, 3, 8, 8), np.float32)
Y = np.arange(20) % 10


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"x": np.where(np.arange(20)[:, None, None, None] == 7, np.nan, X), "y": Y},
         "x of data.npz holds nan at index [7, 0, 0, 0]"),
        ({"x": X}, "holds x (float32, 20 x 3 x 8 x 8); wanted are inputs and their"),
        ({"x": X, "y": Y / 2}, "y of data.npz is float64, 20; wanted is one whole"),
        ({"x": X, "y": Y * 3}, "y of data.npz goes from 0 to 27"),
        ({"x": X[:, :, :4], "y": Y}, "x of data.npz is float32, 20 x 3 x 4 x 8"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit(
    run: Run, small: Path, held: dict[str, Any], said: str
) -> None:
    arrays(small, **held)
    done = run("diagnose", "small.json", "--data", "data.npz", *ONE)
    assert done.exit_code == 1
    assert said in done.stderr


def test_what_is_no_npz_file(run: Run, small: Path) -> None:
    (small / "data.npz").write_text("hello", "utf-8")
    done = run("diagnose", "small.json", "--data", "data.npz", *ONE)
    assert done.exit_code == 1
    assert "data.npz cannot be read as an .npz file" in done.stderr
    assert "pickle" not in done.stderr


def test_one_broken_picture_among_good_ones_is_named(run: Run, small: Path) -> None:
    for label in ("cat", "dog"):
        (small / "photos" / label).mkdir(parents=True)
        for i in range(6):
            Image.new("RGB", (20, 24), (40 * i, 9, 9)).save(f"photos/{label}/{i}.png")
    done = run("diagnose", "small.json", "--data", "photos", *ONE)
    assert done.exit_code == 0, done.output
    assert "pictures of 24 x 20 resized as preprocess says: to 8 x 8" in done.stdout
    assert "the network tells 10 classes, of which 2 occur" in done.stdout
    (small / "photos/dog/3.png").write_bytes(b"no picture")
    done = run("diagnose", "small.json", "--data", "photos", *ONE)
    assert done.exit_code == 1
    assert "photos/dog/3.png cannot be read as a picture" in done.stderr


def test_memory_that_runs_out_is_told(
    run: Run, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diagnose(*arguments: Any, **options: Any) -> None:
        torch.empty(2**60)

    monkeypatch.setattr("resgen.api.diagnose.look", diagnose)
    done = run("diagnose", "small.json", *ONE)
    assert done.exit_code == 1
    assert "too little memory for a batch of 64" in done.stderr
    assert not (small / "build").exists()


# --- something is missing -------------------------------------------------------------


def test_bad_data_come_before_a_missing_torch(
    run: Run, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    done = run("diagnose", "small.json", *ONE)
    assert done.exit_code == 3
    assert 'pip install "resgen[torch]"' in done.stderr
    assert run("diagnose", "small.json", "--data", "none", *ONE).exit_code == 1


# Runs the command line where modules cannot be found.
WITHOUT = """
import sys
from importlib.machinery import PathFinder
hidden, *sys.argv[1:] = sys.argv[1:]
find = PathFinder.find_spec
PathFinder.find_spec = classmethod(
    lambda cls, name, *rest: None if name.split(".")[0] == hidden else find(name, *rest)
)
from resgen.cli import main
main()
"""


@pytest.mark.parametrize(
    ("module", "extra"), [("torch", "torch"), ("sklearn", "diagnose")]
)
@pytest.mark.slow
def test_without_a_component(small: Path, module: str, extra: str) -> None:
    command = [sys.executable, "-c", WITHOUT, module, "diagnose", "small.json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    assert f'pip install "resgen[{extra}]"' in done.stderr


def test_the_test_of_learning_rates_can_be_left_out(run: Run, small: Path) -> None:
    done = run("diagnose", "small.json", "--train", "5", "--no-lr-test", *ONE)
    assert done.exit_code == 0, done.output
    found = DIAGNOSIS.load(small / "build/small-diagnosis/diagnosis.json")
    assert found.arms[0].range_test is None
    assert "--no-lr-test" in found.command
    assert found.settings["threads"] == 1
    refused = run("diagnose", "small.json", "--no-lr-test", *ONE)
    assert refused.exit_code == 2
    assert "add --train STEPS" in refused.stderr


def test_a_log_is_told_how_far_training_is(
    run: Run, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resgen.words.progress.EVERY", 0.0)
    done = run("diagnose", "small.json", "--train", "5", "--no-lr-test", *ONE)
    assert "small, seed 0: 5 of 5" in done.stderr


@pytest.mark.slow
def test_resumed_training_keeps_its_threads(
    run: Run, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def advance(self: Progress, step: str, done: int, total: int) -> None:
        if (done, total) == (5, 10):
            raise KeyboardInterrupt

    words = ("diagnose", "small.json", "--seeds", "1", "--train", "10", "--no-lr-test")
    with monkeypatch.context() as patch:
        patch.setattr(Progress, "advance", advance)
        assert run(*words, "--threads", "1").exit_code == 130
    monkeypatch.setattr("resgen.api.diagnose.free_cores", lambda: 2)
    assert run(*words, "--resume").exit_code == 0
    found = DIAGNOSIS.load(small / "build/small-diagnosis/diagnosis.json")
    assert found.settings["threads"] == 1
