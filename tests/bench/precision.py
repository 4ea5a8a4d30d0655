"""Parts of the table about low precision: int8 files, calibration, engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from measure import ROOT
from parts import (
    RESNET50,
    Asked,
    Found,
    Group,
    abba,
    grouped,
    prepared,
    resgen,
    script,
)

#: Images that ranges are taken from: as many as is usual, or just a few.
MANY, FEW = "100", "16"


def vnni() -> bool | None:
    """Whether the processor multiplies eight bits at full speed; None if unknown."""
    try:
        told = Path("/proc/cpuinfo").read_text()
    except OSError:
        return None
    words = set(told.split())
    return bool(words & {"avx512_vnni", "avx_vnni"}) if "flags" in words else None


def exported(out: Path, *options: str, spec: Sequence[str] = (RESNET50,)) -> list[str]:
    """A network, ResNet-50 unless told, as an ONNX file in the folder ``out``."""
    to = ("--to", "onnx", "--no-verify", "--force", "-o", str(out))
    return resgen("export", *spec, *to, *options)


#: Networks of every kind of block: plain, its activation of two operators, of depthwise
#: convolutions, and of gates as well.
NETWORKS: dict[str, Sequence[str]] = {
    "ResNet-50": (RESNET50,),
    "ResNet-18 with SiLU": (
        str(ROOT / "specs" / "resnet" / "resnet18.json"),
        *("--set", '/defaults/act="silu"'),
    ),
    "MobileNetV2": ("mobilenetv2_100",),
    "EfficientNet-B0": ("efficientnet_b0",),
}


def int8(tmp: Path, quick: bool) -> Found:
    """Latency of int8 over float32, and over the peer's int8 of the same float file."""
    crops, found = str(tmp / "few"), Found()
    low = ("--precision", "int8", "--calibration", crops)
    if not prepared(found, {"images": script("crops.py", crops, FEW)}):
        return found
    for name, spec in NETWORKS.items():
        home = tmp / name.replace(" ", "-")
        ours, wide = home / "int8" / "model.onnx", home / "float" / "model.onnx"
        theirs = home / "quantize_static.onnx"
        before = {
            f"the float32 file of {name}": exported(wide.parent, spec=spec),
            f"resgen's int8 of {name}": exported(ours.parent, *low, spec=spec),
            f"onnxruntime's int8 of {name}": script(
                "peers/quantize.py", spec[0], str(wide), crops, str(theirs)
            ),
        }
        if not prepared(found, before):
            return found
        if name == "ResNet-50":
            abba(
                found, "int8 over float32, latency", ours, wide,
                "the float32 file", 0.40 if vnni() else None, quick=quick,
            )  # fmt: skip
        abba(
            found, f"int8 of {name}, latency", ours, theirs,
            "onnxruntime's quantize_static", 1.02, quick=quick,
        )  # fmt: skip
    return found


def calibrate(tmp: Path) -> Group:
    """Ranges of a network's values over 100 images."""
    crops, wide = str(tmp / "many"), tmp / "calibrated" / "model.onnx"
    augmented = str(tmp / "augmented.onnx")
    ours, peer = "resgen's ranges", "onnxruntime's MinMax calibrater"
    return Group(
        {
            ours: script("ours/calibrate.py", RESNET50, crops),
            peer: script("peers/calibrate.py", RESNET50, str(wide), crops, augmented),
        },
        (
            Asked("calibration, 100 images", ours, peer, 1.2, "said"),
            Asked("calibration, memory", ours, peer, None, "peak"),
        ),
        rounds=3,
        before={
            "images": script("crops.py", crops, MANY),
            "the float32 file": exported(wide.parent),
        },
    )


def engine(tmp: Path) -> Group:
    """An fp16 engine for a GPU that is not here: built, then taken from the cache."""
    half = tmp / "half" / "model.onnx"
    inside = script("ours/engine.py", str(half), str(tmp / "engine"))
    command = [
        "env",
        f"RESGEN_CACHE={tmp / 'cache'}",
        *resgen("export", str(half), "--to", "tensorrt", "--target", "sm_89"),
        *("--flavor", "rtx", "--force", "-o", str(tmp / "exported")),
    ]
    built, again = "resgen's export_engine", "export_engine, cached"
    whole, cached = "resgen export --rebuild", "resgen export, cached"
    bare = "bare parser and builder"
    return Group(
        {
            built: [*inside, "built"],
            again: [*inside, "cached"],
            bare: script("peers/engine.py", str(half), str(tmp / "bare.engine")),
            whole: [*command, "--rebuild"],
            cached: command,
        },
        (
            Asked("fp16 engine", built, bare, 1.1, "said"),
            Asked("fp16 engine, whole process", whole, bare, None),
            Asked("the engine again", again, built, 0.1, "said"),
            Asked("the engine again, whole process", cached, whole, None),
        ),
        rounds=11,
        before={
            "the float16 file": exported(
                half.parent, "--precision", "fp16", "--for", "tensorrt"
            )
        },
    )


PARTS: dict[str, Callable[[Path, bool], Found]] = {
    "int8": int8,
    "calibrate": grouped(calibrate),
    "engine": grouped(engine),
}
