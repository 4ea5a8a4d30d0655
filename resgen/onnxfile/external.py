"""Where an ONNX file keeps weights outside itself, and whether that can be trusted.

A file from elsewhere names its data files itself: a location such as ``../../secret``
would have an engine read what the model was never given, and one that is cut short
ends in a crash or in wrong numbers. So both are looked at before anything is loaded.
The rules are those of the format (https://onnx.ai/onnx/repo-docs/ExternalData.html).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, BinaryIO, Final

from resgen.errors import ResgenError
from resgen.files.ordinary import open_file, reason
from resgen.onnxfile.protobuf import Damaged, fields, part, wrapped

if TYPE_CHECKING:
    from google.protobuf.message import Message  # type: ignore[import-untyped]
    from onnx import ModelProto, TensorProto

#: How many numbers lie in one byte, of the types that are packed.
PACKED: Final = {"INT4": 2, "UINT4": 2, "FLOAT4E2M1": 2, "INT2": 4, "UINT2": 4}
# Field numbers of onnx.proto3.
MODEL_GRAPH: Final = 7
GRAPH_INITIALIZER: Final = 5
TENSOR_RAW_DATA: Final = 9
_MESSAGE: Final = 11  # FieldDescriptor.TYPE_MESSAGE


def check_external(path: Path) -> tuple[Path, ...]:
    """The data files of the ONNX file at ``path``, each once; none for most files.

    A file that is no ONNX model, a location that leaves its folder and data that are
    not all there are a :class:`~resgen.errors.ResgenError`. No weight is loaded from
    the data files.
    """
    model = read_structure(path)
    found: dict[Path, None] = {}
    for tensor in _tensors(model):
        if tensor.data_location == tensor.EXTERNAL:
            found[_checked(path, tensor)] = None
    return tuple(found)


def read_structure(path: Path) -> ModelProto:
    """The model at ``path`` without the numbers that its initialisers keep raw.

    What is no whole ONNX file is a :class:`~resgen.errors.ResgenError`.
    """
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    try:
        with open_file(path) as file:
            model: ModelProto = ModelProto.FromString(_without_numbers(file))
    except OSError as error:
        raise ResgenError(f"cannot read {path}: {reason(error)}") from error
    except (Damaged, DecodeError) as error:
        raise ResgenError(f"{path} is not a whole ONNX file") from error
    if not model.HasField("graph"):  # nothing at all decodes as an empty model
        raise ResgenError(f"{path} is not a whole ONNX file")
    return model


def locate(path: Path, location: str, tensor: str) -> Path:
    """The data file that ``tensor`` of the model at ``path`` names as ``location``.

    It must be a plain relative path and lie, links followed, inside the model's
    folder; whether it exists is not asked.
    """
    posix, windows = PurePosixPath(location), PureWindowsPath(location)
    plain = (
        posix.name
        and "\0" not in location
        and not (posix.is_absolute() or windows.is_absolute() or windows.anchor)
        and ".." not in (*posix.parts, *windows.parts)
    )
    found = path.parent / location if plain else path
    if not plain or not found.resolve().is_relative_to(path.parent.resolve()):
        raise ResgenError(
            f'{path}: the weight "{tensor}" lies in "{location}", which is not inside '
            "the model's folder",
            hint=f"put the data file into {path.parent} and name it by a relative path",
        )
    return found


def span(path: Path, tensor: TensorProto) -> tuple[int, int | None]:
    """Where an external tensor starts in its file, and its length in bytes if given."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    offset, length = entries.get("offset", "0"), entries.get("length")
    for name, text in (("offset", offset), ("length", length)):
        if text is not None and not (text.isascii() and text.isdigit()):
            raise ResgenError(
                f'{path}: the weight "{tensor.name}" has the {name} "{text}", which is '
                "no number of bytes"
            )
    return int(offset), None if length is None else int(length)


def _without_numbers(file: BinaryIO) -> bytes:
    """A model's message less the raw data of its initialisers."""
    kept = bytearray()
    for number, start, stop, whole in fields(file, 0, file.seek(0, 2)):
        if number != MODEL_GRAPH:
            kept += part(file, whole, stop)
            continue
        graph = bytearray()
        for inner, first, last, field in fields(file, start, stop):
            if inner != GRAPH_INITIALIZER:
                graph += part(file, field, last)
                continue
            tensor = b"".join(
                part(file, at, end)
                for what, _, end, at in fields(file, first, last)
                if what != TENSOR_RAW_DATA
            )
            graph += wrapped(GRAPH_INITIALIZER, tensor)
        kept += wrapped(MODEL_GRAPH, graph)
    return bytes(kept)


def _checked(path: Path, tensor: TensorProto) -> Path:
    """The data file of a tensor, once it is known to hold all of it."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    file = locate(path, entries.get("location", ""), tensor.name)
    offset, length = span(path, tensor)
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
