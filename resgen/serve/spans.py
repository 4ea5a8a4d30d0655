"""Which batches and sizes an engine takes, from the profiles of its manifest.

Triton is told one largest batch, and takes whatever is up to it to any of the profiles
(its TensorRT backend, ``GetMaxSupportedBatchSize``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from resgen.errors import ResgenError, UsageError
from resgen.tensorrt.manifest import Span

#: Of every input: its least, best and largest sizes.
Profile = Mapping[str, Span]


@dataclass(frozen=True, slots=True)
class Spans:
    """The batches that an engine takes, and what to warm it up with.

    ``shapes`` are the sizes without the batch, by input.
    """

    least: int
    largest: int
    warm_up: tuple[int, ...]
    shapes: Mapping[str, tuple[int, ...]]


def spans(profiles: Sequence[Profile], asked: int | None) -> Spans:
    """What is served of an engine with an open batch; ``asked`` is the largest wanted.

    A batch that no profile takes is refused here, since Triton would send it.
    """
    batches = [_batches(profile) for profile in profiles]
    most = max(high for _, high in batches)
    if asked is not None and asked > most:
        raise UsageError(
            f"the engine takes batches of up to {most}, not {asked}",
            hint=f"let {most} be the largest, or export it with another profile",
        )
    largest = asked or most
    least = min(low for low, _ in batches)
    if least > largest:
        raise UsageError(
            f"the engine takes batches from {least} on, not {asked}",
            hint="let a larger batch be the largest, or export it with another profile",
        )
    reached = least - 1
    for low, high in sorted(batches):
        if low <= reached + 1:
            reached = max(reached, high)
    if reached < largest:
        raise ResgenError(
            f"no profile of the engine takes a batch of {reached + 1}, which Triton "
            f"would send it: it gathers requests into batches up to {largest}",
            hint=f"let {reached} be the largest, or export it with profiles that join, "
            f"as {least},{largest},{largest}",
        )
    best = next(
        profile
        for profile in profiles
        if _batches(profile)[0] <= largest <= _batches(profile)[1]
    )
    # Zeros of the sizes that a profile is best at, in the batches that take them: one
    # takes the largest batch, so there is always a sample.
    shapes = {name: sizes.opt[1:] for name, sizes in best.items()}
    able = tuple(
        batch
        for batch in sorted({least, largest})
        if any(_takes(profile, batch, shapes) for profile in profiles)
    )
    return Spans(least, largest, able, shapes)


def _batches(profile: Profile) -> tuple[int, int]:
    """The least and the largest batch that all inputs take."""
    low = max(sizes.min[0] for sizes in profile.values())
    return low, min(sizes.max[0] for sizes in profile.values())


def _takes(profile: Profile, batch: int, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    return all(
        low <= n <= high
        for name, sizes in profile.items()
        for low, n, high in zip(
            sizes.min, (batch, *shapes[name]), sizes.max, strict=True
        )
    )
