"""A graph as an ONNX model: one generic walk that asks every operator for its nodes.

Nothing is traced and no weight is touched until the file is written: the model without
its weights is small, so it is checked whole, and then the weights are streamed behind
it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnx
from onnx import ModelProto

from resgen._version import __version__
from resgen.errors import UsageError
from resgen.graph.ir import Graph
from resgen.lower.onnx_walk import NotInOpset, Walk
from resgen.onnxfile.check import describe, info
from resgen.onnxfile.write import (
    MESSAGE_LIMIT,
    File,
    Initializer,
    compare_model,
    write_model,
)
from resgen.ops.cast import CODES
from resgen.ops.types import Operand
from resgen.weights.evaluate import (
    Array,
    Remembering,
    Weights,
    dtype_of,
    evaluate,
    shape_of,
)

#: Older operator sets lack what many networks need; every runtime in use has this one.
OLDEST_OPSET: Final = 17
#: The newest that onnxruntime takes (1.32, tried with a convolutional network).
NEWEST_OPSET: Final = 28
#: The version of the file format that opset 17 came with.
OLDEST_IR: Final = 8

BATCH: Final = "batch"
#: Names of spatial axes whose size is open, by their number.
SPATIAL: Final[Mapping[int, tuple[str, ...]]] = {
    0: (),
    1: ("length",),
    2: ("height", "width"),
    3: ("depth", "height", "width"),
}


@dataclass(frozen=True, slots=True)
class Written:
    """What :func:`write` has written.

    ``bytes`` is the size of all ``files``, ``sha256`` that of the model's own file.
    ``initializers`` are the names of the weights in it and what each was computed from.
    """

    opset: int
    ir_version: int
    bytes: int
    initializers: tuple[tuple[str, Operand], ...]
    sha256: str
    files: tuple[File, ...]


def write(
    graph: Graph,
    weights: Weights,
    path: str | Path,
    *,
    opset: int | None = None,
    batch: int | None = None,
    dynamic: bool = False,
    metadata: Mapping[str, str] | None = None,
    limit: int = MESSAGE_LIMIT,
) -> Written:
    """Check the model and write it to ``path``, each weight once.

    ``opset`` is the lowest that expresses the graph unless asked for; the batch axis is
    open unless ``batch`` fixes it; ``dynamic`` opens the spatial axes too. A model
    beyond ``limit`` bytes keeps its weights in ``PATH.data``. An interrupt leaves part
    of a file at ``path``: callers write into a folder aside.
    """
    plan = derive(
        graph, opset=opset, batch=batch, dynamic=dynamic, metadata=metadata or {}
    )
    arrays = plan.arrays(weights)
    files = write_model(plan.model, plan.initializers, arrays, Path(path), limit=limit)
    return Written(
        opset=plan.opset,
        ir_version=plan.model.ir_version,
        bytes=sum(file.bytes for file in files),
        initializers=plan.operands,
        sha256=files[0].sha256,
        files=files,
    )


def compare(
    plan: Plan, weights: Weights, path: Path, *, limit: int = MESSAGE_LIMIT
) -> None:
    """Hold the file at ``path`` against what :func:`write` would write there.

    Raises :class:`~resgen.files.compared.Differs` at the first byte that is another.
    """
    arrays = plan.arrays(weights)
    compare_model(plan.model, plan.initializers, arrays, path, limit=limit)


# --- the model without its weights ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked model that lacks only its weights, and what they are."""

    model: ModelProto
    initializers: tuple[Initializer, ...]
    operands: tuple[tuple[str, Operand], ...]

    @property
    def opset(self) -> int:
        """The version of the operators that it is written in."""
        return int(self.model.opset_import[0].version)

    def arrays(self, weights: Weights) -> Iterator[Array]:
        """The weights that it lacks, in their order."""
        known = Remembering.of(weights)
        return (evaluate(operand, known) for _, operand in self.operands)


def derive(
    graph: Graph,
    *,
    opset: int | None = None,
    batch: int | None = None,
    dynamic: bool = False,
    metadata: Mapping[str, str],
    version: str = __version__,
) -> Plan:
    """What a file of these options holds; ``version`` is who says to have written it.

    What cannot be written so is a :class:`~resgen.errors.UsageError`.
    """
    newest = min(NEWEST_OPSET, onnx.defs.onnx_opset_version())
    if opset is not None and not OLDEST_OPSET <= opset <= newest:
        raise UsageError(
            f"opset {opset} cannot be written; choose one from {OLDEST_OPSET} to "
            f"{newest}"
        )
    walk, needs = _walk(graph, opset or OLDEST_OPSET, newest, dynamic)
    if opset is not None and walk.opset > opset:
        raise UsageError(
            f"{graph.name} cannot be written in opset {opset}: {needs}",
            hint=f"opset {walk.opset} or newer has them",
        )
    initializers = tuple(
        Initializer(name, shape_of(operand, graph), dtype_of(operand, graph))
        for operand, name in walk.operands.items()
    )
    first = BATCH if batch is None else batch
    model = _model(walk, graph, first, dynamic, metadata)
    model.producer_version = version
    describe(model, initializers, walk.values, batch=first, dynamic=dynamic)
    operands = tuple((name, operand) for operand, name in walk.operands.items())
    return Plan(model, initializers, operands)


def _walk(graph: Graph, oldest: int, newest: int, dynamic: bool) -> tuple[Walk, str]:
    """The walk in the lowest opset that has it all, and what ruled out the others."""
    needs = ""
    for opset in range(oldest, newest + 1):
        walk = Walk(graph, opset, dynamic)
        try:
            walk.run()
        except NotInOpset as error:
            needs = str(error)
        else:
            return walk, needs
    raise RuntimeError(
        f"{graph.name} has no ONNX spelling up to opset {newest}: {needs}"
    )


def _model(
    walk: Walk,
    graph: Graph,
    batch: int | str,
    dynamic: bool,
    metadata: Mapping[str, str],
) -> ModelProto:
    """The walk's nodes between their inputs and outputs; of the latter only ranks."""
    for i in graph.inputs:
        spatial = SPATIAL[len(i.type.spatial)] if dynamic else i.type.spatial
        shape = (batch, i.type.channels, *spatial)
        walk.proto.input.append(info(i.name, shape, CODES[i.type.dtype]))
    for name, value in graph.outputs:
        given = graph.types[value]
        kind = CODES[given.dtype]
        walk.proto.output.append(info(name, (None,) * (1 + given.rank), kind))
    opset = onnx.helper.make_opsetid("", walk.opset)
    model = ModelProto(
        ir_version=max(OLDEST_IR, onnx.helper.find_min_ir_version_for([opset])),
        producer_name="resgen",
        graph=walk.proto,
        opset_import=[opset],
    )
    for key, text in metadata.items():
        model.metadata_props.add(key=key, value=text)
    return model
