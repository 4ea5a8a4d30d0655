"""What was measured, as plain data: the one document that every report is made from.

Times are seconds, sizes are bytes. Raw samples are kept, so that any figure can be
computed anew. :data:`FORMAT` grows with every change that an older reader would
misunderstand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

FORMAT: Final = 1

#: ``compute``: device time, inputs resident. ``latency``: one request in flight, host
#: clock. ``end-to-end``: from the host's bytes to the host's results (on a CPU from the
#: decoded picture to the outputs). ``throughput``: several requests in flight.
Mode: TypeAlias = Literal["compute", "latency", "end-to-end", "throughput"]
#: Seconds beyond which nothing is a time of a run: thirty years.
LONGEST: Final = 1e9
#: A lower and an upper end.
Interval: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Samples:
    """Raw samples in the order in which they were taken, none discarded.

    ``at`` is when each began, in seconds since the first; ``seconds`` how long it took
    (of a whole batch). ``block`` is how many neighbours were taken as one block.
    """

    at: tuple[float, ...]
    seconds: tuple[float, ...]
    block: int = 1

    def __post_init__(self) -> None:
        if len(self.at) != len(self.seconds) or not self.seconds or self.block < 1:
            raise ValueError("a sample has a begin and a time each, and there is one")
        for times in (self.at, self.seconds):
            if not 0 <= min(times) <= max(times) <= LONGEST:
                raise ValueError("times of samples are seconds of a run")


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of samples; a percentile is None where the sample is too small for it.

    Intervals are at 95 %. ``drift`` is the second half's median over the first's, and
    ``drift_p`` the p-value of no drift.
    """

    n: int
    min: float
    median: float
    median_interval: Interval
    mean: float
    iqr: float
    p90: float | None
    p90_interval: Interval | None
    p95: float | None
    p95_interval: Interval | None
    p99: float | None
    p99_interval: Interval | None
    drift: float
    drift_p: float


@dataclass(frozen=True, slots=True)
class OperatorTime:
    """One kernel as an engine's own profiler saw it, per inference.

    ``name`` is the engine's, ``kind`` its type (``Conv``, ``Reformat``). ``nodes`` are
    the operators of the graph (dotted paths) that it was found to compute; ``section``
    and ``block`` are where these lie, None where they lie in several (``across``) or
    nowhere. ``macs`` and ``bytes`` (read and written, at the borders of what was fused)
    are for the batch that ran; None where not known.
    """

    name: str
    kind: str
    seconds: float
    nodes: tuple[str, ...] = ()
    section: str | None = None
    block: int | None = None
    role: str | None = None
    across: tuple[str, ...] = ()
    macs: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """Time charged to a part of the network.

    ``path`` is a section (``layer1``), a block of it (``layer1.0``) or a pseudo-part:
    ``across`` for what was fused across blocks, ``unknown`` for what no name led to.
    ``attainable`` is the least time that the machine's ceilings allow, None where the
    work is not known.
    """

    path: str
    kind: Literal["section", "block", "across", "unknown"]
    seconds: float
    macs: int | None = None
    bytes: int | None = None
    attainable: float | None = None
    pointer: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Where the time goes.

    ``coverage`` is the share of operator time that was charged to a block or section.
    ``operator_sum`` is the sum of all operators under the profiler; the median without
    it stands in the run's summary.
    """

    source: str  # "onnxruntime profile", "torch.profiler", "trtexec --exportProfile"
    operators: tuple[OperatorTime, ...]
    charges: tuple[Charge, ...]
    coverage: float
    operator_sum: float


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What the machine reached in the same run, on that device and precision.

    ``compute`` in multiply-adds a second, ``bandwidth`` in bytes a second, each as
    ``burst`` (best) and ``sustained`` (median); ``launch`` is the floor of one call.
    """

    compute_burst: float
    compute_sustained: float
    bandwidth_burst: float
    bandwidth_sustained: float
    launch: float


@dataclass(frozen=True, slots=True)
class Run:
    """One network on one runtime, at one batch size, in one mode.

    ``error`` says why there are no samples, in one sentence with a mend; then what else
    is not known is None. ``notes`` say what was unsteady and what explains a figure.
    """

    runtime: str
    device: str
    precision: str
    batch: int
    mode: Mode
    settings: Mapping[str, Any] = field(default_factory=dict)
    samples: Samples | None = None
    summary: Summary | None = None
    warm_up: Mapping[str, Any] = field(default_factory=dict)
    stopped: str | None = None  # "narrow", "time" or "interrupted"
    steady: bool = True
    notes: tuple[str, ...] = ()
    throughput: float | None = None  # inputs a second
    load_seconds: float | None = None
    first_seconds: float | None = None
    peak_memory: int | None = None
    model_bytes: int | None = None
    overhead: float | None = None  # of the sampling code, share of the median
    machine: Mapping[str, Any] = field(default_factory=dict)  # before and after
    breakdown: Breakdown | None = None
    ceilings: Ceilings | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A section or block of the network that was measured.

    ``macs`` and ``bytes`` are for one input, and ``output`` are sizes without the
    batch; of a file with open sizes they are None and empty.
    """

    path: str
    kind: str  # "section" or "block"
    label: str  # "3 x bottleneck", "bottleneck"
    pointer: str | None
    macs: int | None
    bytes: int | None
    output: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """What was measured. ``weights`` says which: ``probe`` unless they are a user's."""

    name: str
    kind: Literal["spec", "folder", "onnx", "engine", "trtexec", "kit"]
    sha256: str | None
    input: tuple[int, ...] | None
    params: int | None = None
    macs: int | None = None
    weights: str | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """A whole report's data; ``command`` is what measures it again."""

    subject: Subject
    runs: tuple[Run, ...]
    environment: Mapping[str, Any]
    command: tuple[str, ...]
    created: str  # ISO 8601, UTC
    resgen: str
    format: int = FORMAT
