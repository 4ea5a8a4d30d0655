"""Safetensors files: read into arrays, written in the order of a graph.

The format is a length, a JSON header and the data; https://github.com/huggingface/safetensors
describes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np

from resgen.errors import ResgenError
from resgen.files.hashed import HashedFile, Sink
from resgen.files.ordinary import check_file, unreadable
from resgen.graph.ir import Graph
from resgen.weights.evaluate import Array, Weights, np_dtype

#: How each type that a checkpoint may hold is read.
_READ: Final[Mapping[str, str]] = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2",
    "BF16": "<u2", "F8_E4M3": "u1", "F8_E5M2": "u1",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "u1",
}  # fmt: skip
#: Types that NumPy lacks, read as their bits.
_BITS: Final[Mapping[str, str]] = {
    "BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip
#: Types that become float32, as a person knows them.
_WIDENED: Final[Mapping[str, str]] = {"F16": "float16", "F64": "float64", **_BITS}

#: The types of parameters, by their names in the file.
_WRITTEN: Final = {"float32": "F32", "int64": "I64", "int8": "I8", "uint8": "U8"}


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
            raise unreadable(self.path, error) from error
        except SafetensorError as error:
            raise ResgenError(
                f"{path} is not a whole safetensors file: {error}",
                hint="download, copy or build it again",
            ) from error
        self._header.pop("__metadata__", None)
        self._start = 8 + length

    def __getitem__(self, name: str) -> Array:
        entry = self._header[name]
        said: str = entry["dtype"]
        if said not in _READ:
            raise ResgenError(
                f"{name} in {self.path} is stored as {said}",
                hint=f"save it in a type that is read: {', '.join(_READ)}",
            )
        start, count = self._start + entry["data_offsets"][0], prod(entry["shape"])
        try:
            stored: Array = np.fromfile(self.path, _READ[said], count, offset=start)
        except OSError as error:
            raise unreadable(self.path, error) from error
        if said in _BITS:
            stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
            stored = stored.view(np_dtype(_BITS[said]))
        kind = np.float32 if "F" in said else np.int64
        return stored.reshape(entry["shape"]).astype(kind, copy=False)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor, by name."""
        return {name: tuple(entry["shape"]) for name, entry in self._header.items()}

    def widened(self) -> Iterator[str]:
        """The type of each tensor that is read as float32 and is of another."""
        types = (entry["dtype"] for entry in self._header.values())
        return (_WIDENED[name] for name in types if name in _WIDENED)

    def __iter__(self) -> Iterator[str]:
        return iter(self._header)

    def __len__(self) -> int:
        return len(self._header)


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
        begin, end = end, end + parameter.size * np.dtype(parameter.dtype).itemsize
        header[parameter.name] = {
            "dtype": _WRITTEN[parameter.dtype],
            "shape": parameter.shape,
            "data_offsets": (begin, end),
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little"))
    file.write(text)
    for parameter in stored:
        file.write_array(weights[parameter.name], _READ[_WRITTEN[parameter.dtype]])
