"""What an ONNX file holds, read without loading its weights.

Loading a model with onnx copies every weight at least twice. Here the file's fields are
walked, and the numbers of large tensors are skipped: where they lie is noted, and each
can be read by itself. Fields are taken in any order, as any writer may have put them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import prod
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from resgen.errors import ResgenError
from resgen.files.ordinary import open_file, unreadable
from resgen.onnxfile.location import place_of
from resgen.onnxfile.protobuf import Damaged, fields, part

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto, ValueInfoProto

# Field numbers of onnx.proto3.
MODEL_GRAPH: Final = 7
GRAPH_INITIALIZER: Final = 5
TENSOR_RAW_DATA: Final = 9


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """An initialiser; ``head`` is all of it but numbers kept raw or in another file."""

    name: str
    shape: tuple[int, ...]
    head: TensorProto
    file: Path
    offset: int
    nbytes: int

    def read(self) -> NDArray[Any]:
        """Its numbers; what cannot be read is a :class:`ResgenError`."""
        from onnx import helper, numpy_helper

        if not self.nbytes:
            found: NDArray[Any] = numpy_helper.to_array(self.head)
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

    @property
    def inputs(self) -> tuple[ValueInfoProto, ...]:
        """What the model is given; older files list their weights among it."""
        held = {tensor.name for tensor in self.tensors}
        return tuple(v for v in self.model.graph.input if v.name not in held)

    def structure(self, small: int = 0) -> ModelProto:
        """The model with the heads of its initialisers, in a message of its own.

        Those of up to ``small`` bytes that lie in the file itself have their numbers.
        """
        from onnx import ModelProto

        found: ModelProto = ModelProto()
        found.CopyFrom(self.model)
        for tensor in self.tensors:
            head = found.graph.initializer.add()
            head.CopyFrom(tensor.head)
            if 0 < tensor.nbytes <= small and tensor.file == self.path:
                head.raw_data = tensor.read().tobytes()
        return found

    def copy(
        self,
        folder: Path,
        values: Mapping[str, NDArray[Any]],
        shown: Sequence[str] = (),
    ) -> Path:
        """The same model in ``folder``, byte for byte but for these weights.

        It gives out the tensors ``shown`` as well: what is written behind a message of
        protobuf is joined to it.
        """
        from onnx import GraphProto, ModelProto, ValueInfoProto

        try:
            for file in {self.path, *(tensor.file for tensor in self.tensors)}:
                target = folder / file.relative_to(self.path.parent)
                target.parent.mkdir(parents=True, exist_ok=True)
                copyfile(file, target)
            for file, tensors in groupby(self.tensors, lambda tensor: tensor.file):
                target = folder / file.relative_to(self.path.parent)
                with target.open("r+b") as copied:
                    for tensor in tensors:
                        if tensor.name in values:
                            copied.seek(tensor.offset)
                            copied.write(np.ascontiguousarray(values[tensor.name]))
            outputs = [ValueInfoProto(name=name) for name in shown]
            with (folder / self.path.name).open("ab") as copied:
                added = ModelProto(graph=GraphProto(output=outputs))
                copied.write(added.SerializeToString())
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
            for number, start, stop, whole in fields(file, 0, end):
                if number != MODEL_GRAPH:
                    kept += part(file, whole, stop)
                    continue
                graph = bytearray()
                for inner, first, last, field in fields(file, start, stop):
                    if inner == GRAPH_INITIALIZER:
                        tensors.append(_tensor(file, path, first, last))
                    else:
                        graph += part(file, field, last)
                # Parts of one message may follow each other: they are merged.
                piece = ModelProto()
                piece.graph.ParseFromString(bytes(graph))
                kept += piece.SerializeToString()
            model = ModelProto.FromString(bytes(kept))
        except (Damaged, DecodeError) as error:
            raise ResgenError(f"{path} is not a whole ONNX file") from error
    if not model.HasField("graph"):  # nothing at all decodes as an empty model
        raise ResgenError(f"{path} is not a whole ONNX file")
    return StoredModel(path, model, tuple(tensors))


def _tensor(file: BinaryIO, path: Path, start: int, stop: int) -> StoredTensor:
    from onnx import TensorProto

    head = bytearray()
    offset = nbytes = 0
    for number, first, last, whole in fields(file, start, stop):
        if number == TENSOR_RAW_DATA:
            offset, nbytes = first, last - first
        else:
            head += part(file, whole, last)
    tensor = TensorProto.FromString(bytes(head))
    if tensor.data_location == TensorProto.EXTERNAL:
        path, offset, length = place_of(path, tensor)
        nbytes = length or 0
    return StoredTensor(tensor.name, tuple(tensor.dims), tensor, path, offset, nbytes)


def _opened(path: Path) -> BinaryIO:
    try:
        return open_file(path)
    except OSError as error:
        raise unreadable(path, error) from error
