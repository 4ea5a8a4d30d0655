"""What a rule of the verdict is: a question to the figures of one seed, with a code.

What goes wrong is known from the literature; how much of it short training survives is
not, and was read off the benchmark of ``tests/golden/diagnosis.json``. Above each such
threshold stand the networks nearest to it on either side, with their figures.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from math import floor, isfinite, log10
from typing import Final, TypeAlias

from resgen.diagnosis.verdict.figures import Figures, Reading
from resgen.graph.explanations import Explanation

BENCHMARK: Final = (
    "the benchmark of tests/golden/diagnosis.json, by the networks not held back"
)
HE: Final = "He et al. 2015 (Delving Deep into Rectifiers)"


@dataclass(frozen=True, slots=True)
class Threshold:
    """A figure beyond ``value`` is at fault; ``source`` says why such a figure is."""

    value: float
    source: str

    def passed(self, reading: Reading | None) -> Reading | None:
        """The reading if it reaches the threshold."""
        reached = reading is not None and reading.value >= self.value
        return reading if reached else None


@dataclass(frozen=True, slots=True)
class Held:
    """That a rule holds: by what figure, what it says, and what to write in the spec.

    Each hint is one that the tests apply: with it, the finding goes away.
    """

    reading: Reading
    message: str
    hint: str


Question: TypeAlias = Callable[[Figures], Held | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A question, and the explanation of its code.

    ``unless`` are the codes of which this one would be a mere consequence.
    """

    ask: Question
    explanation: Explanation
    threshold: Threshold
    unless: Set[str]

    @property
    def code(self) -> str:
        """That of what it finds."""
        return self.explanation.code

    def also(
        self, threshold: Threshold, unless: Set[str]
    ) -> Callable[[Question], Rule]:
        """Decorator: make a function another rule that finds the same fault."""
        return lambda ask: Rule(ask, self.explanation, threshold, unless)


def rule(
    code: str, title: str, threshold: Threshold, unless: Set[str] = frozenset({"RG408"})
) -> Callable[[Question], Rule]:
    """Decorator: make a function a rule, explained by its docstring."""

    def make(ask: Question) -> Rule:
        explanation = Explanation.of(code, "warning", title, ask.__doc__ or "")
        return Rule(ask, explanation, threshold, unless)

    return make


# --- numbers as one reads them aloud --------------------------------------------------


def rounded(value: float) -> str:
    """A number with two significant digits and thousands set off.

    >>> rounded(3912.7), rounded(0.0347), rounded(2.96e13)
    ('3,900', '0.035', '3e+13')
    """
    if not isfinite(value) or value == 0:
        return "0" if value == 0 else "infinitely"
    size = floor(log10(abs(value)))
    if not -5 < size < 6:
        return f"{value:.1g}"
    return f"{round(value, 1 - size):,.{max(1 - size, 0)}f}"


def fold(reading: Reading) -> str:
    """How many times as much: ``3,900-fold``."""
    finite = isfinite(reading.value)
    return f"{rounded(reading.value)}-fold" if finite else "beyond all numbers"


def percent(share: float) -> str:
    """A share of one: ``1.3 %``."""
    return f"{rounded(100 * share)} %"


def coefficient(value: float) -> str:
    """A correlation: ``0.04``, and never ``-0.00``."""
    return f"{round(value, 2) + 0.0:.2f}"


def most(reading: Reading, figures: Figures, way: str = "to") -> str:
    """Where most of a change comes about, and what it comes to for each block."""
    first, last = figures.parts[reading.first].path, figures.parts[reading.last].path
    said = f"most of it from {first} {way} {last}"
    if abs(reading.last - reading.first) < 2 or not isfinite(reading.value):
        return said
    return f"{said}, about {rounded(reading.rate)}-fold a block"


# --- what several rules advise --------------------------------------------------------

NORM: Final = '"norm": "batch"'
ZERO_INIT: Final = '"zero_init": true'
INIT: Final = '"conv": {"init": {"weight": {"type": "kaiming_normal"}}}'


def adds_shortcuts(figures: Figures) -> str:
    """For gradients that are lost on the way through branches."""
    if figures.has_shortcuts:
        return starts_as_shortcut(figures)
    if "batch" not in figures.norms:
        return f'write "shortcut": "{figures.preset}" and {NORM} in "defaults"'
    return (
        f'write "shortcut": "{figures.preset}" in "defaults": the gradient then has a '
        "way around each block; or fewer blocks"
    )


def starts_as_shortcut(figures: Figures) -> str:
    """For branches that outweigh their shortcuts."""
    return (
        f'write {ZERO_INIT} in "defaults", so that each block starts as its shortcut; '
        f'or "shortcut": {{"project": "{figures.preset}", "scale": ["skip_init"]}}, '
        "or a smaller scale"
    )


def keeps_scale(figures: Figures) -> str:
    """For a scale that is lost."""
    if figures.norms:
        return f'write {INIT} in "defaults": the initialisation that keeps the variance'
    if figures.has_shortcuts:
        return f'write {NORM} in "defaults": a norm keeps the scale'
    return (
        f'write {NORM} and "shortcut": "{figures.preset}" in "defaults": a norm keeps '
        "the scale, shortcuts keep the gradient"
    )


def tames(figures: Figures, rate: float | None) -> str:
    """For a first step that goes too far; ``rate`` is one that will do, if known."""
    lower = f", or train with a learning rate of {rate:g}" if rate is not None else ""
    if figures.norms:
        return calms(figures) + lower
    if figures.has_shortcuts:
        return f'write {NORM} in "defaults"{lower}'
    return f'write {NORM} and "shortcut": "{figures.preset}" in "defaults"{lower}'


def calms(figures: Figures) -> str:
    """What keeps the scores of a network small at first."""
    if figures.has_shortcuts and figures.norms:
        return (
            f'write {ZERO_INIT} in "defaults", or a smaller "scale" of the shortcut, '
            "so that blocks add less"
        )
    return f'write {INIT if figures.norms else NORM} in "defaults"'
