"""Find the blocks that a network's low precision cannot have.

Each round keeps the blocks that add the most noise in a higher precision, until all
are within the tolerance; then blocks are given back, one by one, where it holds without
them. (A true bisection would test halves, but noise of a block is seen where it is
made, which halves do not tell.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf

from resgen.calibrate.lowered import Calibrator, Lowered
from resgen.errors import ResgenError
from resgen.graph.parts import homes
from resgen.graph.precision import Precision
from resgen.proof.accuracy import Accuracy, BlockNoise
from resgen.proof.tolerance import failing

Say = Callable[[str], None]
#: Blocks that add at least this share of what the worst adds are kept along with it.
ALONG = 0.5


def bisect(
    calibrator: Calibrator, wanted: Precision, say: Say = lambda text: None
) -> tuple[Lowered, Accuracy]:
    """The network with as few parts kept in higher precision as the tolerance needs.

    Raises :class:`~resgen.errors.ResgenError` if even that does not help.
    """
    precision = wanted.name
    paths = {name: part.path for name, part in homes(calibrator.folded).items()}
    keep: list[str] = []
    made, accuracy = _try(calibrator, wanted, keep)
    while failing(accuracy, precision):
        found = [paths[block.value] for block in _loudest(accuracy, paths, keep)]
        if not found:
            raise ResgenError(
                f"{calibrator.graph.name} is out of tolerance even with "
                f"{', '.join(keep) or 'nothing'} in higher precision",
                hint="other calibration images, percentiles for ranges, or training "
                "with fake quantisation may help",
            )
        keep.extend(found)
        say(f"keeping {', '.join(found)} in higher precision")
        made, accuracy = _try(calibrator, wanted, keep)
    for path in list(keep):
        if len(keep) > 1:
            fewer = [other for other in keep if other != path]
            attempt, measured = _try(calibrator, wanted, fewer)
            if not failing(measured, precision):
                say(f"{path} can be {precision} after all")
                keep, made, accuracy = fewer, attempt, measured
    return made, accuracy


def _try(
    calibrator: Calibrator, wanted: Precision, keep: list[str]
) -> tuple[Lowered, Accuracy]:
    made = calibrator.at(replace(wanted, keep=(*wanted.keep, *keep)))
    return made, made.measured()


def _loudest(
    accuracy: Accuracy, paths: Mapping[str, str], keep: Sequence[str]
) -> list[BlockNoise]:
    """The blocks that add the most noise to what they are given, of those not kept.

    A kept block may seem to add some, where it amplifies noise more than the signal.
    """
    added: list[tuple[float, BlockNoise]] = []
    before = 0.0
    for block in accuracy.blocks:
        share = inf if block.snr == -inf else 10 ** (-block.snr / 10)
        if paths[block.value] not in keep:
            added.append((max(share - before, 0.0), block))
        before = share if share < inf else before
    most = max((amount for amount, _ in added), default=0.0)
    if most == inf:
        return [next(block for amount, block in added if amount == inf)]
    return [block for amount, block in added if amount >= ALONG * most]
