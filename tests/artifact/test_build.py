"""What a build leaves behind: whole, proven, and nobody else's files touched."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.numpy import load_file

import resgen
from resgen.artifact.opened import open_folder
from resgen.errors import ResgenError
from resgen.weights.initialize import initialize

TINY = {
    "resgen": 1,
    "name": "tiny",
    "input": [3, 24, 24],
    "stem": "cifar",
    "defaults": {"block": "basic"},
    "stages": [{"width": 16, "depth": 1}, {"width": 32, "depth": 1}],
    "head": {"classes": 5},
}
FILES = {"spec.json", "graph.json", "weights.safetensors", "model.onnx"}


def verified(folder: Path, **options):
    """What `resgen verify` has to say of a folder."""
    return resgen.verify(folder, **options).record


@pytest.fixture(scope="module")
def spec():
    return resgen.load(TINY)


@pytest.fixture(scope="module")
def built(spec, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "tiny"
    return resgen.build(spec, out, seed=3)


def test_manifest_vouches_for_every_file(built):
    manifest = json.loads((built.folder / "manifest.json").read_text())
    assert set(manifest["files"]) == FILES
    assert {p.name for p in built.folder.iterdir()} == FILES | {"manifest.json"}
    for name, entry in manifest["files"].items():
        data = (built.folder / name).read_bytes()
        assert entry == {
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }


def test_what_was_verified_is_recorded(built):
    record = json.loads((built.folder / "manifest.json").read_text())["verified"]
    assert record["verdict"] == "equal"
    assert record["batches"] == [1, 3]
    assert record["probe"]["relative"] <= record["probe"]["tolerance"]
    same, compared = record["shipped"]["top1"]
    assert same == compared > 0
    assert record["tensors"] > 10


def test_onnx_is_valid_and_carries_its_spec(built, spec):
    model = onnx.load(built.folder / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert (model.opset_import[0].version, model.ir_version) == (17, 8)
    metadata = {p.key: p.value for p in model.metadata_props}
    again = resgen.load(json.loads(metadata["resgen.spec"]))
    assert resgen.expand(again).nodes[-1].type == resgen.expand(spec).nodes[-1].type


def test_canonical_spec_builds_the_same_network(built, tmp_path):
    again = resgen.load(built.folder / "spec.json")
    other = resgen.build(again, tmp_path / "again", seed=3, verify=False)
    for name in FILES:
        assert (other.folder / name).read_bytes() == (built.folder / name).read_bytes()


def test_three_readers_of_the_weights_agree(built, spec):
    weights = load_file(built.folder / "weights.safetensors")
    model = resgen.to_torch(resgen.expand(spec), weights).eval()
    image = np.random.default_rng(0).standard_normal((2, 3, 24, 24), np.float32)
    session = onnxruntime.InferenceSession(built.folder / "model.onnx")
    (ours,) = session.run(None, {"input": image})
    with torch.no_grad():
        theirs = model(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.ptp(theirs))


@pytest.mark.slow
def test_without_proof_torch_is_not_imported(tmp_path):
    code = (
        "import resgen, sys;"
        f"resgen.build(resgen.load({TINY!r}), {str(tmp_path / 'o')!r}, verify=False);"
        "print('torch' in sys.modules, 'onnxruntime' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"], done.stderr


@pytest.mark.skipif(sys.version_info < (3, 11), reason="a caller holds arguments")
def test_no_array_is_held_while_the_proof_runs(spec, tmp_path, monkeypatch):
    """Of a large network they are as much again as the proof takes."""
    drawn, seen = [], []

    def draw(parameters, seed):
        arrays = initialize(parameters, seed)
        drawn.extend(map(weakref.ref, arrays.values()))
        return arrays

    def prove(made, say):
        seen.extend(array() for array in drawn)
        return {}

    monkeypatch.setattr("resgen.artifact.source.initialize", draw)
    monkeypatch.setattr("resgen.artifact.make.proof_of", prove)
    resgen.build(spec, tmp_path / "o")
    assert seen
    assert all(array is None for array in seen)


def test_an_earlier_build_is_replaced(spec, tmp_path):
    first = resgen.build(spec, tmp_path / "o", verify=False, seed=1)
    before = (first.folder / "weights.safetensors").read_bytes()
    resgen.build(spec, tmp_path / "o", verify=False, seed=2)
    assert (tmp_path / "o" / "weights.safetensors").read_bytes() != before
    assert [p.name for p in tmp_path.iterdir()] == ["o"]


def test_foreign_files_are_never_lost(spec, tmp_path):
    out = tmp_path / "o"
    out.mkdir()
    (out / "thesis.tex").write_text("four years of work")
    with pytest.raises(ResgenError, match=r"thesis\.tex") as caught:
        resgen.build(spec, out, verify=False)
    assert "force=True" in (caught.value.hint or "")
    assert [p.name for p in out.iterdir()] == ["thesis.tex"]
    resgen.build(spec, out, verify=False, force=True)
    assert (out / "thesis.tex").read_text() == "four years of work"
    assert open_folder(out).check_hashes() == len(FILES)


def test_a_file_in_the_way(spec, tmp_path):
    (tmp_path / "o").write_text("mine")
    with pytest.raises(ResgenError, match="is a file"):
        resgen.build(spec, tmp_path / "o", verify=False, force=True)
    assert (tmp_path / "o").read_text() == "mine"


def test_weights_that_do_not_fit_leave_nothing(spec, tmp_path):
    state = resgen.to_torch(resgen.expand(spec)).state_dict()
    state["fc.weight"] = torch.zeros(7, 32)
    state["fc.bias"] = torch.zeros(7)
    with pytest.raises(ResgenError, match=r"fc\.weight") as caught:
        resgen.build(spec, tmp_path / "o", state_dict=state)
    assert "/head/classes=7" in (caught.value.hint or "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_full_disk_leaves_nothing(spec, tmp_path):
    """A small file-size limit stands for a full disk: writing fails in the middle."""
    code = (
        "import resource, signal, resgen\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"spec = resgen.load({TINY!r})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
        "try:\n"
        f"    resgen.build(spec, {str(tmp_path / 'o')!r}, verify=False)\n"
        "except resgen.ResgenError as error:\n"
        "    print('refused:', error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("refused:"), done.stderr
    assert list(tmp_path.iterdir()) == []


def interruptible() -> None:
    """Let a child hear of interrupts, also where a shell's background job does not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
def test_an_interrupt_leaves_nothing(tmp_path):
    command = [sys.executable, "-m", "resgen", "build", "resnet18", "-o", "o"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=interruptible,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".resgen-*/new/weights.safetensors")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(FILES))
def test_verify_refuses_an_altered_file(spec, tmp_path, name):
    folder = resgen.build(spec, tmp_path / "o", verify=False).folder
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(ResgenError, match=f"{name} is not the file"):
        verified(folder)


def test_verify_takes_pictures_and_batch_sizes(built, tmp_path):
    from PIL import Image

    for i in range(3):
        picture = np.random.default_rng(i).integers(0, 255, (30, 40, 3), np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    record = verified(built.folder, images=tmp_path)
    assert (record["pictures"], record["random"]) == (3, 1)
    assert verified(built.folder, batch=(1, 2, 5))["batches"] == [1, 2, 5]
    with pytest.raises(ResgenError, match="no images"):
        verified(built.folder, images=built.folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "has no manifest"), ("{}", "not a manifest"), ("[1", "not JSON"),
     ('{"resgen_manifest": 1, "files": {"../x": {}}}', "altered")],
)  # fmt: skip
def test_folders_that_are_no_build(tmp_path, content, message):
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ResgenError, match=message):
        open_folder(tmp_path)
    with pytest.raises(ResgenError, match="does not exist"):
        open_folder(Path("nowhere"))


@pytest.mark.parametrize(
    "options",
    [{"batch": 2}, {"dynamic": True}, {"keep_batchnorm": True}, {"opset": 20}],
)
@pytest.mark.slow
def test_every_form_of_the_file_is_proven(spec, tmp_path, options):
    built = resgen.build(spec, tmp_path / "o", **options)
    assert built.manifest.verified["verdict"] == "equal"
    model = onnx.load(built.folder / "model.onnx")
    kinds = [node.op_type for node in model.graph.node]
    assert ("BatchNormalization" in kinds) is options.get("keep_batchnorm", False)
    assert verified(built.folder)["verdict"] == "equal"


def test_dynamic_sizes_run_at_other_sizes(spec, tmp_path):
    folder = resgen.build(spec, tmp_path / "o", dynamic=True).folder
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    weights = load_file(folder / "weights.safetensors")
    model = resgen.to_torch(resgen.expand(spec), weights).eval()
    for size in ((24, 24), (31, 17), (50, 64)):
        image = np.random.default_rng(0).standard_normal((1, 3, *size), np.float32)
        (ours,) = session.run(None, {"input": image})
        with torch.no_grad():
            theirs = model(torch.from_numpy(image)).numpy()
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.ptp(theirs))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchs_exporter_is_a_second_opinion(spec, tmp_path):
    """Two exporters that share no code write files that compute the same."""
    ours = resgen.build(spec, tmp_path / "ours").folder
    weights = load_file(ours / "weights.safetensors")
    model = resgen.to_torch(resgen.expand(spec), weights).eval()
    image = np.random.default_rng(0).standard_normal((3, 3, 24, 24), np.float32)
    theirs = tmp_path / "theirs.onnx"
    torch.onnx.export(
        model, (torch.from_numpy(image),), theirs, input_names=["input"], dynamo=False
    )
    found = [
        onnxruntime.InferenceSession(path).run(None, {"input": image})[0]
        for path in (ours / "model.onnx", theirs)
    ]
    np.testing.assert_allclose(*found, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_many_pictures_are_compared_in_bounded_batches(built, tmp_path):
    from PIL import Image

    picture = np.zeros((40, 40, 3), np.uint8)
    for at in range(19):
        Image.fromarray(picture + at).save(tmp_path / f"{at:02}.png")
    record = verified(built.folder, images=tmp_path)
    assert (record["pictures"], record["random"]) == (19, 1)
    assert sum(record["batches"]) == 20
    assert max(record["batches"]) <= 8
