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
#: Networks of ours, and what keras.applications and torchvision call them.
NETWORKS = {
    "resnet50": ("ResNet50", "resnet50"),
    "mobilenetv2_100": ("MobileNetV2", "mobilenet_v2"),
    "efficientnet_b0": ("EfficientNetB0", "efficientnet_b0"),
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
    for name, (keras, torchvision) in NETWORKS.items():
        for precision in PRECISIONS:
            low = ("--calibration", inputs) if precision == "int8" else ()
            options = ("--no-verify", "--force", "--precision", precision, *low)
            home, onnx = (tmp / f"{name}-{precision}-{to}" for to in ("lite", "onnx"))
            theirs = tmp / f"{keras}-{precision}.tflite"
            ours = f"resgen export {name}, {precision}"
            peer = f"{keras}, {precision}"
            theirs_too = tmp / f"{torchvision}.tflite"
            convert = [TENSORFLOW, str(HERE / "peers" / "convert.py")]
            others = {PEER: (peer, theirs)}
            commands = {
                ours: resgen(
                    "export", name, "--to", "litert", "-o", str(home), *options
                ),
                peer: [*convert, keras, precision, inputs, str(theirs)],
            }
            if of_torch and precision == "fp32":
                others[OF_TORCH] = f"{torchvision} of torchvision", theirs_too
                commands[others[OF_TORCH][0]] = [
                    LITERT_TORCH, str(HERE / "peers" / "convert_torch.py"),
                    torchvision, str(theirs_too),
                ]  # fmt: skip
            # What conversions take is far apart: the minutes are for the latency.
            runs, failures = in_turn(commands, 1)
            found.commands |= commands
            found.failures += failures
            if failures:
                continue
            what = f"LiteRT, {name} in {precision}"
            file = home / "model.tflite"
            for other, (command, written) in others.items():
                sides = runs[ours], runs[command]
                found.lines += (
                    compare(f"{what}: conversion", "wall", *sides, other, 0.10),
                    compare(f"{what}: memory", "peak", *sides, other, 0.20),
                    _sizes(f"{what}: size", file, written, other),
                )
                about = f"{what}: latency"
                abba(found, about, file, written, other, 1.00, quick=quick)
            exported = resgen("export", name, "--to", "onnx", "-o", str(onnx), *options)
            if prepared(found, {f"{name} for ONNX Runtime, {precision}": exported}):
                abba(
                    found, f"{what}: latency beside ONNX", file, onnx / "model.onnx",
                    "resgen's ONNX file, ONNX Runtime", None, quick=quick,
                )  # fmt: skip
    return found


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
