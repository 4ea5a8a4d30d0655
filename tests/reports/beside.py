"""Comparisons that nobody measured, in the shape of those that somebody did."""

from __future__ import annotations

from resgen.records.comparison import (
    Accuracy,
    Comparison,
    Difference,
    Latency,
    Pair,
    PartTimes,
    Side,
)

RATIOS = (0.60, 0.62, 0.61, 0.59, 0.61, 0.60, 0.63, 0.61)


def comparison(a: str = "resnet50 fp32", b: str = "resnet50 int8") -> Comparison:
    """B takes about 0.6 of A's time, in a stage above all."""
    pairs = tuple(Pair(0.02, 0.02 * ratio, ratio) for ratio in RATIOS)
    alike = tuple(Pair(0.02, 0.02 * r, r) for r in (0.99, 1.01, 1.005, 0.995, 1, 1.002))
    seconds = tuple(pair.second for pair in pairs)
    sides = (
        Latency(0.02, (0.0199, 0.0201), (0.02,) * 8, 2400),
        Latency(0.0122, (0.0118, 0.0126), seconds, 3900),
    )
    known = Accuracy("right", 0.76, (0.74, 0.78), 2000, "pictures", 0.764)
    parts = [
        PartTimes("stem", "section", 2e-3, 1.9e-3, 2e-4, (118_013_952,) * 2),
        PartTimes("layer1", "section", 9e-3, 4e-3, 3e-4, (654_000_000,) * 2),
        PartTimes("layer1.0", "block", 5e-3, 2e-3, 2e-4, (327_000_000,) * 2),
        PartTimes("layer1.1", "block", 4e-3, 2e-3, 2e-4, (327_000_000,) * 2),
        PartTimes("head", "section", 1e-3, 8e-4, 1e-4, (2_048_000,) * 2),
        PartTimes("shortcuts", "other", 2e-3, 2e-3, 1e-4),
    ]
    return Comparison(
        verdict="faster",
        a=Side(a, "3f1c" * 16, "folder", "fp32", "onnxruntime", "best.pth", 25_557_032,
               4_089_184_256, 102_228_128, sides[0]),
        b=Side(b, "3f1c" * 16, "folder", "int8", "onnxruntime", "best.pth", 25_557_032,
               4_089_184_256, 25_700_000, sides[1], known),
        command=("resgen", "compare", "build/fp32", "build/int8", "--out", "boss.html"),
        created="2026-11-24T12:00:00+00:00",
        resgen="0.1.0",
        device="cpu",
        batch=1,
        mode="latency",
        threads=2,
        ratio=0.609,
        interval=(0.59, 0.63),
        level=0.99,
        p=0.004,
        floor=0.012,
        medians=(0.02, 0.0122),
        pairs=pairs,
        alike=alike,
        seconds=61.0,
        differences=(
            Difference("layer1", -5e-3, 3e-4, "int8", (("layer1.0", -3e-3),)),
            Difference("the rest", -3e-4, 4e-4, "within noise"),
        ),
        parts=tuple(parts),
        notes=("other processes took 12 % of the cores",),
        environment={"os": "Linux 6.1"},
    )  # fmt: skip
