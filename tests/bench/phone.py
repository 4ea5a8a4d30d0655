"""Parts of the table about LiteRT files: ours, TensorFlow's converter's, and ONNX's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from measure import Line, compare, in_turn
from parts import HERE, Found, abba, prepared, resgen, script

#: A Python that has TensorFlow, which pins others of our packages.
TENSORFLOW = os.environ.get("RESGEN_TENSORFLOW", sys.executable)
#: Networks of ours, and what keras.applications calls them.
NETWORKS = {
    "resnet50": "ResNet50",
    "mobilenetv2_100": "MobileNetV2",
    "efficientnet_b0": "EfficientNetB0",
}
PRECISIONS = ("fp32", "int8")
PEER = "keras.applications -> tf.lite.TFLiteConverter"


def litert(tmp: Path, quick: bool) -> Found:
    """Conversion, size and latency by one interpreter, at two precisions."""
    found, inputs = Found(), str(tmp / "inputs.npz")
    asked = subprocess.run([TENSORFLOW, "-c", "import tensorflow"], capture_output=True)
    if asked.returncode:
        print("litert: left out, RESGEN_TENSORFLOW has no TensorFlow", file=sys.stderr)
        return found
    if not prepared(found, {"inputs": script("noise.py", inputs)}):
        return found
    for name, keras in NETWORKS.items():
        for precision in PRECISIONS:
            low = ("--calibration", inputs) if precision == "int8" else ()
            options = ("--no-verify", "--force", "--precision", precision, *low)
            home, onnx = (tmp / f"{name}-{precision}-{to}" for to in ("lite", "onnx"))
            theirs = tmp / f"{keras}-{precision}.tflite"
            ours = f"resgen export {name}, {precision}"
            peer = f"{keras}, {precision}"
            convert = [TENSORFLOW, str(HERE / "peers" / "convert.py")]
            commands = {
                ours: resgen(
                    "export", name, "--to", "litert", "-o", str(home), *options
                ),
                peer: [*convert, keras, precision, inputs, str(theirs)],
            }
            runs, failures = in_turn(commands, 1 if quick else 3)
            found.commands |= commands
            found.failures += failures
            if failures:
                continue
            what = f"LiteRT, {name} in {precision}"
            sides = runs[ours], runs[peer]
            file = home / "model.tflite"
            found.lines += (
                compare(f"{what}: conversion", "wall", *sides, PEER, 0.10),
                compare(f"{what}: memory", "peak", *sides, PEER, 0.20),
                _sizes(f"{what}: size", file, theirs),
            )
            abba(found, f"{what}: latency", file, theirs, PEER, 1.00, quick=quick)
            exported = resgen("export", name, "--to", "onnx", "-o", str(onnx), *options)
            if prepared(found, {f"{name} for ONNX Runtime, {precision}": exported}):
                abba(
                    found, f"{what}: latency beside ONNX", file, onnx / "model.onnx",
                    "resgen's ONNX file, ONNX Runtime", None, quick=quick,
                )  # fmt: skip
    return found


def _sizes(what: str, ours: Path, peer: Path) -> Line:
    mine, other = (float(path.stat().st_size) for path in (ours, peer))
    ratio = mine / other
    return Line(
        what, PEER, "peak", mine, other, ratio, (ratio, ratio), 1.00, ratio <= 1
    )  # fmt: skip


PARTS: dict[str, Callable[[Path, bool], Found]] = {"litert": litert}
