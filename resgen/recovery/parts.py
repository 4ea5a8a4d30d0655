"""A body folded by the paths of its parameters: parts within parts.

What the body of a graph has in a row under one path becomes a sequence of that path, as
a module of that name would hold it. Operators without parameters go by the path that
the source knew, or where it knew none by that of what stands around them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from resgen.graph.ir import Graph
from resgen.ops.base import is_map
from resgen.ops.types import TensorType
from resgen.recovery.body import Body, Element

#: Operators that several branches meet in.
MERGES = ("add", "multiply", "concat", "maximum", "minimum", "stack")
_SCALAR: Final = TensorType((1,))
#: What holds a branch of a merge.
BRANCH: Final = "branch"


@dataclass(slots=True, eq=False)
class Part:
    """An element of the design.

    ``kind`` is that of the element; ``seq`` is a sequence under a path, ``residual`` a
    sum of a branch and a shortcut (the two ``bodies``). The one body of a merge is a
    list of its branches, each a part. ``path`` is relative to what
    encloses it. ``enters`` and ``leaves`` are the types of the value before and after.
    """

    kind: str
    path: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    bodies: list[Parts] = field(default_factory=list)
    labels: tuple[str, ...] = ()
    start: str = ""
    name: str = ""
    share: bool = False
    enters: TensorType = _SCALAR
    leaves: TensorType = _SCALAR
    weight: int = 0  # how much of the network it is, where parts are compared
    maps: int = 0  # convolutions and linear maps in it
    owned: bool = False  # whether it has parameters of its own

    def key(self) -> Any:
        """Equal for parts that are built alike, whatever their numbers."""
        inner = tuple(tuple(p.key() for p in body) for body in self.bodies)
        return self.kind, self.path, self.start, self.name, self.share, inner

    def whole(self) -> Any:
        """Equal for parts that are equal, and read values of one type."""
        inner = tuple(tuple(p.whole() for p in body) for body in self.bodies)
        said = tuple(sorted((k, repr(v)) for k, v in self.attributes.items()))
        own = (self.kind, self.path, self.start, self.name, self.share, self.labels)
        return own, said, self.enters.shape, inner


Parts: TypeAlias = list[Part]


def parts(body: Body, graph: Graph) -> Parts:
    """The body as parts, each with the types that it lies between."""
    made = _plain(body, graph, graph.inputs[0].type, {})
    return fold(made)


@dataclass(slots=True)
class _Leaf:
    """A part that is not folded yet, with the absolute path of what it lies in."""

    part: Part
    within: tuple[str, ...]
    sure: bool  # whether the path is that of parameters
    bodies: list[list[_Leaf]] = field(default_factory=list)
    done: bool = False  # whether what is in it is folded already


def _split(path: str) -> tuple[str, ...]:
    return tuple(path.split(".")) if path else ()


def _plain(
    body: Body, graph: Graph, enters: TensorType, kept: dict[str, TensorType]
) -> list[_Leaf]:
    found = []
    for element in body:
        if element.start:
            enters = kept.get(element.start, graph.inputs[0].type)
        leaf = _leaf(element, graph, enters, kept)
        enters = leaf.part.leaves
        if element.name:
            kept[element.name] = enters
        found.append(leaf)
    return found


def _leaf(
    element: Element, graph: Graph, enters: TensorType, kept: dict[str, TensorType]
) -> _Leaf:
    inner = [_plain(b, graph, enters, kept) for b in element.branches]
    node = element.node
    leaves = enters
    if node is not None:
        leaves = node.type
    owned = bool(node is not None and node.owner)
    mapped = int(node is not None and is_map(node.op))
    part = Part(
        element.kind,
        attributes=dict(element.attributes),
        labels=element.labels,
        start=element.start,
        name=element.name,
        share=element.share,
        enters=enters,
        leaves=leaves,
        weight=(3 if mapped else 2 if owned else 1 if node is not None else 0),
        maps=mapped,
        owned=owned,
    )
    hint: tuple[str, ...] = ()
    if node is not None:
        hint = _split(node.owner or node.name)
        part.path = hint[-1] if owned else ""
        hint = hint[:-1]
    within = hint
    if inner:
        common = _common(leaf.within for each in inner for leaf in each if leaf.sure)
        # What a layer is appended to belongs to it, wherever that is done.
        if element.kind == "concat" and common is not None:
            within = common[: _counted(common) or len(hint)]
        elif common is not None and (not hint or hint != common[: len(hint)]):
            within = common
    sure = owned or any(leaf.sure for each in inner for leaf in each)
    return _Leaf(part, within, sure, inner)


def _counted(path: Sequence[str]) -> int:
    """How long the path is as far as to its last number."""
    ends = (n for n, name in enumerate(path, 1) if re.search(r"\d", name))
    return max(ends, default=0)


def _common(paths: Iterable[tuple[str, ...]]) -> tuple[str, ...] | None:
    """The path that all of these begin with."""
    found: tuple[str, ...] | None = None
    for path in paths:
        if found is None:
            found = path
        else:
            n = 0
            while n < min(len(found), len(path)) and found[n] == path[n]:
                n += 1
            found = found[:n]
    return found


def fold(leaves: list[_Leaf], depth: int = 0) -> Parts:
    """What lies in a row under one path, put under it; paths are that long already."""
    _settle(leaves)
    made: Parts = []
    at = 0
    while at < len(leaves):
        leaf = leaves[at]
        if len(leaf.within) <= depth:
            made.append(_folded(leaf, depth))
            at += 1
            continue
        component = leaf.within[depth]
        end = at
        while end < len(leaves) and leaves[end].within[depth : depth + 1] == (
            component,
        ):
            end += 1
        inner = fold(leaves[at:end], depth + 1)
        if any(part.owned for part in inner):
            made.append(sequence(component, inner))
        else:
            made.extend(inner)  # its path names nothing
        at = end
    return made


def sequence(path: str, inner: Parts) -> Part:
    """A sequence under a path.

    The value that it begins with and the name of what it yields are its own, so that
    what is in it is as in all others of its kind.
    """
    start, name = inner[0].start, inner[-1].name
    if start and inner[0].kind:
        inner = [replace(inner[0], start=""), *inner[1:]]
    else:
        start = ""
    if name and inner[-1].kind:
        inner = [*inner[:-1], replace(inner[-1], name="")]
    else:
        name = ""
    return Part(
        "seq",
        path,
        bodies=[inner],
        start=start,
        name=name,
        enters=inner[0].enters,
        leaves=inner[-1].leaves,
        weight=sum(p.weight for p in inner),
        maps=sum(p.maps for p in inner),
        owned=any(p.owned for p in inner),
    )


def stride(enters: TensorType, leaves: TensorType) -> int:
    """By how much a map gets smaller."""
    before, after = enters.spatial, leaves.spatial
    if not before or not after or len(before) != len(after):
        return 1
    return max(round(b / a) for b, a in zip(before, after, strict=True)) or 1


def _settle(leaves: list[_Leaf]) -> None:
    """Give what has no parameters the path of what stands around it.

    A path that the source knew stays; at the root it may have known none.
    """
    for at, leaf in enumerate(leaves):
        if leaf.sure or leaf.within or not 0 < at < len(leaves) - 1:
            continue
        after = next((each for each in leaves[at + 1 :] if each.sure), None)
        if after is not None:
            leaf.within = _common([leaves[at - 1].within, after.within]) or ()


def refolded(body: Parts) -> Parts:
    """Parts under whole paths, folded again."""
    return fold([leaf for part in body for leaf in _unfolded(part, ())])


def bare(body: Parts) -> Iterator[Part]:
    """The body, what has no parameters in it under no path."""
    for part in body:
        if part.kind == "seq" and not part.owned:
            yield from bare(opened(part))
        else:
            yield part


def _unfolded(part: Part, around: tuple[str, ...]) -> Iterator[_Leaf]:
    """The part, or of a sequence its parts, with what each lies in."""
    if part.kind == "seq":
        for inner in opened(part):
            yield from _unfolded(inner, (*around, *_split(part.path)))
        return
    *within, path = part.path.split(".")
    inner = replace(part, path=path)
    yield _Leaf(inner, (*around, *within), part.owned, done=True)


def opened(part: Part) -> Parts:
    """What is in a sequence, with the value that it begins with and its name."""
    inner = list(part.bodies[0])
    if part.start:
        inner[0] = replace(inner[0], start=part.start)
    if part.name:
        inner[-1] = replace(inner[-1], name=part.name)
    return inner


def _folded(leaf: _Leaf, depth: int) -> Part:
    part = leaf.part
    if leaf.done:
        return part
    part.bodies = [fold(body, depth) for body in leaf.bodies]
    made = residual(measured(part))
    if made.kind in MERGES:
        made.bodies = [[_branch(body, made.enters) for body in made.bodies]]
    return made


def _branch(body: Parts, enters: TensorType) -> Part:
    """A branch of a merge as a part, so that branches can be laid side by side."""
    leaves = body[-1].leaves if body else enters
    return measured(Part(BRANCH, bodies=[body], enters=enters, leaves=leaves))


def measured(part: Part) -> Part:
    """The part with the sums over what is in it."""
    inner = [p for body in part.bodies for p in body]
    return replace(
        part,
        weight=part.weight + sum(p.weight for p in inner),
        maps=part.maps + sum(p.maps for p in inner),
        owned=part.owned or any(p.owned for p in inner),
    )


def residual(part: Part) -> Part:
    """A sum of a branch and a shortcut as such; any other part as it is."""
    if part.kind != "add" or len(part.bodies) != 2:
        return part
    if any(body and body[0].kind == "item" for body in part.bodies):
        return part  # what branches is a list
    bodies = sorted(part.bodies, key=_weight, reverse=True)
    branch, shortcut = bodies
    if any(p.start or p.name for p in walk(shortcut)):
        return part
    maps = _maps(shortcut)
    if shortcut and (_maps(branch) < 2 or (maps > 1 and 2 * maps > _maps(branch))):
        return part
    if not any(p.owned for p in branch):
        return part
    return replace(part, kind="residual", bodies=bodies)


def _weight(body: Parts) -> int:
    return sum(p.weight for p in body)


def _maps(body: Parts) -> int:
    return sum(p.maps for p in body)


def walk(body: Parts) -> Iterator[Part]:
    """All parts, the outer before the inner."""
    for part in body:
        yield part
        for inner in part.bodies:
            yield from walk(inner)
