"""Numbers that NumPy lacks (bfloat16, float8), into ONNX Runtime and out of it again.

They are arrays of ml_dtypes here. ONNX Runtime's Python interface takes those only as
values made by hand and gives them back as memory.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from math import prod
from typing import Any, Final

import numpy as np

from resgen.errors import ResgenError
from resgen.runtime.base import Array

#: Codes of onnx.TensorProto.DataType by the type's name in ml_dtypes.
CODES: Final[Mapping[str, int]] = {
    "bfloat16": 16,
    "float8_e4m3fn": 17,
    "float8_e5m2": 19,
}


def run_with_values(
    runtime: Any,
    session: Any,
    feeds: Mapping[str, Array],
    kinds: Mapping[str, str],
) -> dict[str, Array]:
    """Every output by name; ``kinds`` are the types of inputs and outputs by name."""
    make = getattr(runtime.OrtValue, "ortvalue_from_numpy_with_onnx_type", None)
    if make is None:
        raise ResgenError(
            f"ONNX Runtime {runtime.__version__} takes no {_foreign(kinds)}",
            hint='pip install --upgrade "resgen[onnxruntime]"',
        )
    binding = session.io_binding()
    arrays = {name: np.ascontiguousarray(array) for name, array in feeds.items()}
    for name, array in arrays.items():
        code = CODES.get(kinds[name])
        if code is None:
            binding.bind_cpu_input(name, array)
        else:
            binding.bind_ortvalue_input(name, make(array, code))
    names = [output.name for output in session.get_outputs()]
    for name in names:
        binding.bind_output(name)
    session.run_with_iobinding(binding)
    values = zip(names, binding.get_outputs(), strict=True)
    return {name: _array(value, kinds[name]) for name, value in values}


def _array(value: Any, kind: str) -> Array:
    """A copy of a value that lies in the processor's memory."""
    found: Array
    if kind not in CODES:
        found = value.numpy()
        return found
    import ml_dtypes

    dtype = np.dtype(getattr(ml_dtypes, kind))
    shape = value.shape()
    nbytes = prod(shape) * dtype.itemsize
    memory = bytearray(ctypes.string_at(value.data_ptr(), nbytes))
    found = np.frombuffer(memory, dtype).reshape(shape)
    return found


def _foreign(kinds: Mapping[str, str]) -> str:
    return " and no ".join(sorted(CODES.keys() & set(kinds.values())))
