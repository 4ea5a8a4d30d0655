"""Is a file, byte for byte, the one that its network, precision and options make?

What a file holds follows from them: so it is derived again, by the code that writes,
and held against what lies on disk. Nothing in it can differ unseen: nodes that no input
of a test reaches, metadata, sizes left open, bytes behind the end. Only if a byte
differs are both decoded, to say in words what it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from resgen.files.compared import ComparedFile, Differs
from resgen.files.ordinary import unreadable
from resgen.graph.ir import Graph
from resgen.onnxfile.differences import Difference, Explained, structure
from resgen.onnxfile.stored import StoredModel, StoredTensor, read_stored
from resgen.ops.cast import CODES
from resgen.proof.compare import Departure
from resgen.proof.initializers import prove_initializers
from resgen.weights.evaluate import Weights
from resgen.weights.safetensors import StoredWeights, stream

if TYPE_CHECKING:
    from resgen.lower.onnx import Plan


def differences(plan: Plan, weights: Weights, file: Path) -> list[Difference]:
    """Where the file is another than the plan and the weights make; none if nowhere.

    Memory is bounded by the largest weight. A file that is missing or damaged is a
    :class:`~resgen.errors.ResgenError`.
    """
    from resgen.lower.onnx import compare

    try:
        compare(plan, weights, file)
    except Differs as differs:
        named = list(_named(plan, weights, read_stored(file)))
        return named or [_unaccounted(differs)]
    except OSError as error:
        raise unreadable(error.filename, error) from error
    return []


def text_differences(
    wanted: bytes, file: Path, explained: Explained = ""
) -> list[Difference]:
    """The same for a file whose bytes are known.

    ``explained`` is of which package another version may write it otherwise.
    """
    try:
        with ComparedFile(file) as compared:
            compared.write(wanted)
    except Differs as differs:
        return [_unaccounted(differs, "its spec makes another", explained)]
    return []


def weights_differences(graph: Graph, stored: StoredWeights) -> list[Difference]:
    """The same for a safetensors file, given the numbers that it holds itself.

    Tensors that are missing, of another shape or not the network's are told by name.
    """
    file = stored.path
    if (misfit := misfitting(graph, stored)) is not None:
        return [misfit]
    for name in stored.keys() - {parameter.name for parameter in graph.parameters}:
        return [Difference(name, f"{name} of {file.name} is not the network's")]
    try:
        with ComparedFile(file) as compared:
            stream(compared, graph, stored)
    except Differs as differs:
        return [_unaccounted(differs)]
    return []


def misfitting(graph: Graph, stored: StoredWeights) -> Difference | None:
    """The first parameter that a safetensors file lacks or has in another shape."""
    shapes = stored.shapes()
    for parameter in graph.parameters:
        found = shapes.get(parameter.name)
        if found != parameter.shape:
            has = "is missing" if found is None else f"has the shape {found}"
            message = f"{parameter.name} of {stored.path.name} {has}"
            return Difference(parameter.name, f"{message}, not {parameter.shape}")
    return None


def _unaccounted(
    differs: Differs,
    why: str = "there is what none of its parts accounts for",
    explained: Explained = "",
) -> Difference:
    name = differs.path.name
    message = f"{name} is altered from byte {differs.offset:,} on: {why}"
    return Difference(name, message, explained)


def _named(plan: Plan, weights: Weights, stored: StoredModel) -> Iterator[Difference]:
    by_name = {tensor.name: tensor for tensor in stored.tensors}

    def number(name: str) -> float | None:
        tensor = by_name.get(name)
        if tensor is None or prod(tensor.shape) != 1:
            return None
        return float(tensor.read().reshape(()))

    yield from structure(plan.model, stored.model, number)
    found = list(_initializers(plan, stored, by_name))
    yield from found
    if not found:
        try:
            prove_initializers(stored, plan.operands, weights)
        except Departure as departure:
            yield Difference(departure.tensor, departure.message)


def _initializers(
    plan: Plan, stored: StoredModel, by_name: dict[str, StoredTensor]
) -> Iterator[Difference]:
    """Names, types, shapes and order of all, and the numbers of constants."""
    from onnx import numpy_helper

    constants = {t.name: t for t in plan.model.graph.initializer}
    wanted = {name: (t.data_type, tuple(t.dims)) for name, t in constants.items()}
    wanted |= {i.name: (CODES[i.dtype], i.shape) for i in plan.initializers}
    for name, (kind, shape) in wanted.items():
        if name not in by_name:
            message = f"the file lacks the initialiser {name}"
            yield Difference(name, message, "resgen")
            continue
        head = by_name[name].head
        if (head.data_type, by_name[name].shape) != (kind, shape):
            yield Difference(
                name,
                f"the initialiser {name} is of type {head.data_type} and shape "
                f"{by_name[name].shape}; it should be of type {kind} and shape {shape}",
            )
        elif name in constants:
            has, had = by_name[name].read(), numpy_helper.to_array(constants[name])
            if has.tobytes() != had.tobytes():
                yield Difference(name, f"the constant {name} is {_few(has)}")
    for name in by_name.keys() - wanted.keys():
        message = f"the initialiser {name} is not the network's"
        yield Difference(name, message, "resgen")
    names = [tensor.name for tensor in stored.tensors]
    if names != list(wanted) and by_name.keys() == wanted.keys():
        message = "the initialisers are repeated or in another order"
        yield Difference("", message, "resgen")


def _few(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> str:
    """The first numbers of an array."""
    flat = array.reshape(-1)
    return ", ".join(map(str, flat[:4])) + (", ..." if flat.size > 4 else "")
