"""`make bench`: ours and its peers side by side, as ratios.

python tests/bench/run.py [--quick] [--only NAME]... [--json FILE]

Nothing is asserted: a number that misses its target is printed as such. The exit code
is 1 only where a command could not be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import phone
import precision
import seen
from measure import ROOT, Line, Quantity
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

RESNET152 = "resnet152"
BUILDING = "timm + torch.onnx.export + onnx.checker + onnxruntime"


# --- the parts of the table -----------------------------------------------------------


def build(tmp: Path) -> Group:
    """Spec to checked ONNX, as whole processes."""
    ours, fast = "resgen build", "resgen build --no-verify"
    to = ["-o", str(tmp / "built"), "--force"]
    return Group(
        {
            ours: resgen("build", RESNET50, *to),
            fast: resgen("build", RESNET50, *to, "--no-verify"),
            BUILDING: script("peers/build_timm.py", "resnet50", str(tmp / "timm.onnx")),
        },
        (
            Asked("spec to verified ONNX, time", ours, BUILDING, 0.45),
            Asked("spec to verified ONNX, memory", ours, BUILDING, 0.80, "peak"),
            Asked("without verification, time", fast, BUILDING, 0.15),
            Asked("without verification, memory", fast, BUILDING, 0.40, "peak"),
        ),
        rounds=3,
    )


#: One of each family, by the name that both have.
FAMILIES = (
    "convnext_femto", "deit_tiny_patch16_224", "densenet121", "efficientnet_b0",
    "mnasnet_100", "mobilenetv2_100", "regnety_008", "repvgg_a0", "seresnet50", "vgg11",
)  # fmt: skip


def families(tmp: Path) -> Group:
    """Spec to verified ONNX of other networks than ResNet-50."""
    commands, lines = {}, []
    for name in FAMILIES:
        ours, peer = f"resgen build {name}", f"{name}: {BUILDING}"
        commands[ours] = resgen("build", name, "-o", str(tmp / name), "--force")
        commands[peer] = script("peers/build_timm.py", name, str(tmp / "timm.onnx"))
        lines.append(Asked(f"{name}, verified", ours, peer, 0.45))
    return Group(commands, tuple(lines), rounds=1)


def export(tmp: Path) -> Group:
    """The export step alone; every process exports once, as a person's does."""
    commands = {}
    lines = []
    for name, spec in (("resnet50", RESNET50), ("resnet152", RESNET152)):
        ours = f"resgen's export of {name}"
        commands[ours] = script("ours/export.py", spec, str(tmp / "ours.onnx"))
        for exporter, shown, target in (
            ("dynamo", "torch.onnx.export", 0.05),
            ("legacy", "torch.onnx.export(dynamo=False)", 0.3),
        ):
            peer = f"{shown} of {name}"
            out = str(tmp / f"{exporter}.onnx")
            commands[peer] = script("peers/export.py", name, exporter, out)
            lines.append(Asked(f"export alone, {name}", ours, peer, target, "said"))
    return Group(commands, tuple(lines), rounds=3)


def count(tmp: Path) -> Group:
    """Parameters, MACs and validity of one spec, warm, in process."""
    ours = "resgen examine + analyse"
    peers = {
        "torchinfo.summary": script("peers/count_torchinfo.py"),
        "fvcore FlopCountAnalysis": script("peers/count_fvcore.py"),
        "torch FlopCounterMode on meta": script("peers/count_flops.py"),
    }
    return Group(
        {ours: script("ours/count.py", RESNET50), **peers},
        tuple(Asked("count and check", ours, peer, 0.10, "said") for peer in peers),
        rounds=3,
    )


def start(tmp: Path) -> Group:
    """Commands that need no torch, as whole processes."""
    check, inspect, torch = "resgen check", "resgen inspect", "import torch"
    return Group(
        {
            check: resgen("check", RESNET50),
            inspect: resgen("inspect", RESNET50),
            torch: [sys.executable, "-c", "import torch"],
        },
        (
            Asked("resgen check, whole process", check, torch, 0.35),
            Asked("resgen inspect, whole process", inspect, torch, 0.35),
        ),
        rounds=7,
    )


def growth(tmp: Path) -> Group:
    """Whether cost grows in a straight line: seconds per operator."""
    large, small = "resgen at 10,001 layers", "resgen at 50 layers"
    return Group(
        {
            large: script("ours/expand.py", RESNET50, "3323", "3"),
            small: script("ours/expand.py", RESNET50, "6", "25"),
        },
        (Asked("expand + validate, per operator", large, small, 1.5, "said"),),
        rounds=5,
    )


def latency(tmp: Path, quick: bool) -> Found:
    """Both files of one network under ONNX Runtime, in processes of either order."""
    found = Found()
    prepare = {"both files": script("latency.py", "prepare", RESNET50, str(tmp))}
    if prepared(found, prepare):
        abba(
            found, "latency under ONNX Runtime", tmp / "ours.onnx", tmp / "peer.onnx",
            "torch.onnx.export's file", 1.02, quick=quick,
        )  # fmt: skip
    return found


PARTS: dict[str, Callable[[Path, bool], Found]] = {
    "build": grouped(build),
    "families": grouped(families),
    "export": grouped(export),
    "count": grouped(count),
    "start": grouped(start),
    "growth": grouped(growth),
    "latency": latency,
    **precision.PARTS,
    **phone.PARTS,
    **seen.PARTS,
}


# --- the table ------------------------------------------------------------------------

NOTES = """
Medians of runs in turn. The spread is the smallest and the largest ratio of a round;
for latency it is a 95 % interval, and met means at most the target and not above 1
beyond that interval; a target of 1.00 asks for the latter alone. A line without a
target is there to be known. The counting peers have their model at hand, except that
FlopCounterMode builds it (on meta), as resgen does from the JSON file. Calibration
prepares its images on both sides, by the same code; engines are for sm_89, built
without a GPU, and what is imported is not timed unless the process is."""
COLUMNS = ("what", "ours", "peer", "ratio", "spread", "reach", "met", "the peer")


def amount(value: float, quantity: Quantity) -> str:
    if quantity == "peak":
        return f"{value / 1e6:.0f} MB"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.1f} ms" if value >= 1e-3 else f"{value * 1e6:.1f} us"


def row(line: Line) -> tuple[str, ...]:
    low, high = line.spread
    return (
        line.what,
        amount(line.ours, line.quantity),
        amount(line.peer, line.quantity),
        f"{line.ratio:.3f}",
        f"{low:.3f} to {high:.3f}",
        "-" if line.target is None else f"{line.target:.2f}",
        "-" if line.met is None else "yes" if line.met else "NO",
        line.peer_name,
    )


def table(lines: Sequence[Line]) -> str:
    rows = [COLUMNS, *map(row, lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(r, widths, strict=True)
        ).rstrip()
        for r in rows
    )


def shown(command: Sequence[str]) -> str:
    """A command as one would type it at the root of the repository."""
    text = shlex.join(command).replace(sys.executable, "python")
    return text.replace(f"{ROOT}{os.sep}", "")


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure resgen against its peers.")
    parser.add_argument("--quick", action="store_true", help="run each command once")
    parser.add_argument(
        "--only", action="append", choices=PARTS, metavar="NAME",
        help=f"measure this part alone: {', '.join(PARTS)}",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers")
    options = parser.parse_args()
    found: dict[str, Found] = {}
    with tempfile.TemporaryDirectory(prefix="resgen-bench-") as tmp:
        for name in options.only or PARTS:
            found[name] = PARTS[name](Path(tmp), options.quick)
    lines = [line for part in found.values() for line in part.lines]
    failures = [failure for part in found.values() for failure in part.failures]
    load = ", ".join(f"{n:.1f}" for n in os.getloadavg())
    python, load = platform.python_version(), os.getloadavg()[0]
    vnni = {True: "with VNNI", False: "without VNNI", None: "VNNI unknown"}
    print(
        f"Python {python}, {os.cpu_count()} processors {vnni[precision.vnni()]}, "
        f"load {load:.1f}"
    )
    print(f"\n{table(lines)}\n\nthe commands:")
    for part in found.values():
        for name, command in part.commands.items():
            print(f"  {name}\n      {shown(command)}")
    print(NOTES)
    for failure in failures:
        print(f"not measured: {failure}", file=sys.stderr)
    if options.json:
        record = {name: asdict(part) for name, part in found.items()}
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
