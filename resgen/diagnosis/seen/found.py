"""The parts of a module that no spec tells about: its repeated blocks.

People write a network as containers of blocks, some of them as stages that hold such
containers. The blocks are the innermost modules that are repeated and hold more than
one operator with weights; what else has parameters stands before, between or after.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from torch import nn

from resgen.diagnosis.seen.numbers import is_weight
from resgen.records.diagnosis import Kind, Part


def found_parts(module: nn.Module) -> tuple[Part, ...]:
    """Blocks and what stands around them, in the order in which they are registered.

    A network that repeats no block, such as a VGG, has its operators with weights as
    parts.
    """
    found = list(_walk("", module, flat=False))
    flat = sum(_is_block(part) for _, part in found) < 2
    if flat:
        found = list(_walk("", module, flat=True))
    blocks = [i for i, (_, part) in enumerate(found) if _is_block(part)]
    first, last = (1, len(found) - 2) if flat else (blocks[0], blocks[-1])

    def kind(index: int) -> Kind:
        if index in blocks:
            return "block"
        if index < first:
            return "stem"
        return "head" if index > last else "part"

    return tuple(
        Part(path, kind(index), type(part).__name__)
        for index, (path, part) in enumerate(found)
    )


def _walk(
    path: str, module: nn.Module, *, flat: bool
) -> Iterator[tuple[str, nn.Module]]:
    """The parts within a module; ``flat`` opens every Sequential down to operators."""
    children = _weighty(module)
    wraps = len(children) == 1 and not _is_container(module)
    for name, child in children:
        below = f"{path}.{name}" if path else name
        opened = (
            _holds_blocks(child)
            or not _runs(child)
            or (flat and isinstance(child, nn.Sequential))
            or (wraps and bool(_weighty(child)))
        )
        if opened:
            yield from _walk(below, child, flat=flat)
        else:
            yield below, child


def _holds_blocks(module: nn.Module) -> bool:
    """Whether blocks are repeated somewhere within it."""
    return _repeats(module) or any(_holds_blocks(c) for c in module.children())


def _repeats(module: nn.Module) -> bool:
    """Whether its children are blocks, told by numbers at the end of their names.

    Blocks hold numbered children too: branches, or the sequence of their operators. So
    it takes several of them, or nothing but them; and a module that is no container has
    to hold nothing but modules of one kind that are no plain sequences.
    """
    weighty = _weighty(module)
    numbered = [c for n, c in weighty if n[-1:].isdigit() and _several(c)]
    alone = 0 < len(numbered) == len(weighty)
    if _is_container(module):
        return len(numbered) > 1 or alone
    kinds = {type(child).__name__ for child in numbered}
    return alone and len(numbered) > 1 and len(kinds) == 1 and kinds != {"Sequential"}


def _is_container(module: nn.Module) -> bool:
    """Whether it does nothing but hold its children, or run them in turn."""
    return (
        isinstance(module, nn.Sequential)
        or not _runs(module)
        or all(name.isdigit() for name, _ in _weighty(module))
    )


def _runs(module: nn.Module) -> bool:
    """Whether it can be called."""
    return type(module).forward is not nn.Module.forward


def _weighty(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Its children that have parameters."""
    return [
        (name, child)
        for name, child in module.named_children()
        if next(child.parameters(), None) is not None
    ]


def _is_block(module: nn.Module) -> bool:
    return _several(module) and type(module) is not nn.Sequential


def _several(module: nn.Module) -> bool:
    """Whether it holds more than one operator with weights."""
    weighing = (
        m
        for m in module.modules()
        if any(is_weight(p) for p in m.parameters(recurse=False))
    )
    return len(list(islice(weighing, 2))) > 1
