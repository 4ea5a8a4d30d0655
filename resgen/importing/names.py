"""Names for a network whose source has none: paths that follow from what is repeated.

A unit of a stage is ``layer2.0``, as in torchvision, and what is in it is called as the
built-in blocks call it. So what recovers the design has one way, by paths, wherever the
network came from.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import pairwise, takewhile
from typing import Final

from resgen.graph.ir import INPUT, OUTPUT, Graph, Node, Parameter
from resgen.importing.body import Body, Element, elements, walk
from resgen.importing.flat import Flat
from resgen.importing.runs import (
    Layout,
    Unit,
    attention,
    found,
    layout,
    shortcut,
    token,
)
from resgen.ops.types import TensorType

#: What the operators of a branch are called, by what they are.
_BRANCHES: Final[Mapping[str, str]] = {
    "pointwise norm depthwise norm pointwise norm": (
        "conv_pw bn1 conv_dw bn2 conv_pwl bn3"
    ),
    "pointwise depthwise pointwise": "conv_pw conv_dw conv_pwl",
    "depthwise norm pointwise norm": "conv_dw bn1 conv_pw bn2",
    "depthwise pointwise": "conv_dw conv_pw",
    "conv norm pointwise norm": "conv_exp bn1 conv_pwl bn2",
    "depthwise norm linear linear channel_scale": (
        "conv_dw norm mlp.fc1 mlp.fc2 gamma"
    ),
    "depthwise norm pointwise pointwise channel_scale": (
        "conv_dw norm mlp.fc1 mlp.fc2 gamma"
    ),
    "depthwise norm linear global_response_norm linear": (
        "conv_dw norm mlp.fc1 mlp.grn mlp.fc2"
    ),
    "depthwise norm pointwise global_response_norm pointwise": (
        "conv_dw norm mlp.fc1 mlp.grn mlp.fc2"
    ),
    "norm linear linear norm linear linear": (
        "norm1 attn.qkv attn.proj norm2 mlp.fc1 mlp.fc2"
    ),
}
#: The same of stems and heads; what is in other heads lies under ``head``.
_STEMS: Final[Mapping[str, str]] = {
    "conv norm conv norm conv norm": "conv1.0 conv1.1 conv1.3 conv1.4 conv1.6 bn1",
}
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
            if node is None or node.owner or f"{node.name}.".startswith(f"{path}."):
                continue
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
    names.give([("", _placed(made.stem, "", x))], _STEMS)
    head = list(_placed(made.head, "", x))
    owning = " ".join(token(e) for _, e in head if _owner(e))
    names.give([("" if owning in _HEADS else "head", head)], _HEADS)
    for at, stage in enumerate(made.stages):
        names.give([(f"layer{at + 1}.entry", _placed(stage.entry, "", x))])
    for units in kinds.values():
        names.give([(path, _placed(u.elements, "", u.enters)) for path, u in units])
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
        templates: Mapping[str, str] = _BRANCHES,
    ) -> None:
        """Name what is in units that are built alike, each under its own prefix."""
        units = [(prefix, list(row)) for prefix, row in alike]
        places = {place for _, row in units for place, _ in row}
        of = {
            place: [
                (prefix, [e for inside, e in row if inside == place])
                for prefix, row in units
            ]
            for place in sorted(places)
        }
        for place, rows in of.items():
            called = _called(place, [row for _, row in rows], of, templates)
            for (prefix, row), names in zip(rows, called, strict=True):
                for element, name in zip(row, names, strict=True):
                    if element.node is not None:
                        self._take(element.node, _joined(prefix, place, name))

    def _take(self, node: Node, wanted: str) -> None:
        if node.owner in self.owners:
            wanted = self.owners[node.owner]
        path = self.paths[node.name] = _unique(wanted, self.taken)
        if node.owner:
            self.owners.setdefault(node.owner, path)


def _called(
    place: str,
    rows: Sequence[Sequence[Element]],
    of: Mapping[str, Sequence[tuple[str, Sequence[Element]]]],
    templates: Mapping[str, str],
) -> list[list[str]]:
    """What the elements at one place are called, in each unit, owners of numbers first.

    The names are those of the unit that has most; in the others, what is missing is
    passed over.
    """
    above, _, last = place.rpartition(".")
    around = [e for _, row in of.get(above, ()) for e in row]
    if last == "downsample":
        every = [[token(e) for e in row] for row in rows]
        longest = max(every, key=len)
        return [_aligned(row, longest, _around(longest, around)) for row in every]
    owning = [[token(e) for e in row if _owner(e)] for row in rows]
    longest = max(owning, key=len)
    usual = _gate(longest, around) if last == "se" else _usual(longest, templates)
    made = []
    for row, kinds in zip(rows, owning, strict=True):
        known = templates.get(" ".join(kinds), "").split()
        names = iter(known or _aligned(kinds, longest, usual))
        made.append([next(names) if _owner(e) else e.kind for e in row])
    return made


def _aligned(
    kinds: Sequence[str], longest: Sequence[str], usual: Sequence[str]
) -> list[str]:
    """The names of what a row has in common with the longest; others go by kind."""
    names = list(kinds)
    same = SequenceMatcher(None, kinds, longest, autojunk=False)
    for here, there, size in same.get_matching_blocks():
        names[here : here + size] = usual[there : there + size]
    return names


def _usual(kinds: Sequence[str], templates: Mapping[str, str]) -> list[str]:
    """Names by number, or those that the built-in block has."""
    template = templates.get(" ".join(kinds))
    if template is not None:
        return template.split()
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
    if len(kinds) != 2 or not {"pointwise", "linear"}.issuperset(kinds):
        return _usual(kinds, {})
    mobile = any(token(e) == "depthwise" for e in branch)
    return list(_MOBILE) if mobile else ["fc1", "fc2"]


def _renamed(flat: Flat, names: Mapping[str, str]) -> Flat:
    """The network with its nodes and parameters under other paths."""
    graph = flat.graph
    owners: dict[str, str] = {}
    for node in graph.nodes:
        if node.owner:
            own = names[node.name] == node.name
            owners.setdefault(node.owner, node.owner if own else names[node.name])
    parameters: dict[str, str] = {}
    nodes = []
    for node in graph.nodes:
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
                inputs=tuple(names.get(value, value) for value in node.inputs),
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
            parameters=tuple(_called_so(graph.parameters, parameters)),
        ),
        weights={parameters[name]: array for name, array in flat.weights.items()},
        sources={parameters[name]: of for name, of in flat.sources.items()},
        tensors={names.get(value, value): t for value, t in flat.tensors.items()},
    )


def _called_so(
    found: Iterable[Parameter], names: Mapping[str, str]
) -> Iterator[Parameter]:
    return (replace(each, name=names[each.name]) for each in found)
