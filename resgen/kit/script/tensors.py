"""The engine's tensors: numbers in its types, and memory that holds them."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from resgen.kit.script.cuda import Cuda
from resgen.kit.script.engine import new_context
from resgen.kit.script.files import Stop

#: numpy has no bfloat16, so its bits are carried in an integer.
DTYPES = {
    "FLOAT": "float32", "HALF": "float16", "BF16": "uint16", "INT8": "int8",
    "INT32": "int32", "INT64": "int64", "UINT8": "uint8", "BOOL": "bool",
}  # fmt: skip


def encode(array: Any, dtype: str) -> Any:
    """Numbers in an engine's type."""
    if dtype != "BF16":
        return np.ascontiguousarray(array, DTYPES[dtype])
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    # To the nearest, and of two as near to the even one.
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def decode(array: Any, dtype: str) -> Any:
    """The reverse of :func:`encode`: bfloat16 becomes float32."""
    if dtype != "BF16":
        return array.copy()
    return (array.astype(np.uint32) << 16).view(np.float32)


class Tensor:
    """One tensor of an engine: pinned memory of the host, and memory of the device."""

    def __init__(self, cuda: Cuda, dtype: str, shape: Sequence[int]) -> None:
        self.dtype = dtype
        kind = np.dtype(DTYPES[dtype])
        self.size = kind.itemsize * int(np.prod(shape, dtype=np.int64))
        self.device = cuda.malloc(self.size)
        self.pinned = cuda.pinned(self.size)
        memory: Any = (ctypes.c_uint8 * self.size).from_address(self.pinned)
        self.host = np.frombuffer(memory, dtype=kind).reshape(tuple(shape))


class Bound:
    """An engine's context with memory for all its tensors, ready to run."""

    def __init__(
        self, cuda: Cuda, context: Any, stream: int, said: Sequence[str]
    ) -> None:
        self.cuda, self.context, self.stream = cuda, context, stream
        self.said = said
        self.inputs: dict[str, Tensor] = {}
        self.outputs: dict[str, Tensor] = {}

    def upload(self) -> None:
        for tensor in self.inputs.values():
            self.cuda.copy(tensor.device, tensor.pinned, tensor.size, self.stream)

    def download(self) -> None:
        for tensor in self.outputs.values():
            self.cuda.copy(tensor.pinned, tensor.device, tensor.size, self.stream)

    def compute(self) -> None:
        if not self.context.execute_async_v3(self.stream):
            why = "; ".join(self.said) or "it does not say why"
            raise Stop(1, f"TensorRT could not run the engine: {why}")

    def end_to_end(self) -> None:
        self.upload()
        self.compute()
        self.download()

    def wait(self) -> None:
        self.cuda.on("cudaStreamSynchronize", self.stream)


@contextmanager
def bound(
    trt: Any,
    cuda: Cuda,
    engine: Any,
    feeds: Mapping[str, Any],
    profile: int,
    said: Sequence[str],
) -> Iterator[Bound]:
    """Memory for one set of inputs, which are on the device already.

    ``said`` is what TensorRT's logger has heard.
    """
    context = new_context(trt, engine)
    if context is None:
        why = "; ".join(said) or "it does not say why"
        raise Stop(1, f"TensorRT has no memory to run the engine: {why}")
    run = Bound(cuda, context, cuda.handle("cudaStreamCreate"), said)
    try:
        if not context.set_optimization_profile_async(profile, run.stream):
            raise Stop(1, f"TensorRT does not take its profile {profile}")
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        is_input = trt.TensorIOMode.INPUT
        inputs = [n for n in names if engine.get_tensor_mode(n) == is_input]
        if set(inputs) != set(feeds):
            raise Stop(1, f"the engine takes {', '.join(sorted(inputs))}, but the kit "
                          f"gives {', '.join(sorted(feeds))}")  # fmt: skip
        for name in sorted(names, key=lambda name: name not in feeds):
            dtype = engine.get_tensor_dtype(name).name
            if dtype not in DTYPES:
                raise Stop(1, f'"{name}" is {dtype}, which this script cannot feed')
            if name in feeds:
                array = encode(feeds[name], dtype)
                if not context.set_input_shape(name, tuple(array.shape)):
                    raise Stop(1, f'"{name}" cannot be {array.shape} in any profile')
                tensor = run.inputs[name] = Tensor(cuda, dtype, array.shape)
                tensor.host[...] = array
            else:
                shape = tuple(context.get_tensor_shape(name))
                tensor = run.outputs[name] = Tensor(cuda, dtype, shape)
            context.set_tensor_address(name, tensor.device)
        run.upload()
        run.wait()
        yield run
    finally:
        for tensor in (*run.inputs.values(), *run.outputs.values()):
            cuda.on("cudaFree", tensor.device)
            cuda.on("cudaFreeHost", tensor.pinned)
        cuda.on("cudaStreamDestroy", run.stream)
