"""What inputs may be calibrated on, and what a precision is judged by."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from digits import SPEC, TRAINED
from digits import digits as trained
from PIL import Image
from scipy.stats import binomtest

import resgen
from resgen.calibrate.samples import gather
from resgen.cli import main
from resgen.errors import ResgenError
from resgen.proof.classes import classes, verdict
from resgen.spec.model import Preprocess

PICTURES = {**SPEC, "input": [3, 16, 16], "preprocess": {"resize": 16}}


@pytest.fixture(scope="module")
def network():
    return resgen.expand(resgen.load(PICTURES))


def smooth(count: int, low: float, high: float) -> np.ndarray:
    """Pictures whose neighbouring pixels are alike, between two numbers."""
    ramp = np.linspace(0, 1, 16)
    phase = np.random.default_rng(0).uniform(0, 6, (count, 3, 1, 1))
    found = 0.5 + 0.5 * np.sin(5 * ramp[:, None] + 3 * ramp[None] + phase)
    found = (found - found.min()) / np.ptp(found)
    return (low + (high - low) * found).astype(np.float32)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: smooth(12, 0, 255).astype(np.uint8), "uint8 numbers"),
        (lambda: smooth(12, 0, 255).astype(np.int64), "int64 numbers"),
        (lambda: smooth(12, 0, 255), "from 0 to 255"),
        (lambda: smooth(12, -128, 127), "from -128 to 127"),
        (lambda: np.zeros((12, 3, 16, 16), np.float32), "0 throughout"),
        (lambda: np.full((12, 3, 16, 16), 1.5, np.float32), "1.5 throughout"),
    ],
)
def test_inputs_that_cannot_be_the_networks_are_refused(network, tmp_path, make, said):
    np.savez(tmp_path / "x.npz", make())
    with pytest.raises(ResgenError, match=said):
        gather(tmp_path / "x.npz", network, Preprocess())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: smooth(12, -2.1, 2.6), ()),
        (lambda: smooth(12, -2.1, 4.0), ("from -2.1 to 4",)),
        (lambda: smooth(12, 0, 1), ("before mean and std",)),
        (
            lambda: np.random.default_rng(0).uniform(-2, 2, (12, 3, 16, 16)),
            ("looks like noise",),
        ),
    ],
)
def test_inputs_that_are_doubtful_are_told(network, tmp_path, make, said):
    np.savez(tmp_path / "x.npz", make().astype(np.float32))
    notes = gather(tmp_path / "x.npz", network, Preprocess()).notes
    assert len(notes) == len(said)
    assert all(part in note for part, note in zip(said, notes, strict=True))


def test_every_fifth_is_held_back(network, tmp_path):
    arrays = smooth(23, -2, 2)
    np.savez(tmp_path / "x.npz", inputs=arrays, labels=np.arange(23) % 10)
    seen, held = gather(tmp_path / "x.npz", network, Preprocess()).split()
    assert (seen.count, held.count) == (19, 4)
    found = np.concatenate(list(held.batches(3)))
    np.testing.assert_array_equal(found, arrays[4::5])
    assert held.targets.tolist() == [4, 9, 4, 9]
    few = gather(tmp_path / "x.npz", network, Preprocess())._only(np.arange(9))
    assert few.split() == (few, None)


def test_a_folder_for_each_class_tells_the_classes(network, tmp_path):
    names = [f"c{i}" for i in range(10)]
    for name in names[::-1]:
        (tmp_path / name).mkdir()
        Image.new("RGB", (16, 16), (int(name[1]) * 20, 3, 200)).save(
            tmp_path / name / "a.png"
        )
    found = gather(tmp_path, network, Preprocess())
    assert found.targets.tolist() == list(range(10))
    named = gather(tmp_path, network, Preprocess(), labels=names[::-1])
    assert named.targets.tolist() == list(range(10))[::-1]
    (tmp_path / "c3" / "a.png").unlink()
    (tmp_path / "c3").rmdir()
    with pytest.raises(ResgenError, match="9 folders"):
        gather(tmp_path, network, Preprocess())


def test_classes_are_counted_as_scikit_learn_counts_them():
    from sklearn.metrics import top_k_accuracy_score

    draw = np.random.default_rng(0)
    wanted, found = draw.normal(size=(2, 400, 10))
    targets = draw.integers(0, 10, 400)
    wanted[np.arange(400), targets] += 2
    found[np.arange(400), targets] += 1
    seen = classes(wanted, found, targets)
    for k, pair in ((1, seen.top1), (5, seen.top5)):
        for scores, count in zip((wanted, found), pair, strict=True):
            share = top_k_accuracy_score(targets, scores, k=k, labels=range(10))
            assert count == round(share * 400)
    # The interval leaves 0 out where the exact test of McNemar does, too.
    right, rights = wanted.argmax(1) == targets, found.argmax(1) == targets
    lost, won = int((right & ~rights).sum()), int((~right & rights).sum())
    assert binomtest(lost, lost + won).pvalue < 0.01
    assert seen.interval[0] > 0
    assert verdict(seen, 0.0) == "beyond"
    assert verdict(seen, 1.0) == "within"
    assert verdict(seen, seen.loss) == "undecided"


@pytest.mark.slow
def test_what_is_held_back_or_given_is_what_is_judged(tmp_path):
    digits = trained()
    import torch

    (tmp_path / "net.json").write_text(json.dumps(SPEC))
    state = {name: torch.from_numpy(a) for name, a in digits.weights.items()}
    torch.save(state, tmp_path / "w.pth")
    targets = digits.targets[TRAINED:]
    np.savez(tmp_path / "test.npz", inputs=digits.test, labels=targets)

    def run(*more: str):
        return CliRunner().invoke(
            main,
            ["export", str(tmp_path / "net.json"), "--weights", str(tmp_path / "w.pth"),
             "--to", "onnx", "--precision", "int8", "-o", str(tmp_path / "q"),
             "--calibration", str(tmp_path / "test.npz"), "--force", *more],
        )  # fmt: skip

    held = run("--tolerate", "20%", "--json")
    assert held.exit_code == 0, held.output
    accuracy = json.loads(held.stdout)["verified"]["accuracy"]
    assert accuracy["inputs"] == 100
    assert accuracy["measured_on"].startswith("the other 100")
    assert accuracy["classes"]["inputs"] == 100
    whole = run("--evaluate", str(tmp_path / "test.npz"), "--json")
    accuracy = json.loads(whole.stdout)["verified"]["accuracy"]
    assert accuracy["inputs"] == 500
    share = digits.share(digits.run(digits.graph, digits.weights, tmp_path, True))
    assert accuracy["classes"]["top1"][0] == round(500 * share)
    unlabelled = tmp_path / "bare.npz"
    np.savez(unlabelled, digits.test)
    refused = run("--evaluate", str(unlabelled), "--tolerate", "1%")
    assert refused.exit_code == 2
    assert run("--tolerate", "much").exit_code == 2
