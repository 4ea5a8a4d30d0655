"""``--to litert``: a .tflite file, written without TensorFlow and proven."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import skimage.data
import torch
from PIL import Image

import resgen
from resgen.errors import MissingComponent, ResgenError, UsageError
from resgen.files.hashed import sha256_of
from resgen.proof.compare import Departure
from tests.manifests import resealed

pytest.importorskip("ai_edge_litert")

SPEC: dict[str, Any] = {
    "resgen": 1,
    "name": "small",
    "doc": "Of no paper.",
    "input": [3, 16, 16],
    "stem": {"op": "conv", "out": 8, "kernel": 3, "stride": 2},
    "stages": [{"block": "basic", "width": 8, "depth": 1}],
    "head": {"classes": 3},
    "labels": ["cat", "dog", "bat"],
}


def test_the_file_classifies_without_resgen(tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    made = resgen.export(SPEC, tmp_path / "out", to="litert", verify=False, seed=3)
    x = np.random.default_rng(0).normal(size=(2, 3, 16, 16)).astype(np.float32)
    file = made.folder / "model.tflite"
    runner = Interpreter(str(file)).get_signature_runner()
    assert runner.get_input_details()["input"]["shape_signature"].tolist() == [
        -1, 16, 16, 3,
    ]  # fmt: skip
    found = runner(input=x.transpose(0, 2, 3, 1).copy())["output"]
    assert json.dumps(["cat", "dog", "bat"]).encode() in file.read_bytes()
    module = resgen.to_torch(resgen.expand(resgen.load(SPEC)), seed=3).eval()
    with torch.no_grad():
        wanted = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


def test_the_lines_of_the_documentation_classify_a_photograph(tmp_path: Path) -> None:
    """In a process that has no resgen."""
    labels = [f"class {n}" for n in range(7)]
    spec = {**SPEC, "input": [3, 224, 224], "head": {"classes": 7}, "labels": labels}
    made = resgen.export(spec, tmp_path / "out", to="litert", verify=False)
    photograph = Image.fromarray(skimage.data.astronaut())
    photograph.save(tmp_path / "photo.jpg")
    page = (Path(__file__).parents[2] / ".docs/pages/phone.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.+?)```", page, re.S)
    assert sum(bool(line.strip()) for line in code.splitlines()[4:]) <= 10
    code = code.replace("build/resnet50-fp32-litert", str(made.folder))
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{code}\nimport sys; assert 'resgen' not in sys.modules",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    picture = np.asarray(Image.open(tmp_path / "photo.jpg").resize((224, 224))) / 255
    x = ((picture - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).transpose(2, 0, 1)
    session = onnxruntime.InferenceSession(made.folder / "model.onnx")
    (scores,) = session.run(None, {"input": x[None].astype(np.float32)})
    for line, best in zip(
        done.stdout.splitlines(), np.argsort(-scores[0])[:3], strict=True
    ):
        label, _, score = line.rpartition(" ")
        assert label == labels[best]
        assert float(score) == pytest.approx(float(scores[0][best]), abs=1e-5)


def test_an_engine_adds_nothing_to_what_is_told(tmp_path: Path) -> None:
    resgen.export(SPEC, tmp_path / "out", to="litert", verify=False)
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from resgen.runtime.litert import LiteRtSession\n"
        "session = LiteRtSession(Path(sys.argv[1]))\n"
        "session.run({'input': np.zeros((1, 3, 16, 16), 'f4')})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "out/model.tflite"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("", "")


def test_what_cannot_be_written_is_told_all_at_once(tmp_path: Path) -> None:
    pool = {"op": "max_pool", "kernel": 3, "dilation": 2, "padding": 2}
    spec = {
        **SPEC,
        "stem": [SPEC["stem"], pool, {"op": "act", "type": "relu"}, pool],
    }
    with pytest.raises(ResgenError) as refused:
        resgen.export(spec, tmp_path / "out", to="litert", verify=False)
    assert str(refused.value).count("pools have no dilation, for max_pool in stem") == 2
    with pytest.raises(UsageError, match="LiteRT has no kernels of bf16"):
        resgen.export(SPEC, tmp_path / "out", to="litert", precision="bf16")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_written_is_told_before_anything_is_proven(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    pool = {"op": "max_pool", "kernel": 3, "dilation": 2, "padding": 2}
    for spec, more, why in (
        ({**SPEC, "stem": [SPEC["stem"], pool]}, {}, "pools have no dilation"),
        (SPEC, {"dynamic": True}, "has inputs of one size"),
    ):
        with pytest.raises(ResgenError, match=why):
            resgen.export(
                spec, tmp_path / "out", to="litert", progress=said.append, **more
            )
    assert said == []


def test_the_ends_may_keep_the_order_of_pytorch(tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    scores = ["global_pool", "flatten", {"op": "linear", "as": "fc", "out": 3}]
    maps = {"op": "conv", "as": "maps", "out": 5, "kernel": 1}
    spec = {**SPEC, "head": {"outputs": {"scores": scores, "maps": [maps]}}}
    made = resgen.export(spec, tmp_path / "out", to="litert", ends="nchw")
    assert made.manifest.made["transposes"] == 2
    assert resgen.verify(made.folder).unproven == ()
    x = np.random.default_rng(0).normal(size=(1, 3, 16, 16)).astype(np.float32)
    runner = Interpreter(str(made.folder / "model.tflite")).get_signature_runner()
    found = runner(input=x)
    module = resgen.to_torch(resgen.expand(resgen.load(spec))).eval()
    with torch.no_grad():
        wanted = {n: each.numpy() for n, each in module(torch.from_numpy(x)).items()}
    assert wanted["maps"].shape == (1, 5, 8, 8)
    for name, each in wanted.items():
        np.testing.assert_allclose(found[name], each, atol=1e-5 * np.abs(each).max())
    for to, ends in (("onnx", "nchw"), ("litert", "low"), ("keras", "int8")):
        with pytest.raises(UsageError, match=f"{to} has no ends {ends}"):
            resgen.export(SPEC, tmp_path / "other", to=to, ends=ends)


def test_without_litert_the_command_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = resgen.export(SPEC, tmp_path / "made", to="litert", verify=False)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.schema_py_generated", None)
    for task in (
        lambda: resgen.export(SPEC, tmp_path / "out", to="litert"),
        lambda: resgen.verify(made.folder),
    ):
        with pytest.raises(MissingComponent) as missing:
            task()
        assert missing.value.hint == 'pip install "resgen[litert]"'
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("ends", ["int8", "uint8"])
def test_the_ends_may_be_whole_numbers(tmp_path: Path, ends: str) -> None:
    """They stand for what ONNX Runtime's QDQ file gives out, up to a step."""
    from ai_edge_litert.interpreter import Interpreter

    wishes = {"to": "litert", "precision": "int8", "ends": ends}
    made = resgen.export(SPEC, tmp_path / "out", **wishes, kit=True, batch=2)
    assert resgen.verify(made.folder).unproven == ()
    run = Interpreter(str(made.folder / "model.tflite"))
    run.allocate_tensors()
    (taken,), (given,) = run.get_input_details(), run.get_output_details()
    assert taken["dtype"] == given["dtype"] == np.dtype(ends)
    x = np.random.default_rng(0).normal(size=(2, 3, 16, 16)).astype(np.float32)
    scale, point = taken["quantization"]
    codes = np.round(x.transpose(0, 2, 3, 1) / scale) + point
    kind = np.iinfo(ends)
    run.set_tensor(taken["index"], codes.clip(kind.min, kind.max).astype(ends))
    run.invoke()
    scale, point = given["quantization"]
    found = (run.get_tensor(given["index"]).astype(float) - point) * scale
    session = onnxruntime.InferenceSession(made.folder / "model.onnx")
    (wanted,) = session.run(None, {"input": x})
    assert np.ptp(wanted) > 4 * scale
    np.testing.assert_allclose(found, wanted, atol=1.01 * scale)
    kit = made.folder / "kit"
    done = subprocess.run(
        [sys.executable, kit / "check_and_time.py", "--runs", "3", "--warm-up", "0"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_what_is_in_float32_has_no_ends_in_whole_numbers(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ends int8 are those of a network in int8"):
        resgen.export(SPEC, tmp_path / "out", to="litert", ends="int8")
    with pytest.raises(ResgenError) as refused:
        resgen.export(
            SPEC, tmp_path / "out", to="litert", precision="int8", ends="uint8",
            keep=("first", "head"),
        )  # fmt: skip
    said = str(refused.value)
    assert "it reads float32, no uint8, for conv in stem" in said
    assert "it gives out float32, no uint8, for linear in head" in said


def test_pictures_are_told_alike_and_by_no_other_file(tmp_path: Path) -> None:
    made = resgen.export(SPEC, tmp_path / "out", to="litert", verify=False)
    noise = np.random.default_rng(0).integers(0, 256, (2, 20, 24, 3), np.uint8)
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    wanted, found = (
        [
            (each.label, each.probability)
            for picture in resgen.predict(
                made.folder, sorted(tmp_path.glob("*.png")), runtime=runtime
            ).predictions
            for each in picture.found
        ]
        for runtime in ("onnxruntime", "litert")
    )
    assert [label for label, _ in found] == [label for label, _ in wanted]
    np.testing.assert_allclose(
        [score for _, score in found], [score for _, score in wanted], atol=1e-5
    )
    with pytest.raises(ResgenError, match="has no file that PyTorch opens"):
        resgen.predict(made.folder, tmp_path / "0.png", runtime="torch")
    file = made.folder / "model.tflite"
    (tmp_path / "foreign.tflite").write_bytes(file.read_bytes())
    with pytest.raises(ResgenError, match="no manifest beside it vouches for it"):
        resgen.profile(tmp_path / "foreign.tflite")
    file.write_bytes(b"another")
    for ask in (
        lambda: resgen.profile(file),
        lambda: resgen.predict(made.folder, tmp_path / "0.png", runtime="litert"),
        lambda: resgen.profile(made.folder, runtime="litert", time=0.1),
    ):
        with pytest.raises(ResgenError, match="its SHA-256 differs"):
            ask()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "apart"),
    [({}, 1e-5), ({"precision": "fp16"}, 3e-3),
     ({"precision": "int8", "ends": "uint8", "kit": True}, None)],
)  # fmt: skip
def test_a_camera_gives_its_bytes(
    tmp_path: Path, more: dict[str, Any], apart: float | None
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    made = resgen.export(SPEC, tmp_path / "out", to="litert", camera=(24, 40), **more)
    assert resgen.verify(made.folder).unproven == ()
    picture = np.random.default_rng(0).integers(0, 256, (1, 24, 40, 3), np.uint8)
    run = Interpreter(str(made.folder / "model.tflite"))
    run.allocate_tensors()
    (taken,), (given,) = run.get_input_details(), run.get_output_details()
    assert taken["dtype"] == np.uint8
    run.set_tensor(taken["index"], picture)
    run.invoke()
    found = run.get_tensor(given["index"]).astype(np.float32)
    session = onnxruntime.InferenceSession(made.folder / "model.onnx")
    (wanted,) = session.run(None, {"input": picture})
    atol = 0.0
    if apart is None:  # a step
        scale, point = given["quantization"]
        found, atol = (found - point) * scale, 1.01 * scale
    else:
        atol = apart * np.abs(wanted).max()
    np.testing.assert_allclose(found, wanted, atol=atol)


@pytest.mark.slow
def test_a_spec_is_measured_without_an_export(tmp_path: Path) -> None:
    done = resgen.profile(SPEC, runtime="litert", time=0.2)
    (run,) = done.record.runs
    assert run.error is None
    assert run.summary is not None
    assert run.model_bytes is not None


#: Of each kind of operator that 8 bits have a rule for.
MIXED: dict[str, Any] = {
    **SPEC,
    "stem": [
        {"op": "pad", "begin": 1},
        SPEC["stem"],
        {"op": "pad_same", "kernel": 3, "stride": 2},
        {"op": "conv", "out": 16, "kernel": 3, "stride": 2, "padding": 0, "groups": 8},
        {"op": "act", "type": "silu"},
        {"op": "max_pool", "kernel": 3, "stride": 2, "padding": 1},
        {
            "concat": [
                [{"op": "conv", "out": 8, "kernel": 1}, {"op": "act", "type": "gelu"}],
                {"op": "avg_pool", "kernel": 3, "stride": 1, "padding": 1},
                [
                    {"op": "conv", "out": 8, "kernel": 3},
                    {"op": "act", "type": "hardswish"},
                ],
            ],
        },
    ],
}


def test_whole_numbers_are_those_of_the_specification(tmp_path: Path) -> None:
    """ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec"""
    from ai_edge_litert.schema_py_generated import (
        BuiltinOperator,
        Model,
        ModelT,
        TensorType,
    )

    options: dict[str, Any] = {"precision": "int8", "verify": False, "seed": 3}
    made = resgen.export(MIXED, tmp_path / "out", to="litert", **options)
    read = Model.GetRootAs((made.folder / "model.tflite").read_bytes())
    model = ModelT.InitFromObj(read)
    (graph,) = model.subgraphs
    names = {v: k for k, v in vars(BuiltinOperator).items()}
    seen = set()

    def scale(index: int) -> tuple[float, int]:
        held = graph.tensors[index].quantization
        assert (len(held.scale), graph.tensors[index].type) == (1, TensorType.INT8)
        return float(held.scale[0]), int(held.zeroPoint[0])

    for operator in graph.operators:
        kind = model.operatorCodes[operator.opcodeIndex]
        code = names[kind.builtinCode]
        first, *rest = operator.inputs
        (out,) = operator.outputs
        seen.add(code)
        if code in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            weight, bias = (graph.tensors[i] for i in rest)
            axis = weight.quantization.quantizedDimension
            assert axis == (3 if code.startswith("DEPTH") else 0)
            assert len(weight.quantization.scale) == weight.shape[axis]
            assert (weight.type, bias.type) == (TensorType.INT8, TensorType.INT32)
            assert not any(weight.quantization.zeroPoint)
            assert not any(bias.quantization.zeroPoint)
            products = scale(first)[0] * weight.quantization.scale
            np.testing.assert_allclose(bias.quantization.scale, products, 1e-6)
        elif code == "LOGISTIC":
            assert scale(out) == (1 / 256, -128)
        elif code == "HARD_SWISH":  # of any scales
            assert kind.version == 1
            assert scale(first) != scale(out)
        elif code in (
            "AVERAGE_POOL_2D", "CONCATENATION", "MAX_POOL_2D", "PAD", "RESHAPE",
        ):  # fmt: skip
            inputs = operator.inputs if code == "CONCATENATION" else [first]
            assert {scale(index) for index in inputs} == {scale(out)}
    assert {"CONV_2D", "LOGISTIC", "MUL", "CONCATENATION", "MAX_POOL_2D"} <= seen
    assert {"GELU", "QUANTIZE", "DEQUANTIZE", "MEAN", "HARD_SWISH"} <= seen
    assert "AVERAGE_POOL_2D" in seen
    ends = {graph.tensors[i].type for i in (*graph.inputs, *graph.outputs)}
    assert ends == {TensorType.FLOAT32}


def test_sixteen_bits_are_of_weights_alone(tmp_path: Path) -> None:
    options: dict[str, Any] = {"verify": False, "seed": 3, "to": "litert"}
    wider = {**SPEC, "stages": [{"block": "basic", "width": 64, "depth": 1}]}
    wide, half = (
        resgen.export(wider, tmp_path / name, precision=name, **options).folder
        for name in ("fp32", "fp16")
    )
    assert (half / "model.tflite").stat().st_size < 0.6 * (
        wide / "model.tflite"
    ).stat().st_size
    from ai_edge_litert.interpreter import Interpreter

    x = np.random.default_rng(0).normal(size=(1, 16, 16, 3)).astype(np.float32)
    outputs = []
    for folder in (wide, half):
        runner = Interpreter(str(folder / "model.tflite")).get_signature_runner()
        outputs.append(runner(input=x)["output"])
    assert outputs[1].dtype == np.float32
    apart = np.abs(outputs[0] - outputs[1]).max() / np.abs(outputs[0]).max()
    assert 0 < apart < 1e-2


#: Of tokens, to which numbers of the network's own are joined and added.
TOKENS: dict[str, Any] = {
    **SPEC,
    "stem": [
        {"op": "conv", "out": 8, "kernel": 8, "stride": 8, "padding": 0},
        {"op": "flatten", "axes": [1, 2]},
        {
            "concat": [{"op": "parameter", "as": "token", "shape": [8, 1]}, []],
            "axis": 1,
        },
        {"add": [[], {"op": "parameter", "as": "places", "shape": [8, 5]}]},
        {"residual": [{"op": "linear", "out": 8}, {"op": "act", "type": "gelu"}]},
    ],
    "stages": [],
    "head": [
        {"op": "slice", "axis": 1, "size": 1},
        "flatten",
        {"op": "linear", "out": 3},
    ],
}


@pytest.mark.slow
def test_windows_share_positions_and_a_mask(tmp_path: Path) -> None:
    """Of parameters alone, for all of the batch, and with an axis of windows."""
    spec = {
        "resgen": 1,
        "extends": "swin_tiny_patch4_window7_224",
        "name": "small",
        "input": [3, 56, 56],
        "let": {"width": 24},
        "stages": [{"depth": 2, "heads": 2}],
    }
    made = resgen.export(spec, tmp_path / "out", to="litert")
    assert made.manifest.made["transposes"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "precision"), [(MIXED, "int8"), (MIXED, "fp16"), (TOKENS, "int8")]
)
def test_a_low_precision_is_proven(
    tmp_path: Path, spec: dict[str, Any], precision: str
) -> None:
    said: list[str] = []
    made = resgen.export(
        spec, tmp_path / "out", to="litert", precision=precision, progress=said.append
    )
    assert any("equal PyTorch's float64 but for" in line for line in said)
    assert any(f"LiteRT, {precision} against float32" in line for line in said)
    assert resgen.verify(made.folder).unproven == ()


@pytest.mark.slow
def test_it_is_proven_and_an_altered_file_is_refused(tmp_path: Path) -> None:
    said: list[str] = []
    made = resgen.export(
        SPEC, tmp_path / "out", to="litert", batch=3, progress=said.append
    )
    assert any("equal PyTorch's float64 but for rounding" in line for line in said)
    assert resgen.verify(made.folder).unproven == ()
    file = made.folder / "model.tflite"
    held = bytearray(file.read_bytes())
    held[-2] ^= 64  # a weight
    file.write_bytes(held)
    with pytest.raises(ResgenError):
        resgen.verify(made.folder)
    manifest = json.loads((made.folder / "manifest.json").read_text())
    manifest["files"]["model.tflite"]["sha256"] = sha256_of(file)
    resealed(made.folder / "manifest.json", manifest)
    with pytest.raises(Departure, match=r"model\.tflite is not what litert makes"):
        resgen.verify(made.folder)
