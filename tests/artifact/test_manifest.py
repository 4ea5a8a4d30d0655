"""Manifests are typed and sealed: whatever is altered in one is a sentence."""

import json
import re
from contextlib import suppress

import pytest
from draws import draw

import resgen
from resgen import forms
from resgen.artifact.make import make
from resgen.artifact.manifest import NETWORK
from resgen.artifact.opened import open_folder
from resgen.artifact.remade import check_made
from resgen.artifact.request import Wishes
from resgen.artifact.source import from_folder, from_spec
from resgen.artifact.verify import derived
from resgen.document.schema import schema
from resgen.errors import ResgenError
from resgen.graph.precision import Precision
from tests.manifests import mutated, mutations, resealed

SPEC = {
    "resgen": 1,
    "name": "tiny",
    "input": [3, 8, 8],
    "stem": {"op": "conv", "out": 8, "kernel": 3},
    "stages": [{"block": "basic", "width": 8, "depth": 1}],
    "head": {"classes": 3},
}
#: Of these, what is tried where each takes a derivation.
FEW = [None, True, 0, 3, 10**30, "x", "../../etc/passwd", "\0", [], [0], {}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network in int8, which has all that a manifest can state."""
    out = tmp_path_factory.mktemp("manifest") / "out"
    source = from_spec(resgen.load(SPEC), seed=3)
    make(source, out, Wishes(Precision("int8"), verify=False))
    return out


def look(folder):
    """All that opening, hashing, deriving and its form read of a manifest."""
    artifact = open_folder(folder)
    artifact.check_hashes()
    from_folder(folder)
    made = derived(artifact)
    check_made(artifact, made, forms.find("onnx"), lambda label, text: None)


@pytest.fixture
def restored(folder):
    path = folder / "manifest.json"
    text = path.read_text()
    yield json.loads(text)
    path.write_text(text)


def test_what_was_written_is_read(folder):
    look(folder)
    manifest = open_folder(folder).manifest
    assert manifest.precision == Precision("int8")
    assert NETWORK.to_json(manifest) == json.loads(
        (folder / "manifest.json").read_text()
    )
    assert (manifest.seed, manifest.origin) == (3, "fresh, seed 3")


def test_the_file_fits_the_schema_of_its_types(folder):
    jsonschema = pytest.importorskip("jsonschema")
    document = json.loads((folder / "manifest.json").read_text())
    jsonschema.validate(document, schema(NETWORK))


@pytest.mark.slow
def test_whatever_is_altered_is_a_sentence(folder, restored):
    changed = 0
    for at, how, value in mutations(restored):
        document = mutated(restored, at, how, value)
        if document == restored:
            continue
        (folder / "manifest.json").write_text(json.dumps(document))
        with pytest.raises(ResgenError) as refused:
            open_folder(folder)
        assert "manifest.json" in refused.value.message
        changed += 1
    assert changed > 1000


@pytest.mark.parametrize(
    ("at", "value", "named"),
    [
        (("seed",), "a", "/seed"),
        (("onnx", "opset"), None, "/onnx/opset"),
        (("precision", "name"), "fp7", "/precision"),
        (("precision", "consumer"), "nobody", "/precision"),
        (("files", "model.onnx", "bytes"), "many", "/files/model.onnx/bytes"),
        (("files", "../x"), {"bytes": 1, "sha256": "0" * 64}, "no file of the folder"),
    ],
)
def test_the_field_is_named(folder, restored, at, value, named):
    document = mutated(restored, at, "replaced", value)
    (folder / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(ResgenError, match=re.escape(named)):
        open_folder(folder)


@pytest.mark.slow
def test_with_the_digest_made_anew_it_is_held_against_the_files(folder, restored):
    """What may be altered so is what nobody computes with, or means the same.

    An option of its usual value may be left out, and int8 has no low type for its ends.
    """
    free = {"verified", "versions", "calibration", "form"}
    passed = []
    tried = [
        (at, how, value)
        for at, how, value in mutations(restored)
        if value in FEW and at != ("sha256",)
    ]
    for at, how, value in draw(tried, 150):
        document = mutated(restored, at, how, value)
        if document == restored:
            continue
        resealed(folder / "manifest.json", document)
        with suppress(ResgenError):
            look(folder)
            same = (how == "removed" and at[0] in ("boxes", "precision")) or (
                at[0] == "precision" and at[1] == "low_ends"
            )
            if at[0] not in free and not same:
                passed.append((at, how, value))
    assert not passed, "\n".join(map(str, passed))


def test_a_part_that_nobody_has_is_a_sentence_about_the_folder(folder, restored):
    document = mutated(restored, ("precision", "keep"), "replaced", ["nothing"])
    resealed(folder / "manifest.json", document)
    with pytest.raises(ResgenError, match='out was altered: "nothing" is no part'):
        look(folder)


def test_a_manifest_that_was_cut_is_a_sentence(folder, restored):
    path = folder / "manifest.json"
    text = path.read_text()
    for end in range(0, len(text) - 2, 97):
        path.write_text(text[:end])
        with pytest.raises(ResgenError, match=r"manifest\.json"):
            open_folder(folder)


@pytest.mark.parametrize("depth", [500, 5_000, 200_000])
def test_a_manifest_that_is_nested_deep_is_a_sentence(folder, restored, depth):
    path = folder / "manifest.json"
    text = json.dumps({**restored, "made": 0})
    deep = '{"a":' * depth + "0" + "}" * depth
    path.write_text(text.replace('"made": 0', f'"made": {deep}'))
    with pytest.raises(ResgenError, match=r"manifest\.json"):
        open_folder(folder)
