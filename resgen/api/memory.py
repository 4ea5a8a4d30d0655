"""Whether training fits into memory, asked before it brings the machine down.

Linux grants memory that it does not have, and ends some process once it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from resgen.errors import ResgenError, is_out_of_memory
from resgen.graph.cost import node_costs
from resgen.graph.ir import Graph
from resgen.words.numbers import scaled

#: Of a weight in training: itself, its gradient, its momentum; all float32.
_COPIES: Final = 3
_FLOAT32: Final = 4
_HINT: Final = "batch=N says a smaller one"


def needed(graphs: Sequence[Graph], batch: int, seeds: int) -> int:
    """Bytes that a pass of one network takes, beside the weights of all seeds of all.

    A backward pass needs what every operator gave out; the most that is in use was
    measured to be 0.9 to 1.5 times that, and more where weights weigh more.
    """
    passed = max(sum(cost.output_bytes for cost in node_costs(g)) for g in graphs)
    weights = sum(p.size for graph in graphs for p in graph.parameters)
    return batch * passed + seeds * weights * _COPIES * _FLOAT32


def require(need: int, memory: Mapping[str, Any], batch: int) -> None:
    """Refuse what the machine, or the container, has no memory for.

    ``memory`` is what :mod:`resgen.machine` knows of it.
    """
    there = min((size for size in memory.values() if size is not None), default=need)
    if need > there:
        raise ResgenError(
            f"a batch of {batch:,} needs about {scaled(need, 'B')} of memory, and "
            f"{scaled(there, 'B')} are all there is",
            hint=_HINT,
        )


@contextmanager
def told(batch: int | None) -> Iterator[None]:
    """Say which batch it was that memory ran out for, where one was asked for."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        what = "it" if batch is None else f"a batch of {batch:,}"
        hint = "a smaller input needs less" if batch is None else _HINT
        raise ResgenError(
            f"this machine has too little memory for {what}", hint=hint
        ) from error
