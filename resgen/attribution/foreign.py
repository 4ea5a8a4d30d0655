"""The names of an ONNX file that another tool has written, by its own hierarchy.

Where a node lies is told, in this order, by what torch.onnx notes on it, by its name
(``/layer1/layer1.0/conv1/Conv``), or by the weight that it consumes
(``features.1.conv.0.0.weight``). A node with none of them (``Relu_5``) belongs where
the values that it works on come from, if that is one place or one that depends on all
others; a node between others of one block belongs there too. What needs no block's
result and lies in none is the stem, and what no block needs is the head. Where none of
it tells a block, the file is read back as a design, whose paths are taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from resgen.attribution.hierarchy import Hierarchy
from resgen.attribution.names import Named, Names, Work, reached
from resgen.attribution.onnx_cost import SMALL, Costs
from resgen.errors import ResgenError
from resgen.onnxfile.paths import (
    SCOPES,
    deepest,
    module_path,
    node_names,
    path_of_weight,
)
from resgen.onnxfile.stored import read_stored
from resgen.records.profile import OperatorTime

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

Place = tuple[str, int | None]

#: Operators whose multiply-adds count.
MAPS: Final = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
HELPERS: Final = frozenset(
    {"Cast", "Constant", "DequantizeLinear", "Identity", "QuantizeLinear"}
)
#: Operators that work on each number (or channel) of a value that others have made.
FOLLOWS: Final = HELPERS | {
    "Add", "BatchNormalization", "Clip", "Div", "Dropout", "Elu", "Erf", "Gelu",
    "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "Mul", "PRelu", "Relu", "Selu",
    "Sigmoid", "Softplus", "Sub", "Sum", "Tanh",
}  # fmt: skip
STEM: Final = "stem"
HEAD: Final = "head"
#: What modules on a block's shortcut are called.
SHORTCUTS: Final = ("downsample", "shortcut", "skip")


def names_of_onnx(
    path: Path, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> Names:
    """The names in an ONNX file; see :func:`read_onnx`."""
    return read_onnx(path, shapes)[0]


def read_onnx(
    path: Path, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> tuple[Names, Costs]:
    """The names in an ONNX file, and what its nodes cost for one input.

    ``shapes`` are sizes of inputs without the batch, by name, for axes that the file
    leaves open ("" stands for every input); costs are unknown without them. A file
    that cannot be read is a :class:`~resgen.errors.ResgenError`.
    """
    model = read_stored(path).structure(small=8 * SMALL)
    costs = Costs(model, shapes or {})
    names = _Reading(model, costs, {}).names()
    if not _told(names) and (recovered := _recovered(path, shapes or {})):
        found = _Reading(model, costs, recovered).names()
        names = found if _told(found) else names
    return names, costs


def _told(names: Names) -> bool:
    """Whether names tell blocks, and a place for everything that costs."""
    costly = (work for work in names.works.values() if work.macs != 0)
    blocks = any(part.block is not None for part in names.parts)
    return blocks and all(work.section is not None for work in costly)


def _recovered(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """Paths for the tensors of a file whose names tell no blocks, by what it repeats.

    They are those of its import; of a file that cannot be imported there are none.
    """
    from resgen.importing.onnx.read import read
    from resgen.recovery.names import by_structure

    size = next(iter(shapes.values()), None)
    try:
        flat = by_structure(read(path, size=size))
    except ResgenError:
        return {}
    return {tensor.name: name for name, tensor in flat.tensors.items()}


class _Reading:
    def __init__(self, model: Any, costs: Costs, given: Mapping[str, str]) -> None:
        self.graph: GraphProto = model.graph
        self.given = given
        self.own = model.producer_name == "resgen"
        self.costs = costs
        self.nodes = dict(zip(node_names(self.graph), self.graph.node, strict=True))
        self.makers = {o: n for n, node in self.nodes.items() for o in node.output if o}
        self.readers: dict[str, list[str]] = {}
        for name, node in self.nodes.items():
            for value in node.input:
                self.readers.setdefault(value, []).append(name)
        self.weights = {i.name for i in self.graph.initializer}
        #: Nodes that depend on no input: they run before any inference.
        self.idle = {self.makers[v] for v in self.costs.constants if v in self.makers}
        self.paths = {n: self._path(n, node) for n, node in self.nodes.items()}
        maps = (p for n, p in self.paths.items() if self.nodes[n].op_type in MAPS and p)
        self.tree = Hierarchy(maps)
        self.places: dict[str, Place] = {
            name: self.tree.place(path)
            for name, path in self.paths.items()
            if path is not None
        }
        self._ends(self.places)
        self._spread()
        self._ends(self.nodes)
        self._spread()

    def names(self) -> Names:
        works = {name: self._work(name, node) for name, node in self.nodes.items()}
        hints = {
            value: readers[0]
            for value, readers in self.readers.items()
            if value in self.weights and len(set(readers)) == 1
        }
        return Names(
            works=works,
            sizes={value: self.costs.size(value) for value in self._values()},
            outputs=frozenset(output.name for output in self.graph.output),
            parts=tuple(parts_of(works.values())),
            aliases={o: n for o, n in self.makers.items() if o not in works},
            hints=hints,
            constants=frozenset(self.costs.constants),
        )

    def _values(self) -> Iterator[str]:
        yield from (i.name for i in self.graph.input)
        yield from self.makers

    def _work(self, name: str, node: NodeProto) -> Work:
        section, block = self.places.get(name, (None, None))
        reads = [v for v in node.input if v and v not in self.weights]
        held = [v for v in node.input if v in self.weights]
        path = self.paths[name] or ""
        shortcut = block is not None and any(
            part.startswith(SHORTCUTS) for part in path.split(".")
        )
        return Work(
            name=name,
            section=section,
            block=block,
            role="shortcut" if shortcut else "",
            reads=tuple(dict.fromkeys(reads)),
            makes=tuple(filter(None, node.output)),
            weights=tuple((v, self.costs.weight(v)) for v in dict.fromkeys(held)),
            macs=self.costs.macs(node) if node.op_type in MAPS else 0,
            helper=node.op_type in HELPERS or name in self.idle,
        )

    # --- where nodes lie --------------------------------------------------------------

    def _path(self, name: str, node: NodeProto) -> str | None:
        """The path of the module that a node says it is of; "" is the network."""
        if self.given:
            return next((self.given[v] for v in node.output if v in self.given), None)
        for entry in node.metadata_props:
            if entry.key == SCOPES:
                return deepest(entry.value)
        if self.own:
            return name.partition("/")[0]
        if not node.name and name in self.idle:
            return None  # it is called after the weight that it makes
        if "/" in name.strip("/"):
            return module_path(name)
        if name.startswith("/"):
            return ""
        return self._by_weight(node)

    def _by_weight(self, node: NodeProto) -> str | None:
        """The module whose weight a node consumes, as it is or dequantised."""
        values, seen = [*reversed(node.input)], set[str]()
        while values:  # of a broken file that leads in circles, too
            value = values.pop()
            known = value in self.weights or value in self.costs.constants
            if value in seen or not known:
                continue
            seen.add(value)
            if found := path_of_weight(value):
                return found
            maker = self.nodes.get(self.makers.get(value, ""))
            values += [] if maker is None else reversed(maker.input)
        return None

    def _ends(self, names: Iterable[str]) -> None:
        """Call stem and head what lies in no stage, before all blocks or after them."""
        staged = {
            name
            for name, (_, block) in self.places.items()
            if block is not None or self.tree.staged(self.paths[name] or "")
        }
        if not staged:
            return
        after, before = (
            reached(staged, self._users),
            reached(staged, self._makes),
        )
        for name in list(names):
            if name in staged or name in self.idle:
                continue
            if name not in after:
                self.places[name] = (STEM, None)
            elif name not in before:
                self.places[name] = (HEAD, None)

    def _spread(self) -> None:
        """Give a place to nodes that say nothing of their own, where it is certain."""
        while True:
            before = len(self.places)
            for name, node in self.nodes.items():
                if name not in self.places:
                    place = self._around(name, node)
                    if place is not None:
                        self.places[name] = place
            if len(self.places) == before:
                return

    def _around(self, name: str, node: NodeProto) -> Place | None:
        constants = self.costs.constants
        made_by = {
            self.makers[v]: None
            for v in node.input
            if v in self.makers and v not in constants
        }
        users = list(self._users(name))
        helps = node.op_type in HELPERS or name in self.idle
        if helps and not made_by and users:
            return self._agreed(users)  # a constant belongs to who reads it
        if node.op_type in FOLLOWS and made_by:
            agreed = self._agreed(made_by)
            if agreed is not None:
                return agreed
            for maker in made_by:
                others = made_by.keys() - {maker}
                if maker in self.places and others <= reached([maker], self._makes):
                    return self.places[maker]
            return None
        return self._agreed([*made_by, *users]) if made_by and users else None

    def _agreed(self, names: Iterable[str]) -> Place | None:
        """The place of all these nodes, if each has one and it is the same."""
        found = {self.places.get(name) for name in names}
        return found.pop() if len(found) == 1 else None

    def _makes(self, name: str) -> Iterator[str]:
        """The nodes that make what a node reads."""
        values = self.nodes[name].input
        return (self.makers[value] for value in values if value in self.makers)

    def _users(self, name: str) -> Iterator[str]:
        """The nodes that read what a node makes."""
        values = self.nodes[name].output
        return (user for value in values for user in self.readers.get(value, ()))


def parts_of(works: Iterable[Work]) -> Iterator[Named]:
    """Sections and their blocks, in the order in which operators come."""
    found: dict[str, dict[int, None]] = {}
    for work in sorted(works, key=lambda w: w.helper):  # constants may stand anywhere
        if work.section is not None:
            blocks = found.setdefault(work.section, {})
            if work.block is not None:
                blocks[work.block] = None
    for section, blocks in found.items():
        yield Named(section, label=f"{len(blocks)} blocks" if blocks else None)
        for block in blocks:
            yield Named(f"{section}.{block}", block)


def names_of_layers(operators: Sequence[OperatorTime]) -> Names:
    """The names in an engine's profile alone, where its network is not at hand.

    Names of nodes and of weights within those of layers say where a layer lies; what
    it costs is not known.
    """
    found = {
        name: path
        for op in operators
        for name in op.nodes or (op.name,)
        if (path := _path_of_name(name)) is not None
    }
    tree = Hierarchy(path for name, path in found.items() if _is_map(name))
    works = {}
    for name, path in found.items():
        section, block = tree.place(path)
        # Outside of blocks an activation lies where the map lies that it is fused to.
        follows = _kind(name) in FOLLOWS and not tree.staged(path)
        works[name] = Work(name, section, block, "", macs=None, helper=follows)
    return Names(works, {}, frozenset(), tuple(parts_of(works.values())))


def _path_of_name(name: str) -> str | None:
    if name.startswith("/"):
        return module_path(name)
    weight = path_of_weight(name)
    if weight is not None and name.endswith((".weight", ".bias")):
        return weight
    dotted, slash, rest = name.partition("/")
    if "." in dotted and all(map(_is_word, dotted.split("."))):
        return dotted
    if "." in dotted:  # a network and its width: mobilenetv2_1.00_224
        dotted = re.split("[._]", dotted)[0]
    return module_path(f"{dotted}/{rest}") if slash and _is_word(dotted) else None


def _is_word(part: str) -> bool:
    return part.isidentifier() or part.isdigit()


def _kind(name: str) -> str:
    """The operator that a node's name ends in, without its number."""
    return name.rpartition("/")[2].rstrip("0123456789").rstrip("_")


def _is_map(name: str) -> bool:
    """Whether a name says that it is of a convolution or a linear map."""
    last = name.rpartition("/" if "/" in name else ".")[2].lower()
    return last == "weight" or last.startswith(("conv", "gemm", "matmul"))
