"""Parts of the table about LiteRT files: ours, two other converters', and ONNX's.

Both converters pin packages of ours, so each has a Python of its own, that of an
environment with tensorflow-cpu 2.21, and that of one with litert-torch:

RESGEN_TENSORFLOW=PYTHON RESGEN_LITERT_TORCH=PYTHON make bench ARGS="--only litert"
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from measure import Line, compare, in_turn
from parts import HERE, Found, abba, prepared, resgen, script

#: A Python that has TensorFlow.
TENSORFLOW = os.environ.get("RESGEN_TENSORFLOW", sys.executable)
#: One that has litert-torch 0.10, of the converters from PyTorch the one that installs
#: beside a current torch: nobuco 0.17 wants Keras 2, and onnx2tf 1.29 pins TensorFlow
#: 2.19, NumPy 1.26 and fifteen more.
LITERT_TORCH = os.environ.get("RESGEN_LITERT_TORCH", sys.executable)
#: Networks of ours, and what keras.applications calls them.
OF_KERAS = {
    "keras_resnet50": "ResNet50",
    "keras_mobilenetv2": "MobileNetV2",
    "keras_efficientnet_b0": "EfficientNetB0",
}
#: And torchvision, whose own are others: its ResNet-50 strides later, at 6 % more
#: multiply-adds, and it pads at both ends where Keras pads at one.
OF_TORCHVISION = {
    "resnet50": "resnet50",
    "mobilenetv2_100": "mobilenet_v2",
    "efficientnet_b0": "efficientnet_b0",
}
PRECISIONS = ("fp32", "int8")
PEER = "keras.applications -> tf.lite.TFLiteConverter"
OF_TORCH = "torchvision -> litert_torch.convert"


def litert(tmp: Path, quick: bool) -> Found:
    """Conversion, size and latency by one interpreter, at two precisions; 8 minutes."""
    found, inputs = Found(), str(tmp / "inputs.npz")
    if not _has(TENSORFLOW, "tensorflow"):
        print("litert: left out, RESGEN_TENSORFLOW has no TensorFlow", file=sys.stderr)
        return found
    of_torch = _has(LITERT_TORCH, "litert_torch")
    if not of_torch:
        print("RESGEN_LITERT_TORCH has no litert-torch: left out", file=sys.stderr)
    if not prepared(found, {"inputs": script("noise.py", inputs)}):
        return found
    for name, called in OF_KERAS.items():
        for precision in PRECISIONS:
            theirs = tmp / f"{called}-{precision}.tflite"
            command = [TENSORFLOW, str(HERE / "peers" / "convert.py"), called]
            command += [precision, inputs, str(theirs)]
            _beside(found, tmp, name, precision, PEER, command, theirs, quick)
            _beside_onnx(found, tmp, name, precision, quick)
    for name, called in OF_TORCHVISION.items() if of_torch else ():
        theirs = tmp / f"{called}.tflite"
        command = [LITERT_TORCH, str(HERE / "peers" / "convert_torch.py"), called]
        command += [str(theirs)]
        _beside(found, tmp, name, "fp32", OF_TORCH, command, theirs, quick)
    return found


def _beside(
    found: Found, tmp: Path, name: str, precision: str,
    peer: str, command: list[str], theirs: Path, quick: bool,
) -> None:  # fmt: skip
    """What a converter takes and what comes of it, beside ours of the same network."""
    ours, other = f"resgen export {name}, {precision}", f"{name}, {precision}, {peer}"
    home = tmp / f"{name}-{precision}-lite"
    commands = {ours: _export(tmp, name, precision, "litert", home), other: command}
    # What conversions take is far apart: the minutes are for the latency.
    runs, failures = in_turn(commands, 1)
    found.commands |= commands
    found.failures += failures
    if failures:
        return
    what, sides = f"LiteRT, {name} in {precision}", (runs[ours], runs[other])
    file = home / "model.tflite"
    found.lines += (
        compare(f"{what}: conversion", "wall", *sides, peer, 0.10),
        compare(f"{what}: memory", "peak", *sides, peer, 0.20),
        _sizes(f"{what}: size", file, theirs, peer),
    )
    abba(found, f"{what}: latency", file, theirs, peer, 1.00, quick=quick)


def _beside_onnx(
    found: Found, tmp: Path, name: str, precision: str, quick: bool
) -> None:
    home, file = (tmp / f"{name}-{precision}-{to}" for to in ("onnx", "lite"))
    exported = _export(tmp, name, precision, "onnx", home)
    if prepared(found, {f"{name} for ONNX Runtime, {precision}": exported}):
        abba(
            found, f"LiteRT, {name} in {precision}: latency beside ONNX",
            file / "model.tflite", home / "model.onnx",
            "resgen's ONNX file, ONNX Runtime", None, quick=quick,
        )  # fmt: skip


def _export(tmp: Path, name: str, precision: str, to: str, home: Path) -> list[str]:
    low = ("--calibration", str(tmp / "inputs.npz")) if precision == "int8" else ()
    return resgen(
        "export", name, "--to", to, "-o", str(home),
        "--no-verify", "--force", "--precision", precision, *low,
    )  # fmt: skip


def _has(python: str, package: str) -> bool:
    asked = subprocess.run([python, "-c", f"import {package}"], capture_output=True)
    return not asked.returncode


def _sizes(what: str, ours: Path, peer: Path, name: str) -> Line:
    mine, other = (float(path.stat().st_size) for path in (ours, peer))
    ratio = mine / other
    return Line(
        what, name, "peak", mine, other, ratio, (ratio, ratio), 1.00, ratio <= 1
    )  # fmt: skip


PARTS: dict[str, Callable[[Path, bool], Found]] = {"litert": litert}
