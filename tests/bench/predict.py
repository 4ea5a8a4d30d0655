"""How well networks are predicted that were never timed: candidates of spaces, the zoo.

python tests/bench/predict.py [SPACE]... [--threads N] [--minutes M] [--table FILE]
    measures a table of the spaces (all of them, or "zoo") in one run, and says how many
    of the networks that it held out are within 10 % of their prediction. They are
    timed at the beginning, in the middle and at the end of the run; the median counts.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import resgen
from resgen.latency.checks import Check, Checks

RISING = "width[0] <= width[1] <= width[2] <= width[3]"


def widths(*ends: tuple[int, int, int], first: int = 0) -> dict[str, Any]:
    """A width for each stage from the ``first`` on: from, to and step."""
    keys = ("from", "to", "step")
    return {
        f"/stages/{at}/width": dict(zip(keys, each, strict=True))
        for at, each in enumerate(ends, first)
    }


SPACES: dict[str, dict[str, Any]] = {
    "resnet": {  # widths, depths and blocks of ResNet-50's kind
        "base": "resnet50",
        "vary": {
            "/stages/*/depth": [1, 2, 3, 4, 5, 6],
            "/defaults/block": ["basic", "bottleneck"],
            **widths((64, 320, 32), (64, 640, 32), (128, 1280, 32), (256, 2048, 64)),
        },
        "where": [RISING],
    },
    "regnet": {  # Radosavovic et al. 2020
        "base": "regnetx_002",
        "vary": {
            "/let/w_0": {"from": 8, "to": 128, "step": 8},
            "/let/w_a": {"from": 8, "to": 128, "step": 8},
            "/let/w_m": {"from": 2, "to": 3, "step": 0.01},
            "/let/total": {"from": 12, "to": 28},
            "/let/group": [8, 16, 24, 32],
        },
        "where": [
            "depth[0] + depth[1] + depth[2] + depth[3] == total",
            "min(depth) >= 1",
        ],
    },
    "mobile": {  # inverted residuals: Sandler et al. 2018
        "base": {
            "resgen": 1,
            "name": "mobile",
            "input": [3, 224, 224],
            "stem": [
                {"op": "conv", "out": 32, "kernel": 3, "stride": 2},
                {"op": "norm"},
                "act",
            ],
            "defaults": {"block": "inverted", "act": "relu6"},
            "stages": [
                {"block": "separable", "width": 16, "depth": 1, "stride": 1},
                *(
                    {"width": width, "depth": 2, "stride": stride}
                    for width, stride in zip(
                        (24, 32, 64, 96, 160, 320), (2, 2, 2, 1, 2, 1), strict=True
                    )
                ),
            ],
            "head": {"classes": 1000},
        },
        "vary": {
            **{f"/stages/{at}/depth": [1, 2, 3, 4] for at in range(1, 7)},
            **widths(
                (16, 40, 8), (24, 64, 8), (32, 96, 8),
                (64, 160, 8), (96, 256, 8), (160, 384, 8),
                first=1,
            ),
            "/defaults/kernel": [3, 5],
            "/defaults/expand": [3, 4, 6],
        },
    },
    "shortcuts": {
        "base": "resnet18",
        "vary": {
            "/stages/*/depth": [1, 2, 3, 4],
            "/defaults/shortcut": [
                "projection", "zero-pad", "avg-projection", "projection-3x3",
            ],
            "/defaults/block": ["basic", "bottleneck"],
            **widths((32, 256, 16), (32, 384, 16), (64, 512, 16), (128, 768, 16)),
        },
        "where": [RISING],
    },
}  # fmt: skip


def main() -> None:
    """Measure, and print what came of it for each space."""
    parser = argparse.ArgumentParser(description="Predictions of unseen networks.")
    parser.add_argument("spaces", nargs="*", metavar="SPACE")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--minutes", type=float, default=10.0, metavar="M")
    parser.add_argument("--table", type=Path, metavar="FILE")
    given = parser.parse_args()
    named = given.spaces or list(SPACES)
    if named != ["zoo"] and not {*named} <= {*SPACES}:
        parser.error(f"name some of {', '.join(SPACES)}, or zoo alone")
    sources: Any = [{"name": name, **SPACES[name]} for name in named if name != "zoo"]
    with tempfile.TemporaryDirectory() as folder:
        found = resgen.measure(
            sources or "zoo",
            threads=given.threads,
            minutes=given.minutes,
            budget="macs=3G",
            out=given.table or Path(folder, "table.json"),
            progress=print,
        )
    print(found)
    for name in named:
        mine = [each for each in found.checks.each if of(each) == name]
        print(f"{name}: ", *Checks(tuple(mine)).lines(), sep="\n  ")


def of(check: Check) -> str:
    """The space of a candidate; the zoo, for any other network."""
    name = check.name.rpartition("-")[0]
    return name if name in SPACES else "zoo"


if __name__ == "__main__":
    main()
