"""Inputs and outputs of a kit: those of a file, and a folder's held against it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from resgen.artifact.ready import Feeds, Ready
from resgen.errors import UsageError
from resgen.kit.write import EXPECTED, INPUTS, Trial, read_arrays
from resgen.proof.compare import Departure
from resgen.proof.reach import apart


def trial_of(ready: Ready, inputs: Feeds, expected: Feeds) -> Trial:
    """What a kit of the file holds beside it."""
    return Trial(
        name=ready.name,
        precision=ready.precisions[-1],
        inputs=inputs,
        expected=expected,
        tolerance=ready.tolerance,
        metadata={"onnx_sha256": ready.identity.sha256},
    )


def read_kept(kit: Path) -> tuple[Feeds, Feeds]:
    """What the folder of a kit holds; what cannot be read is a ResgenError."""
    return read_arrays(kit / INPUTS), read_arrays(kit / EXPECTED)


def check_kept(ready: Ready, batch: int, inputs: Feeds, expected: Feeds) -> None:
    """Refuse outputs that the network does not make of the inputs.

    Inputs that the file takes as float16 were rounded to it after the network had them.
    """
    if any(each.ndim == 0 or len(each) != batch for each in inputs.values()):
        raise UsageError(f"{INPUTS} of the kit is not a batch of {batch}")
    if not all(np.isfinite(each.astype(np.float64)).all() for each in inputs.values()):
        raise UsageError(f"{INPUTS} of the kit holds what is no number")
    computed = ready.exact(inputs)
    for name in computed.keys() | expected.keys():
        wanted, found = computed.get(name), expected.get(name)
        if wanted is not None and found is not None:
            alike = wanted.shape == found.shape and wanted.dtype == found.dtype
            close = alike and apart(found, wanted)[1] <= ready.tolerance
            # Numbers that are none on both sides are apart by nothing that is one.
            if close or (alike and np.array_equal(found, wanted, equal_nan=True)):
                continue
        raise Departure(name, f'"{name}" of the kit\'s {EXPECTED} is not what the '
                        f"network makes of its {INPUTS}")  # fmt: skip
