"""TensorRT as an engine: a file that was built, on the GPU that it was built for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from resgen.errors import ResgenError
from resgen.files.ordinary import read_bytes
from resgen.ops.types import DType
from resgen.runtime.base import Array, Session, describe
from resgen.runtime.engines import Engine, Opening
from resgen.runtime.torch import load_torch
from resgen.tensorrt.api import ICudaEngine, IExecutionContext, TensorRT
from resgen.tensorrt.flavor import Flavor, load
from resgen.tensorrt.listening import logger_of
from resgen.tensorrt.manifest import check_here, rebuild, vouched
from resgen.tensorrt.profiler import inspected, profiler_of, seconds_of
from resgen.weights.evaluate import np_dtype

#: Element types by TensorRT's names.
_TYPES: Final[Mapping[str, DType]] = {
    "FLOAT": "float32",
    "HALF": "float16",
    "BF16": "bfloat16",
    "INT8": "int8",
    "UINT8": "uint8",
    "INT32": "int32",
}


class Memory(Protocol):
    """Bytes on the device, and the stream that work on them is queued in."""

    stream: int

    def put(self, array: NDArray[np.uint8]) -> Any: ...
    def make(self, size: int) -> Any: ...
    def address(self, block: Any) -> int: ...
    def get(self, block: Any) -> NDArray[np.uint8]: ...


class TorchMemory:
    """PyTorch's CUDA tensors as memory; a copy to the host waits for the stream."""

    def __init__(self) -> None:
        self._torch = load_torch("there is no memory on the GPU for the engine")
        self._queue = self._torch.cuda.current_stream()
        self.stream: int = self._queue.cuda_stream

    def put(self, array: NDArray[np.uint8]) -> Any:
        return self._torch.from_numpy(array).cuda()

    def make(self, size: int) -> Any:
        return self._torch.empty(size, dtype=self._torch.uint8, device="cuda")

    def address(self, block: Any) -> int:
        return int(block.data_ptr())

    def get(self, block: Any) -> NDArray[np.uint8]:
        # PyTorch's copy waits for the current stream of the thread, and a thread other
        # than the one that opened the engine has another.
        self._queue.synchronize()
        found: NDArray[np.uint8] = block.cpu().numpy()
        return found


class TensorRtSession(Session):
    """Runs an engine that ``resgen export`` has written.

    Nothing of it is loaded before its manifest is found to fit the file, this TensorRT
    and this GPU. An engine without a manifest is native code from who knows where: it
    is loaded only if ``unvouched`` says that it is to be, and by which flavour.
    """

    name = "TensorRT"

    def __init__(self, engine: Path, *, unvouched: Flavor | None = None) -> None:
        again = None
        if unvouched is None:
            manifest = vouched(engine)
            flavor = check_here(engine, manifest)
            again = rebuild(manifest)
        else:
            flavor = unvouched
        trt = load(flavor, f"{engine} cannot be loaded")
        logger, log = logger_of(trt)
        log.clear()
        runtime = trt.Runtime(logger)
        loaded = runtime.deserialize_cuda_engine(read_bytes(engine))
        if loaded is None:
            raise ResgenError(
                f"{flavor.name} does not load {engine}: {log.why()}", hint=again
            )
        self.name = flavor.name
        self._runtime: Any = runtime  # has to outlive the engine
        self._start(trt, loaded, TorchMemory())

    def _start(self, trt: TensorRT, engine: ICudaEngine, memory: Memory) -> None:
        self._trt = trt
        self._engine: ICudaEngine | None = engine
        self._context: IExecutionContext | None = self._new_context(engine)
        self._memory = memory
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        given = trt.TensorIOMode.INPUT
        shapes = {
            name: tuple(None if n < 0 else n for n in engine.get_tensor_shape(name))
            for name in names
        }
        self.inputs = {
            n: shapes[n] for n in names if engine.get_tensor_mode(n) == given
        }
        self.outputs = {n: shapes[n] for n in names if n not in self.inputs}
        self._dtypes = {
            name: np_dtype(_TYPES[engine.get_tensor_dtype(name).name]) for name in names
        }
        #: Types of the elements of inputs and outputs, as NumPy or ml_dtypes name them.
        self.dtypes = {name: dtype.name for name, dtype in self._dtypes.items()}
        self._profiles = [
            {n: engine.get_tensor_profile_shape(n, index) for n in self.inputs}
            for index in range(engine.num_optimization_profiles)
        ]

    def _new_context(self, engine: ICudaEngine) -> IExecutionContext:
        context = engine.create_execution_context()
        if context is None:
            raise ResgenError(f"{self.name} has no memory to run the engine in")
        return context

    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        memory = self._memory
        context, blocks, shapes = self._bound(feeds)
        self._queue(context)
        return {
            name: memory.get(blocks[name]).view(self._dtypes[name]).reshape(shape)
            for name, shape in shapes.items()
        }

    def resident(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        self.run(feeds)
        context, blocks, _ = self._bound(feeds)

        def queue() -> object:
            self._queue(context)
            return blocks  # which have to live as long as the call

        return queue

    def layer_times(
        self, feeds: Mapping[str, Array], runs: int
    ) -> tuple[dict[str, float], Any]:
        """Seconds of every layer, and what the inspector says of the layers.

        The runs are in a context of their own, so that the one that everything else
        runs in never has a profiler. The description is None where there is none.
        """
        self.run(feeds)
        if self._engine is None:
            raise ResgenError("the engine was closed")
        context, blocks, shapes = self._bound(feeds, self._new_context(self._engine))

        def wait() -> None:
            self._queue(context)
            for name in shapes:
                self._memory.get(blocks[name])

        wait()  # the first run of a context is slower
        profiler = context.profiler = profiler_of(self._trt)
        for _ in range(runs):
            profiler.next()
            wait()
        described = inspected(self._trt, self._engine, context)
        return seconds_of(profiler.passes), described

    def _queue(self, context: IExecutionContext) -> None:
        if not context.execute_async_v3(self._memory.stream):
            raise ResgenError(f"{self.name} does not run the engine")

    def _bound(
        self, feeds: Mapping[str, Array], context: IExecutionContext | None = None
    ) -> tuple[IExecutionContext, dict[str, Any], dict[str, tuple[int, ...]]]:
        """A context (the session's) with its tensors on the device, and the shapes."""
        context, memory = context or self._context, self._memory
        if context is None:
            raise ResgenError("the engine was closed")
        profile = self._profile({name: feed.shape for name, feed in feeds.items()})
        done = context.set_optimization_profile_async(profile, memory.stream)
        blocks = {}
        for name, feed in feeds.items():
            plain = np.ascontiguousarray(feed, self._dtypes[name])
            blocks[name] = memory.put(plain.reshape(-1).view(np.uint8))
            done = done and context.set_input_shape(name, feed.shape)
        shapes = {name: tuple(context.get_tensor_shape(name)) for name in self.outputs}
        for name, shape in shapes.items():
            blocks[name] = memory.make(prod(shape) * self._dtypes[name].itemsize)
        for name, block in blocks.items():
            done = done and context.set_tensor_address(name, memory.address(block))
        if not done:
            raise ResgenError(f"{self.name} does not run the engine")
        return context, blocks, shapes

    def _profile(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """The first profile that takes the shapes."""
        for index, profile in enumerate(self._profiles):
            if all(
                _within(shapes[n], least, most)
                for n, (least, _, most) in profile.items()
            ):
                return index
        taken = "; ".join(
            f"{describe(tuple(least))} to {describe(tuple(most))}"
            for profile in self._profiles
            for least, _, most in profile.values()
        )
        given = ", ".join(describe(shape) for shape in shapes.values())
        raise ResgenError(
            f"the engine takes {taken}, but was given {given}",
            hint="run smaller batches, or export it with another --profile",
        )

    def close(self) -> None:
        self._context = self._engine = self._runtime = None


def _within(shape: Sequence[int], least: Sequence[int], most: Sequence[int]) -> bool:
    return all(a <= n <= b for n, a, b in zip(shape, least, most, strict=True))


def _open(opening: Opening) -> Session:
    if opening.model is None:
        raise ResgenError(
            "TensorRT runs engines, and there is none",
            hint="`resgen export SPEC --to tensorrt` makes a folder with one",
        )
    return TensorRtSession(opening.model)


ENGINE: Final = Engine(
    "TensorRT", "engine", ("cuda",), ("tensorrt", "tensorrt_rtx"), "tensorrt", _open
)
