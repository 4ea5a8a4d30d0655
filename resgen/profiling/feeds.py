"""Inputs of the shapes and types that a session takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from resgen.errors import ResgenError, UsageError
from resgen.runtime.base import ANY, Array, Session, Shape
from resgen.words.numbers import shape as said


def feeds_of(
    session: Session, batch: int, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Array]:
    """Noise for every input, as pictures are once they are normalised.

    ``shapes`` are sizes without the batch by name, for axes that the network leaves
    open. A batch or a shape that the network does not take is a ResgenError.
    """
    unknown = sorted(shapes.keys() - {ANY, *session.inputs})
    if unknown:
        raise UsageError(
            f"there is no input {unknown[0]}; the inputs are "
            f"{', '.join(session.inputs)}"
        )
    generator = np.random.default_rng(0)
    found: dict[str, Array] = {}
    for name, declared in session.inputs.items():
        sizes = _sizes(name, declared, batch, shapes.get(name, shapes.get(ANY)))
        kind = session.dtypes.get(name, "float32")
        found[name] = _values(sizes, kind, generator)
    return found


def _sizes(
    name: str, declared: Shape, batch: int, given: tuple[int, ...] | None
) -> tuple[int, ...]:
    if not declared:
        return ()
    first, *rest = declared
    if first not in (None, batch):
        raise ResgenError(
            f'the batch of the input "{name}" is fixed at {first}, not {batch}',
            hint=f"measure at batch {first}, or a file with an open batch",
        )
    if given is None:
        if None in rest:
            raise UsageError(
                f'the input "{name}" is {said(declared)}: its sizes are open',
                hint=f"give its shape without the batch, as in {_example(name, rest)}",
            )
        given = tuple(n for n in rest if n is not None)
    if len(given) != len(rest) or any(
        n not in (None, size) for n, size in zip(rest, given, strict=True)
    ):
        raise UsageError(
            f"the shape {'x'.join(map(str, given))} does not fit the input "
            f'"{name}", which is {said(declared)}',
            hint=f"a shape of one input bears its name, as in {_example(name, rest)}",
        )
    return (batch, *given)


def _example(name: str, rest: Sequence[int | None]) -> str:
    """A shape that such an input could have, by its name."""
    return f"{name}={'x'.join(str(n or 224) for n in rest)}"


def _values(sizes: tuple[int, ...], kind: str, generator: np.random.Generator) -> Array:
    if kind == "uint8":
        return generator.integers(0, 256, sizes, np.uint8)
    if kind.startswith(("int", "uint", "bool")):
        return np.zeros(sizes, kind)  # indices: every table has a first row
    noise = generator.standard_normal(sizes, np.float32)
    if kind == "bfloat16":
        import ml_dtypes

        return noise.astype(ml_dtypes.bfloat16)
    return noise.astype(kind)
