"""What a network computes here, beside what it computed where the kit was made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from resgen.kit.script.files import Stop
from resgen.proof.reach import apart


def compare(
    found: Mapping[str, Any],
    expected: Mapping[str, Any],
    tolerances: Mapping[str, float],
) -> list[dict[str, Any]]:
    """A row of ``outputs`` for each: differences as a share of the output's range."""
    if set(found) != set(expected):
        raise Stop(1, f"the network gives {', '.join(sorted(found))}, but the kit "
                      f"expects {', '.join(sorted(expected))}")  # fmt: skip
    rows = []
    for name, reference in sorted(expected.items()):
        row: dict[str, Any] = {"name": name, "shape": list(found[name].shape),
                               "dtype": str(found[name].dtype),
                               "tolerance": tolerances[name]}  # fmt: skip
        rows.append(row)
        if found[name].shape != reference.shape:
            row.update(ok=False, expected_shape=list(reference.shape))
            continue
        have, want = found[name].astype(np.float64), reference.astype(np.float64)
        noise = have - want
        if not np.isfinite(noise).all():
            row.update(ok=False)
            continue
        largest, share = apart(have, want)
        signal, power = float((want**2).sum()), float((noise**2).sum())
        norm = math.sqrt(signal * float((have**2).sum()))
        ratio = signal / power if power else 0.0
        scores = want.ndim == 2
        same = int((have.argmax(1) == want.argmax(1)).sum()) if scores else 0
        row.update(
            largest_difference=largest,
            share_of_range=share,
            cosine=float((have * want).sum()) / norm if norm else None,
            signal_to_noise_db=10 * math.log10(ratio) if ratio else None,
            top1=[same, len(want)] if scores else None,
            ok=share <= tolerances[name],
        )
    return rows


def row_line(row: Mapping[str, Any]) -> str:
    """Of a row of ``outputs``, for a person."""
    share = row.get("share_of_range")
    off = "not to be compared" if share is None else f"{share:.1e} of its range off"
    return (f"check    {row['name']}: {off} (allowed {row['tolerance']:.0e})"
            f"  {'ok' if row['ok'] else 'DIFFERS'}")  # fmt: skip
