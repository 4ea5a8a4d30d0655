"""What ``resgen profile`` is asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from resgen.api.asked.common import Changing, Measuring, Weighing, out, require_folder
from resgen.options.group import option
from resgen.options.kinds import FLAG, Kind, choice, number, text, told, whole


def _sizes(value: Any) -> tuple[int, ...]:
    found = (value,) if type(value) is int else value
    sound = isinstance(found, Sequence) and not isinstance(found, str) and found
    if not sound or not all(type(n) is int and 0 < n < 10**7 for n in found):
        raise ValueError(f"{told(value)} is no list of batch sizes such as 1,8,32")
    return tuple(dict.fromkeys(found))


def _read_sizes(word: str) -> tuple[int, ...]:
    words = [each.strip() for each in word.split(",")]
    if not all(re.fullmatch(r"[1-9]\d{0,6}", each, re.ASCII) for each in words):
        raise ValueError(f'"{word}" is no list of batch sizes such as 1,8,32')
    return _sizes(tuple(map(int, words)))


BATCHES: Final = Kind(
    "N,...", _read_sizes, _sizes, lambda sizes: ",".join(map(str, sizes))
)


@dataclass(frozen=True, kw_only=True)
class Profiling(Changing, Weighing, Measuring):
    """What is measured, for how long, and what is written of it."""

    runtime: tuple[str, ...] = option(
        "--runtime",
        text("NAME"),
        "onnxruntime, torch, torch-compile, opencv, openvino, litert, tensorrt, or all "
        "that are here; may be repeated.",
        repeated=True,
        shown="what a folder was exported for, else onnxruntime",
    )
    batch: tuple[int, ...] = option(
        "--batch", BATCHES, "Batch sizes, one after the other.", default=(1,)
    )
    mode: Any = option(
        "--mode",
        choice("compute", "latency", "end-to-end", "throughput"),
        "The device's own time, one request from the host, one with its data moved "
        "and prepared, or several requests at once.",
        default="latency",
    )
    time: float = option(
        "--time",
        number("SECONDS", 0.1, 86400),
        "The most that sampling takes, for each runtime and batch size.",
        default=10.0,
    )
    rate: float | None = option(
        "--rate",
        number("HZ", 0.01, 1e6),
        "Pace requests as a camera does, in frames a second.",
    )
    cold_l2: bool = option("--cold-l2", FLAG, "Flush the caches before every run.")
    in_flight: int | None = option(
        "--in-flight", whole(), "For throughput: requests at once.", shown="2"
    )
    cuda_graph: bool = option(
        "--no-cuda-graph",
        FLAG,
        "For compute: launch every kernel instead of replaying a CUDA graph.",
        default=True,
    )
    operators: bool = option(
        "--no-operators",
        FLAG,
        "Leave out the engine's own profiler: no times of stages and blocks.",
        default=True,
    )
    out: Path | None = out(
        "The folder for report.html and report.json.", "build/NAME-profile"
    )
    with_paths: bool = option(
        "--with-paths", FLAG, "Let the report say where files lie and on whose machine."
    )

    def refuse(self) -> None:
        """What has no effect is refused."""
        super().refuse()
        if self.in_flight is not None and self.mode != "throughput":
            raise self.refused("{in_flight} is for {mode} throughput")
        if not self.cuda_graph and self.mode != "compute":
            raise self.refused("{cuda_graph} is for {mode} compute")
        if self.mode == "throughput" and (self.rate or self.cold_l2):
            raise self.refused(
                "{mode} throughput has no time between requests to be paced or to "
                "flush caches in"
            )
        if self.out is not None:
            require_folder(self.out)
