"""``resgen build``, ``verify`` and ``predict``, as a person and a program run them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from click.testing import Result
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import resgen
from resgen.files.hashed import sha256_of
from tests.manifests import resealed

Run = Callable[..., Result]

FILES = [
    "graph.json",
    "manifest.json",
    "model.onnx",
    "spec.json",
    "weights.safetensors",
]


def test_the_folder_is_what_the_contract_says(run: Run, here: Path) -> None:
    result = run("build", "mine.json", "--no-verify", "--seed", 3)
    assert result.exit_code == 0
    folder = here / "build" / "mine"
    assert sorted(path.name for path in folder.iterdir()) == FILES
    onnx.checker.check_model(str(folder / "model.onnx"), full_check=True)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert manifest["seed"] == 3
    for name in set(FILES) - {"manifest.json"}:
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert manifest["files"][name]["sha256"] == digest
    with safe_open(folder / "weights.safetensors", "numpy") as weights:
        assert "layer1.0.conv1.weight" in weights.keys()  # noqa: SIM118  # no mapping
    assert run("check", folder / "spec.json").exit_code == 0


def test_steps_and_the_end_are_for_a_person(run: Run, here: Path) -> None:
    shown = run("build", "mine.json", "--no-verify", "-o", "out").stdout.splitlines()
    assert [line.split()[0] for line in shown[:2]] == ["spec", "graph"]
    assert any(line.startswith("onnx      opset 17") for line in shown)
    assert shown[-2].startswith(f"out{os.sep}  in ") or shown[-2].startswith(
        "out/  in "
    )
    assert shown[-1].startswith("next: resgen verify out")


def test_json_is_the_manifest_and_the_steps_go_to_stderr(run: Run, here: Path) -> None:
    result = run("build", "mine.json", "--no-verify", "--json", "--batch", 2)
    found = json.loads(result.stdout)
    folder = here / found["folder"]
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert {key: found[key] for key in manifest} == manifest
    assert result.stderr.startswith("spec      mine.json")
    model = onnx.load(folder / "model.onnx")
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 2


def test_set_and_opset_reach_the_model(run: Run, here: Path) -> None:
    options = ("--set", "/head/classes=7", "--opset", 18, "--keep-batchnorm")
    assert run("build", "mine.json", "--no-verify", *options).exit_code == 0
    model = onnx.load(here / "build" / "mine" / "model.onnx")
    assert model.graph.output[0].type.tensor_type.shape.dim[1].dim_value == 7
    assert model.opset_import[0].version == 18
    assert "BatchNormalization" in {node.op_type for node in model.graph.node}


def test_a_bad_spec_builds_nothing(run: Run, bad: Path) -> None:
    result = run("build", "bad.json", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "bad.json:7:32: RG021 error" in result.stderr
    assert not (bad.parent / "build").exists()


def test_a_folder_of_something_else_is_left_alone(run: Run, here: Path) -> None:
    (here / "out").mkdir()
    (here / "out" / "thesis.txt").write_text("years of work")
    result = run("build", "mine.json", "--no-verify", "-o", "out")
    assert result.exit_code == 1
    assert "take those files along with --force" in result.stderr
    assert [path.name for path in (here / "out").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("out", ["mine.json", "mine.json/inside"])
def test_a_target_that_cannot_be_a_folder(run: Run, here: Path, out: str) -> None:
    result = run("build", "mine.json", "--no-verify", "-o", out)
    assert result.exit_code == 1
    assert result.stderr.startswith("resgen: ")
    assert (here / "mine.json").is_file()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="runs as root"
)
def test_a_folder_that_may_not_be_written(run: Run, here: Path) -> None:
    (here / "locked").mkdir(mode=0o500)
    result = run("build", "mine.json", "--no-verify", "-o", "locked/out")
    assert result.exit_code == 1
    assert "permission denied" in result.stderr


@pytest.mark.parametrize("name", ["../../escaped", "..", "a/b"])
def test_a_name_never_leads_out_of_the_build_folder(
    run: Run, here: Path, name: str
) -> None:
    result = run("build", "mine.json", "--no-verify", "--set", f'/name="{name}"')
    assert (result.exit_code, result.stdout) == (1, "")
    assert not (here / "build").exists()


def test_a_name_too_long_for_a_folder_wants_another(run: Run, here: Path) -> None:
    change = ("--set", f'/name="{"x" * 300}"')
    result = run("build", "mine.json", "--no-verify", *change)
    assert result.exit_code == 1
    assert "300 characters, too many for the name of a file" in result.stderr
    assert "-o DIR" in result.stderr
    assert not (here / "build").exists()
    assert run("build", "mine.json", "--no-verify", *change, "-o", "x").exit_code == 0


def test_quiet_says_what_came_of_it_and_no_steps(run: Run, here: Path) -> None:
    loud = run("build", "mine.json", "--no-verify", "-o", "one")
    quiet = run("build", "mine.json", "--no-verify", "-o", "two", "--quiet")
    assert "weights" in loud.stdout
    assert [line.split("/")[0] for line in quiet.stdout.splitlines()] == [
        "two",
        "next: resgen verify two · resgen profile two",
    ]
    assert quiet.stderr == ""


def test_weights_that_are_not_there(run: Run, here: Path) -> None:
    result = run("build", "mine.json", "--no-verify", "--weights", "none.safetensors")
    assert result.exit_code == 1
    assert "none.safetensors" in result.stderr


def test_weights_come_back_as_they_were(run: Run, here: Path) -> None:
    run("build", "mine.json", "--no-verify", "-o", "first", "--seed", 5)
    weights = here / "first" / "weights.safetensors"
    result = run(
        "build", "mine.json", "--no-verify", "-o", "second", "--weights", weights
    )
    assert result.exit_code == 0
    assert (
        here / "second" / "weights.safetensors"
    ).read_bytes() == weights.read_bytes()


@pytest.mark.parametrize("command", [("verify",), ("predict", "cat.png")])
@pytest.mark.parametrize("folder", ["nowhere", "mine.json", "."])
def test_a_folder_that_is_no_build(
    run: Run, here: Path, command: tuple[str, ...], folder: str
) -> None:
    Image.new("RGB", (40, 40)).save(here / "cat.png")
    name, *images = command
    result = run(name, folder, *images)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "resgen build SPEC" in result.stderr


@pytest.fixture
def built(run: Run, here: Path) -> Path:
    """A build with two labels, and a picture beside it."""
    labels = '/labels=["no", "yes", "maybe"]'
    options = ("--set", "/head/classes=3", "--set", labels, "-o", "out")
    result = run("build", "mine.json", "--no-verify", *options)
    assert result.exit_code == 0, result.stderr
    Image.effect_noise((50, 40), 80).convert("RGB").save(here / "cat.png")
    return here / "out"


def test_predict_prints_classes_with_labels(run: Run, built: Path) -> None:
    result = run("predict", "out", "cat.png")
    assert result.exit_code == 0
    first, *rest = result.stdout.splitlines()
    assert first == "cat.png"
    assert {line.split()[-1] for line in rest} == {"no", "yes", "maybe"}


def test_predict_json_is_one_document(run: Run, built: Path) -> None:
    result = run("predict", "out", "cat.png", "cat.png", "--json", "--top", 2)
    found = json.loads(result.stdout)
    assert [prediction["image"] for prediction in found] == ["cat.png", "cat.png"]
    classes = found[0]["classes"]
    assert len(classes) == 2
    assert classes[0]["probability"] >= classes[1]["probability"]
    assert all(c["label"] == ["no", "yes", "maybe"][c["index"]] for c in classes)


def test_predict_from_python_answers_alike(run: Run, built: Path) -> None:
    (built.parent / "no.png").write_bytes(b"no picture")
    told = json.loads(run("predict", "out", "cat.png", "no.png", "--json").stdout)
    found = resgen.predict("out", ["cat.png", "no.png"])
    assert found.to_dict() == told
    assert found.failed == (told[1]["error"],)
    assert "cat.png" in str(found).splitlines()
    assert "maybe" in found._repr_html_()
    (best,) = resgen.predict("out", "cat.png", top=1).predictions
    assert best.found == found.predictions[0].found[:1]


def test_what_is_done_to_pictures_is_told(run: Run, built: Path) -> None:
    words = "resize to 32 x 32 (bilinear), RGB, / 255, mean"
    stem = ("mine.json", "--set", '/preprocess={"resize": null}')
    for command in (
        ("inspect", *stem),
        ("build", *stem, "--no-verify", "-o", "told"),
        ("predict", "told", "cat.png"),
    ):
        result = run(*command)
        assert words in result.stdout + result.stderr


def test_predict_answers_for_a_folder_but_the_damaged(run: Run, built: Path) -> None:
    folder = built.parent / "photos"
    folder.mkdir()
    for name in ("a.png", "b.jpg", "d.png"):
        Image.effect_noise((50, 40), 80).convert("RGB").save(folder / name)
    (folder / "c.png").write_bytes((folder / "a.png").read_bytes()[:200])
    (folder / "notes.txt").write_text("no picture")
    result = run("predict", "out", "photos", "cat.png")
    assert result.exit_code == 1
    heads = [line for line in result.stdout.splitlines() if line[0] != " "]
    assert heads == ["a.png", "b.jpg", "d.png", "cat.png"]
    assert "c.png" in result.stderr
    found = json.loads(run("predict", "out", "photos", "--json").stdout)
    assert ["error" in one for one in found] == [False, False, True, False]


def test_predict_fills_the_batches_of_a_fixed_size(run: Run, built: Path) -> None:
    folder = built.parent / "photos"
    folder.mkdir()
    for seed in range(5):
        noise = np.random.default_rng(seed).integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{seed}.png")
    run("build", "mine.json", "--no-verify", "--batch", 2, "-o", "two")
    run("build", "mine.json", "--no-verify", "-o", "any")
    two, one = (
        json.loads(run("predict", name, "photos", "--json").stdout)
        for name in ("two", "any")
    )
    assert len(two) == 5
    for a, b in zip(two, one, strict=True):
        assert a["image"] == b["image"]
        assert [c["index"] for c in a["classes"]] == [c["index"] for c in b["classes"]]


def test_scores_that_are_no_numbers_are_told(run: Run, here: Path) -> None:
    state = resgen.to_torch(resgen.expand(resgen.load("mine.json"))).state_dict()
    state["fc.bias"] = state["fc.bias"] * float("nan")
    torch.save(state, "nan.pth")
    run("build", "mine.json", "--no-verify", "--weights", "nan.pth", "-o", "nan")
    Image.new("RGB", (40, 40)).save("cat.png")
    if Path("nan").exists():  # else the weights themselves were refused
        result = run("predict", "nan", "cat.png", "--json")
        assert result.exit_code == 1
        assert "not finite" in result.stderr
        assert "not finite" in json.loads(result.stdout)[0]["error"]


def test_weights_of_another_network_are_seen_by_verify(run: Run, built: Path) -> None:
    path = built / "weights.safetensors"
    whole = load_file(path)
    manifest = json.loads((built / "manifest.json").read_text("utf-8"))
    first = "conv1.weight"
    renamed = {f"{name}x" if name == first else name: v for name, v in whole.items()}
    for given in (renamed, {**whole, first: whole[first][:1]}):
        save_file(given, path)
        manifest["files"][path.name]["sha256"] = sha256_of(path)
        resealed(built / "manifest.json", manifest)
        result = run("verify", "out")
        assert result.exit_code == 1
        assert "Traceback" not in result.output
        assert path.name in result.stderr


@pytest.mark.parametrize("picture", ["none.png", "mine.json"])
def test_pictures_that_are_none(run: Run, built: Path, picture: str) -> None:
    result = run("predict", "out", picture)
    assert (result.exit_code, result.stdout) == (1, "")
    assert picture in result.stderr


def test_a_file_that_was_changed_is_noticed(run: Run, built: Path) -> None:
    with (built / "model.onnx").open("r+b") as file:
        file.seek(2000)
        file.write(b"\x01\x02\x03\x04")
    for command in (("verify", "out"), ("predict", "out", "cat.png")):
        result = run(*command)
        assert result.exit_code == 1
        assert "model.onnx" in result.stderr


def test_build_proves_and_verify_proves_again(run: Run, here: Path) -> None:
    result = run("build", "mine.json")
    assert result.exit_code == 0
    assert "verify" in result.stdout
    manifest = json.loads(
        (here / "build" / "mine" / "manifest.json").read_text("utf-8")
    )
    assert manifest["verified"]
    again = run("verify", "build/mine", "--batch", 2, "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)


def test_the_option_that_a_hint_names_is_one_to_type(run: Run, here: Path) -> None:
    state = resgen.to_torch(resgen.expand(resgen.load(here / "mine.json"))).state_dict()
    plus_one = {name: values + 1 for name, values in state.items()}
    torch.save({"G": state, "a b": plus_one}, here / "two.pth")
    result = run("build", "mine.json", "--weights", "two.pth")
    assert "  --key G takes G" in result.stderr
    assert (
        run("build", "mine.json", "--weights", "two.pth", "--key", "G").exit_code == 0
    )
    other = resgen.to_torch(
        resgen.expand(resgen.load(here / "mine.json", ["/head/classes=4"]))
    )
    torch.save(other.state_dict(), here / "four.pth")
    result = run("build", "mine.json", "--weights", "four.pth")
    assert "--set /head/classes=4 makes it" in result.stderr


def test_the_name_of_a_file_is_no_option(run: Run, here: Path) -> None:
    result = run("build", "adapt=True.json")
    assert "adapt=True.json" in result.stderr


@pytest.mark.parametrize("option", ["--prefix", "--key"])
def test_an_empty_word_is_a_wrong_usage(run: Run, here: Path, option: str) -> None:
    result = run("build", "mine.json", option, "")
    assert result.exit_code == 2
    assert f"{option} is about the weights of a checkpoint" in result.stderr


def test_the_folder_of_a_build_stands_for_its_spec_and_weights(
    run: Run, built: Path
) -> None:
    assert run("check", "out").stdout == "out: ok\n"
    shown = json.loads(run("inspect", "out", "--json").stdout)
    assert shown["outputs"] == {"output": [3]}
    again = run("build", "out", "--no-verify", "-o", "again", "--seed", "9")
    assert again.exit_code == 0, again.stderr
    name = "weights.safetensors"
    assert (Path("again") / name).read_bytes() == (built / name).read_bytes()
    (built / "spec.json").write_text("{}", "utf-8")
    assert "is not the file that was built" in run("inspect", "out").stderr
