"""What was proven of a network that was imported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from resgen.words.numbers import count


@dataclass(frozen=True, slots=True)
class Imports:
    """What was proven of an import, and how closely.

    ``own`` is the largest difference of an output on the source's own numbers, and
    ``probe`` on others in which every part shows, as shares of the output's largest
    number; a source of another ``precision`` rounds more, which is then in ``own``.
    ``operators`` were compared one by one with what a file yields, and used at
    most ``operator_share`` of what rounding explains. ``gradients`` and ``statistics``
    are how many tensors were compared after a step of training, ``strict`` tells that a
    module's ``state_dict`` loads as it is. None is what the source has no use for, or
    what could not be compared: ``notes`` say why.
    """

    verdict: str
    inputs: int
    batches: tuple[int, ...]
    own: float
    precision: str = "fp32"
    probe: float | None = None
    operators: int | None = None
    operator_share: float | None = None
    gradients: int | None = None
    statistics: int | None = None
    strict: bool | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """What a person reads of it."""
        batches = ", ".join(map(str, self.batches))
        if self.precision != "fp32":
            yield (
                f"the spec is what the {self.precision} of the file stands for: by its "
                f"rounding outputs are {self.own:.1e} of their size apart"
            )
        else:
            yield (
                f"the spec = its source on {count(self.inputs, 'input')} (batches "
                f"{batches}): largest difference {self.own:.1e} of the output's size"
            )
        if self.operators is not None:
            yield (
                f"{count(self.operators, 'operator')} one by one on the file's own "
                "tensors, within the rounding of one step"
            )
        if self.probe is not None:
            yield f"on probe parameters {self.probe:.1e}, in float64"
        if self.gradients is not None:
            yield (
                f"a step of training: {count(self.gradients, 'gradient')} and "
                f"{self.statistics} statistics as the module's own"
            )
        if self.strict is not None:
            yield (
                "the module's state_dict loads strictly"
                if self.strict
                else "the module's state_dict has other names or shapes; import.json "
                "tells which"
            )
        yield from self.notes
