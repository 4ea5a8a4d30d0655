"""What to write in the spec, chosen by what the network is.

Each hint is one that the tests apply: with it, the finding goes away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from resgen.diagnosis.verdict.figures import Figures, Reading
from resgen.diagnosis.verdict.thresholds import OVERSHOOTS

NORM: Final = '"norm": "batch"'
ZERO_INIT: Final = '"zero_init": true'
INIT: Final = '"conv": {"init": {"weight": {"type": "kaiming_normal"}}}'


@dataclass(frozen=True, slots=True)
class Traits:
    """What a network has already: shortcuts, any norm, batch norm; and its preset."""

    shortcuts: bool
    normalised: bool
    batch_norm: bool
    preset: str

    @classmethod
    def of(cls, figures: Figures) -> Traits:
        """What the figures know of it."""
        label = figures.parts[figures.blocks[0]].label
        return cls(
            shortcuts=figures.has_shortcuts,
            normalised=bool(figures.norms),
            batch_norm="batch" in figures.norms,
            preset="preact" if label.startswith("preact") else "projection",
        )

    @property
    def shortcut(self) -> str:
        """What gives it shortcuts."""
        return f'"shortcut": "{self.preset}"'

    @property
    def skip_init(self) -> str:
        """What scales its branches by a factor that starts at zero."""
        return f'"shortcut": {{"project": "{self.preset}", "scale": ["skip_init"]}}'


def keeps_scale(reading: Reading, figures: Figures, traits: Traits) -> str:
    """For a scale that is lost."""
    if traits.normalised:
        return f'write {INIT} in "defaults": the initialisation that keeps the variance'
    if traits.shortcuts:
        return f'write {NORM} in "defaults": a norm keeps the scale'
    return (
        f'write {NORM} and {traits.shortcut} in "defaults": a norm keeps the scale, '
        "shortcuts keep the gradient"
    )


def tames(reading: Reading, figures: Figures, traits: Traits) -> str:
    """For a scale that grows and takes the first step too far."""
    rate = bearable(figures)
    lower = f", or train with --lr {rate:g}" if rate is not None else ""
    if traits.normalised:
        return _calms(traits) + lower
    if traits.shortcuts:
        return f'write {NORM} in "defaults"{lower}'
    return f'write {NORM} and {traits.shortcut} in "defaults"{lower}'


def slows_down(reading: Reading, figures: Figures, traits: Traits) -> str:
    """For a first step that is too long, though no scale is lost."""
    rate = bearable(figures)
    if rate is None:
        return tames(reading, figures, traits)
    return f"train with --lr {rate:g}, or {_calms(traits)}"


def _calms(traits: Traits) -> str:
    """What keeps the scores of a network small at first."""
    if traits.shortcuts and traits.normalised:
        return (
            f'write {ZERO_INIT} in "defaults", or a smaller "scale" of the shortcut, '
            "so that blocks add less"
        )
    return f'write {INIT if traits.normalised else NORM} in "defaults"'


def adds_shortcuts(reading: Reading, figures: Figures, traits: Traits) -> str:
    """For gradients that are lost on the way through branches."""
    if traits.shortcuts:
        return starts_as_shortcut(reading, figures, traits)
    if not traits.batch_norm:
        return f'write {traits.shortcut} and {NORM} in "defaults"'
    return (
        f'write {traits.shortcut} in "defaults": the gradient then has a way around '
        "each block; or fewer blocks"
    )


def starts_as_shortcut(reading: Reading, figures: Figures, traits: Traits) -> str:
    """For branches that outweigh their shortcuts."""
    return (
        f'write {ZERO_INIT} in "defaults", so that each block starts as its shortcut; '
        f"or {traits.skip_init}, or a smaller scale"
    )


def tells_apart(reading: Reading, figures: Figures, traits: Traits) -> str:
    """For inputs that look alike."""
    if traits.batch_norm:
        return adds_shortcuts(reading, figures, traits)
    return f'write {NORM} in "defaults": it takes away what all inputs have in common'


def revives(reading: Reading, figures: Figures, traits: Traits) -> str:
    """For units that never fire."""
    return (
        'start biases from zero ("init": {"bias": 0} of the norm or convolution before '
        'the activation); an "act" that is never flat, such as "leaky_relu", lets '
        "units come back"
    )


def inspects(reading: Reading, figures: Figures, traits: Traits) -> str:
    """For numbers that are none."""
    return (
        f'write {NORM} in "defaults" if activations grow until there; else look at the '
        "initialisation, and at the data"
    )


def bearable(figures: Figures) -> float | None:
    """A learning rate whose first step is well short; None if it would be tiny."""
    step = figures.overshoot
    if step is None:
        return None
    # Half of the limit for networks without norms, so that either has room.
    share = OVERSHOOTS.value / 2 / step
    if not 0.01 <= share < 1:
        return None
    rate = figures.rate * share
    return float(f"{rate:.0e}")
