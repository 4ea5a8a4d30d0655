"""What was seen of networks before and in training, as plain data.

Every report of a diagnosis is made from this one document, and ``resgen.watch`` writes
the same. A number that left the finite ones is None, since JSON has no other word for
it; ``nonfinite`` counts them. :data:`FORMAT` grows with every change that an older
reader would misunderstand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

FORMAT: Final = 1

#: What a part of a network is: a block of a stage, or what stands around the stages.
Kind: TypeAlias = Literal["stem", "block", "head", "part"]


@dataclass(frozen=True, slots=True)
class Part:
    """A module whose output is looked at, in the order in which they run.

    ``path`` is that of the module (``layer2.0``), ``pointer`` and ``place`` where the
    spec says so (``/stages/1``, ``FILE:LINE:COLUMN``); ``label`` is the block's name.
    """

    path: str
    kind: Kind
    label: str
    pointer: str | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True)
class Measures:
    """One part in one forward and backward pass over a batch.

    ``mean`` and ``variance`` are of its output over batch, channels and positions;
    ``alike`` the share of the output's second moment that all inputs of the batch have
    in common (1: the network can no longer tell them apart). ``gradient`` is the L2
    norm of the loss's gradient at its output, ``correlation`` the cosine between the
    gradients of neighbouring inputs there. ``parameter_gradient`` is the L2 norm over
    its parameters, ``relative_gradient`` the largest gradient norm over weight norm of
    its weight tensors. ``branch`` and ``shortcut`` are the root mean squares of what
    its sum adds. The gains are root mean squares of |J^T v| / |v| over random v: of the
    whole block, its branch and its shortcut. ``dead`` is the share of its activations'
    channels that are zero for the whole batch. None is what was not measured, or left
    the finite numbers.
    """

    mean: float | None = None
    variance: float | None = None
    alike: float | None = None
    gradient: float | None = None
    correlation: float | None = None
    parameter_gradient: float | None = None
    relative_gradient: float | None = None
    branch: float | None = None
    shortcut: float | None = None
    gain: float | None = None
    branch_gain: float | None = None
    shortcut_gain: float | None = None
    dead: float | None = None
    nonfinite: int = 0


@dataclass(frozen=True, slots=True)
class Moment:
    """A network at one step: ``parts`` in the order of its arm's ``parts``.

    Step 0 is the network as initialised. ``loss`` is that of the batch.
    """

    step: int
    loss: float | None
    parts: tuple[Measures, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Held-back data after ``step`` steps: mean loss, and how many were told right."""

    step: int
    loss: float | None
    correct: int
    count: int


@dataclass(frozen=True, slots=True)
class Run:
    """One network from one seed; untrained where ``losses`` is empty.

    ``losses`` are those of the training steps, from step 1. ``left`` is the first step
    whose loss left the finite numbers. ``stopped`` says why training ended.
    """

    seed: int
    moments: tuple[Moment, ...] = ()
    losses: tuple[float | None, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    left: int | None = None
    stopped: Literal["finished", "diverged", "interrupted"] | None = None


@dataclass(frozen=True, slots=True)
class RangeTest:
    """Loss while the learning rate grows with every step: Smith 2017.

    ``steepest`` is the rate at which the smoothed loss falls fastest, ``limit`` the
    first at which it is beyond return; None where the test ended before.
    """

    rates: tuple[float, ...]
    losses: tuple[float | None, ...]
    steepest: float | None
    limit: float | None

    def __post_init__(self) -> None:
        if len(self.rates) != len(self.losses):
            raise ValueError("a learning rate has one loss each")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, from where to where, by how much, and what mends it.

    ``value`` passed ``threshold``, whose ``source`` is a paper or the benchmark of the
    tests. ``first`` and ``last`` are paths of parts; ``place`` is the line of the spec.
    """

    code: str
    message: str
    hint: str
    first: str
    last: str
    value: float | None
    threshold: float
    source: str
    pointer: str | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True)
class Lengths:
    """Paths from input to output by how many branches they pass: Veit et al. 2016.

    ``paths[k]`` is the share of all paths that pass k branches, ``gradient[k]`` the
    share of the gradient's squared norm that they carry, from the blocks' gains.
    """

    paths: tuple[float, ...]
    gradient: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Arm:
    """One of the networks that were looked at side by side.

    ``plain`` if its shortcuts were taken out of another arm's spec. ``findings`` are of
    the initialisation; none is a verdict of "ok".
    """

    name: str
    sha256: str | None
    plain: bool
    params: int
    parts: tuple[Part, ...]
    runs: tuple[Run, ...]
    findings: tuple[Finding, ...] = ()
    lengths: Lengths | None = None
    range_test: RangeTest | None = None

    def __post_init__(self) -> None:
        moments = (moment for run in self.runs for moment in run.moments)
        if any(len(moment.parts) != len(self.parts) for moment in moments):
            raise ValueError(f"{self.name} has not the same parts at every step")

    @property
    def verdict(self) -> str | list[str]:
        """``"ok"``, or the codes of the findings."""
        return [f.code for f in self.findings] or "ok"


@dataclass(frozen=True, slots=True)
class Data:
    """What was learned from. ``notes`` say what had to be done to make it fit."""

    origin: str
    count: int
    held_back: int
    shape: tuple[int, ...]
    classes: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A whole diagnosis; the first arm is the network that was asked about.

    ``settings`` hold the learning rate, batch size and what else decided the figures;
    ``command`` does it again.
    """

    arms: tuple[Arm, ...]
    data: Data | None
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    command: tuple[str, ...]
    created: str  # ISO 8601, UTC
    resgen: str
    notes: tuple[str, ...] = field(default=())
    format: int = FORMAT
