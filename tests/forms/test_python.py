"""``--to python``: a network as one PyTorch file beside its weights."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

import resgen
from resgen.cli import main
from resgen.errors import ResgenError, UsageError
from tests.manifests import resealed

SPEC = {
    "resgen": 1,
    "name": "small",
    "input": [3, 16, 16],
    "stem": {"op": "conv", "out": 8, "kernel": 3},
    "stages": [{"block": "basic", "width": 8, "depth": 1}],
    "head": {"classes": 3},
}


def test_the_file_runs_with_the_weights_beside_it(tmp_path: Path) -> None:
    made = resgen.export(SPEC, tmp_path / "out", to="python", verify=False, seed=3)
    names = runpy.run_path(str(made.folder / "model.py"))
    module = names["Small"]()
    module.load_state_dict(load_file(made.folder / "weights.safetensors"), strict=True)
    x = torch.ones(1, 3, 16, 16)
    with torch.no_grad():
        graph = resgen.expand(resgen.load(SPEC))
        wanted = resgen.to_torch(graph, seed=3).eval()(x)
        assert torch.equal(module.eval()(x), wanted)
    assert resgen.to_python(graph) == (made.folder / "model.py").read_text()


def test_a_precision_below_float32_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="float32, and not in fp16"):
        resgen.export(SPEC, tmp_path / "out", to="python", precision="fp16")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_it_is_proven_and_what_was_altered_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.json").write_text(json.dumps(SPEC))
    words = ["export", "small.json", "--to", "python", "-o", "out"]
    made = CliRunner().invoke(main, words)
    assert made.exit_code == 0, made.output
    assert "a step of training: the same to the last bit" in made.output
    assert resgen.verify("out").unproven == ()
    file = tmp_path / "out" / "model.py"
    file.write_text(file.read_text() + "\nopen('HIT', 'w')\n")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    import hashlib

    content = file.read_bytes()
    entry = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest["files"]["model.py"] = entry
    resealed(tmp_path / "out" / "manifest.json", manifest)
    with pytest.raises(ResgenError, match=r"model\.py is not what python makes"):
        resgen.verify("out")
    assert not (tmp_path / "HIT").exists()
