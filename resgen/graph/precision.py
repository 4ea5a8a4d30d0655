"""A graph at a precision: which operators run in it, and the passes that make it so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, get_args

from resgen.errors import ResgenError, UsageError, did_you_mean
from resgen.graph.choices import following
from resgen.graph.ir import Graph
from resgen.graph.parts import sections
from resgen.graph.passes import apply
from resgen.graph.passes.cast import cast
from resgen.graph.passes.inference import for_inference
from resgen.graph.passes.integer_bias import integer_bias
from resgen.graph.passes.quantize import quantize
from resgen.graph.placement import PLACEMENTS
from resgen.ops.base import is_map
from resgen.ops.decode_boxes import DecodeBoxes
from resgen.ops.types import DType
from resgen.options.kinds import argument, choice

Name: TypeAlias = Literal["fp32", "fp16", "bf16", "int8", "fp8"]
#: Every precision, from the widest to the narrowest; those that the language knows.
NAMES: Final[tuple[Name, ...]] = get_args(Name)
#: Those whose numbers are 8 bits wide.
QUANTIZED: Final = ("int8", "fp8")
_TYPES: Final[Mapping[str, DType]] = {
    "fp32": "float32",
    "fp16": "float16",
    "bf16": "bfloat16",
}


@dataclass(frozen=True, slots=True)
class Precision:
    """How a file is to be written.

    ``name`` is the precision of every operator that the spec or ``keep`` does not give
    another. ``consumer`` is the engine that quantisers are placed for. ``keep`` are
    parts that stay in higher precision, by the path of a stage, block or operator;
    ``first`` and ``last`` are the first and the last map of the network. ``low_ends``
    gives inputs and outputs the low type, ``reduce_range`` leaves weights seven bits.
    """

    name: Name = "fp32"
    consumer: str = "onnxruntime"
    keep: tuple[str, ...] = ()
    low_ends: bool = False
    reduce_range: bool = False

    def __post_init__(self) -> None:
        for what, word, known in (
            ("precision", self.name, NAMES),
            ("consumer", self.consumer, tuple(PLACEMENTS)),
        ):
            argument(what, choice(*known), word)

    @property
    def between(self) -> Name:
        """The precision of what is kept out of a quantised network."""
        if self.name not in QUANTIZED:
            return "fp32"
        wide: DType = PLACEMENTS[self.consumer].between
        return next(n for n in NAMES if _TYPES[n] == wide)


def precisions(graph: Graph, wanted: Precision) -> dict[str, str]:
    """The precision of every operator by name.

    What ``keep`` names comes before what the spec says, and that before ``name``. Boxes
    and what is chosen of them are of float32 whatever is said: 8 bits would put them on
    a grid of a few pixels, and 16 hold no number of a class above 2048. A part that the
    network does not have is a :class:`~resgen.errors.UsageError`.
    """
    kept = _kept(graph, wanted.keep)
    exact = following(graph, lambda op: op.chooses or isinstance(op, DecodeBoxes))
    found = {}
    for node in graph.nodes:
        said = node.precision or wanted.name
        found[node.name] = wanted.between if node.name in kept else said
        if node.name in exact:
            found[node.name] = "fp32"
    return found


def at_precision(graph: Graph, wanted: Precision) -> Graph:
    """The graph with batch norms folded, quantisers placed and types changed.

    Raises :class:`~resgen.errors.ResgenError` where nothing could be quantised.
    """
    placement = PLACEMENTS[wanted.consumer]
    folded = for_inference(graph)
    low = set(precisions(folded, wanted).values()) & set(QUANTIZED)
    if low:
        folded = apply(folded, *placement.passes)
    each = precisions(folded, wanted)
    made = folded
    done = list(folded.passes)
    if low:
        made = quantize(made, placement, each, reduce_range=wanted.reduce_range)
        if len(made.nodes) == len(folded.nodes):
            raise ResgenError(
                f"{graph.name} has no operator that {wanted.consumer} can run in "
                f"{' or '.join(sorted(low))}"
            )
        done.append(f"quantize for {wanted.consumer}")
    types = {n: _TYPES.get(p, placement.between) for n, p in each.items()}
    if set(types.values()) != {"float32"}:
        made = cast(made, types, low_ends=wanted.low_ends)
        done.append("cast")
    return replace(made, passes=tuple(done))


def as_shipped(lowered: Graph, wanted: Precision) -> Graph:
    """The graph that a file is written from: as its consumer wants the biases.

    What :func:`at_precision` gives can be trained; this is what is measured and proven.
    """
    wants = PLACEMENTS[wanted.consumer].integer_bias
    return apply(lowered, integer_bias) if wants else lowered


def _kept(graph: Graph, keep: Sequence[str]) -> set[str]:
    """Names of the operators that the paths in ``keep`` stand for."""
    maps = [node.name for node in graph.nodes if is_map(node.op)]
    ends = {"first": maps[:1], "last": maps[-1:]}
    within = {section.path: section.nodes for section in sections(graph)}
    found: set[str] = set()
    for path in keep:
        names = ends.get(path) or [
            node.name
            for node in graph.nodes
            if node.name == path or node.name.startswith(f"{path}.")
        ]
        section = [node.name for node in within.get(path, ())]
        if not names and not section:
            known = {*ends, *(s.path for s in graph.scopes if s.path)}
            known |= {s.name for s in graph.sections} | {n.name for n in graph.nodes}
            near = did_you_mean(path, known)
            raise UsageError(
                f'"{path}" is no part of {graph.name}{near}',
                hint="parts are stages, blocks and operators by their paths "
                '("layer1.0.conv1"), and "first" and "last"',
            )
        found.update(names, section)
    return found
