"""Exported engines: vouched for, kept, built once, and never half there."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import fields, replace
from importlib.metadata import version
from pathlib import Path

import onnx
import pytest

import resgen
from resgen.artifact.ready import locate_from_graph
from resgen.errors import MissingComponent, MissingDevice, ResgenError, UsageError
from resgen.graph.precision import Precision, at_precision
from resgen.lower.onnx import write
from resgen.machine.device import Device
from resgen.onnxfile.fingerprint import Fingerprint
from resgen.tensorrt import export as exporting
from resgen.tensorrt import manifest as vouching
from resgen.tensorrt.export import export_engine
from resgen.tensorrt.flavor import FLAVORS
from resgen.tensorrt.manifest import check_here, vouched
from resgen.tensorrt.profiles import parse_profile
from resgen.tensorrt.request import EngineRequest
from resgen.weights.initialize import initialize

RTX = FLAVORS["rtx"]
REQUEST = EngineRequest(RTX, ("sm_86",), "fp16")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Where engines are kept during the test."""
    pytest.importorskip("tensorrt_rtx")
    folder = tmp_path / "cache"
    monkeypatch.setenv("RESGEN_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def graph():
    spec = resgen.load("resnet20_cifar")
    return at_precision(resgen.expand(spec), Precision("fp16", "tensorrt"))


@pytest.fixture(scope="module")
def model(graph, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    write(graph, initialize(graph.parameters, 0), path)
    return path


@pytest.fixture
def export(model, tmp_path):
    def run(onnx=model, out="out", **changes):
        (tmp_path / out).mkdir(exist_ok=True)
        asked = {field.name for field in fields(EngineRequest)} & changes.keys()
        other = {name: changes.pop(name) for name in asked}
        return export_engine(onnx, tmp_path / out, replace(REQUEST, **other), **changes)

    return run


@pytest.fixture
def builds(monkeypatch):
    """Counts builds."""
    done = []
    build = exporting.build

    def counted(*arguments, **options):
        done.append(arguments)
        return build(*arguments, **options)

    monkeypatch.setattr(exporting, "build", counted)
    return done


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files_in(folder: Path):
    return {p for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock"}


# --- the manifest ---------------------------------------------------------------------


@pytest.mark.slow
def test_the_manifest_says_what_the_engine_is(export, model, tmp_path):
    made = export(
        targets=("sm_86", "sm_120"),
        profiles=(parse_profile("1,2,4"), parse_profile("8,8,8")),
        level=2,
        source="resnet20_cifar",
        options=("--precision", "fp16", "--seed", "3"),
    )
    assert {p.name for p in files_in(tmp_path / "out")} == {
        "model.engine",
        "model.engine.json",
    }
    found = json.loads(made.manifest_file.read_text())
    assert found["engine"] == {
        "sha256": sha256(made.engine),
        "bytes": made.engine.stat().st_size,
    }
    assert found["onnx"] == {"sha256": sha256(model), "external": {}}
    assert found["flavor"] == "rtx"
    assert found["tensorrt"] == version("tensorrt_rtx")
    assert found["targets"] == ["sm_86", "sm_120"]
    assert [p["input"]["max"][0] for p in found["profiles"]] == [4, 8]
    assert found["flags"]["optimization_level"] == 2
    assert found["flags"]["tf32"] is True
    assert found["layers"]["precisions"]["fp16"] > 15
    assert found["rebuild"] == (
        "resgen export resnet20_cifar --to tensorrt --target sm_86,sm_120 --flavor rtx "
        "--profile 1,2,4 --profile 8,8,8 --optimization-level 2 "
        "--precision fp16 --seed 3 --rebuild"
    )
    assert vouched(made.engine) == made.manifest


@pytest.mark.slow
def test_what_was_altered_is_not_vouched_for(export):
    made = export()
    whole, told = made.engine.read_bytes(), made.manifest_file.read_text()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    cases = {
        "altered: its SHA-256": (bytes(changed), told),
        "cut short or altered": (whole[:-1], told),
        "json was altered": (whole, told.replace('"sm_86"', '"sm_89"')),
        "is not JSON": (whole, told[:100]),
        "is not there": (whole, None),
    }
    for says, (engine, manifest) in cases.items():
        made.engine.unlink()
        made.engine.write_bytes(engine)
        made.manifest_file.unlink(missing_ok=True)
        if manifest is not None:
            made.manifest_file.write_text(manifest)
        with pytest.raises(ResgenError, match=says) as refused:
            vouched(made.engine)
        assert refused.value.exit_code == 1
        if "SHA-256" in says or "cut short" in says:
            assert made.manifest.rebuild in refused.value.hint


@pytest.mark.slow
def test_an_engine_for_other_machines_says_what_differs(export, monkeypatch):
    made = export()
    manifest = vouched(made.engine)
    assert manifest.gpu is None
    with pytest.raises(MissingDevice, match="no NVIDIA GPU or driver") as missing:
        check_here(made.engine, manifest)
    assert missing.value.exit_code == 3

    def on(capability, name="a card"):
        device = Device(name, capability, "13.0")
        monkeypatch.setattr(vouching, "required", lambda why, number=0: device)

    on("sm_86")
    assert check_here(made.engine, manifest) is RTX
    on("sm_89")
    with pytest.raises(
        MissingDevice, match=r"built for sm_86, but .* is sm_89"
    ) as other:
        check_here(made.engine, manifest)
    assert manifest.rebuild in other.value.hint
    on("sm_86", "another card")
    tuned = replace(manifest, gpu=Device("a card", "sm_86", "13.0"))
    with pytest.raises(MissingDevice, match="built on a a card"):
        check_here(made.engine, tuned)
    with pytest.raises(MissingComponent, match=r"RTX 1\.0 is not inst.*: 1\.\d"):
        check_here(made.engine, replace(manifest, tensorrt="1.0"))


# --- the cache ------------------------------------------------------------------------


@pytest.mark.slow
def test_what_was_built_is_not_built_again(export, builds, model, tmp_path):
    first = export()
    again = export(out="again")
    assert (first.cached, again.cached, len(builds)) == (False, True, 1)
    assert again.manifest == first.manifest
    assert again.engine.read_bytes() == first.engine.read_bytes()
    moved = tmp_path / "moved.onnx"
    shutil.copy(model, moved)
    assert export(onnx=moved).cached
    assert not export(rebuild=True).cached


@pytest.mark.slow
def test_a_file_that_its_writer_has_hashed_is_not_read_for_that(
    export, model, monkeypatch
):
    export()
    known = Fingerprint(sha256(model), {})
    monkeypatch.setattr(exporting, "fingerprint", None)
    made = export(identity=known)
    assert made.cached
    assert made.manifest.onnx.sha256 == known.sha256


@pytest.mark.slow
def test_whatever_changes_the_engine_is_built(export, builds, graph, tmp_path):
    export()
    other = tmp_path / "other.onnx"
    write(graph, initialize(graph.parameters, 1), other)
    assert not export(onnx=other).cached
    for change in (
        {"targets": ("sm_89",)},
        {"targets": ("sm_86", "sm_89")},
        {"precision": "fp32"},
        {"profiles": (parse_profile("1,1,1"),)},
        {"workspace": 1 << 28},
        {"level": 1},
    ):
        assert not export(**change).cached
        assert export(**change).cached
    assert len(builds) == 8


@pytest.mark.slow
def test_a_damaged_entry_is_built_again(export, builds, cache):
    for damage in (
        lambda folder: (folder / "model.engine.json").write_text("{"),
        lambda folder: (folder / "model.engine.json").unlink(),
        lambda folder: (folder / "model.engine").write_bytes(b"x" * 99),
        lambda folder: flip(folder / "model.engine"),
        lambda folder: flip_unseen(folder / "model.engine"),
        lambda folder: change(folder / "model.engine.json", '"layers"', '"players"'),
        lambda folder: change(folder / "model.engine.json", '"bytes": ', '"bytes": 1'),
        lambda folder: (folder / "model.engine.json").write_text("[" * 100_000),
    ):
        export()
        before = len(builds)
        (facts,) = cache.rglob("model.engine.json")
        damage(facts.parent)
        made = export()
        assert not made.cached
        assert len(builds) == before + 1
        assert vouched(made.engine)


def flip(path):
    """Change one byte in place, and nothing of the size."""
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)


def flip_unseen(path):
    """As :func:`flip`, with the date put back."""
    state = path.stat()
    flip(path)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def change(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


@pytest.mark.slow
def test_an_engine_given_out_is_no_part_of_the_cache(export):
    first, again = export(), export(out="again")
    flip(first.engine)
    first.engine.chmod(0o600)
    assert vouched(again.engine)
    assert again.engine.stat().st_mode & 0o777 != 0o600
    assert export(out="third").cached


TWICE = """
import sys
from importlib.metadata import version
from pathlib import Path
from resgen.tensorrt.export import export_engine
from resgen.tensorrt.flavor import FLAVORS
from resgen.tensorrt.request import EngineRequest
request = EngineRequest(FLAVORS["rtx"], ("sm_86",))
made = export_engine(Path(sys.argv[1]), Path(sys.argv[2]), request)
print(made.cached)
"""


@pytest.mark.slow
def test_two_builds_at_once_do_the_work_once(model, tmp_path, cache):
    running = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        command = [sys.executable, "-c", TWICE, str(model), str(tmp_path / name)]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    said = [process.communicate(timeout=120)[0].strip() for process in running]
    assert sorted(said) == ["False", "True"]
    assert len(list(cache.rglob("model.engine"))) == 1
    for name in ("a", "b"):
        assert vouched(tmp_path / name / "model.engine")


# --- what goes wrong ------------------------------------------------------------------


@pytest.mark.slow
def test_a_disk_that_fills_leaves_nothing(export, cache, tmp_path):
    """A limit on the size of files stands for the disk."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
        with pytest.raises(ResgenError, match="file too large"):
            export()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert files_in(cache) == files_in(tmp_path / "out") == set()
    assert not export().cached


def test_a_folder_that_cannot_be_written_is_named(model, tmp_path):
    (tmp_path / "file").write_text("")
    below = tmp_path / "file" / "out"
    with pytest.raises(ResgenError, match="cannot write"):
        export_engine(model, below, REQUEST)


@pytest.fixture
def heard():
    """Interrupts are heard, also where a shell has its children ignore them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
def test_an_interrupt_leaves_nothing(export, cache, tmp_path, heard):
    def interrupt(done, total):
        if done == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        export(progress=interrupt)
    assert files_in(cache) == files_in(tmp_path / "out") == set()
    assert not export().cached


@pytest.fixture
def outside(graph, tmp_path):
    """A model that keeps its weights in a data file beside it."""
    path = tmp_path / "external" / "model.onnx"
    path.parent.mkdir()
    write(graph, initialize(graph.parameters, 0), path, limit=1)
    return path


@pytest.mark.slow
def test_external_data_belong_to_the_model(export, outside, builds):
    made = export(onnx=outside)
    data = outside.with_name("model.onnx.data")
    assert made.manifest.onnx.external == {data.name: sha256(data)}
    assert export(onnx=outside).cached
    flip(data)
    assert not export(onnx=outside).cached
    assert len(builds) == 2


def test_external_data_outside_the_folder_or_cut_short_are_refused(
    export, outside, builds, tmp_path
):
    data = outside.with_name("model.onnx.data")
    whole = data.read_bytes()
    data.write_bytes(whole[:1000])
    with pytest.raises(ResgenError, match="is cut short"):
        export(onnx=outside)
    (tmp_path / "secret").write_bytes(whole)
    for location in ("../secret", str(tmp_path / "secret")):
        model = onnx.load(outside, load_external_data=False)
        for tensor in model.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = location
        onnx.save(model, outside.with_name("escape.onnx"))
        with pytest.raises(ResgenError, match="not inside the model's folder"):
            export(onnx=outside.with_name("escape.onnx"))
    assert not builds


@pytest.mark.slow
def test_a_file_for_another_engine_is_named_before_it_is_parsed(
    export, graph, builds, tmp_path
):
    path = tmp_path / "theirs.onnx"
    weights = initialize(graph.parameters, 0)
    write(graph, weights, path, metadata={"resgen.for": "onnxruntime"})
    with pytest.raises(ResgenError, match="written for ONNX Runtime"):
        export(onnx=path)
    write(graph, weights, path, metadata={"resgen.for": "tensorrt"})
    export(onnx=path)
    assert len(builds) == 1


def test_a_refused_pair_is_refused_before_anything_is_done(export, builds):
    with pytest.raises(UsageError, match="sm_86 has no fp8"):
        export(precision="fp8")
    assert not builds


def test_a_missing_file_is_named(export, tmp_path):
    with pytest.raises(ResgenError, match=r"none\.onnx"):
        export(onnx=tmp_path / "none.onnx")


def test_nodes_have_places_in_the_spec(graph):
    locate = locate_from_graph(graph)
    node = next(n for n in graph.nodes if n.name == "layer2.0.conv1")
    place = node.origin.place
    for name in ("layer2.0.conv1", "layer2.0.conv1/bias"):
        found = locate(name)
        assert found.startswith(f"{place.file}:{place.line}:{place.column}, ")
        assert found.endswith("block 0")
    assert locate("none of it") is None
