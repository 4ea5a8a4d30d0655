"""How far two computations of one network are apart, and where they part."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from resgen.errors import ResgenError
from resgen.graph.ir import Graph, Node
from resgen.graph.parts import homes
from resgen.proof.classes import SameClass
from resgen.proof.reach import apart
from resgen.runtime.base import Array, Session
from resgen.words.numbers import shape as said

#: Outputs agree within this share of their range.
TOLERANCE: Final = 1e-4
#: Where PyTorch's own float32 is further than that from its float64 on the same inputs,
#: an engine may be this many times as far from float32 as that is.
NOISE_FACTOR: Final = 8.0
#: What float32 makes of rounding at 1/2, around which engines compute a sigmoid: their
#: values near 0 are no closer, though PyTorch's are.
HALF_STEP: Final = 2.0**-24


class Departure(ResgenError):
    """A file computes something else; ``tensor`` names where that first shows."""

    def __init__(self, tensor: str, message: str) -> None:
        hint = "the file must not be used; building it anew writes it from the spec"
        super().__init__(message, hint=hint)
        self.tensor = tensor


@dataclass(frozen=True, slots=True)
class Agreement:
    """How closely outputs agree, over all inputs that were compared.

    ``relative`` is the largest difference in units of the output's range, which
    ``tolerance`` bounds. ``top1`` counts the inputs of the same class, and all of them,
    in the scores that agree least, ``top1_output`` where there are several outputs;
    None where no output is a vector of scores. ``finite`` is false if the reference is
    not, and then nothing else is known.
    """

    inputs: int
    batches: tuple[int, ...]
    absolute: float
    relative: float
    top1: tuple[int, int] | None
    finite: bool = True
    tolerance: float = TOLERANCE
    top1_output: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an engine gave for each batch, so that it need not be kept."""

    name: str
    batches: tuple[tuple[Mapping[str, Array], Mapping[str, Array]], ...]

    @classmethod
    def of(cls, session: Session, feeds: Sequence[Mapping[str, Array]]) -> Recorded:
        """Run a session on these feeds."""
        return cls(session.name, tuple((feed, session.run(feed)) for feed in feeds))


def compare_outputs(
    reference: Recorded,
    other: Session,
    exactly: Callable[[Mapping[str, Array]], Mapping[str, Array]],
    sigmoids: Collection[str] = (),
    also: Callable[[Mapping[str, Array]], None] = lambda found: None,
) -> Agreement:
    """Run the other one too; an output out of tolerance is a :class:`Departure`.

    ``exactly`` computes the outputs in float64. It is asked where an output is further
    off than ``TOLERANCE``: some networks make more than that of rounding alone, and
    their outputs bear no closer comparison. ``sigmoids`` are outputs of a sigmoid.
    ``also`` is shown what the other one was given and gave.
    """
    absolute = relative = 0.0
    tolerance = TOLERANCE
    same = SameClass()
    sizes = tuple(len(next(iter(feeds.values()))) for feeds, _ in reference.batches)
    for feeds, expected in reference.batches:
        if not all(np.isfinite(array).all() for array in expected.values()):
            return Agreement(sum(sizes), sizes, np.nan, np.nan, None, finite=False)
        found = other.run(feeds)
        for name, wanted in expected.items():
            array = found.get(name)
            if array is None or array.shape != wanted.shape:
                got = "nothing" if array is None else said(array.shape)
                raise Departure(
                    name,
                    f'{other.name} gives {got} as "{name}", {reference.name} '
                    f"{said(wanted.shape)}",
                )
            difference, share = apart(array, wanted)
            if not share <= tolerance and np.isfinite(share):
                _, noise = apart(exactly(feeds)[name], wanted)
                if name in sigmoids:
                    noise = max(noise, HALF_STEP * share / difference)
                tolerance = max(tolerance, NOISE_FACTOR * noise)
            if not share <= tolerance:  # also where it is no number
                raise Departure(
                    name,
                    f'the output "{name}" of {other.name} is {share:.1e} of its range '
                    f"away from {reference.name}'s, and rounding explains "
                    f"{tolerance:.1e}",
                )
            absolute, relative = max(absolute, difference), max(relative, share)
            same.add(name, wanted, array)
        also({**feeds, **found})
    return Agreement(
        sum(sizes),
        sizes,
        absolute,
        relative,
        same.top1,
        tolerance=tolerance,
        top1_output=same.named,
    )


def where(graph: Graph, node: Node) -> str:
    """The part of the network that a node belongs to, in words."""
    spoken, role = homes(graph)[node.name].spoken, node.origin.role
    return f"{spoken}, {role}" if role else spoken
