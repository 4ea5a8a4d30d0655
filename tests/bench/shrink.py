"""Smaller networks by resgen and by Torch-Pruning 1.6.1, at equal multiply-adds.

python tests/bench/shrink.py accuracy [NETWORK]... [--seed N]... [--record FILE]
    trains networks on scikit-learn's digits, takes channels away by each, and trains
    what is left alike;
python tests/bench/shrink.py latency [NETWORK]... [--record FILE]
    compares in ONNX Runtime what either leaves, in float32 and in int8, and ours once
    more by a table of times of this machine;
python tests/bench/shrink.py asks [NETWORK]... [--record FILE]
    asks for latencies, and measures anew whether they are reached.

What is found goes into the file, a line of JSON each. What it holds is not measured
again, and the tables at the end are of all of it: a bench can run in parts, when the
machine is free, and be stopped (--minutes N stops it before the next measurement).
Torch-Pruning goes as its users do: one global ranking, in small steps until the
multiply-adds are met. Its rounding of channels is off unless said.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from time import monotonic
from typing import Any

import numpy as np
import torch
import torch_pruning
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

import digits

import resgen

SEEDS = (0, 1, 2)
SHARES = (0.5, 0.25)
EPOCHS = 5
SHARE = 0.5
BUDGETS = ("0.8x", "0.65x", "0.5x", "0.35x")
HEAD: dict[str, Any] = {
    "resgen": 1,
    "input": [1, 8, 8],
    "stem": {"use": "cifar", "with": {"width": 16}},
    "head": {"classes": 10},
    "preprocess": {"resize": None, "color": "gray"},
}
NETWORKS: dict[str, dict[str, Any]] = {
    "resnet20": {
        **HEAD,
        "name": "resnet20",
        "defaults": {"block": "basic", "shortcut": "projection"},
        "stages": [{"width": width, "depth": 3} for width in (16, 32, 64)],
    },
    "resnet56": {
        **HEAD,
        "name": "resnet56",
        "defaults": {"block": "basic", "shortcut": "projection"},
        "stages": [{"width": width, "depth": 9} for width in (16, 32, 64)],
    },
    "mobilenet": {
        **HEAD,
        "name": "mobilenet",
        "defaults": {"block": "inverted"},
        "stages": [{"width": width, "depth": 2} for width in (16, 24, 40)],
    },
    "densenet": {
        "resgen": 1,
        "extends": "densenet40_k12_bc_cifar.json",
        "name": "densenet",
        "input": HEAD["input"],
        "preprocess": {**HEAD["preprocess"], "mean": [0.5], "std": [0.5]},
    },
}
IMPORTANCE = {
    "taylor": torch_pruning.importance.GroupTaylorImportance,
    "magnitude": torch_pruning.importance.GroupMagnitudeImportance,
}


def pruned(
    module: nn.Module,
    x: torch.Tensor,
    share: float,
    kind: str,
    batches: list[tuple[torch.Tensor, torch.Tensor]],
    round_to: int | None = None,
) -> nn.Module:
    """What Torch-Pruning leaves of it."""
    module = copy.deepcopy(module).eval()
    last = [m for m in module.modules() if isinstance(m, nn.Linear)][-1:]
    pruner = torch_pruning.pruner.MetaPruner(
        module,
        x,
        importance=IMPORTANCE[kind](),
        global_pruning=True,
        pruning_ratio=0.9,
        max_pruning_ratio=0.9,
        iterative_steps=60,
        ignored_layers=last,
        round_to=round_to,
    )
    whole, _ = torch_pruning.utils.count_ops_and_params(module, x)
    for _ in range(60):
        module.zero_grad()
        for images, labels in batches if kind == "taylor" else []:
            nn.functional.cross_entropy(module(images), labels).backward()
        pruner.step()
        left, _ = torch_pruning.utils.count_ops_and_params(module, x)
        if left <= share * whole:
            break
    return module


def accuracy(name: str, seed: int) -> Iterator[dict[str, Any]]:
    """Top-1 on 500 digits that nothing has seen, before and after training."""
    spec = NETWORKS[name]
    images, targets = arrays(seed)
    graph = resgen.expand(resgen.load(spec))
    whole = resgen.to_torch(graph, seed=seed)
    train(whole, images, targets, 10)
    x = torch.zeros(1, *graph.inputs[0].type.shape)
    macs, _ = torch_pruning.utils.count_ops_and_params(whole.eval(), x)
    known = torch.from_numpy(images[:512]), torch.from_numpy(targets[:512])
    batches = list(zip(*(each.split(32) for each in known), strict=True))
    before = right(whole, images, targets)
    for share in SHARES:
        made = {
            f"Torch-Pruning, {kind}": pruned(whole, x, share, kind, batches)
            for kind in IMPORTANCE
        }
        for way, step in (("resgen", None), ("resgen, multiples of 1", 1)):
            made[way] = ours(spec, whole, share, step, images, targets)
        for way, module in made.items():
            left = torch_pruning.utils.count_ops_and_params(module.eval(), x)[0]
            cut = right(module, images, targets)
            train(module, images, targets, EPOCHS)
            yield {
                "share": share,
                "way": way,
                "macs": left / macs,
                "whole": before,
                "cut": cut,
                "trained": right(module, images, targets),
            }


def ours(
    spec: Any,
    whole: nn.Module,
    share: float,
    step: int | None,
    images: Any,
    targets: Any,
) -> nn.Module:
    """What resgen leaves of it, so small that Torch-Pruning counts it so as well."""
    x = torch.zeros(1, *images.shape[1:])
    macs, _ = torch_pruning.utils.count_ops_and_params(whole, x)
    asked = share
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "x.npz")
        train_on = slice(None, digits.TRAINED)
        np.savez(data, x=images[train_on], y=targets[train_on])
        while True:
            small = resgen.shrink(
                spec,
                Path(folder, "a"),
                state_dict=whole.state_dict(),
                data=str(data),
                macs=asked,
                round=step,
                verify=False,
            )
            module = resgen.to_torch(small.graph, small.weights).eval()
            left, _ = torch_pruning.utils.count_ops_and_params(module, x)
            if left <= share * macs:
                return module
            asked *= 0.99 * share * macs / left


def arrays(seed: int) -> tuple[Any, Any]:
    """The digits in an order of the seed's."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.target))
    images = (data.images[order, None] / 16).astype(np.float32)
    return images, data.target[order].astype(np.int64)


def train(module: nn.Module, images: Any, targets: Any, epochs: int) -> None:
    """On what is not held back."""
    digits.train(module, images[: digits.TRAINED], targets[: digits.TRAINED], epochs)


def right(module: nn.Module, images: Any, targets: Any) -> float:
    """The share of the others that is told right."""
    with torch.no_grad():
        scores = module.eval()(torch.from_numpy(images[digits.TRAINED :]))
    return float((scores.argmax(1).numpy() == targets[digits.TRAINED :]).mean())


def latency(name: str, round_to: int | None, tables: Path) -> Iterator[dict[str, Any]]:
    """What either leaves, in ONNX Runtime on one thread at batch 1.

    ``round_to`` is Torch-Pruning's. Ours chooses channels once without times, and once
    by times of kernels on this machine, in the precision that is compared, which it
    keeps among the ``tables``.
    """
    spec = resgen.load(name)
    graph = resgen.expand(spec).inference
    whole = resgen.to_torch(graph, seed=0)
    macs, shape = resgen.analyse(graph).macs, graph.inputs[0].type.shape
    with tempfile.TemporaryDirectory() as folder:
        module = pruned(whole, torch.zeros(1, *shape), SHARE, "magnitude", [], round_to)
        theirs = Path(folder, "theirs")
        read = resgen.import_(module, theirs, input=shape, verify=False)
        for precision, timed in product(("fp32", "int8"), (False, True)):
            table = tables / f"{name}-{precision}.json"
            home = Path(folder, f"{precision}-{timed}")
            by: dict[str, Any] = {"table": table, "precision": precision, "threads": 1}
            small = resgen.shrink(
                spec,
                home,
                state_dict=whole.state_dict(),
                macs=SHARE,
                verify=False,
                **(by if timed else {}),
            )
            found = resgen.compare(
                theirs, home, precision=precision, threads=1, time=20
            ).record
            yield {
                "precision": precision,
                "timed": timed,
                "macs": [each.macs / macs for each in (small.analysis, read.analysis)],
                "ratio": found.ratio,
                "interval": found.interval,
                "verdict": found.verdict,
            }


def asks(name: str, budget: str, tables: Path) -> Iterator[dict[str, Any]]:
    """Whether a latency that is asked for is reached, as is measured afterwards.

    Times of kernels are kept among the ``tables``, as who asks again keeps them.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "small")
        begin = monotonic()
        try:
            made = resgen.shrink(
                name,
                out,
                latency=budget,
                table=tables / f"{name}.json",
                verify=False,
                threads=1,
                runtime="onnxruntime",
            )
        except resgen.ResgenError as error:
            yield {"refused": f"{error.message}: {error.hint}"}
            return
        took = monotonic() - begin
        met = made.record.latency
        assert met is not None
        found = resgen.compare(name, out, threads=1, time=8).record
        yield {
            "rounds": met.rounds,
            "seconds": took,
            "said": met.ratio,
            "ratio": found.ratio,
            "interval": found.interval,
        }


def tables(rows: list[dict[str, Any]]) -> Iterator[str]:
    """What all that was found comes to."""
    of = {what: [r for r in rows if r["what"] == what] for what in WHAT}
    yield from accuracies(of["accuracy"])
    for row in of["latency"]:
        low, high = row["interval"]
        mine, other = row["macs"]
        yield (
            f"{row['network']} in {row['precision']}: resgen "
            f"{'with' if row['timed'] else 'without'} a table ({mine:.2f} of the MACs) "
            f"takes {row['ratio']:.2f} ({low:.2f} to {high:.2f}) of Torch-Pruning's "
            f"with round_to={row['round_to']} ({other:.2f}): {row['verdict']}"
        )
    asked, reached, refused = of["asks"], 0, 0
    for row in asked:
        if "refused" in row:
            refused += 1
            yield f"{row['network']} {row['budget']}: no. {row['refused']}"
            continue
        met = row["ratio"] <= float(row["budget"].rstrip("x"))
        reached += met
        low, high = row["interval"]
        yield (
            f"{row['network']} {row['budget']}: {row['ratio']:.3f} ({low:.3f} to "
            f"{high:.3f}) after {row['rounds']} rounds{'' if met else ': MISSED'}"
        )
    if asked:
        yield f"of {len(asked)} asks {reached} reached, {refused} told that none does"


def accuracies(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Means over seeds; of resgen's less Torch-Pruning's, intervals at 95 %."""
    from scipy.stats import t

    found: dict[tuple[str, float], dict[str, dict[int, dict[str, Any]]]] = {}
    for row in rows:
        ways = found.setdefault((row["network"], row["share"]), {})
        ways.setdefault(row["way"], {})[row["seed"]] = row
    for (network, share), ways in found.items():
        for way, seeds in ways.items():
            macs, whole, cut, trained = (
                fmean(row[key] for row in seeds.values())
                for key in ("macs", "whole", "cut", "trained")
            )
            yield (
                f"{network} {share:.2f}x {way}: MACs {macs:.2f}, the whole "
                f"{whole:.3f}, cut {cut:.3f}, trained {trained:.3f}"
            )
            for peer in ways if way.startswith("resgen") else ():
                both = sorted(seeds.keys() & ways[peer].keys())
                if peer.startswith("resgen") or len(both) < 2:
                    continue
                apart = [
                    100 * (seeds[s]["trained"] - ways[peer][s]["trained"]) for s in both
                ]
                half = t.ppf(0.975, len(apart) - 1) * stdev(apart) / len(apart) ** 0.5
                yield (
                    f"    over {peer}: {fmean(apart):+.1f} points "
                    f"({fmean(apart) - half:+.1f} to {fmean(apart) + half:+.1f})"
                )


#: What is asked of which networks unless some are named.
WHAT = {
    "accuracy": tuple(NETWORKS),
    "latency": ("resnet50", "mobilenetv2_100"),
    "asks": (
        "resnet20_cifar",
        "squeezenet1_1",
        "mobilenetv2_050",
        "shufflenet_v2_x1_0",
        "resnet18",
    ),
}


def parts(
    what: str, names: Sequence[str], seeds: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """What is measured one after the other, by what tells them apart."""
    vary: dict[str, tuple[str, Any]] = {
        "accuracy": ("seed", seeds),
        "latency": ("round_to", (None, 8)),
        "asks": ("budget", BUDGETS),
    }
    key, values = vary[what]
    for name, value in product(names, values):
        yield {"what": what, "network": name, key: value}


def main() -> None:
    parser = argparse.ArgumentParser(description="Smaller networks, by two tools.")
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("networks", nargs="*", metavar="NETWORK")
    parser.add_argument("--seed", type=int, action="append", metavar="N")
    parser.add_argument("--record", type=Path, metavar="FILE")
    parser.add_argument("--minutes", type=float, default=float("inf"), metavar="N")
    given = parser.parse_args()
    begin = monotonic()
    rows: list[dict[str, Any]] = []
    if given.record is not None and given.record.exists():
        rows = [json.loads(line) for line in given.record.read_text().splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        tables_of = Path(folder)
        if given.record is not None:
            tables_of = given.record.with_suffix(".tables")
            tables_of.mkdir(parents=True, exist_ok=True)
        ways: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
            "accuracy": accuracy,
            "latency": partial(latency, tables=tables_of),
            "asks": partial(asks, tables=tables_of),
        }
        names = given.networks or WHAT[given.what]
        for part in parts(given.what, names, given.seed or list(SEEDS)):
            if any(part.items() <= row.items() for row in rows):
                continue
            if monotonic() - begin > 60 * given.minutes:
                break
            _, name, value = part.values()
            found = [part | row for row in ways[given.what](name, value)]
            rows += found
            lines = [json.dumps(row) + "\n" for row in found]
            sys.stderr.writelines(lines)
            if given.record is not None:
                with given.record.open("a") as file:
                    file.writelines(lines)
    print(*tables(rows), sep="\n")


if __name__ == "__main__":
    main()
