"""What a network of the benchmark does in short training, and what is told before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import inf
from typing import Any

import torch
from diagnosis.benchmark.networks import NETWORKS, held_back

import resgen
from resgen.diagnosis.data.dataset import Dataset
from resgen.diagnosis.data.gather import gather
from resgen.diagnosis.diagnose import at_start
from resgen.diagnosis.parts import parts_of
from resgen.diagnosis.training.options import Options, Trainee
from resgen.diagnosis.training.summary import learns
from resgen.diagnosis.training.train import train
from resgen.diagnosis.verdict.figures import Figures
from resgen.diagnosis.verdict.findings import findings
from resgen.graph.ir import Graph
from resgen.records.diagnosis import Finding, Moment, Part, Run

BATCH = 64
RATE = 0.05
CLASSES = 10
#: Steps of training: healthy networks of any depth have learned by then.
STEPS = 150
TRAINED = (0, 1)
#: Seeds of the initialisations that a verdict is of.
LOOKED_AT = (0, 1, 2)


@dataclass(frozen=True)
class Start:
    """A network as initialised from a few seeds."""

    graph: Graph
    parts: tuple[Part, ...]
    moments: tuple[Moment, ...]

    def findings(self, rate: float = RATE) -> tuple[Finding, ...]:
        return findings(
            self.parts,
            self.moments,
            classes=CLASSES,
            learning_rate=rate,
            graph=self.graph,
        )

    @property
    def codes(self) -> list[str]:
        return [finding.code for finding in self.findings()]

    def figures(self) -> dict[str, float | None]:
        """What the rules look at, of the first seed, with two digits."""
        seen = Figures(
            self.graph, self.parts, self.moments[0], classes=CLASSES, rate=RATE
        )
        changes = {
            "gradient_grows": seen.rise(seen.reach, back=True),
            "told_fades": seen.fall(seen.told),
            "scale_grows": seen.rise(seen.scale),
            "alike_grows": seen.rise(seen.common),
        }
        found = {name: c and c.value for name, c in changes.items()}
        found["alike"] = seen.alike
        found["overshoot"] = seen.overshoot
        found["correlation"] = seen.correlation
        return {name: rounded(value) for name, value in found.items()}


def start(
    spec: Mapping[str, Any] | str, seeds: Iterable[int] = LOOKED_AT, batch: int = BATCH
) -> Start:
    """Look at a network before training, on the digits."""
    graph, dataset = prepared(spec)
    parts = parts_of(graph)
    moments = [at_start(graph, parts, dataset, seed=s, batch=batch) for s in seeds]
    return Start(graph, parts, tuple(moments))


def trained(spec: Mapping[str, Any], seed: int) -> Run:
    """Short training of a network, in one thread so that it can be done again."""
    torch.set_num_threads(1)
    graph, dataset = prepared(spec)
    options = Options(steps=STEPS, seeds=(seed,), batch=BATCH, rate=RATE)
    return train([Trainee("network", graph, ())], dataset, options).runs[0][0]


def prepared(spec: Mapping[str, Any] | str) -> tuple[Graph, Dataset]:
    """Its graph, and the digits as it takes them."""
    loaded = resgen.load(spec)
    graph = resgen.expand(loaded)
    return graph, gather("digits", graph, loaded.preprocess)


@cache
def started(name: str) -> Start:
    """A network of the benchmark before training."""
    return start(NETWORKS[name])


def entry(name: str, runs: Sequence[Run]) -> dict[str, Any]:
    """What the golden file keeps of a network."""
    before = started(name)
    return {
        "held_back": held_back(name),
        "outcome": learns(runs, CLASSES),
        "accuracy": [accuracy(run) for run in runs],
        "verdict": before.codes or "ok",
        "figures": before.figures(),
    }


def accuracy(run: Run) -> float | None:
    """On held-back data after the last step; None where the run diverged."""
    if run.left is not None or not run.evaluations:
        return None
    last = run.evaluations[-1]
    return round(last.correct / last.count, 3)


def agreement(networks: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """How verdict and training go together: of four kinds, how many networks.

    ``found`` and ``sound`` agree; ``alarm`` is a finding for a network that learns,
    ``missed`` an "ok" for one that does not.
    """
    kinds = {
        (True, False): "found",
        (False, True): "sound",
        (True, True): "alarm",
        (False, False): "missed",
    }
    counted = Counter(
        kinds[one["verdict"] != "ok", one["outcome"] == "learns"]
        for one in networks.values()
    )
    return {kind: counted[kind] for kind in kinds.values()}


def table(networks: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """The same for the networks that rules were chosen on, and those held back."""
    parts = {"chosen_on": False, "held_back": True}
    return {
        part: agreement({n: o for n, o in networks.items() if o["held_back"] is held})
        for part, held in parts.items()
    }


def agreeing(counts: Mapping[str, int]) -> float:
    """The share of networks on which the two agree."""
    return (counts["found"] + counts["sound"]) / sum(counts.values())


def rounded(value: float | None) -> float | None:
    """Two digits, so that another processor's rounding does not show."""
    if value is None or value == inf:
        return None
    return float(f"{value:.1e}")
