"""A folder's engine is what the folder's options ask for, by all that tells of it."""

from __future__ import annotations

import copy
import json
import shutil
from hashlib import sha256

import pytest

import resgen
from resgen.machine import device
from resgen.machine.device import Device
from resgen.proof.compare import Departure
from resgen.words.progress import Progress
from tests.manifests import resealed

pytestmark = pytest.mark.slow  # each may be the one that builds the engine

SPEC = {
    "resgen": 1, "name": "tiny", "input": [3, 16, 16], "stem": "cifar",
    "defaults": {"block": "basic"}, "stages": [{"width": 8, "depth": 1}],
    "head": {"classes": 4},
}  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with an engine for two targets, in float16."""
    pytest.importorskip("tensorrt_rtx")
    here = tmp_path_factory.mktemp("held")
    (here / "tiny.json").write_text(json.dumps(SPEC))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESGEN_CACHE", str(here / "cache"))
        made = resgen.export(
            str(here / "tiny.json"), here / "out", to="tensorrt", target="sm_86,sm_89",
            precision="fp16", profile=["1,2,4"], workspace="1G",
        )  # fmt: skip
    return made.folder


class Heard(Progress):
    """What is said."""

    def __init__(self):
        self.said = []

    def say(self, label, text):
        self.said.append(text)


@pytest.fixture
def folder(built, tmp_path):
    return shutil.copytree(built, tmp_path / "out")


def sealed(folder, engine=None):
    """Both manifests with digests that fit: ``engine`` is what its own one says."""
    outer = json.loads((folder / "manifest.json").read_text())
    if engine is not None:
        resealed(folder / "model.engine.json", engine)
    for name, entry in outer["files"].items():
        content = (folder / name).read_bytes()
        entry.update(bytes=len(content), sha256=sha256(content).hexdigest())
    resealed(folder / "manifest.json", outer)


def test_a_folder_as_it_was_written_is_verified(folder):
    resgen.verify(folder)


@pytest.mark.parametrize(
    ("gpu", "version", "why"),
    [
        ("sm_120", None, "but the GPU here, a card, is sm_120"),
        ("sm_86", "1.0", "1.0 is here"),
        (None, None, "no NVIDIA GPU"),
    ],
)
def test_an_engine_for_another_machine_is_not_run_and_no_fault(
    folder, monkeypatch, gpu, version, why
):
    def required(reason, *, number=0):
        return Device("a card", gpu, "13.0")

    if gpu is None and device.present() is not None:
        pytest.skip("a GPU is here")
    if gpu is not None:
        monkeypatch.setattr("resgen.tensorrt.manifest.required", required)
    if version is not None:
        monkeypatch.setattr("resgen.tensorrt.manifest.version_of", lambda _: version)
    heard = Heard()
    assert resgen.verify(folder, progress=heard).to_dict()["engine"] is None
    assert any(why in text for text in heard.said)


#: Where the manifest of an engine is altered, what it says then, and what is said of
#: it: both values.
ALTERED = {
    "flavor": ("tensorrt", ["tensorrt", "rtx"]),
    "tensorrt": ("1.2.3.4", ["1.2.3.4", "1."]),
    "targets": (["sm_86", "sm_120"], ["sm_120", "sm_89"]),
    "gpu": (
        {"name": "a card", "capability": "sm_86", "cuda": "13.0"},
        ["a card", "null"],
    ),
    "onnx.sha256": ("0" * 64, ["0" * 64]),
    "onnx.external": ({"model.onnx.data": "1" * 64}, ["1" * 64, "null"]),
    "timing_cache": ({"sha256": "2" * 64, "bytes": 3}, ["2" * 64, "null"]),
    "flags.precision": ("fp32", ["fp32", "fp16"]),
    "flags.strongly_typed": (False, ["false", "true"]),
    "flags.tf32": (False, ["false", "true"]),
    "flags.workspace_bytes": (2**20, [str(2**20), str(2**30)]),
    "flags.optimization_level": (5, ["5", "null"]),
    "flags.profiling_verbosity": ("none", ["none", "detailed"]),
    "flags.require_user_allocation": (1, ["1", "true"]),
    "flags.more": (True, ["true", "null"]),
    "profiles": ([], ["[]", "[4, 3, 16, 16]"]),
    "profiles.0.input.min": ([2, 3, 16, 16], ["[2, 3, 16, 16]", "[1, 3, 16, 16]"]),
    "profiles.0.input.opt": ([3, 3, 16, 16], ["[3, 3, 16, 16]", "[2, 3, 16, 16]"]),
    "profiles.0.input.max": ([4, 3, 32, 32], ["[4, 3, 32, 32]", "[4, 3, 16, 16]"]),
    "layers.target": ("sm_120", ["sm_120", "sm_86, sm_89"]),
    "rebuild": ("resgen list; rm -r x", ["rm -r x", "--target sm_86,sm_89"]),
}


@pytest.mark.parametrize("where", ALTERED)
def test_a_manifest_of_another_engine_is_refused_with_both_values(folder, where):
    value, said = ALTERED[where]
    document = json.loads((folder / "model.engine.json").read_text())
    changed = copy.deepcopy(document)
    inner, (*way, last) = changed, where.split(".")
    for key in way:
        inner = inner[int(key) if isinstance(inner, list) else key]
    inner[last] = value
    sealed(folder, changed)
    with pytest.raises(Departure) as refused:
        resgen.verify(folder)
    assert "model.engine.json says " + where.split(".")[0] in refused.value.message
    for words in said:
        assert words in refused.value.message


def test_options_that_ask_for_another_engine_are_refused(folder):
    outer = json.loads((folder / "manifest.json").read_text())
    for name, value, said in (
        ("profile", ["1,2,8"], "[8, 3, 16, 16]"),
        ("workspace", str(2**31), str(2**31)),
        ("flavor", "tensorrt", '"tensorrt"'),
    ):
        options = {**outer["options"], name: value}
        resealed(folder / "manifest.json", {**outer, "options": options})
        with pytest.raises(Departure) as refused:
            resgen.verify(folder)
        assert said in refused.value.message


@pytest.mark.parametrize(
    ("altered", "says"),
    [
        (lambda content: b"#!/bin/sh" + content[9:], r"begins with b'#!/b'.*b'vtrt'"),
        (lambda content: content[:20], "begins with"),
        (
            lambda content: content[:24] + bytes([1, 2, 3, 4]) + content[28:],
            r"was written by TensorRT for RTX 1\.2\.3\.4, and not by 1\.",
        ),
    ],
)
def test_bytes_that_no_such_builder_writes_are_refused(folder, altered, says):
    engine = folder / "model.engine"
    content = altered(engine.read_bytes())
    engine.write_bytes(content)
    document = json.loads((folder / "model.engine.json").read_text())
    document["engine"] = {
        "sha256": sha256(content).hexdigest(),
        "bytes": len(content),
    }
    sealed(folder, document)
    with pytest.raises(Departure, match=says):
        resgen.verify(folder)
