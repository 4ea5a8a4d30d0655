"""Diagnoses that nobody made, in the shape of those that somebody did."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from resgen.records.diagnosis import (
    Arm,
    Data,
    Diagnosis,
    Evaluation,
    Finding,
    Lengths,
    Measures,
    Moment,
    Part,
    RangeTest,
    Run,
)

#: Training steps.
STEPS = 80


def parts(depths: tuple[int, ...]) -> tuple[Part, ...]:
    blocks = [
        Part(
            f"layer{i + 1}.{j}",
            "block",
            "basic",
            f"/stages/{i}",
            f"mine.json:{7 + i}:6",
        )
        for i, depth in enumerate(depths)
        for j in range(depth)
    ]
    stem, head = (
        Part("stem", "stem", "3×3 conv", "/stem"),
        Part("head", "head", "10 classes"),
    )
    return (stem, *blocks, head)


def measures(i: int, count: int, noise: float, *, plain: bool) -> Measures:
    """Part ``i``: a plain network's gradient grows by a factor with each block."""
    back = count - 1 - i
    gradient = 0.02 * (1.45**back if plain else (1 + 0.4 * back) ** 0.5) * noise
    block = 0 < i < count - 1
    return Measures(
        mean=0.4 * noise,
        variance=(1.0 if plain else 1 + 0.3 * i) * noise,
        alike=0.95 - 0.9 * 0.9**i if plain else 0.3,
        gradient=gradient,
        correlation=0.8 * 0.8**back if plain else 0.6,
        parameter_gradient=3 * gradient if i else None,
        relative_gradient=0.1 * gradient if i else None,
        branch=0.7 * noise if block else None,
        shortcut=None if plain or not block else (1 + 0.2 * i) ** 0.5 * noise,
        gain=(1.4 if plain else 1.05) * noise,
        branch_gain=None if plain or not block else 0.4,
        shortcut_gain=None if plain or not block else 1.0,
        dead=0.3 * (i % 4) / 4 if plain else 0.01,
    )


def run(seed: int, count: int, *, plain: bool, trained: bool) -> Run:
    rng = np.random.default_rng(seed)
    learns = 0.002 if plain else 0.04

    def moment(step: int) -> Moment:
        noise = rng.uniform(0.8, 1.25, count)
        return Moment(step, 2.3, tuple(
            measures(i, count, float(noise[i]) * 0.995**step, plain=plain)
            for i in range(count)
        ))  # fmt: skip

    if not trained:
        return Run(seed, (moment(0),))
    losses = [
        float(0.2 + 2.1 * np.exp(-learns * t) * rng.uniform(0.9, 1.1))
        for t in range(STEPS)
    ]
    correct = [
        int(360 * (1 - 0.9 * np.exp(-learns * t))) for t in range(0, STEPS + 1, 20)
    ]
    return Run(
        seed,
        tuple(moment(step) for step in range(0, STEPS + 1, 8)),
        tuple(losses),
        tuple(Evaluation(20 * i, 0.5, n, 360) for i, n in enumerate(correct)),
        stopped="finished",
    )


def arm(
    name: str = "resnet20",
    depths: tuple[int, ...] = (3, 3, 3),
    *,
    plain: bool = False,
    seeds: int = 3,
    trained: bool = True,
) -> Arm:
    shape = parts(depths)
    count = len(shape)
    runs = tuple(run(s, count, plain=plain, trained=trained) for s in range(seeds))
    paths = np.array([0.5**9 * n for n in (1, 9, 36, 84, 126, 126, 84, 36, 9, 1)])
    weight = paths * 0.35 ** np.arange(10)
    rates = np.geomspace(1e-5, 1, 60)
    loss = 2.3 - 1.5 / (1 + (0.01 / rates) ** 2) + 40 * rates**2
    finding = Finding(
        "RG402",
        "the gradient explodes on its way to the input: it grows by 1.45 at each block",
        "give the blocks a shortcut, or normalise them",
        "layer1.0", "layer3.2", 28.3, 10.0, "He et al. 2016, and the benchmark",
        "/stages/0", "mine.json:7:6",
    )  # fmt: skip
    return Arm(
        name=name,
        sha256="3f1c" * 16,
        plain=plain,
        params=272_474,
        parts=shape,
        runs=runs,
        findings=(finding, replace(finding, code="RG403", value=None)) if plain else (),
        lengths=None
        if plain
        else Lengths(tuple(paths.tolist()), tuple((weight / weight.sum()).tolist())),
        range_test=RangeTest(
            tuple(rates.tolist()),
            tuple(float(n) if n < 9 else None for n in loss),
            0.01,
            0.4,
        )
        if trained
        else None,
    )


def diagnosis(
    *arms: Arm, created: str = "2026-11-24T12:00:00+00:00", trained: bool = True
) -> Diagnosis:
    """A residual network and the same without shortcuts, unless others are given."""
    both = (arm(trained=trained), arm(plain=True, trained=trained))
    return Diagnosis(
        arms=arms or both,
        data=Data("digits", 1797, 360, (3, 32, 32), 10, ("8 × 8 resized to 32 × 32",)),
        settings={"learning_rate": 0.05, "batch": 64, "steps": STEPS if trained else 0},
        environment={"os": "Linux 6.1", "packages": {"torch": "2.13.0"}},
        command=("resgen", "diagnose", "resnet20", "--against", "plain"),
        created=created,
        resgen="0.1.0",
        notes=("probes: 2",),
    )


def broken() -> Diagnosis:
    """Nothing finite after the stem, and a run that diverged."""
    one = arm(plain=True)
    lost = Measures(nonfinite=12)
    runs = tuple(
        replace(
            run,
            moments=tuple(
                replace(m, loss=None, parts=(m.parts[0], *[lost] * (len(m.parts) - 1)))
                for m in run.moments[:2]
            ),
            losses=(*run.losses[:10], None),
            evaluations=tuple(replace(e, loss=None) for e in run.evaluations[:1]),
            left=11,
            stopped="diverged",
        )
        for run in one.runs
    )  # fmt: skip
    return diagnosis(replace(one, runs=runs, range_test=None), arm())
