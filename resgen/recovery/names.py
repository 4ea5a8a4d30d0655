"""Names for a network whose source has none: paths that follow from what is repeated.

A unit of a stage is ``layer2.0``, as in torchvision, and what is in it is called as the
built-in blocks call it. So what recovers the design has one way, by paths, wherever the
network came from.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cache
from itertools import pairwise, product, takewhile
from typing import Any, Final, TypeAlias

from resgen.expansion.network import expand, load
from resgen.graph.ir import INPUT, OUTPUT, Graph, Node
from resgen.importing.flat import Flat
from resgen.ops.types import TensorType
from resgen.recovery.body import Body, Element, elements, walk
from resgen.recovery.runs import (
    Layout,
    Unit,
    attention,
    found,
    layout,
    shortcut,
    token,
)

_NARROWED: Final = {"width": 128, "stride": 2}
#: Built-in blocks, and arguments under which they show all that they have.
_BLOCKS: Final[tuple[tuple[str, Mapping[str, Any]], ...]] = (
    *(
        (name, _NARROWED)
        for name in (
            *("basic", "bottleneck", "preact_basic", "preact_bottleneck"),
            *("inverted", "separable", "fused_inverted"),
        )
    ),
    ("regnet", {**_NARROWED, "group_width": 16, "se_ratio": 0.25}),
    *(("res2net_bottleneck", {**_NARROWED, "scale": n}) for n in (4, 6, 8)),
    *(("resnest_bottleneck", {**_NARROWED, "radix": n}) for n in (1, 2, 4)),
    ("sk_bottleneck", _NARROWED),
    ("sk_bottleneck", {**_NARROWED, "split": True}),
    *(
        ("convnext", {"width": 64, "convolve": convolve, "response_norm": norm})
        for convolve in (False, True)
        for norm in (False, True)
    ),
    ("transformer", {"heads": 4}),
)
#: Built-in stems likewise.
_STEMS: Final[tuple[tuple[str, Mapping[str, Any]], ...]] = (
    ("imagenet", {}),
    ("imagenet", {"pool": "conv"}),
    ("imagenet_preact", {}),
    ("cifar", {}),
    ("deep", {}),
    ("deep", {"pool": "conv"}),
)
#: What the operators of heads are called; others lie under ``head``.
_HEADS: Final[Mapping[str, str]] = {
    "linear": "fc",
    "norm": "norm",
    "norm linear": "norm fc",
    "norm pointwise": "norm head.fc",
    "pointwise norm": "conv_head bn2",
    "pointwise norm linear": "conv_head bn2 fc",
}
#: The same of what weighs channels, in branches where a depthwise convolution is.
_MOBILE: Final = ("conv_reduce", "conv_expand")
_CONVOLUTIONS: Final = ("conv", "pointwise", "depthwise")
#: What an operator is called, if not as in the language.
_CALLED: Final[Mapping[str, str]] = {
    "linear": "fc",
    "norm": "bn",
    "channel_scale": "gamma",
}


def by_structure(flat: Flat) -> Flat:
    """The network under paths that follow from what is repeated in it."""
    return _renamed(flat, paths(flat.graph))


def by_paths(flat: Flat) -> Flat | None:
    """The network under its own names, if each unit's begin with a path of its own.

    What has no parameters in a unit, and no such path, gets it. None where names tell
    nothing of what is repeated.
    """
    graph = flat.graph
    units = [unit for stage in _layout(graph).stages for unit in stage.units]
    names = {node.name: node.name for node in graph.nodes}
    begin = [_common([_owner(e) for e in walk(u.elements) if _owner(e)]) for u in units]
    told = sorted(f"{path}." for path in begin)
    if not all(begin) or any(b.startswith(a) for a, b in pairwise(told)):
        return None
    taken = set(names)
    for unit, path in zip(units, begin, strict=True):
        for element in walk(unit.elements):
            node = element.node
            if node is None or node.owner or "." in node.name:
                continue  # the source knew where it is
            names[node.name] = _unique(f"{path}.{node.op.name}", taken)
    return _renamed(flat, names)


def _common(owners: Sequence[str]) -> str:
    """The path that all of these lie under."""
    split = [owner.split(".")[:-1] for owner in owners]
    shared = (set(column) for column in zip(*split, strict=False))
    return ".".join(c.pop() for c in takewhile(lambda c: len(c) == 1, shared))


def _unique(wanted: str, taken: set[str]) -> str:
    path, number = wanted, 1
    while path in taken:
        number += 1
        path = f"{wanted}_{number}"
    taken.add(path)
    return path


def _layout(graph: Graph) -> Layout:
    outputs = dict(graph.outputs)
    ends = outputs[OUTPUT] if list(outputs) == [OUTPUT] else outputs
    return layout(elements(graph, INPUT, ends, known=INPUT), graph)


def paths(graph: Graph) -> dict[str, str]:
    """A path for every node that an output depends on, by the node's name."""
    made = _layout(graph)
    names = _Names()
    x = graph.inputs[0].type
    kinds: defaultdict[int, list[tuple[str, Unit]]] = defaultdict(list)
    for at, stage in enumerate(made.stages):
        for index, unit in enumerate(stage.units):
            kinds[unit.kind].append((f"layer{at + 1}.{index}", unit))
    names.give([("", _placed(made.stem, "", x))], _library("stem"))
    head = list(_placed(made.head, "", x))
    names.give([("" if _owning(head) in _heads() else "head", head)], _heads())
    for at, stage in enumerate(made.stages):
        names.give([(f"layer{at + 1}.entry", _placed(stage.entry, "", x))], {})
    for units in kinds.values():
        rows = [(path, _placed(u.elements, "", u.enters)) for path, u in units]
        names.give(rows, _library("stages"))
    return names.paths


#: An element, and where in its unit it stands: ``se``, ``downsample``, ``branches.1``.
_Place = tuple[str, Element]


def _placed(
    body: Body, within: str, x: TensorType, *, inner: bool = False
) -> Iterator[_Place]:
    """Every element with an operator, in the order in which they run, and its place.

    What is repeated in an ``inner`` body, merges and all, stands in ``blocks`` there.
    """
    inner = inner and any(element.branches for element in body)
    units = [each for each in found(body, x) if isinstance(each, Unit)] if inner else []
    of = {id(e): at for at, unit in enumerate(units) for e in unit.elements}
    for element in body:
        at = of.get(id(element))
        inside = within if at is None else _joined(within, f"blocks.{at}")
        yield from _element(element, inside, x)
        if element.node is not None:
            x = element.node.type


def _element(element: Element, within: str, x: TensorType) -> Iterator[_Place]:
    weighs = attention(element)
    around = shortcut(element)
    owning = [b for b in element.branches if any(_owner(e) for e in walk(b))]
    for at, branch in enumerate(element.branches):
        inside = within
        if branch is weighs:
            inside = _joined(within, "se")
        elif branch is around:
            inside = _joined(within, "downsample")
        elif element.kind == "outputs":
            inside = _joined(within, element.labels[at])
        elif len(owning) > 1 and around is None:
            inside = _joined(within, f"branches.{at}")
        yield from _placed(branch, inside, x, inner=True)
    if element.node is not None:
        yield within if weighs is None else _joined(within, "se"), element


def _joined(*components: str) -> str:
    return ".".join(component for component in components if component)


def _owner(element: Element) -> str:
    return "" if element.node is None else element.node.owner


class _Names:
    """Gives each node a path that no other has."""

    def __init__(self) -> None:
        self.paths: dict[str, str] = {}
        self.owners: dict[str, str] = {}
        self.taken: set[str] = set()

    def give(
        self,
        alike: Sequence[tuple[str, Iterable[_Place]]],
        library: Library,
    ) -> None:
        """Name what is in units that are built alike, each under its own prefix.

        Those that are nothing of the library are called as the one that has most in it.
        """
        units = [
            (prefix, [each for each in row if each[1].node is not None])
            for prefix, row in alike
        ]
        most = max((row for _, row in units), key=len)
        around = max((_shortcut(row) for _, row in units), key=len)
        usual = _built_in(most, around, library) or _numbered(most, around)
        for prefix, row in units:
            names = _built_in(row, around, library)
            if names is None:
                own = _numbered(row, around)
                names = _aligned(_tokens(row), _tokens(most), usual, own)
            for (_, element), name in zip(row, names, strict=True):
                if element.node is not None:
                    self._take(element.node, _joined(prefix, name))

    def _take(self, node: Node, wanted: str) -> None:
        if node.owner in self.owners:
            wanted = self.owners[node.owner]
        path = self.paths[node.name] = _unique(wanted, self.taken)
        if node.owner:
            self.owners.setdefault(node.owner, path)


#: Place and kind of an operator.
_Token = tuple[str, str]


def _tokens(row: Iterable[_Place]) -> list[_Token]:
    return [(place, token(element)) for place, element in row]


def _owning(row: Iterable[_Place]) -> tuple[_Token, ...]:
    """Place and kind of what has parameters."""
    return tuple(_tokens(each for each in row if _owner(each[1])))


def _last(place: str) -> str:
    return place.rpartition(".")[2]


def _shortcut(row: Iterable[_Place]) -> list[str]:
    """The kinds of what is in a shortcut."""
    return [token(e) for place, e in row if _last(place) == "downsample"]


@dataclass(frozen=True, slots=True)
class _Called:
    """What is called how in a built-in block, shortcuts apart."""

    row: list[_Token]
    names: list[str]
    owning: list[str]  # of what has parameters
    shortcut: dict[str, str]  # by kind, where it is not by number


def _built_in(
    row: Sequence[_Place], around: Sequence[str], library: Library
) -> list[str] | None:
    """The names of a built-in block, if it is one.

    Attention and shortcuts have names of their own, unless they are of the block.
    """
    for apart in (("downsample",), ("downsample", "se")):
        inner = [each for each in row if _last(each[0]) not in apart]
        near = library.get(_owning(inner), ())
        if not near:
            continue
        told = _tokens(inner)
        known = max(near, key=lambda each: _matcher(told, each.row).ratio())
        own = [_joined(place, element.kind) for place, element in inner]
        placed = iter(_aligned(told, known.row, known.names, own))
        owning = iter(known.owning)
        made = []
        for name, (place, element) in zip(_numbered(row, around), row, strict=True):
            if _last(place) not in apart:
                other = next(placed)
                made.append(next(owning) if _owner(element) else other)
            elif _last(place) == "downsample":
                made.append(known.shortcut.get(token(element), name))
            else:
                made.append(name)
        return made
    return None


#: Built-in definitions by what has parameters in them.
Library: TypeAlias = Mapping[tuple[_Token, ...], Sequence[_Called]]


@cache
def _library(of: str) -> Library:
    """The blocks of ``stages``, or what a ``stem`` can be, norms folded or not."""
    found: defaultdict[tuple[_Token, ...], list[_Called]] = defaultdict(list)
    known = _BLOCKS if of == "stages" else _STEMS
    for norm, (name, given) in product(("batch", "none"), known):
        stem: Any = {"use": name, "with": given}
        stages = [{"block": name, "depth": 1, **given}]
        spec = {
            "resgen": 1,
            "name": name,
            "input": [64, 16] if name == "transformer" else [64, 16, 16],
            "defaults": {"norm": norm},
            "stem": stem if of == "stem" else [],
            "stages": stages if of == "stages" else [],
            "head": [],
        }
        graph = expand(load(spec))
        body = elements(graph, INPUT, dict(graph.outputs)[OUTPUT], known=INPUT)
        inner, names, shortcut = [], [], {}
        for place, element in _placed(body, "", graph.inputs[0].type):
            if element.node is None:
                continue
            owner = element.node.owner
            above, _, last = (owner or element.node.name).rpartition(".")
            scope = f"{above}.".removeprefix("layer1.0.").rstrip(".")
            if _last(place) != "downsample":
                inner.append((place, element))
                names.append(_joined(scope, last if owner else element.kind))
            elif owner and not last.isdigit():
                shortcut[token(element)] = _joined(scope, last)
        owning = [n for n, (_, e) in zip(names, inner, strict=True) if _owner(e)]
        made = _Called(_tokens(inner), names, owning, shortcut)
        found[_owning(inner)].append(made)
    return found


def _heads() -> Library:
    """What is called how in usual heads."""
    found = {}
    for kinds, names in _HEADS.items():
        row = [("", kind) for kind in kinds.split()]
        found[tuple(row)] = [_Called(row, names.split(), names.split(), {})]
    return found


def _numbered(row: Sequence[_Place], around: Sequence[str]) -> list[str]:
    """Names by place, kind and number; what is in shortcuts by its place in ``around``.

    What has no parameters is called as in the language.
    """
    names = {id(element): _joined(place, element.kind) for place, element in row}
    for place in dict.fromkeys(place for place, _ in row):
        inside = [e for p, e in row if p == place]
        above = [e for p, e in row if p == place.rpartition(".")[0]]
        owning = [e for e in inside if _owner(e)]
        kinds = [token(e) for e in owning]
        if _last(place) == "downsample":
            numbers = _around(around, above)
            whole = [token(e) for e in inside]
            called = _aligned(whole, around, numbers, whole)
            owning = inside
        elif _last(place) == "se":
            called = _gate(kinds, above)
        else:
            called = _usual(kinds)
        for element, name in zip(owning, called, strict=True):
            names[id(element)] = _joined(place, name)
    return [names[id(element)] for _, element in row]


def _aligned(
    row: Sequence[Hashable],
    longest: Sequence[Hashable],
    usual: Sequence[str],
    own: Sequence[str],
) -> list[str]:
    """The names of what a row has in common with the longest; others are their own."""
    names = list(own)
    for here, there, size in _matcher(row, longest).get_matching_blocks():
        names[here : here + size] = usual[there : there + size]
    return names


def _matcher(
    row: Sequence[Hashable], other: Sequence[Hashable]
) -> SequenceMatcher[Hashable]:
    return SequenceMatcher(None, row, other, autojunk=False)


def _usual(kinds: Sequence[str]) -> list[str]:
    """Names by kind and number."""
    plain = ["conv" if kind in _CONVOLUTIONS else kind for kind in kinds]
    total, counts = Counter(plain), Counter[str]()
    names = []
    for kind in plain:
        called = kind if plain[0] == kind == "norm" else _CALLED.get(kind, kind)
        counts[kind] += 1
        alone = total[kind] == 1 and kind not in ("conv", "norm")
        names.append(called if alone else f"{called}{counts[kind]}")
    return names


def _around(kinds: Sequence[str], branch: Sequence[Element]) -> list[str]:
    """What is called so in a shortcut: its place, or if it is alone ``conv``.

    Where norms are folded into the maps, the map is the first of two all the same.
    """
    if len(kinds) == 1 and any(token(e) == "norm" for e in branch):
        return ["conv"]
    return [str(at) for at in range(len(kinds))]


def _gate(kinds: Sequence[str], branch: Sequence[Element]) -> list[str]:
    """What the operators are called that weigh channels."""
    if kinds in (["conv"], ["pointwise"]):
        return ["conv"]
    if len(kinds) != 2 or not {"pointwise", "linear"}.issuperset(kinds):
        return _usual(kinds)
    mobile = any(token(e) == "depthwise" for e in branch)
    return list(_MOBILE) if mobile else ["fc1", "fc2"]


def _renamed(flat: Flat, names: Mapping[str, str]) -> Flat:
    """The network with its nodes and parameters under other paths.

    Nodes without one, which no output depends on, are left out; a learned constant
    takes its batch from the network's input if it took it from one of these.
    """
    graph = flat.graph
    living = [node for node in graph.nodes if node.name in names]
    owners: dict[str, str] = {}
    for node in living:
        if node.owner:
            own = names[node.name] == node.name
            owners.setdefault(node.owner, node.owner if own else names[node.name])
    parameters: dict[str, str] = {}
    nodes = []
    for node in living:
        operands = node.operands
        if node.owner:
            specs = node.op.parameters(graph.types[node.inputs[0]])
            roles = {}
            for spec in specs:
                roles[spec.role] = _joined(owners[node.owner], spec.role)
                parameters[_joined(node.owner, spec.role)] = roles[spec.role]
            operands = tuple(node.op.operands(roles).items())
        nodes.append(
            replace(
                node,
                name=names[node.name],
                inputs=tuple(names.get(value, INPUT) for value in node.inputs),
                operands=operands,
                owner=owners.get(node.owner, ""),
            )
        )
    return replace(
        flat,
        graph=replace(
            graph,
            nodes=tuple(nodes),
            outputs=tuple((name, names.get(v, v)) for name, v in graph.outputs),
            parameters=tuple(
                replace(each, name=parameters[each.name])
                for each in graph.parameters
                if each.name in parameters
            ),
        ),
        weights={
            new: flat.weights[old]
            for old, new in parameters.items()
            if old in flat.weights
        },
        sources={
            new: flat.sources[old]
            for old, new in parameters.items()
            if old in flat.sources
        },
        tensors={
            names.get(value, INPUT): tensor
            for value, tensor in flat.tensors.items()
            if value in names or value == INPUT
        },
        scales={
            names.get(value, INPUT): scale
            for value, scale in flat.scales.items()
            if value in names or value == INPUT
        },
    )
