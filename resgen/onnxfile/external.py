"""Where an ONNX file keeps weights outside itself, and whether that can be trusted.

A file from elsewhere names its data files itself: a location such as ``../../secret``
would have an engine read what the model was never given, and one that is cut short
ends in a crash or in wrong numbers. So both are looked at before anything is loaded,
as are functions that call themselves, in which an engine would never end.
"""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Final

from resgen.errors import ResgenError
from resgen.onnxfile.location import place_of
from resgen.onnxfile.stored import StoredModel, read_stored

if TYPE_CHECKING:
    from google.protobuf.message import Message  # type: ignore[import-untyped]
    from onnx import ModelProto, NodeProto, TensorProto

#: How many numbers lie in one byte, of the types that are packed.
PACKED: Final = {"INT4": 2, "UINT4": 2, "FLOAT4E2M1": 2, "INT2": 4, "UINT2": 4}
_MESSAGE: Final = 11  # FieldDescriptor.TYPE_MESSAGE


def check_external(path: Path) -> tuple[Path, ...]:
    """The data files of the ONNX file at ``path``, each once; none for most files.

    A file that is no ONNX model, a location that leaves its folder and data that are
    not all there are a :class:`~resgen.errors.ResgenError`. No weight is loaded from
    the data files.
    """
    return data_files(read_stored(path))


def named_files(path: Path) -> dict[str, Path]:
    """The same by their names in the folder of the ONNX file."""
    home = path.parent.resolve()
    return {
        file.resolve().relative_to(home).as_posix(): file
        for file in check_external(path)
    }


def data_files(stored: StoredModel) -> tuple[Path, ...]:
    """The same of a file that was read already."""
    _check_functions(stored.path, stored.model)
    found: dict[Path, None] = {}
    heads = (tensor.head for tensor in stored.tensors)
    for tensor in (*heads, *_tensors(stored.model)):
        if tensor.data_location == tensor.EXTERNAL:
            found[_checked(stored.path, tensor)] = None
    return tuple(found)


def _checked(path: Path, tensor: TensorProto) -> Path:
    """The data file of a tensor, once it is known to hold all of it."""
    file, offset, length = place_of(path, tensor)
    if not file.is_file():
        raise ResgenError(
            f'{path}: the weight "{tensor.name}" lies in {file}, which is not there',
            hint="copy the data file along with the model",
        )
    stop = offset + max(length or 0, _nbytes(tensor))
    size = file.stat().st_size
    if stop > size:
        raise ResgenError(
            f'{file} is cut short: the weight "{tensor.name}" of {path.name} ends at '
            f"byte {stop:,}, but the file has {size:,}",
            hint="copy it again, whole",
        )
    return file


def _nbytes(tensor: TensorProto) -> int:
    """How many bytes the tensor's shape takes; 0 where its type is unknown."""
    from onnx import helper

    numbers = int(prod(tensor.dims))
    kinds = type(tensor).DataType
    if tensor.data_type not in kinds.values() or tensor.data_type == tensor.UNDEFINED:
        return 0
    packed = PACKED.get(kinds.Name(tensor.data_type))
    if packed is not None:
        return -(-numbers // packed)
    kind = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    return numbers * int(kind.itemsize)


def _tensors(message: Message) -> Iterator[TensorProto]:
    """Every tensor in a message: initialisers, constants, those of subgraphs.

    Fields are found by their type instead of by a list, so that none is forgotten.
    """
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
        return
    for field, value in message.ListFields():
        if field.type != _MESSAGE:
            continue
        repeated = not hasattr(value, "DESCRIPTOR")
        for inner in value if repeated else (value,):
            yield from _tensors(inner)


def _check_functions(path: Path, model: ModelProto) -> None:
    """Functions may call others, but none itself: engines unfold them."""
    known = {(f.domain, f.name) for f in model.functions}
    calls: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for function in model.functions:
        called = {(node.domain, node.op_type) for node in _nodes(function)}
        calls.setdefault((function.domain, function.name), set()).update(called & known)
    try:
        TopologicalSorter(calls).prepare()
    except CycleError as error:
        name = error.args[1][0][1]
        raise ResgenError(
            f'{path} is no valid ONNX: its function "{name}" calls itself'
        ) from None


def _nodes(message: Message) -> Iterator[NodeProto]:
    """Every node in a message, those of branches and loops too."""
    for node in message.node:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _nodes(graph)
