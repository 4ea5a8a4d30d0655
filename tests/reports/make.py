"""Records that nobody measured, in the shape of those that somebody did."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import numpy as np

from resgen.records.profile import (
    Breakdown,
    Ceilings,
    Charge,
    Mode,
    OperatorTime,
    Part,
    Record,
    Run,
    Samples,
    Subject,
    Summary,
)

#: Depths of the stages.
RESNET18 = (2, 2, 2, 2)
RESNET152 = (3, 8, 36, 3)
#: A name that must not be obeyed anywhere: HTML, Markdown, a script, a file name.
NASTY = "</script><img src=x onerror=alert(1)>|`*"


def samples(median: float = 0.02, n: int = 400, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    took = median * np.exp(rng.normal(0, 0.02, n)) + rng.exponential(median / 80, n)
    took[:: max(n // 7, 1)] *= 1.4
    began = np.concatenate([[0.0], np.cumsum(took + 3e-6)[:-1]])
    return Samples(tuple(began.tolist()), tuple(took.tolist()), block=10)


def summary(of: Samples) -> Summary:
    seconds = np.array(of.seconds)

    def at(q: float) -> float:
        return float(np.quantile(seconds, q))

    def around(value: float) -> tuple[float, float]:
        return (value * 0.995, value * 1.006)

    tail = at(0.99) if len(seconds) >= 300 else None
    return Summary(
        n=len(seconds),
        min=float(seconds.min()),
        median=at(0.5),
        median_interval=around(at(0.5)),
        mean=fmean(of.seconds),
        iqr=at(0.75) - at(0.25),
        p90=at(0.9),
        p90_interval=around(at(0.9)),
        p95=at(0.95),
        p95_interval=around(at(0.95)),
        p99=tail,
        p99_interval=None if tail is None else around(tail),
        drift=1.002,
        drift_p=0.4,
    )


def parts(depths: tuple[int, ...] = RESNET18) -> tuple[Part, ...]:
    map_ = (64, 56, 56)
    stem = "7×7 conv, max pool"
    found = [Part("stem", "section", stem, "/stem", 118_013_952, 6_000_000, map_)]
    for stage, depth in enumerate(depths):
        path, pointer = f"layer{stage + 1}", f"/stages/{stage}"
        output = (256 << stage, 56 >> stage, 56 >> stage)
        macs = 218_000_000
        moved, label = 4_000_000, "bottleneck"
        found.append(
            Part(
                path,
                "section",
                f"{depth} × {label}",
                pointer,
                depth * macs,
                depth * moved,
                output,
            )
        )
        found += [
            Part(f"{path}.{block}", "block", label, pointer, macs, moved, output)
            for block in range(depth)
        ]
    head = Part(
        "head", "section", "1000 classes", "/head", 2_048_000, 8_200_000, (1000,)
    )
    return (*found, head)


def breakdown(of: tuple[Part, ...], seconds: float = 0.02) -> Breakdown:
    rng = np.random.default_rng(1)
    operators, charges = [], []
    leaves = [
        part
        for part in of
        if part.kind == "block"
        or not any(other.path.startswith(f"{part.path}.") for other in of)
    ]
    each = 0.97 * seconds / len(leaves)
    took: dict[str, float] = {}
    for part in leaves:
        section, _, block = part.path.partition(".")
        for index, kind in enumerate(("Conv", "Conv", "Conv", "ReorderOutput")):
            name = f"{part.path}.conv{index + 1}_nchwc"
            time = float(each * (0.31, 0.4, 0.25, 0.04)[index] * rng.uniform(0.6, 1.5))
            took[part.path] = took.get(part.path, 0) + time
            if block:
                took[section] = took.get(section, 0) + time
            operators.append(
                OperatorTime(
                    name,
                    kind,
                    time,
                    (f"{part.path}.conv{index + 1}",),
                    section,
                    int(block) if block else None,
                    "body",
                    macs=part.macs // 3 if kind == "Conv" else None,
                    bytes=part.bytes // 3,
                )
            )
    charges = [
        Charge(part.path, "block" if part.kind == "block" else "section",
               took[part.path], part.macs, part.bytes,
               max(part.macs / 300e9, part.bytes / 20e9), part.pointer, part.label)
        for part in of
    ]  # fmt: skip
    across = OperatorTime("layer1.1.relu+layer2.0.conv1", "Conv", 0.02 * seconds,
                          ("layer1.1.relu", "layer2.0.conv1"),
                          across=("layer1.1", "layer2.0"))  # fmt: skip
    unknown = OperatorTime(NASTY, "Reformat", 0.01 * seconds)
    charges += [
        Charge("across", "across", across.seconds),
        Charge("unknown", "unknown", unknown.seconds),
    ]
    operators += [across, unknown]
    whole = sum(operator.seconds for operator in operators)
    coverage = 1 - (across.seconds + unknown.seconds) / whole
    return Breakdown(
        "onnxruntime profile", tuple(operators), tuple(charges), coverage, whole
    )


CEILINGS = Ceilings(320e9, 300e9, 24e9, 20e9, 4e-6)


def run(
    runtime: str = "onnxruntime",
    batch: int = 1,
    mode: Mode = "latency",
    *,
    median: float = 0.02,
    n: int = 400,
    told: Breakdown | None = None,
) -> Run:
    taken = samples(median, n, seed=batch)
    figures = summary(taken)
    return Run(
        runtime=runtime,
        device="cpu",
        precision="fp32",
        batch=batch,
        mode=mode,
        settings={"threads": 2, "arena": True, "affinity": None},
        samples=taken,
        summary=figures,
        warm_up={"runs": 20, "seconds": 0.4},
        stopped="narrow",
        throughput=batch / figures.median,
        load_seconds=0.12,
        first_seconds=0.05,
        peak_memory=310_000_000,
        model_bytes=102_200_000,
        overhead=0.002,
        machine={"before": {"load": 0.1}, "after": {"load": 0.3}},
        breakdown=told,
        ceilings=None if told is None else CEILINGS,
    )


def record(
    name: str = "resnet50",
    depths: tuple[int, ...] = RESNET18,
    *,
    created: str = "2026-11-24T12:00:00+00:00",
    factor: float = 1.0,
    n: int = 400,
) -> Record:
    """A network on two runtimes at three batch sizes; one row failed, one is rough."""
    shape = parts(depths)
    runs = [
        run("onnxruntime", batch, median=factor * 0.02 * batch**0.8, n=n,
            told=breakdown(shape, factor * 0.02) if batch == 1 else None)
        for batch in (1, 8, 32)
    ]  # fmt: skip
    runs += [run("torch", b, median=factor * 0.027 * b**0.78, n=n) for b in (1, 8)]
    runs[4] = replace(
        runs[4],
        steady=False,
        notes=("other processes took 38 % of the cores",),
    )
    runs.append(run("onnxruntime", 8, "throughput", median=0.1, n=n))
    runs.append(
        Run("torch", "cpu", "fp32", 32, "latency",
            error="out of memory at batch 32; a smaller batch needs less")
    )  # fmt: skip
    return Record(
        subject=Subject(name, "spec", "3f1c" * 16, (3, 224, 224), 25_557_032,
                        4_089_184_256, "probe", shape),
        runs=tuple(runs),
        environment={
            "os": "Linux 6.1",
            "processor": {"model": "Some processor", "flags": ["avx2", "amx"]},
            "packages": {"onnxruntime": "1.24.0", "torch": "2.13.0"},
            "governor": None,
        },
        command=("resgen", "profile", "resnet50", "--batch", "1,8,32"),
        created=created,
        resgen="0.1.0",
    )  # fmt: skip
