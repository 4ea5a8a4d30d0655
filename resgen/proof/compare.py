"""How far two computations of one network are apart, and where they part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from resgen.errors import ResgenError
from resgen.graph.ir import Graph, Node
from resgen.proof.walk import Leaves, walk
from resgen.runtime.base import Array, Session, describe

if TYPE_CHECKING:
    import torch

#: Outputs agree within this share of their range.
TOLERANCE: Final = 1e-4
#: A tensor may be this many times as far from the exact value as torch's float32 is.
#: Over the zoo ONNX Runtime is up to 4 times as far (it sums in another order, and
#: folding moves where values cancel). A fault of ten times either noise is seen, since
#: rounding takes back no more than one.
NOISE_FACTOR: Final = 8.0
#: What torch's float32 is credited with at least, in units of the last place of the
#: tensor's largest value: where few numbers are compared it may be right by luck.
LEAST_NOISE: Final = 1.0


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
    ``tolerance`` bounds. ``top1`` counts the inputs whose largest element is the same,
    and all of them; None where no output is a vector. ``finite`` is false if the
    reference is not, and then nothing else is known.
    """

    inputs: int
    batches: tuple[int, ...]
    absolute: float
    relative: float
    top1: tuple[int, int] | None
    finite: bool = True
    tolerance: float = TOLERANCE


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an engine gave for each batch, so that it need not be kept."""

    name: str
    batches: tuple[tuple[Mapping[str, Array], Mapping[str, Array]], ...]

    @classmethod
    def of(cls, session: Session, feeds: Sequence[Mapping[str, Array]]) -> Recorded:
        """Run a session on these feeds."""
        return cls(session.name, tuple((feed, session.run(feed)) for feed in feeds))


def compare_outputs(reference: Recorded, other: Session) -> Agreement:
    """Run the other one too; an output out of tolerance is a :class:`Departure`."""
    absolute = relative = 0.0
    same = total = 0
    sizes = tuple(len(next(iter(feeds.values()))) for feeds, _ in reference.batches)
    for feeds, expected in reference.batches:
        if not all(np.isfinite(array).all() for array in expected.values()):
            return Agreement(sum(sizes), sizes, np.nan, np.nan, None, finite=False)
        found = other.run(feeds)
        for name, wanted in expected.items():
            array = found.get(name)
            if array is None or array.shape != wanted.shape:
                got = "nothing" if array is None else describe(array.shape)
                raise Departure(
                    name,
                    f'{other.name} gives {got} as "{name}", {reference.name} '
                    f"{describe(wanted.shape)}",
                )
            difference = float(np.abs(array - wanted).max(initial=0.0))
            share = difference / (float(np.ptp(wanted)) or _size(wanted) or 1.0)
            if not share <= TOLERANCE:  # also where it is no number
                raise Departure(
                    name,
                    f'the output "{name}" of {other.name} is {share:.1e} of its range '
                    f"away from {reference.name}'s (allowed {TOLERANCE:.0e})",
                )
            absolute, relative = max(absolute, difference), max(relative, share)
            if wanted.ndim == 2:
                same += int((array.argmax(1) == wanted.argmax(1)).sum())
                total += len(wanted)
    top1 = (same, total) if total else None
    return Agreement(sum(sizes), sizes, absolute, relative, top1)


@dataclass(frozen=True, slots=True)
class TensorDifference:
    """One value of the graph: how far off it is, and what rounding explains.

    ``noise`` is how far torch's float32 is from torch's float64, at least
    ``LEAST_NOISE`` units in the last place of the largest value.
    """

    node: Node
    difference: float
    noise: float
    size: float

    @property
    def share(self) -> float:
        """The difference in units of what is allowed."""
        return self.difference / (NOISE_FACTOR * self.noise)


def compare_tensors(
    graph: Graph,
    module: torch.nn.Module,
    inputs: Mapping[str, torch.Tensor],
    found: Callable[[str], Array | None],
) -> tuple[list[TensorDifference], dict[str, Array]]:
    """Compare every value that a file yields with the exact one, in the graph's order.

    Returns what each was off by, and the network's outputs in torch's float32.

    ``found`` gives what the file yields for a node (asked for each once), None where
    it yields nothing under that name. The exact value is computed in float64 along
    with torch's float32, whose distance is the noise that this very network makes of
    rounding. The first value that is further off than that explains is a
    :class:`Departure`.
    """
    leaves = Leaves(graph, module)

    def compute(
        node: Node, values: Sequence[tuple[torch.Tensor, torch.Tensor]]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        rounded = leaves(node, [value[0] for value in values])
        return rounded, leaves.exact(node, [value[1] for value in values])

    pairs = {name: (value, value.double()) for name, value in inputs.items()}
    names = {value: name for name, value in graph.outputs}
    outputs = {}
    compared = []
    for node, (rounded, exact) in walk(graph, pairs, compute):
        if node.name in names:
            outputs[names[node.name]] = rounded.numpy()
        array = found(node.name)
        if array is None:
            continue
        difference = _difference(node, array, rounded, exact)
        if not difference.share <= 1:
            raise _departure(graph, difference)
        compared.append(difference)
    return compared, outputs


def _difference(
    node: Node, array: Array, rounded: torch.Tensor, exact: torch.Tensor
) -> TensorDifference:
    import torch

    size = float(exact.abs().max())
    least = LEAST_NOISE * float(np.spacing(np.float32(size)))
    noise = max(float((rounded - exact).abs().max()), least)
    if array.shape != tuple(exact.shape):
        return TensorDifference(node, float("inf"), noise, size)
    difference = float((torch.from_numpy(array) - exact).abs().max())
    return TensorDifference(node, difference, noise, size)


def _departure(graph: Graph, found: TensorDifference) -> Departure:
    node = found.node
    allowed = NOISE_FACTOR * found.noise
    return Departure(
        node.name,
        f"the ONNX file departs from PyTorch at {node.name} ({node.op.name}, "
        f"{where(graph, node)}): it is off by {found.difference:.1e} where values "
        f"reach {found.size:.1e} and rounding explains {allowed:.1e}",
    )


def where(graph: Graph, node: Node) -> str:
    """The part of the network that a node belongs to, in words."""
    origin = node.origin
    section = graph.sections[origin.section]
    named = section.kind if section.name == section.kind else section.name
    words = [named if section.kind != "stage" else f"stage {named}"]
    if origin.block is not None:
        words.append(f"block {origin.block}")
    if origin.role:
        words.append(origin.role)
    return ", ".join(words)


def _size(array: Array) -> float:
    return float(np.abs(array).max(initial=0.0))
