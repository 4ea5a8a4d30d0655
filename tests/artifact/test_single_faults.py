"""Is every single fault of a folder seen, though its hashes are mended?

A fault is any change of one thing: whether it changes an output on some inputs is not
asked. What a folder should hold is what was written before the fault, so the oracle is
the folder itself.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter

import numpy as np
import onnx
import pytest
from draws import draw
from safetensors.numpy import load_file

from resgen import forms
from resgen.api.export import export as resgen_export
from resgen.api.verify import verify as resgen_verify
from resgen.artifact.make import make
from resgen.artifact.opened import open_folder
from resgen.artifact.remade import check_made
from resgen.artifact.request import Wishes
from resgen.artifact.source import from_spec
from resgen.artifact.verify import derived
from resgen.errors import ResgenError
from resgen.expansion.network import load
from resgen.graph.precision import Precision
from tests.artifact.faults import (
    MODEL,
    OF_FOLDER,
    OF_FORM,
    OF_MANIFEST,
    OF_MODEL,
    Inapplicable,
)
from tests.manifests import resealed

SPEC = {
    "resgen": 1,
    "name": "small",
    "input": [3, 8, 8],
    "labels": ["cat", "dog", "owl"],
    "stem": "cifar",
    "stages": [
        {"block": "basic", "width": 8, "depth": 1},
        {"block": "bottleneck", "width": 16, "depth": 1},
    ],
    "head": {"classes": 3},
}
KINDS = (*OF_MODEL, *OF_FOLDER, *OF_MANIFEST)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("healthy")
    spec = load(SPEC)
    precisions = {"build": None} | {n: Precision(n) for n in ("fp32", "fp16", "int8")}
    for name, precision in precisions.items():
        make(from_spec(spec), home / name, Wishes(precision, verify=False))
    return {path.name: path for path in sorted(home.iterdir())}


@pytest.fixture(scope="module")
def formed(tmp_path_factory):
    home = tmp_path_factory.mktemp("formed")
    resgen_export(SPEC, home / "triton", to="triton", max_batch=4)
    resgen_export(
        SPEC, home / "kit", to="tensorrt", target="jetson-orin", precision="fp16"
    )
    return {path.name: path for path in sorted(home.iterdir())}


def check(folder):
    artifact = open_folder(folder)
    artifact.check_hashes()
    form = forms.find(artifact.manifest.form)
    check_made(artifact, derived(artifact), form, lambda label, text: None)


def mended(folder):
    """The manifest vouches for whatever the folder holds now."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for name, entry in manifest["files"].items():
        data = (folder / name).read_bytes()
        entry.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    resealed(path, manifest)


def faulty(kind, healthy, folder, draw):
    """A copy of the folder with one fault; Inapplicable where it can have none."""
    shutil.copytree(healthy, folder)
    if kind in OF_MANIFEST:
        OF_MANIFEST[kind](folder, draw)
        return
    if kind in OF_MODEL:
        model = onnx.load(folder / MODEL)
        OF_MODEL[kind](model, draw)
        (folder / MODEL).write_bytes(model.SerializeToString())
    else:
        OF_FOLDER[kind](folder, draw)
    same = all(
        path.read_bytes() == (healthy / path.name).read_bytes()
        for path in folder.iterdir()
    )
    if same:
        raise Inapplicable
    mended(folder)


def judge(folders, home, kinds, count, seed):
    """How many faults of each kind were tried, and those that nobody saw."""
    draw = np.random.default_rng(seed)
    tried: Counter[str] = Counter()
    missed = []
    turn = 0
    while tried.total() < count:
        kind = kinds[turn % len(kinds)]
        name = list(folders)[(turn // len(kinds) + turn) % len(folders)]
        turn += 1
        folder = home / str(turn)
        try:
            faulty(kind, folders[name], folder, draw)
        except Inapplicable:
            shutil.rmtree(folder)
            continue
        tried[kind] += 1
        try:
            check(folder)
        except ResgenError:
            pass
        else:
            missed.append((kind, name))
        shutil.rmtree(folder)
    return tried, missed


@pytest.mark.parametrize("name", ["build", "fp32", "fp16", "int8"])
def test_a_healthy_folder_is_what_its_spec_makes(name, folders):
    check(folders[name])


@pytest.mark.slow
def test_every_single_fault_is_seen(folders, tmp_path):
    kinds = draw(KINDS, 40)
    tried, missed = judge(folders, tmp_path, kinds, 40, seed=0)
    assert missed == []
    assert len(tried) >= 30


@pytest.mark.slow
@pytest.mark.parametrize("name", ["triton", "kit"])
def test_what_a_form_made_is_what_it_makes_again(name, formed):
    assert resgen_verify(formed[name]).record["derived"] is True


@pytest.mark.slow
def test_what_somebody_put_beside_is_to_be_moved_away(formed, tmp_path):
    """Building anew with ``--force`` would keep it."""
    for name in ("empty", "link"):
        folder = shutil.copytree(formed["triton"], tmp_path / name)
        other = folder / "repository" / "other"
        other.mkdir() if name == "empty" else other.symlink_to(tmp_path)
        with pytest.raises(ResgenError, match=r"repository/other is nothing") as found:
            resgen_verify(folder)
        assert found.value.hint == "move it away"


@pytest.mark.slow
@pytest.mark.parametrize("kind", OF_FORM)
def test_every_fault_of_what_a_form_made_is_seen(kind, formed, tmp_path):
    tried = 0
    for name, healthy in formed.items():
        folder = shutil.copytree(healthy, tmp_path / name)
        before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        try:
            OF_FORM[kind](folder, np.random.default_rng(0))
        except Inapplicable:
            continue
        after = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        assert after != before
        tried += 1
        mended(folder)
        with pytest.raises(ResgenError):
            check(folder)
    assert tried


@pytest.mark.slow
def test_another_version_made_other_texts_but_serves_the_proven_file(formed, tmp_path):
    folder = shutil.copytree(formed["triton"], tmp_path / "folder")
    (config,) = folder.glob("repository/*/config.pbtxt")
    config.write_text(config.read_text() + "# as before\n")
    model = onnx.load(folder / MODEL)
    model.graph.node[0].doc_string = "as version 0.0.9 wrote it"
    onnx.save(model, folder / MODEL)
    claimed(folder, "0.0.9")
    shutil.copy(folder / MODEL, config.parent / "1" / MODEL)
    mended(folder)
    found = resgen_verify(folder)
    assert found.record["derived"] is False
    served = config.parent / "1" / MODEL
    served.write_bytes(served.read_bytes() + b"\x08\x08")
    mended(folder)
    with pytest.raises(ResgenError, match="altered"):
        resgen_verify(folder)


@pytest.mark.soak
def test_every_one_of_2000_faults_is_seen(folders, tmp_path):
    tried, missed = judge(folders, tmp_path, KINDS, 2000, seed=1)
    for kind in KINDS:
        print(f"{kind:36} {tried[kind]:4}")
    assert missed == []
    assert len(tried) == len(KINDS)


def claimed(folder, version):
    """Let every place say that another resgen wrote the folder."""
    model = onnx.load(folder / MODEL)
    model.producer_version = version
    for entry in model.metadata_props:
        if entry.key == "resgen.version":
            entry.value = version
    onnx.save(model, folder / MODEL)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["resgen"] = version
    resealed(path, manifest)
    mended(folder)


@pytest.mark.parametrize("name", ["build", "fp16", "int8"])
@pytest.mark.slow
def test_an_older_version_explains_spellings_and_nothing_else(name, folders, tmp_path):
    folder = shutil.copytree(folders[name], tmp_path / "folder")
    model = onnx.load(folder / MODEL)
    model.graph.node[0].doc_string = "as version 0.0.9 wrote it"
    onnx.save(model, folder / MODEL)
    claimed(folder, "0.0.9")
    found = resgen_verify(folder)
    assert found.record["derived"] is False
    assert str(found).startswith(f"{folder} agrees by numbers only")


@pytest.mark.parametrize("name", ["build", "int8"])
@pytest.mark.parametrize(("value", "said"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_a_folder_of_old_with_no_numbers_names_where(
    name, value, said, folders, tmp_path
):
    """Once such weights were taken, and called an overflow of the network."""
    folder = shutil.copytree(folders[name], tmp_path / "folder")
    arrays = load_file(folder / "weights.safetensors")
    weight = next(n for n in arrays if n.endswith("1.weight") and arrays[n].ndim == 4)
    content = (folder / "weights.safetensors").read_bytes()
    before = arrays[weight].tobytes()
    arrays[weight].flat[3] = value
    assert content.count(before) == 1
    after = content.replace(before, arrays[weight].tobytes())
    (folder / "weights.safetensors").write_bytes(after)
    mended(folder)
    with pytest.raises(ResgenError, match=rf"{weight} in .*holds {said} \(1 of"):
        resgen_verify(folder)


@pytest.mark.parametrize("name", ["build", "int8"])
@pytest.mark.parametrize("key", ["resgen.labels", "resgen.preprocess"])
def test_no_version_explains_other_labels_or_pictures(name, key, folders, tmp_path):
    folder = shutil.copytree(folders[name], tmp_path / "folder")
    model = onnx.load(folder / MODEL)
    (entry,) = (e for e in model.metadata_props if e.key == key)
    entry.value = entry.value.replace("cat", "dog").replace("0.485", "0.5")
    onnx.save(model, folder / MODEL)
    claimed(folder, "0.0.9")
    with pytest.raises(ResgenError, match=key):
        resgen_verify(folder)


def test_no_version_explains_another_batch(folders, tmp_path):
    folder = shutil.copytree(folders["build"], tmp_path / "folder")
    model = onnx.load(folder / MODEL)
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(model, folder / MODEL)
    claimed(folder, "0.0.9")
    with pytest.raises(ResgenError, match="input"):
        resgen_verify(folder)
