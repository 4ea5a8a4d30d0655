"""What an export at a low precision says beside its figures, through the command."""

from __future__ import annotations

import json
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from digits import sabotaged

import resgen
from resgen.artifact import judging
from resgen.cli import main
from resgen.weights.initialize import initialize

SPEC = {
    "resgen": 1,
    "name": "tiny",
    "input": [3, 8, 8],
    "stem": {"use": "cifar", "with": {"width": 8}},
    "defaults": {"block": "basic"},
    "stages": [{"width": 8, "depth": 1}],
    "head": {"classes": 4},
    "preprocess": {"resize": None},
}
#: Without shortcuts its signals fade where norms hold 0 and 1: what is left at the
#: output is the bias, which any precision has without noise.
DEEP = {
    **SPEC,
    "name": "deep",
    "defaults": {
        "block": "basic", "attention": "se", "act": "silu", "shortcut": "none",
    },
    "stages": [{"width": 8, "depth": 8}],
}  # fmt: skip


def export(folder, spec, *more):
    (folder / "net.json").write_text(json.dumps(spec))
    return CliRunner().invoke(
        main,
        ["export", str(folder / "net.json"), "--to", "onnx", "-o", str(folder / "out"),
         *more],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("low", "said"), [(1.5, "1.50 times"), (1.04, None), (0.5, None)]
)
def test_a_file_that_is_slower_is_told_with_its_number(
    tmp_path, monkeypatch, low, said
):
    """Sessions take what they are told to, by a clock that they move themselves."""
    clock = [0.0]

    class Session(nullcontext):
        def __init__(self, path, any_placement=False):
            super().__init__(self)
            assert path.is_file()
            self.seconds = low if any_placement else 1.0

        def run(self, feed):
            clock[0] += self.seconds

    monkeypatch.setattr(judging, "OnnxRuntimeSession", Session)
    monkeypatch.setattr(judging, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    done = export(tmp_path, SPEC, "--precision", "int8")
    assert done.exit_code == 0, done.output
    assert ("slower than float32" in done.output) == (said is not None)
    assert said is None or f"slower than float32: {said}" in done.output


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_onnxruntime_has_no_bfloat16_and_it_is_told(tmp_path, precision):
    done = export(tmp_path, SPEC, "--precision", precision)
    assert done.exit_code == 0, done.output
    told = "ONNX Runtime has no bfloat16 convolution" in done.output
    assert told == (precision == "bf16")


@pytest.mark.parametrize(
    ("precision", "least", "most"),
    [
        ("fp16", 40, 74),  # rounding to 11 bits, on the whole
        ("int8", 0, 6.02 * 8 + 1.76),  # a full-range signal in 8 bits
    ],
)
@pytest.mark.slow
def test_a_deep_fresh_network_is_judged_on_statistics(tmp_path, precision, least, most):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "x.npz", rng.normal(size=(16, 3, 8, 8)).astype(np.float32))
    done = export(
        tmp_path, DEEP, "--precision", precision, "--calibration",
        str(tmp_path / "x.npz"), "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "weights are fresh: measured on a copy" in done.output
    assert least < json.loads(done.stdout)["verified"]["accuracy"]["snr"] < most


@pytest.mark.slow
def test_a_loss_that_is_not_tolerated_ends_with_1(tmp_path):
    """The right classes are those of float32, so whatever changes is lost."""
    graph = resgen.expand(resgen.load(SPEC))
    weights = sabotaged(initialize(graph.parameters, 0), ("layer1.0",), 1e4)
    images = np.random.default_rng(0).normal(size=(120, 3, 8, 8)).astype(np.float32)
    with torch.no_grad():
        model = resgen.to_torch(graph, weights=weights).eval()
        scores = model(torch.from_numpy(images)).numpy()
    weights["fc.bias"] -= scores.mean(0)  # every class is found among them
    targets = (scores - scores.mean(0)).argmax(1)
    np.savez(tmp_path / "x.npz", inputs=images, labels=targets)
    state = {name: torch.from_numpy(a) for name, a in weights.items()}
    torch.save(state, tmp_path / "w.pth")
    done = export(
        tmp_path, SPEC, "--precision", "int8", "--weights", str(tmp_path / "w.pth"),
        "--calibration", str(tmp_path / "x.npz"), "--evaluate",
        str(tmp_path / "x.npz"), "--tolerate", "1%",
    )  # fmt: skip
    assert done.exit_code == 1, done.output
    assert "int8 loses too much" in done.output
    assert "of top-1 on 120 inputs" in done.output
    assert "1.00% are tolerated" in done.output
    assert not (tmp_path / "out").exists()
