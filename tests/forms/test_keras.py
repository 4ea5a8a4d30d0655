"""``--to keras``: a model that trains, proven, and how its weights come back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file

import resgen
import resgen.lower.keras.model
from resgen.cli import main
from resgen.errors import MissingComponent, ResgenError

SPEC: dict[str, Any] = {
    "resgen": 1,
    "name": "small",
    "input": [3, 16, 16],
    "stem": {"op": "conv", "out": 8, "kernel": 3, "stride": 2},
    "stages": [{"block": "basic", "width": 8, "depth": 1}],
    "head": {"classes": 3},
}


def test_without_keras_or_with_another_the_command_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.json").write_text(json.dumps(SPEC))
    monkeypatch.setitem(sys.modules, "keras", None)
    made = CliRunner().invoke(main, ["export", "small.json", "--to", "keras"])
    assert made.exit_code == 3
    assert 'pip install "resgen[keras]"' in made.output
    (tmp_path / "keras.py").write_text('__version__ = "2.15.0"')
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingComponent, match=r"Keras 3 \(this is 2\.15\.0\)"):
        resgen.to_keras(resgen.expand(resgen.load(SPEC)))
    sys.modules.pop("keras")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "status", "said"),
    [
        pytest.param("jax", 3, "pip install jax", marks=pytest.mark.skipif(
            find_spec("jax") is not None, reason="jax is installed")),
        ("pytorch", 2, "one of tensorflow, torch, jax"),
        ("", 0, "model.keras"),
    ],
)  # fmt: skip
def test_a_backend_that_is_not_there_is_told(
    backend: str, status: int, said: str, tmp_path: Path
) -> None:
    pytest.importorskip("keras")
    (tmp_path / "small.json").write_text(json.dumps(SPEC))
    command = "export small.json --to keras --no-verify -o out --json"
    done = subprocess.run(
        [sys.executable, "-m", "resgen", *command.split()],
        cwd=tmp_path, env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_every_cause_is_told_at_its_place() -> None:
    pytest.importorskip("keras")
    wide = {"op": "conv_transpose", "out": 8, "kernel": 2, "stride": 2}
    stem = [SPEC["stem"], *[{**wide, "output_padding": 1}] * 2]
    with pytest.raises(ResgenError) as refused:
        resgen.to_keras(resgen.expand(resgen.load({**SPEC, "stem": stem})))
    said = "that yields so much, for conv_transpose in stem"
    assert str(refused.value).count(said) == 2


def test_what_has_no_meaning_for_it_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    wide = {"op": "conv_transpose", "out": 8, "kernel": 2, "stride": 2}
    said: list[str] = []
    for stem, more, why in (
        ([], {"precision": "fp16"}, "float32, and not in fp16"),
        ([], {"batch": 2}, "of one size, however many"),
        ([{**wide, "output_padding": 1}], {}, "that yields so much, for conv_transp"),
    ):
        spec = {**SPEC, "stem": [SPEC["stem"], *stem]}
        with pytest.raises(ResgenError, match=why):
            resgen.export(
                spec, tmp_path / "out", to="keras", progress=said.append, **more
            )
    assert not (tmp_path / "out").exists()
    assert said == []  # before anything is proven


@pytest.mark.slow
def test_it_is_proven_and_opens_without_resgen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("keras")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.json").write_text(json.dumps(SPEC))
    made = CliRunner().invoke(
        main, ["export", "small.json", "--to", "keras", "-o", "out"]
    )
    assert made.exit_code == 0, made.output
    assert "which opens without resgen" in made.output
    assert "of their range of PyTorch's; gradients and statistics" in made.output
    assert resgen.verify("out").unproven == ()
    model = resgen.lower.keras.model.keras_of().models.load_model("out/model.keras")
    x = np.random.default_rng(0).standard_normal((2, 16, 16, 3)).astype(np.float32)
    script = (
        "import sys; sys.modules['resgen'] = None\n"
        "import keras, numpy as np\n"
        "model = keras.models.load_model('out/model.keras')\n"
        "np.save('y.npy', model.predict(np.load('x.npy'), verbose=0))\n"
    )
    np.save("x.npy", x)
    subprocess.run([sys.executable, "-c", script], check=True)
    found = np.load("y.npy")
    np.testing.assert_allclose(found, model.predict(x, verbose=0), atol=1e-6)


@pytest.mark.slow
def test_another_model_in_its_place_is_found_out(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    from resgen.proof.compare import Departure
    from resgen.proof.keras import prove_keras

    graph = resgen.expand(resgen.load(SPEC))
    resgen.to_keras(graph, seed=1).save(tmp_path / "model.keras")
    weights = resgen.from_keras(tmp_path / "model.keras")
    x = np.random.default_rng(0).standard_normal((2, 3, 16, 16)).astype(np.float32)
    prove_keras(graph, tmp_path / "model.keras", weights, x)
    other = {**SPEC, "defaults": {"act": "silu"}}
    resgen.to_keras(resgen.expand(resgen.load(other)), weights).save(
        tmp_path / "model.keras"
    )
    with pytest.raises(Departure, match="away from PyTorch's"):
        prove_keras(graph, tmp_path / "model.keras", weights, x)


@pytest.mark.slow
def test_the_notebook_trains_a_network_and_brings_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("keras")
    file = Path(__file__).parents[2] / ".docs/pages/keras.ipynb"
    cells = json.loads(file.read_text("utf-8"))["cells"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EPOCHS", "1")
    names: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)  # noqa: S102
    assert "100.0% of the answers are the same" in capsys.readouterr().out
    assert names["apart"] < 1e-4
    stored = load_file("digits/weights.safetensors")
    for name, held in stored.items():
        np.testing.assert_array_equal(held, names["state"][name])
    assert resgen.verify("digits").unproven == ()
