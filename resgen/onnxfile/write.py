"""An ONNX model's bytes on disk: every weight is computed, written and dropped in turn.

Building a ``ModelProto`` with its weights and serialising it holds them three times.
Here the model is serialised without them and they are appended in protobuf's wire
format (https://protobuf.dev/programming-guides/encoding): a message is a sequence of
fields, and entries of a repeated field may follow one another anywhere, so initialisers
can come last. The graph stays a single field, whose length is known from the shapes:
not every reader of ONNX files merges fields that come in two parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final, TypeVar

import onnx
from numpy.typing import NDArray

from resgen.errors import ResgenError
from resgen.files.compared import ComparedFile
from resgen.files.hashed import HashedFile, Sink
from resgen.onnxfile.protobuf import varint
from resgen.ops.cast import CODES
from resgen.ops.types import DType
from resgen.weights.evaluate import np_dtype

#: A protobuf message cannot exceed this, so larger models keep weights beside it.
MESSAGE_LIMIT: Final = 2**31 - 1
#: Weights beside the model begin at multiples of a page, so that they can be mapped.
PAGE: Final = 4096

# Field numbers of onnx.proto3, each with wire type 2 (length-delimited).
_MODEL_GRAPH: Final = b"\x3a"  # ModelProto.graph = 7
_GRAPH_INITIALIZER: Final = b"\x2a"  # GraphProto.initializer = 5
_TENSOR_RAW_DATA: Final = b"\x4a"  # TensorProto.raw_data = 9

Opened = TypeVar("Opened", bound=Sink)


@dataclass(frozen=True, slots=True)
class Initializer:
    """The name, shape and element type of a tensor that is yet to be written."""

    name: str
    shape: tuple[int, ...]
    dtype: DType = "float32"

    @property
    def nbytes(self) -> int:
        return np_dtype(self.dtype).itemsize * prod(self.shape)

    def proto(self) -> onnx.TensorProto:
        """The tensor without its data."""
        return onnx.TensorProto(
            name=self.name, data_type=CODES[self.dtype], dims=self.shape
        )


@dataclass(frozen=True, slots=True)
class File:
    """A file that was written."""

    name: str
    bytes: int
    sha256: str


def write_model(
    model: onnx.ModelProto,
    initializers: Sequence[Initializer],
    arrays: Iterable[NDArray[Any]],
    path: Path,
    *,
    limit: int = MESSAGE_LIMIT,
) -> tuple[File, ...]:
    """Write ``model`` and its ``initializers``, and return the files: the model first.

    ``arrays`` yields what each initialiser holds, in order, and is asked for one at a
    time. A model beyond ``limit`` bytes keeps them in ``PATH.data`` beside it, which it
    refers to by file name: a model may be moved with its data, but not renamed.
    """
    made = _stream(model, initializers, arrays, path, limit, HashedFile)
    return tuple(File(name, file.size, file.sha256) for name, file in made)


def compare_model(
    model: onnx.ModelProto,
    initializers: Sequence[Initializer],
    arrays: Iterable[NDArray[Any]],
    path: Path,
    *,
    limit: int = MESSAGE_LIMIT,
) -> None:
    """Hold the file at ``path`` against what :func:`write_model` would write there.

    Raises :class:`~resgen.files.compared.Differs` at the first byte that is another.
    """
    _stream(model, initializers, arrays, path, limit, ComparedFile)


def _stream(
    model: onnx.ModelProto,
    initializers: Sequence[Initializer],
    arrays: Iterable[NDArray[Any]],
    path: Path,
    limit: int,
    opened: Callable[[Path], AbstractContextManager[Opened]],
) -> tuple[tuple[str, Opened], ...]:
    """The model's file, and the one beside it where there is one, by their names."""
    heads = [_head(initializer) for initializer in initializers]
    graph = model.graph.SerializeToString()
    rest = onnx.ModelProto()
    rest.CopyFrom(model)
    rest.ClearField("graph")
    start = rest.SerializeToString()
    length = len(graph) + sum(
        len(head) + initializer.nbytes
        for head, initializer in zip(heads, initializers, strict=True)
    )
    if len(start) + len(_MODEL_GRAPH) + len(varint(length)) + length > limit:
        return _stream_external(model, initializers, arrays, path, opened)
    with opened(path) as file:
        file.write(start + _MODEL_GRAPH + varint(length) + graph)
        for initializer, head, array in zip(initializers, heads, arrays, strict=True):
            file.write(head)
            _write_array(file, initializer, array)
    return ((path.name, file),)


def _stream_external(
    model: onnx.ModelProto,
    initializers: Sequence[Initializer],
    arrays: Iterable[NDArray[Any]],
    path: Path,
    opened: Callable[[Path], AbstractContextManager[Opened]],
) -> tuple[tuple[str, Opened], ...]:
    beside = path.with_name(path.name + ".data")
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    with opened(beside) as data:
        for initializer, array in zip(initializers, arrays, strict=True):
            data.align(PAGE)
            tensor = initializer.proto()
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in (
                ("location", beside.name),
                ("offset", str(data.size)),
                ("length", str(initializer.nbytes)),
            ):
                tensor.external_data.add(key=key, value=value)
            whole.graph.initializer.append(tensor)
            _write_array(data, initializer, array)
    with opened(path) as file:
        file.write(whole.SerializeToString())
    return (path.name, file), (beside.name, data)


def _head(initializer: Initializer) -> bytes:
    """An entry of ``GraphProto.initializer`` up to where its numbers begin."""
    tensor: bytes = initializer.proto().SerializeToString()
    tensor += _TENSOR_RAW_DATA + varint(initializer.nbytes)
    length = len(tensor) + initializer.nbytes
    return _GRAPH_INITIALIZER + varint(length) + tensor


def _write_array(file: Sink, initializer: Initializer, array: NDArray[Any]) -> None:
    # A length that was announced and not kept would be a file that no reader takes.
    if array.shape != initializer.shape:
        raise ResgenError(
            f"{initializer.name} has shape {array.shape}, but the graph says "
            f"{initializer.shape}"
        )
    file.write_array(array, np_dtype(initializer.dtype).newbyteorder("<"))
