"""What an ONNX file holds, read without loading its weights.

Loading a model with onnx copies every weight at least twice. Here the file's protobuf
fields (https://protobuf.dev/programming-guides/encoding) are walked, and the numbers of
large tensors are skipped: where they lie is noted, and each can be read by itself.
Fields are taken in any order, as any writer may have put them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from math import prod
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np

from resgen.errors import ResgenError
from resgen.runtime.base import Array

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

# Field numbers of onnx.proto3.
_MODEL_GRAPH: Final = 7
_GRAPH_INITIALIZER: Final = 5
_TENSOR_RAW_DATA: Final = 9

# Wire types.
_VARINT: Final = 0
_FIXED64: Final = 1
_LENGTH: Final = 2
_FIXED32: Final = 5


class Damaged(Exception):
    """The bytes are no protobuf message."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """An initialiser; ``head`` is all of it but numbers kept raw or in another file."""

    name: str
    shape: tuple[int, ...]
    head: TensorProto
    file: Path
    offset: int
    nbytes: int

    def read(self) -> Array:
        """Its numbers; what cannot be read is a :class:`ResgenError`."""
        from onnx import helper, numpy_helper

        if not self.nbytes:
            found: Array = numpy_helper.to_array(self.head)
            return found
        kind = helper.tensor_dtype_to_np_dtype(self.head.data_type)
        if prod(self.shape) * kind.itemsize != self.nbytes:
            raise ResgenError(
                f"{self.name} has the shape {self.shape}, but {self.nbytes} bytes"
            )
        with _opened(self.file) as file:
            file.seek(self.offset)
            data = file.read(self.nbytes)
        if len(data) != self.nbytes:
            raise ResgenError(f"{self.file} ends within {self.name}")
        return np.frombuffer(data, kind).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model without its initialisers, and these in the order of the file."""

    path: Path
    model: ModelProto
    tensors: tuple[StoredTensor, ...]

    def copy(self, folder: Path, values: Mapping[str, Array]) -> Path:
        """The same model in ``folder``, byte for byte but for these weights."""
        try:
            for file in {self.path, *(tensor.file for tensor in self.tensors)}:
                copyfile(file, folder / file.name)
            for file, tensors in groupby(self.tensors, lambda tensor: tensor.file):
                with (folder / file.name).open("r+b") as copied:
                    for tensor in tensors:
                        if tensor.name in values:
                            copied.seek(tensor.offset)
                            copied.write(np.ascontiguousarray(values[tensor.name]))
        except OSError as error:
            raise ResgenError(
                f"a copy of {self.path} cannot be written to {folder}: {error.strerror}"
            ) from error
        return folder / self.path.name


def read_stored(path: Path) -> StoredModel:
    """The structure of an ONNX file; one that is damaged is a :class:`ResgenError`."""
    from google.protobuf.message import (  # type: ignore[import-untyped]
        DecodeError,
    )
    from onnx import ModelProto

    with _opened(path) as file:
        end = file.seek(0, 2)
        kept = bytearray()
        tensors: list[StoredTensor] = []
        try:
            for number, start, stop, whole in _fields(file, 0, end):
                if number != _MODEL_GRAPH:
                    kept += _bytes(file, whole, stop)
                    continue
                graph = bytearray()
                for inner, first, last, field in _fields(file, start, stop):
                    if inner == _GRAPH_INITIALIZER:
                        tensors.append(_tensor(file, path, first, last))
                    else:
                        graph += _bytes(file, field, last)
                # Parts of one message may follow each other: they are merged.
                part = ModelProto()
                part.graph.ParseFromString(bytes(graph))
                kept += part.SerializeToString()
            model = ModelProto.FromString(bytes(kept))
        except (Damaged, DecodeError) as error:
            raise ResgenError(f"{path} is not a whole ONNX file") from error
    return StoredModel(path, model, tuple(tensors))


def _tensor(file: BinaryIO, path: Path, start: int, stop: int) -> StoredTensor:
    from onnx import TensorProto

    head = bytearray()
    offset = nbytes = 0
    for number, first, last, whole in _fields(file, start, stop):
        if number == _TENSOR_RAW_DATA:
            offset, nbytes = first, last - first
        else:
            head += _bytes(file, whole, last)
    tensor = TensorProto.FromString(bytes(head))
    if tensor.data_location == TensorProto.EXTERNAL:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        path = path.with_name(Path(entries.get("location", "")).name)
        offset, nbytes = int(entries.get("offset", 0)), int(entries.get("length", 0))
    return StoredTensor(tensor.name, tuple(tensor.dims), tensor, path, offset, nbytes)


def _fields(
    file: BinaryIO, start: int, stop: int
) -> Iterator[tuple[int, int, int, int]]:
    """Number, where the content starts, where it stops, and where the field starts."""
    at = start
    while at < stop:
        file.seek(at)
        key = _varint(file)
        kind = key & 7
        if kind == _LENGTH:
            length = _varint(file)
            first = file.tell()
            last = first + length
        else:
            first = file.tell()
            if kind == _VARINT:
                _varint(file)
                last = file.tell()
            elif kind in (_FIXED64, _FIXED32):
                last = first + (8 if kind == _FIXED64 else 4)
            else:
                raise Damaged
        if last > stop:
            raise Damaged
        yield key >> 3, first, last, at
        at = last


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 64, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    raise Damaged


def _bytes(file: BinaryIO, start: int, stop: int) -> bytes:
    file.seek(start)
    return file.read(stop - start)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise ResgenError(f"cannot read {path}: {reason}") from error
