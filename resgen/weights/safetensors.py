"""Safetensors files: read into arrays, written in the order of a graph.

The format is a length, a JSON header and the data; https://github.com/huggingface/safetensors
describes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from resgen.errors import ResgenError
from resgen.files.hashed import HashedFile, Sink
from resgen.files.ordinary import check_file, reason
from resgen.graph.ir import Graph
from resgen.weights.evaluate import Array, Weights

#: How each type that a checkpoint may hold is read; bfloat16 is widened by hand.
_READ: Final[Mapping[str, str]] = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "u1",
}  # fmt: skip

#: The types of parameters: name in the file, layout in the file.
_WRITTEN: Final[Mapping[str, tuple[str, str]]] = {
    "float32": ("F32", "<f4"),
    "int64": ("I64", "<i8"),
    "int8": ("I8", "i1"),
    "uint8": ("U8", "u1"),
}


class StoredWeights(Mapping[str, Array]):
    """The tensors of a file, each read when it is asked for.

    Floats come as float32, integers as int64. A file that is absent, damaged or of
    another format is a :class:`ResgenError`.
    """

    def __init__(self, path: str | Path) -> None:
        from safetensors import SafetensorError, safe_open

        self.path = Path(path)
        check_file(path)
        try:
            # The package checks the header (offsets, overlaps, sizes); reading is ours,
            # because reading through its memory map holds every page twice.
            with safe_open(str(path), framework="numpy"):
                pass
            with self.path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                self._header: dict[str, Any] = json.loads(file.read(length))
        except OSError as error:
            raise self._unreadable(error) from error
        except SafetensorError as error:
            raise ResgenError(
                f"{path} is not a whole safetensors file: {error}",
                hint="was it cut short, or is it a .pth under another name?",
            ) from error
        self._header.pop("__metadata__", None)
        self._start = 8 + length

    def __getitem__(self, name: str) -> Array:
        entry = self._header[name]
        try:
            with self.path.open("rb") as file:
                return _read(file, name, entry, self._start)
        except OSError as error:
            raise self._unreadable(error) from error

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor, by name."""
        return {name: tuple(entry["shape"]) for name, entry in self._header.items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._header)

    def __len__(self) -> int:
        return len(self._header)

    def _unreadable(self, error: OSError) -> ResgenError:
        return ResgenError(f"cannot read {self.path}: {reason(error)}")


def read_safetensors(path: str | Path) -> dict[str, Array]:
    """All tensors of a file at once; see :class:`StoredWeights`."""
    return dict(StoredWeights(path))


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
    array: Array = stored.reshape(entry["shape"]).astype(kind, copy=False)
    return array


def write_safetensors(path: str | Path, graph: Graph, weights: Weights) -> str:
    """Write a graph's parameters, in their order, and return the file's SHA-256."""
    with HashedFile(path) as file:
        stream(file, graph, weights)
        return file.sha256


def stream(file: Sink, graph: Graph, weights: Weights) -> None:
    """The bytes of a file of these parameters.

    Written by hand because the package sorts tensors by name. Readers want numbers at
    multiples of their size, so wide ones come first in the data, not in the header.
    No more than one tensor is copied at a time, and none that is contiguous.
    """
    header: dict[str, dict[str, Any]] = {p.name: {} for p in graph.parameters}
    stored = sorted(graph.parameters, key=lambda p: -np.dtype(p.dtype).itemsize)
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
    file.write(len(text).to_bytes(8, "little"))
    file.write(text)
    for parameter in stored:
        file.write_array(weights[parameter.name], _WRITTEN[parameter.dtype][1])
