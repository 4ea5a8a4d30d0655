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
from typing import Final

from resgen.graph.ir import INPUT, OUTPUT, Graph, Node, Parameter
from resgen.importing.body import Body, Element, elements, walk
from resgen.importing.flat import Flat
from resgen.importing.runs import Unit, attention, found, layout, shortcut, token
from resgen.ops.types import TensorType

#: The share of paths from which on names are systematic.
_SYSTEMATIC: Final = 0.5
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
#: The same of what weighs channels, in branches where a depthwise convolution is.
_MOBILE: Final = ("conv_reduce", "conv_expand")
#: What an operator is called, if not as in the language.
_CALLED: Final[Mapping[str, str]] = {
    "linear": "fc",
    "norm": "bn",
    "channel_scale": "gamma",
}


def named(flat: Flat) -> Flat:
    """The network under paths: its own where they are systematic, else by structure."""
    owners = {node.owner for node in flat.graph.nodes if node.owner}
    if sum("." in owner for owner in owners) >= _SYSTEMATIC * len(owners):
        return flat
    return _renamed(flat, paths(flat.graph))


def paths(graph: Graph) -> dict[str, str]:
    """A path for every node that an output depends on, by the node's name."""
    outputs = dict(graph.outputs)
    ends = outputs[OUTPUT] if list(outputs) == [OUTPUT] else outputs
    body = elements(graph, INPUT, ends, known=INPUT)
    made = layout(body, graph)
    names = _Names()
    x = graph.inputs[0].type
    kinds: defaultdict[int, list[tuple[str, Unit]]] = defaultdict(list)
    for at, stage in enumerate(made.stages):
        for index, unit in enumerate(stage.units):
            kinds[unit.kind].append((f"layer{at + 1}.{index}", unit))
    rows = [("", list(_placed([*made.stem, *made.head], "", x)))]
    rows += [
        (f"layer{at + 1}.entry", list(_placed(stage.entry, "", x)))
        for at, stage in enumerate(made.stages)
        if stage.entry
    ]
    for prefix, row in rows:
        names.give([(prefix, row)])
    for units in kinds.values():
        names.give([(p, list(_placed(u.elements, "", u.enters))) for p, u in units])
    return names.paths


#: An element, and where in its unit it stands: ``se``, ``downsample``, ``branches.1``.
_Place = tuple[str, Element]


def _placed(body: Body, within: str, x: TensorType) -> Iterator[_Place]:
    """Every element with an operator, in the order in which they run, and its place."""
    units = (
        [each for each in found(body, x) if isinstance(each, Unit)] if within else []
    )
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
        yield from _placed(branch, inside, x)
    if element.node is not None:
        yield within, element


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

    def give(self, units: Sequence[tuple[str, Sequence[_Place]]]) -> None:
        """Name what is in units that are built alike, each under its own prefix."""
        places = {place for _, row in units for place, _ in row}
        of = {
            place: [
                (prefix, [e for inside, e in row if inside == place])
                for prefix, row in units
            ]
            for place in sorted(places)
        }
        for place, rows in of.items():
            called = _called(place, [row for _, row in rows], of)
            for (prefix, row), names in zip(rows, called, strict=True):
                for element, name in zip(row, names, strict=True):
                    if element.node is not None:
                        self._take(element.node, _joined(prefix, place, name))

    def _take(self, node: Node, wanted: str) -> None:
        if node.owner in self.owners:
            wanted = self.owners[node.owner]
        path, number = wanted, 1
        while path in self.taken:
            number += 1
            path = f"{wanted}_{number}"
        self.taken.add(path)
        self.paths[node.name] = path
        if node.owner:
            self.owners.setdefault(node.owner, path)


def _called(
    place: str,
    rows: Sequence[Sequence[Element]],
    of: Mapping[str, Sequence[tuple[str, Sequence[Element]]]],
) -> list[list[str]]:
    """What the elements at one place are called, in each unit, owners of numbers first.

    The names are those of the unit that has most; in the others, what is missing is
    passed over.
    """
    last = place.rpartition(".")[2]
    if last == "downsample":
        every = [[token(e) for e in row] for row in rows]
        longest = max(every, key=len)
        numbers = [str(at) for at in range(len(longest))]
        return [_aligned(row, longest, numbers) for row in every]
    owning = [[token(e) for e in row if _owner(e)] for row in rows]
    longest = max(owning, key=len)
    if last == "se":
        around = of.get(place.rpartition(".")[0], ())
        mobile = any(token(e) == "depthwise" for _, row in around for e in row)
        usual = _gate(longest, mobile)
    else:
        usual = _usual(longest)
    made = []
    for row, kinds in zip(rows, owning, strict=True):
        known = usual if kinds == longest else _known(kinds, longest, usual)
        names = iter(known)
        made.append([next(names) if _owner(e) else e.kind for e in row])
    return made


def _known(
    kinds: Sequence[str], longest: Sequence[str], usual: Sequence[str]
) -> list[str]:
    """The names of a row of its own, or those of the longest that it is part of."""
    template = _BRANCHES.get(" ".join(kinds))
    if template is not None:
        return template.split()
    return _aligned(kinds, longest, usual)


def _aligned(
    kinds: Sequence[str], longest: Sequence[str], usual: Sequence[str]
) -> list[str]:
    """The names of what a row has in common with the longest; others go by kind."""
    names = list(kinds)
    same = SequenceMatcher(None, kinds, longest, autojunk=False)
    for here, there, size in same.get_matching_blocks():
        names[here : here + size] = usual[there : there + size]
    return names


def _usual(kinds: Sequence[str]) -> list[str]:
    """Names by number, or those that the built-in block has."""
    template = _BRANCHES.get(" ".join(kinds))
    if template is not None:
        return template.split()
    counts: Counter[str] = Counter()
    first_norm = kinds[:1] == ["norm"]
    mapped = {"pointwise": "conv", "depthwise": "conv"}
    total = Counter(mapped.get(kind, kind) for kind in kinds)
    names = []
    for kind in kinds:
        kind = mapped.get(kind, kind)
        called = kind if kind == "norm" and first_norm else _CALLED.get(kind, kind)
        counts[kind] += 1
        alone = total[kind] == 1 and kind not in ("conv", "norm")
        names.append(called if alone else f"{called}{counts[kind]}")
    return names


def _gate(kinds: Sequence[str], mobile: bool) -> list[str]:
    """What the operators are called that weigh channels."""
    maps = [kind for kind in kinds if kind in ("pointwise", "linear")]
    if len(maps) != 2 or len(kinds) != 2:
        return _usual(kinds)
    return list(_MOBILE) if mobile else ["fc1", "fc2"]


def _renamed(flat: Flat, names: Mapping[str, str]) -> Flat:
    """The network with its nodes and parameters under other paths."""
    graph = flat.graph
    owners: dict[str, str] = {}
    for node in graph.nodes:
        if node.owner:
            owners.setdefault(node.owner, names[node.name])
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
