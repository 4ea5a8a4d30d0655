"""``resgen export``, as a person and a program run it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import Result
from safetensors.numpy import load_file, save_file

import resgen
from resgen.files.hashed import sha256_of
from resgen.weights.initialize import initialize
from tests.manifests import resealed

Run = Callable[..., Result]

FILES = [
    "graph.json",
    "manifest.json",
    "model.onnx",
    "spec.json",
    "weights.safetensors",
]


def metadata(path: Path) -> dict[str, str]:
    model = onnx.load(path)
    return {entry.key: entry.value for entry in model.metadata_props}


def kinds(path: Path) -> set[str]:
    return {node.op_type for node in onnx.load(path).graph.node}


@pytest.mark.drawn(2)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16", "int8", "fp8"])
@pytest.mark.slow
def test_every_precision_is_a_whole_valid_file(
    run: Run, here: Path, precision: str
) -> None:
    result = run("export", "mine.json", "--to", "onnx", "--precision", precision)
    assert result.exit_code == 0, result.stderr
    folder = here / "build" / f"mine-{precision}"
    assert sorted(path.name for path in folder.iterdir()) == FILES
    onnx.checker.check_model(str(folder / "model.onnx"), full_check=True)
    assert metadata(folder / "model.onnx")["resgen.precision"] == precision
    assert run("check", folder / "spec.json").exit_code == 0
    assert run("verify", folder).exit_code == 0


@pytest.mark.slow
def test_the_file_is_smaller_and_computes_nearly_the_same(run: Run, here: Path) -> None:
    sizes, outputs = {}, {}
    x = np.random.default_rng(0).standard_normal((2, 3, 32, 32), np.float32)
    for precision in ("fp32", "fp16", "int8"):
        run("export", "mine.json", "--to", "onnx", "--precision", precision, "-o", "x")
        path = here / "x" / "model.onnx"
        sizes[precision] = path.stat().st_size
        session = onnxruntime.InferenceSession(str(path))
        (outputs[precision],) = session.run(None, {"input": x})
    assert sizes["int8"] < sizes["fp16"] < sizes["fp32"]
    reach = np.ptp(outputs["fp32"])
    assert np.abs(outputs["fp16"] - outputs["fp32"]).max() < 0.01 * reach
    assert np.abs(outputs["int8"] - outputs["fp32"]).max() < 0.1 * reach


@pytest.mark.slow
def test_json_is_the_manifest_with_what_was_measured(run: Run, here: Path) -> None:
    result = run("export", "mine.json", "--to", "onnx", "--precision", "int8", "--json")
    found = json.loads(result.stdout)
    assert found["precision"]["name"] == "int8"
    assert found["precision"]["consumer"] == "onnxruntime"
    accuracy = found["verified"]["accuracy"]
    assert accuracy["inputs"] >= 1
    assert {block["section"] for block in accuracy["blocks"]} >= {"layer1", "layer2"}
    assert all(block["snr"] > 12 for block in accuracy["blocks"])


@pytest.mark.slow
def test_a_build_is_exported_with_its_own_weights(run: Run, here: Path) -> None:
    run("build", "mine.json", "--no-verify", "--seed", 5)
    run("export", "build/mine", "--to", "onnx", "--precision", "fp16", "-o", "out")
    built = load_file(here / "build/mine/weights.safetensors")
    taken = load_file(here / "out/weights.safetensors")
    assert all(np.array_equal(built[name], taken[name]) for name in built)


@pytest.mark.slow
def test_calibration_images_decide_the_scales(run: Run, here: Path) -> None:
    shape = (300, 3, 16, 16)
    for name, factor in (("near", 1.0), ("far", 10.0)):
        inputs = np.random.default_rng(0).standard_normal(shape, np.float32)
        np.savez(here / f"{name}.npz", inputs=factor * inputs)
        result = run(
            "export", "mine.json", "--to", "onnx", "--precision", "int8", "-o", name,
            "--set", "/input=[3,16,16]",
            "--calibration", f"{name}.npz", "--evaluate", f"{name}.npz",
        )  # fmt: skip
        assert "300 inputs of" in result.stdout
        assert "too few" not in result.stdout
    scales = [
        load_file(here / name / "weights.safetensors")["input.quantize.scale"]
        for name in ("near", "far")
    ]
    assert scales[1] == pytest.approx(10 * scales[0], rel=1e-3)


def sabotaged(here: Path) -> None:
    """Weights of the same function, in one block of which int8 has no chance."""
    graph = resgen.expand(resgen.load("mine.json"))
    arrays = {k: v.copy() for k, v in initialize(graph.parameters, 0).items()}
    for role in ("weight", "bias"):
        arrays[f"layer2.0.bn1.{role}"][::8] *= 1000
    arrays["layer2.0.conv2.weight"][:, ::8] /= 1000
    save_file(arrays, here / "sabotaged.safetensors")


@pytest.mark.slow
def test_the_command_of_an_engine_builds_it_again(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorrt_rtx")
    monkeypatch.setenv("RESGEN_CACHE", str(here / "cache"))
    words = ["export", "mine.json", "--to", "tensorrt", "--precision", "fp16"]
    words += ["--target", "sm_86", "--profile", "1,2,4", "--no-verify", "--seed", 3]
    assert run(*words).exit_code == 0
    folder = here / "build/mine-fp16-tensorrt"
    first = json.loads((folder / "model.engine.json").read_text())
    shutil.move(folder, here / "first")
    program, *again = shlex.split(first["rebuild"])
    assert program == "resgen"
    assert run(*again).exit_code == 0
    second = json.loads((folder / "model.engine.json").read_text())
    assert second.keys() == first.keys()
    for name in first.keys() - {"engine", "layers", "sha256"}:  # the builder's choice
        assert second[name] == first[name], name
    for name in ("model.onnx", "weights.safetensors", "graph.json"):
        assert (folder / name).read_bytes() == (here / "first" / name).read_bytes()


@pytest.mark.drawn(1)
@pytest.mark.parametrize("consumer", ["onnxruntime", "tensorrt"])
@pytest.mark.slow
def test_a_precision_that_destroys_is_refused_and_bisected(
    run: Run, here: Path, consumer: str
) -> None:
    sabotaged(here)
    words = [
        "export", "mine.json", "--to", "onnx", "--precision", "int8", "--for", consumer,
        "--weights", "sabotaged.safetensors", "-o", "out",
    ]  # fmt: skip
    refused = run(*words)
    assert refused.exit_code == 1
    assert "layer2, block 0" in refused.stderr
    assert "a bisection finds" in refused.stderr
    assert not (here / "out").exists()
    found = run(*words, "--bisect")
    assert found.exit_code == 0
    spec = json.loads((here / "out/spec.json").read_text("utf-8"))
    kept = spec["stages"][1]["precision"]
    assert kept == ("fp16" if consumer == "tensorrt" else "fp32")
    assert "precision" not in spec["stages"][0]
    again = run("export", "out/spec.json", *words[2:-2], "-o", "again")
    assert again.exit_code == 0


@pytest.mark.slow
def test_an_engine_and_a_kit_for_what_cannot_be_built(run: Run, here: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    cache = {"RESGEN_CACHE": str(here / "cache")}
    words = ["export", "mine.json", "--to", "tensorrt", "--precision", "int8",
             "--target", "l4,jetson-orin", "-o", "out"]  # fmt: skip
    result = run(*words, env=cache)
    assert result.exit_code == 0, result.stderr
    # What the builder's log says of int8 beside fp16 is told with its numbers.
    assert re.search(
        r"not measured; for sm_89 it has \d+ kernels that move \S+ .B, in fp16 \d+ k",
        result.stdout,
    )
    names = {path.name for path in (here / "out").iterdir()}
    assert names == {*FILES, "model.engine", "model.engine.json", "kit"}
    assert metadata(here / "out/model.onnx")["resgen.for"] == "tensorrt"
    verified = run("verify", "out")
    assert verified.exit_code == 0
    again = run(*words, env=cache)
    assert "taken from the cache" in again.stdout
    kit = json.loads((here / "out/kit/kit.json").read_text("utf-8"))
    assert kit["target"] == "sm_87"


def test_a_file_for_one_engine_is_not_run_by_another(run: Run, here: Path) -> None:
    run("export", "mine.json", "--to", "onnx", "--precision", "int8", "-o", "out",
        "--for", "tensorrt")  # fmt: skip
    (here / "a.png").write_bytes(b"")
    result = run("export", "out/model.onnx", "--to", "triton", "-o", "served")
    assert result.exit_code == 1
    assert "written for TensorRT" in result.stderr


@pytest.mark.slow
def test_ends_and_camera_change_what_the_file_takes(run: Run, here: Path) -> None:
    run("export", "mine.json", "--to", "onnx", "--precision", "fp16", "--ends", "low",
        "-o", "low")  # fmt: skip
    session = onnxruntime.InferenceSession(str(here / "low/model.onnx"))
    assert session.get_inputs()[0].type == "tensor(float16)"
    assert session.get_outputs()[0].type == "tensor(float16)"
    shown = run("export", "mine.json", "--to", "onnx", "--camera", "48x64", "-o", "cam")
    assert "pixels differ" in shown.stdout
    session = onnxruntime.InferenceSession(str(here / "cam/model.onnx"))
    (taken,) = session.get_inputs()
    assert (taken.type, taken.shape[1:]) == ("tensor(uint8)", [48, 64, 3])


@pytest.mark.slow
def test_quantisation_leaves_the_parts_that_are_kept(run: Run, here: Path) -> None:
    run("export", "mine.json", "--to", "onnx", "--precision", "int8", "-o", "out",
        "--keep", "first", "--keep", "layer2")  # fmt: skip
    stored = {
        tensor.name for tensor in onnx.load(here / "out/model.onnx").graph.initializer
    }
    assert "layer1.0.conv1.weight_quantized" in stored
    assert not any(
        name.startswith(("conv1", "layer2")) and name.endswith("_quantized")
        for name in stored
    )


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--to", "onnx", "--target", "l4"], 2, "--target is for --to tensorrt"),
        (["--to", "onnx", "--max-batch", "4"], 2, "--max-batch is for --to triton"),
        (["--to", "onnx", "--bisect"], 2, "--bisect searches"),
        (["--to", "onnx", "--keep", "layer9"], 2, "is no part of mine"),
        (["--to", "onnx", "--reduce-range"], 2, "int8"),
        (["--to", "onnx", "--camera", "big"], 2, "not the size of a picture"),
        (["--to", "onnx", "--camera", "9x9", "--dynamic"], 2, "--dynamic"),
        (["--to", "tensorrt", "--target", "rtx-4091"], 2, "rtx-4090"),
        (["--to", "tensorrt", "--target", "sm_86", "--precision", "fp8"], 2, "sm_89"),
        (["--to", "tensorrt", "--target", "l4", "--workspace", "?"], 2, "not a size"),
        (["--to", "tensorrt", "--for", "onnxruntime"], 2, "refuses"),
        (["--to", "onnx", "--precision", "int8", "--calibration", "none"], 1, "none"),
        (["--to", "onnx", "--precision", "int8", "--calibration", "a.npz"], 1, "a.npz"),
    ],
)
def test_mistakes_are_named_and_leave_nothing(
    run: Run, here: Path, words: list[str], code: int, text: str
) -> None:
    result = run("export", "mine.json", *words, "-o", "out")
    assert result.exit_code == code
    assert text in result.stderr
    assert sorted(path.name for path in here.iterdir()) == ["mine.json"]


def test_what_is_slow_at_a_precision_is_told_by_line(run: Run, here: Path) -> None:
    words = ("--to", "onnx", "--precision", "int8", "--set", "/defaults/act=silu")
    result = run("export", "mine.json", *words, "--no-verify", "-o", "out")
    assert result.exit_code == 0
    assert "RG222 warning: silu after a convolution" in result.stderr
    assert "RG222" not in run("check", "mine.json", *words[-2:]).stdout


def test_a_folder_without_one_of_its_weights_is_refused(run: Run, here: Path) -> None:
    run("build", "mine.json", "--no-verify", "-o", "out")
    weights = here / "out/weights.safetensors"
    held = load_file(weights)
    held["else"] = held.pop("fc.bias")
    save_file(held, weights)
    manifest = json.loads((here / "out/manifest.json").read_text("utf-8"))
    said = manifest["files"]["weights.safetensors"]
    said["sha256"], said["bytes"] = sha256_of(weights), weights.stat().st_size
    resealed(here / "out/manifest.json", manifest)
    for to in ("onnx", "triton"):
        result = run("export", "out", "--to", to, "-o", "again")
        assert result.exit_code == 1
        assert "fc.bias of weights.safetensors is missing" in result.stderr


def test_a_pipe_is_not_said_to_be_missing(run: Run, here: Path) -> None:
    os.mkfifo(here / "m.onnx")
    for words in (("export", "m.onnx", "--to", "triton"), ("profile", "m.onnx")):
        found = run(*words)
        assert found.exit_code == 1
        assert "m.onnx: it is a pipe" in found.stderr


def test_an_onnx_file_of_anybodys_becomes_a_repository(run: Run, here: Path) -> None:
    run("build", "mine.json", "--no-verify")
    model = here / "theirs.onnx"
    (here / "build/mine/model.onnx").replace(model)
    result = run("export", "theirs.onnx", "--to", "triton", "-o", "out")
    assert result.exit_code == 0
    served = here / "out/repository/theirs/1/model.onnx"
    assert served.read_bytes() == model.read_bytes()
    free = onnx.load(model)
    free.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "h"
    onnx.save(free, here / "free.onnx")
    result = run("export", "free.onnx", "--to", "triton", "-o", "free")
    assert result.exit_code == 0
    assert "warm-up   none: the sizes are open" in result.output
    config = here / "free/repository/free/config.pbtxt"
    assert "model_warmup" not in config.read_text("utf-8")


@pytest.mark.slow
def test_an_onnx_file_of_anybodys_is_lowered(run: Run, here: Path) -> None:
    run("build", "mine.json", "--no-verify")
    (here / "build/mine/model.onnx").replace(here / "theirs.onnx")
    result = run("export", "theirs.onnx", "--to", "onnx", "--precision", "int8")
    assert result.exit_code == 0, result.output
    kinds = {
        node.op_type for node in onnx.load("build/theirs-int8/model.onnx").graph.node
    }
    assert "QuantizeLinear" in kinds
    refused = run("export", "theirs.onnx", "--to", "onnx", "--weights", "w.pth")
    assert refused.exit_code == 2
