"""A network at a precision, with the scales that calibration found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from resgen.calibrate.measure import measure
from resgen.calibrate.ranges import Method, Ranges, observe
from resgen.calibrate.samples import Samples, gather
from resgen.calibrate.scales import check_learned, quantized_values, scales
from resgen.errors import ResgenError
from resgen.expansion.network import expand
from resgen.graph.ir import Graph
from resgen.graph.passes import apply
from resgen.graph.passes.inference import for_inference
from resgen.graph.passes.split_silu import split_silu
from resgen.graph.precision import (
    NAMES,
    Name,
    Precision,
    as_shipped,
    at_precision,
    precisions,
)
from resgen.options.kinds import argument, choice, path
from resgen.proof.accuracy import Accuracy
from resgen.runtime.base import Session
from resgen.spec.model import Spec
from resgen.weights.checkpoint import checked_state
from resgen.weights.evaluate import Remembering, Weights
from resgen.weights.fitting import compare
from resgen.weights.names import counts_batches

Progress = Callable[[str, int, int], None]


@dataclass
class Calibrator:
    """One network at one precision after another, on the same samples.

    The float32 network runs once for each value that is ever quantised: what it yields
    does not depend on the precision. ``learned`` are scales that training has found,
    by parameter name. ``progress`` is told the step, and how many inputs of how many
    have run. ``judged`` are inputs to measure on that calibration has not
    seen; without them those that it saw are measured on.
    """

    graph: Graph
    weights: Weights
    samples: Samples
    method: Method = "minmax"
    learned: Weights = field(default_factory=dict)
    progress: Progress = lambda step, done, total: None
    judged: Samples | None = None
    folded: Graph = field(init=False)
    _ranges: dict[str, tuple[float, float]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        # Split, so that every value is there that any placement quantises.
        self.folded = apply(for_inference(self.graph), split_silu)

    def at(self, wanted: Precision) -> Lowered:
        """The network at a precision, calibrated."""
        lowered = at_precision(self.graph, wanted)
        found = dict(self.weights)
        if set(quantized_values(lowered)):
            found.update(self._scales(lowered))
        return Lowered(self, wanted, lowered, Remembering(found))

    def _scales(self, lowered: Graph) -> Weights:
        own = [p for p in lowered.parameters if p.name not in self.weights]
        if all(p.name in self.learned for p in own):
            learned = {p.name: self.learned[p.name].astype(p.dtype) for p in own}
            check_learned(learned)
            return learned
        return scales(lowered, self._observed(quantized_values(lowered)))

    def _observed(self, values: tuple[str, ...]) -> Ranges:
        missing = [value for value in values if value not in self._ranges]
        if missing:
            self._ranges.update(
                observe(
                    self.folded,
                    self.weights,
                    missing,
                    self.samples,
                    method=self.method,
                    progress=lambda done, total: self.progress(
                        "calibrating", done, total
                    ),
                )
            )
        return {value: self._ranges[value] for value in values}


@dataclass(frozen=True)
class Lowered:
    """A graph at a precision and all of its weights, scales included."""

    calibrator: Calibrator
    wanted: Precision
    graph: Graph
    weights: Weights

    @cached_property
    def shipped(self) -> Graph:
        """The graph that the file is written from."""
        return as_shipped(self.graph, self.wanted)

    @property
    def scales(self) -> frozenset[str]:
        """Names of the scales and zero points, which calibration or training finds."""
        given = {p.name for p in self.calibrator.graph.parameters}
        return frozenset(p.name for p in self.graph.parameters if p.name not in given)

    def calibrated_again(self, method: Method) -> Weights:
        """The scales and zero points that these samples give, whatever was learned."""
        if not self.scales:
            return {}
        found = replace(self.calibrator, learned={}, method=method).at(self.wanted)
        return {name: found.weights[name] for name in self.scales}

    @property
    def narrowest(self) -> str:
        """The narrowest precision that any operator has."""
        each = set(precisions(self.calibrator.folded, self.wanted).values())
        return max(each, key=NAMES.index, default="fp32")

    def measured(self, deployed: Session | None = None) -> Accuracy:
        """What the precision costs, over the samples."""
        made = self.calibrator
        return measure(
            made.folded,
            self.shipped,
            self.weights,
            made.judged or made.samples,
            deployed,
            progress=lambda done, total: made.progress("measuring", done, total),
        )


def calibrated(
    spec: Spec,
    weights: Weights,
    *,
    precision: Name = "int8",
    consumer: str = "onnxruntime",
    calibration: str | Path | None = None,
    method: Any = "minmax",
) -> Weights:
    """The weights with the scales that calibration finds, to train or to run with.

    ``calibration`` is a folder of pictures or an ``.npz`` of inputs, (N, *input);
    without it the photographs that scikit-image ships. Errors as those of
    :func:`resgen.calibrate.samples.gather`; weights that are not those of the network
    are a :class:`~resgen.errors.ResgenError`.
    """
    graph = expand(spec)
    wanted = Precision(precision, consumer)
    weights = checked_state(weights, "weights")
    method = argument("method", choice("minmax", "percentile"), method)
    if calibration is not None:
        calibration = argument("calibration", path("PATH"), calibration)
    needed = [p for p in graph.parameters if not counts_batches(p.name)]
    misfit = compare(needed, weights)
    wrong = (*misfit.missing, *misfit.changed)
    if wrong:
        raise ResgenError(
            f"{len(wrong)} of the {len(needed)} parameters of {graph.name} are missing "
            f"from the weights or of another shape or type there, as {wrong[0]} is",
            hint="give an array for each of the parameters of the graph, by its name",
        )
    samples = gather(calibration, graph, spec.preprocess)
    return Calibrator(graph, weights, samples, method).at(wanted).weights
