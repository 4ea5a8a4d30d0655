"""The manifest of an engine is typed and sealed: what is altered is a sentence."""

import hashlib
import json

import pytest

from resgen.errors import MissingDevice, ResgenError
from resgen.files.hashed import Entry
from resgen.machine.device import Device
from resgen.onnxfile.fingerprint import Fingerprint
from resgen.serve.spans import spans
from resgen.tensorrt.manifest import (
    EngineManifest,
    Span,
    check_here,
    manifest_of,
    vouched,
    write_manifest,
)
from tests.manifests import mutated, mutations, resealed

CODE = b"ftrt: native code"


@pytest.fixture
def engine(tmp_path):
    path = tmp_path / "model.engine"
    path.write_bytes(CODE)
    write_manifest(
        path,
        EngineManifest(
            resgen="0.1.0",
            flavor="rtx",
            tensorrt="1.0",
            targets=("sm_86", "sm_89"),
            gpu=Device("a card", "sm_86", "13.0"),
            engine=Entry(len(CODE), hashlib.sha256(CODE).hexdigest()),
            onnx=Fingerprint("0" * 64, {"model.onnx.data": "1" * 64}),
            timing_cache=Entry(100, "2" * 64),
            flags={"tf32": False, "workspace_bytes": None},
            profiles=({"x": Span((1, 3), (2, 3), (4, 3))},),
            layers={"layers": [{"name": "a", "precision": "fp16"}]},
            fp16_layers=None,
            rebuild="resgen export net --to tensorrt",
        ),
    )
    return path


def look(engine):
    manifest = vouched(engine)
    assert json.dumps(manifest.rebuild)
    if manifest.profiles:  # none where all sizes are fixed
        spans(manifest.profiles, None)
    check_here(engine, manifest)


def test_what_was_written_is_read(engine):
    assert vouched(engine).profiles[0]["x"].max == (4, 3)


@pytest.mark.slow
@pytest.mark.parametrize("sealed", [False, True])
def test_whatever_is_altered_is_a_sentence(engine, sealed):
    """With the digest made anew, no reader meets a value that it cannot take."""
    path = manifest_of(engine)
    document = json.loads(path.read_text())
    tried = 0
    for at, how, value in mutations(document):
        changed = mutated(document, at, how, value)
        if changed == document:
            continue
        tried += 1
        if sealed:
            resealed(path, changed)
        else:
            path.write_text(json.dumps(changed))
        # Sound ones go as far as the GPU, which is not there or another.
        with pytest.raises(ResgenError) as refused:
            look(engine)
        if not sealed:
            assert not isinstance(refused.value, MissingDevice)
            assert "model.engine.json" in refused.value.message
    assert tried > 500
