"""What a network costs, what it may cost, and why one is refused."""

from __future__ import annotations

from dataclasses import dataclass, fields

from resgen.errors import Problem


@dataclass(frozen=True, slots=True)
class Price:
    """What a network costs for one input, in float32, as :func:`resgen.analyse` has it.

    ``memory`` is the peak of bytes of activations alive at once, ``latency`` the
    predicted seconds of a batch (None without a table).
    """

    params: int
    macs: int
    memory: int
    latency: float | None = None

    def over(self, bounds: Price | Bounds) -> str | None:
        """What of it breaks a bound first, by name."""
        for field in fields(Bounds):
            mine, most = getattr(self, field.name), getattr(bounds, field.name)
            if most is not None and mine is not None and mine > most:
                return field.name
        return None


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that a network may cost; None is no bound."""

    params: float | None = None
    macs: float | None = None
    memory: float | None = None
    latency: float | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a candidate is none: the ``bound`` that breaks, or its problems."""

    bound: str | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def reason(self) -> str:
        """In a word or two, for counting."""
        if self.bound is not None:
            return self.bound
        return self.problems[0].code if self.problems else "no network"
