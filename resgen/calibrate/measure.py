"""A low-precision network run beside the float32 one, over samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import numpy as np

from resgen.calibrate.ranges import Opened, opened, showing
from resgen.calibrate.samples import Samples
from resgen.graph.choices import before_choices
from resgen.graph.ir import Graph
from resgen.proof.accuracy import Accuracy, Tally, block_values
from resgen.runtime.base import Array, Session
from resgen.runtime.torch import TorchSession
from resgen.weights.evaluate import Weights, np_dtype

#: How many inputs the blocks are compared on; outputs are compared on all.
BLOCK_INPUTS: Final = 16
#: How many inputs run at once.
BATCH: Final = 4

Progress = Callable[[int, int], None]


def measure(
    folded: Graph,
    lowered: Graph,
    weights: Weights,
    samples: Samples,
    deployed: Session | None = None,
    *,
    progress: Progress = lambda done, total: None,
) -> Accuracy:
    """Compare ``lowered`` with ``folded``, the same network in float32.

    ``deployed`` runs the file and gives the outputs; without it they are those of
    the lowered graph. Of a network that chooses among numbers, those that enter the
    choice stand for what comes of it, and are always the lowered graph's: by how much
    a precision is off, another choice says nothing. ``weights`` hold the scales too.
    bfloat16, of which ONNX Runtime has no convolution on the CPU, is run by PyTorch.
    """
    before = before_choices(folded)
    blocks = block_values(before)
    (given,) = folded.inputs
    tally = Tally(blocks)
    given_out = {*folded.outputs} if deployed is not None else set()
    inside = set(before.outputs) - given_out
    values = tuple(dict.fromkeys((*blocks, *(value for _, value in before.outputs))))
    with opened(folded, weights, values) as wide, _low(lowered, weights, values) as low:
        done = 0
        for batch in samples.batches(BATCH):
            few = done < BLOCK_INPUTS
            wanted = wide.run(batch)
            feed = _typed(batch, lowered)
            found: Mapping[str, Array] = {}
            if few or inside:
                found = low.run(feed)
            if few:
                tally.add_blocks(wanted, found)
            if deployed is not None:
                outputs = _run(deployed, given.name, feed)
            for name, value in before.outputs:
                own = (name, value) in given_out
                low_one = outputs[name] if own else found[value]
                tally.add_output(name, wanted[value], low_one)
            done += len(batch)
            progress(done, samples.count)
    return tally.accuracy((deployed or low).name, samples.targets)


def _typed(batch: Array, lowered: Graph) -> Array:
    return batch.astype(np_dtype(lowered.inputs[0].type.dtype), copy=False)


def _run(session: Session, name: str, batch: Array) -> dict[str, Array]:
    """The outputs for a batch; a file of a fixed batch gets it in pieces."""
    fixed = session.inputs[name][0]
    if fixed is None or fixed == len(batch):
        return session.run({name: batch})
    short = -len(batch) % fixed
    filled = np.concatenate([batch, np.repeat(batch[-1:], short, axis=0)])
    pieces = [
        session.run({name: filled[i : i + fixed]}) for i in range(0, len(filled), fixed)
    ]
    return {
        key: np.concatenate([piece[key] for piece in pieces])[: len(batch)]
        for key in pieces[0]
    }


@contextmanager
def _low(lowered: Graph, weights: Weights, values: tuple[str, ...]) -> Iterator[Opened]:
    """The lowered graph, giving out these values, its operators as they stand."""
    if any(node.type.dtype == "bfloat16" for node in lowered.nodes):
        from resgen.lower.torch import to_torch

        shown = showing(lowered, values)
        module = to_torch(shown, {p.name: weights[p.name] for p in shown.parameters})
        with TorchSession(shown, module) as session:
            yield Opened(session, lowered.inputs[0].name, values)
        return
    with opened(lowered, weights, values, optimize=False) as other:
        yield other
