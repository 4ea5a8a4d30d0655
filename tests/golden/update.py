"""Write ``diagnosis.json`` anew: half an hour of two cores, by ``make golden``.

``zoo/`` holds what others have published, and is written by hand.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, here and in workers

from diagnosis.benchmark import judging  # noqa: E402
from diagnosis.benchmark.networks import NETWORKS  # noqa: E402

from resgen.records.diagnosis import Run  # noqa: E402

GOLDEN = HERE / "diagnosis.json"


def train(job: tuple[str, int]) -> Run:
    name, seed = job
    return judging.trained(NETWORKS[name], seed)


def document(runs: dict[tuple[str, int], Run]) -> dict[str, object]:
    """The golden file, from the runs of all networks."""
    networks = {
        name: judging.entry(name, [runs[name, seed] for seed in judging.TRAINED])
        for name in NETWORKS
    }
    return {
        "protocol": {
            "data": "digits",
            "steps": judging.STEPS,
            "batch": judging.BATCH,
            "learning_rate": judging.RATE,
            "trained_from_seeds": judging.TRAINED,
            "looked_at_from_seeds": judging.LOOKED_AT,
        },
        "agreement": judging.table(networks),
        "networks": networks,
    }


def main() -> None:
    jobs = [(name, seed) for seed in judging.TRAINED for name in NETWORKS]
    with ProcessPoolExecutor() as pool:
        runs = dict(zip(jobs, _told(jobs, pool.map(train, jobs)), strict=True))
    text = json.dumps(document(runs), indent=2) + "\n"
    aside = GOLDEN.with_suffix(".new")
    aside.write_text(text, encoding="utf-8")
    aside.replace(GOLDEN)


def _told(jobs: list[tuple[str, int]], runs: Iterable[Run]) -> Iterable[Run]:
    for i, ((name, seed), run) in enumerate(zip(jobs, runs, strict=True), 1):
        reached = judging.accuracy(run)
        print(f"{i}/{len(jobs)} {name}, seed {seed}: {reached}", file=sys.stderr)
        yield run


if __name__ == "__main__":
    main()
