"""Training passes of a network of the zoo: plain, observed once, or watched.

python observe.py NAME plain|thorough|loop|watch BATCH SIZE

The first two time one forward and backward pass each, the others ten training steps;
`loop` is the loop that `watch` looks at.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext

import torch
from clock import report
from torch.nn.functional import cross_entropy

import resgen
from resgen.diagnosis.parts import parts_of
from resgen.diagnosis.seen.observer import Observer
from resgen.diagnosis.seen.watch import watch

name, mode, batch, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
graph = resgen.expand(resgen.load(name))
paths = [part.path for part in parts_of(graph)]
model = resgen.to_torch(graph)
optimizer = torch.optim.SGD(model.parameters(), 0.01)
x = torch.randn(batch, 3, size, size)
y = torch.arange(batch) % 10


def passes() -> None:
    optimizer.zero_grad()
    cross_entropy(model(x), y).backward()


def thorough() -> None:
    with Observer(model, paths, thorough=True, pairs=True) as seen:
        passes()
    seen.measures()


def loop() -> None:
    for _ in range(10):
        passes()
        optimizer.step()


if mode in ("plain", "thorough"):
    calls: dict[str, Callable[[], None]] = {"plain": passes, "thorough": thorough}
    report(calls[mode], times=5, warm=1)
else:
    with watch(model) if mode == "watch" else nullcontext():
        report(loop, times=3, warm=1)
