"""Weights by parameter name, and the numbers that operands come to.

Operands are computed in float64 and rounded once to float32, so that a folded weight is
the float32 nearest to what its expression says. Arithmetic runs in ufuncs that widen
their inputs piecewise: no float64 copy of a large weight is made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from resgen.errors import ResgenError
from resgen.graph.ir import Graph, Parameter
from resgen.lower.hashed import HashedFile
from resgen.ops.types import Apply, Operand, Ref

Array = NDArray[Any]
#: Arrays by parameter name: float32, and int64 for ``num_batches_tracked``.
Weights = Mapping[str, Array]
Shape = tuple[int, ...]

# --- operands -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Function:
    """What an :class:`Apply` may name.

    ``compute`` takes arrays and scalars; ``shape`` takes the same arguments with every
    array's shape in its place, and says what the result's will be.
    """

    compute: Callable[..., Array]
    shape: Callable[..., Shape]


def _broadcast(*args: Shape | float) -> Shape:
    return np.broadcast_shapes(*(arg for arg in args if isinstance(arg, tuple)))


def _same(shape: Shape, *_: float) -> Shape:
    return shape


def _per_output(shape: Shape, rank: int) -> Shape:
    return (*shape, *(1,) * (rank - 1))


def _reshape(_: Shape, *shape: int) -> Shape:
    return shape


def _standardize(weight: Array, eps: float) -> Array:
    """Each output's weights at mean 0, variance 1; Qiao et al. 2019, as timm does it.

    The variance is the biased one, and ``eps`` is added to it.
    """
    axes = tuple(range(1, weight.ndim))
    centred: Array = weight - weight.mean(axis=axes, dtype=np.float64, keepdims=True)
    variance = np.square(centred).mean(axis=axes, keepdims=True)
    centred /= np.sqrt(variance + eps)
    return centred


def _in_float64(ufunc: np.ufunc) -> Callable[..., Array]:
    return partial(ufunc, dtype=np.float64)


#: Every function that an operand may apply; see :class:`resgen.ops.types.Apply`.
FUNCTIONS: Final[Mapping[str, Function]] = {
    "add": Function(_in_float64(np.add), _broadcast),
    "subtract": Function(_in_float64(np.subtract), _broadcast),
    "multiply": Function(_in_float64(np.multiply), _broadcast),
    "divide": Function(_in_float64(np.divide), _broadcast),
    "sqrt": Function(_in_float64(np.sqrt), _same),
    "zeros_like": Function(lambda x: np.zeros(x.shape), _same),
    "per_output": Function(
        lambda x, rank: x.reshape(_per_output(x.shape, rank)), _per_output
    ),
    "standardize": Function(_standardize, _same),
    "reshape": Function(lambda x, *shape: x.reshape(shape), _reshape),
}


def evaluate(operand: Operand, weights: Weights) -> Array:
    """The float32 array that an operand comes to.

    Computed in float64 and rounded once; a plain reference is the array itself.
    """
    if isinstance(operand, Ref):
        return weights[operand.name]
    exact: Array = _compute(operand, weights)
    return exact.astype(np.float32)


def _compute(operand: Operand | float, weights: Weights) -> Any:
    if isinstance(operand, Ref):
        return weights[operand.name]
    if isinstance(operand, Apply):
        args = (_compute(arg, weights) for arg in operand.args)
        return FUNCTIONS[operand.function].compute(*args)
    return operand


def shape_of(operand: Operand, graph: Graph) -> Shape:
    """The shape of what an operand comes to, known without weights."""
    if isinstance(operand, Ref):
        return graph.parameter[operand.name].shape
    args = (
        shape_of(arg, graph) if isinstance(arg, Ref | Apply) else arg
        for arg in operand.args
    )
    return FUNCTIONS[operand.function].shape(*args)


# --- do they fit? ---------------------------------------------------------------------


def check_weights(graph: Graph, weights: Weights) -> None:
    """Raise one error that lists every name that is missing, unknown or mis-shaped."""
    missing = [p.name for p in graph.parameters if p.name not in weights]
    unexpected = [name for name in weights if name not in graph.parameter]
    misshaped = [
        p
        for p in graph.parameters
        if p.name in weights and tuple(weights[p.name].shape) != p.shape
    ]
    if not (missing or unexpected or misshaped):
        return
    lines = [f"the weights do not fit {graph.name}"]
    lines += _listing("missing", missing)
    lines += _listing("unexpected", unexpected)
    lines += _listing(
        "of another shape",
        [
            f"{p.name}: {_size(weights[p.name].shape)} instead of {_size(p.shape)}"
            for p in misshaped
        ],
    )
    raise ResgenError("\n".join(lines), hint=_classes_hint(graph, misshaped, weights))


def _listing(kind: str, entries: Sequence[str]) -> Iterator[str]:
    if entries:
        yield f"  {len(entries)} {kind}:"
        yield from (f"    {entry}" for entry in entries)


def _size(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "scalar"


def _classes_hint(
    graph: Graph, misshaped: Sequence[Parameter], weights: Weights
) -> str | None:
    """What to say where only the classifier's number of rows differs."""
    nodes = [node for node in graph.nodes if node.operands]
    classifier = set(nodes[-1].references()) if nodes else set()
    rows: set[int] = set()
    for parameter in misshaped:
        shape = tuple(weights[parameter.name].shape)
        if parameter.name not in classifier or shape[1:] != parameter.shape[1:]:
            return None
        rows.update(shape[:1])
    if len(rows) != 1:
        return None
    (classes,) = rows
    return f"the checkpoint knows {classes} classes: --set /head/classes={classes}"


# --- safetensors ----------------------------------------------------------------------

#: How each type that a checkpoint may hold is read; bfloat16 is widened by hand.
_READ: Final[Mapping[str, str]] = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "u1",
}  # fmt: skip

#: The types of parameters: name in the file, layout in the file.
_WRITTEN: Final[Mapping[str, tuple[str, str]]] = {
    "float32": ("F32", "<f4"),
    "int64": ("I64", "<i8"),
}


def read_safetensors(path: str | Path) -> dict[str, Array]:
    """The tensors of a file, floats as float32 and integers as int64.

    A file that is absent, damaged or of another format is a :class:`ResgenError`.
    """
    from safetensors import SafetensorError, safe_open

    try:
        # The package checks the header (offsets, overlaps, sizes); reading is ours,
        # because reading through its memory map holds every page twice.
        with safe_open(str(path), framework="numpy"):
            pass
        with Path(path).open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
            header.pop("__metadata__", None)
            return {
                name: _read(file, name, entry, start=8 + length)
                for name, entry in header.items()
            }
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise ResgenError(f"cannot read {path}: {reason}") from error
    except SafetensorError as error:
        raise ResgenError(
            f"{path} is not a whole safetensors file: {error}",
            hint="was it cut short, or is it a .pth under another name?",
        ) from error


def _read(file: BinaryIO, name: str, entry: Mapping[str, Any], start: int) -> Array:
    layout = _READ.get(entry["dtype"])
    if layout is None:
        known = ", ".join(_READ)
        raise ResgenError(
            f"{name} is stored as {entry['dtype']}; types that are read: {known}"
        )
    file.seek(start + entry["data_offsets"][0])
    stored: Array = np.fromfile(file, layout, prod(entry["shape"]))
    if entry["dtype"] == "BF16":  # the upper half of a float32
        stored = (stored.astype(np.uint32) << 16).view(np.float32)
    kind = np.float32 if "F" in entry["dtype"] else np.int64
    return stored.reshape(entry["shape"]).astype(kind, copy=False)


def write_safetensors(path: str | Path, graph: Graph, weights: Weights) -> str:
    """Write a graph's parameters, in their order, and return the file's SHA-256.

    Written by hand because the package sorts tensors by name. Readers want numbers at
    multiples of their size, so int64 ones come first in the data, not in the header.
    No more than one tensor is copied at a time, and none that is contiguous.
    """
    header: dict[str, dict[str, Any]] = {p.name: {} for p in graph.parameters}
    stored = sorted(graph.parameters, key=lambda p: p.dtype != "int64")
    end = 0
    for parameter in stored:
        name, layout = _WRITTEN[parameter.dtype]
        begin, end = end, end + parameter.size * np.dtype(layout).itemsize
        header[parameter.name] = {
            "dtype": name,
            "shape": parameter.shape,
            "data_offsets": (begin, end),
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with HashedFile(path) as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for parameter in stored:
            file.write_array(weights[parameter.name], _WRITTEN[parameter.dtype][1])
        return file.sha256
