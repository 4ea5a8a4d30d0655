"""TensorRT as an engine: a file that was built, on the GPU that it was built for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from resgen.errors import ResgenError
from resgen.files.ordinary import read_bytes
from resgen.machine.device import number_of
from resgen.runtime.base import Array, Session
from resgen.runtime.engines import Engine, Opening
from resgen.runtime.torch import load_cuda
from resgen.tensorrt.api import ICudaEngine, IExecutionContext, TensorRT
from resgen.tensorrt.compiled import Compiled, kernels_of
from resgen.tensorrt.flavor import Flavor, load
from resgen.tensorrt.listening import logger_of
from resgen.tensorrt.manifest import check_here, rebuild, vouched
from resgen.tensorrt.profiler import inspected, profiler_of, seconds_of
from resgen.weights.evaluate import np_dtype
from resgen.words.numbers import shape as said

#: Element types by TensorRT's names, as NumPy and ml_dtypes call them.
_TYPES: Final[Mapping[str, str]] = {
    "FLOAT": "float32",
    "HALF": "float16",
    "BF16": "bfloat16",
    "FP8": "float8_e4m3fn",
    "INT8": "int8",
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
}


@dataclass(frozen=True)
class TorchBlock:
    """Bytes of the device, and as many pinned ones that it copies from and to."""

    device: Any
    pinned: Any

    @property
    def address(self) -> int:
        return int(self.device.data_ptr())

    @property
    def host(self) -> NDArray[np.uint8]:
        found: NDArray[np.uint8] = self.pinned.numpy()
        return found


class TorchMemory:
    """PyTorch's memory of one GPU, and its stream that is current now."""

    def __init__(self, device: str) -> None:
        why = "there is no memory on the GPU for the engine"
        self._torch, self._number = load_cuda(device, why)
        self._torch.cuda.set_device(self._number)  # TensorRT works on the current one
        self._queue = self._torch.cuda.current_stream()
        self.stream: int = self._queue.cuda_stream
        self.name: str = self._torch.cuda.get_device_name(self._number)

    def make(self, size: int) -> TorchBlock:
        torch = self._torch
        with self.current():
            return TorchBlock(
                torch.empty(size, dtype=torch.uint8, device=f"cuda:{self._number}"),
                torch.empty(size, dtype=torch.uint8, pin_memory=True),
            )

    def current(self) -> AbstractContextManager[object]:
        """Device and stream are the current ones of the calling thread while inside."""
        # Both are a thread's own in CUDA, and lanes of `--mode throughput` are threads.
        made: AbstractContextManager[object] = self._torch.cuda.stream(self._queue)
        return made

    def upload(self, block: TorchBlock) -> None:
        block.device.copy_(block.pinned, non_blocking=True)

    def download(self, block: TorchBlock) -> None:
        block.pinned.copy_(block.device, non_blocking=True)

    def wait(self) -> None:
        self._queue.synchronize()


@dataclass(frozen=True)
class _Bound:
    """Memory for inputs of these sizes and what comes of them, by tensor."""

    profile: int
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    blocks: Mapping[str, TorchBlock]


@dataclass
class _Work:
    """A context, and what it was last told: each change makes its next run slower."""

    context: IExecutionContext
    profile: int | None = None
    bound: _Bound | None = None


class TensorRtSession(Session):
    """Runs an engine that ``resgen export`` has written.

    Nothing of it is loaded before its manifest is found to fit the file, this TensorRT
    and this GPU (``device``). An engine without a manifest is native code from who
    knows where: it is loaded only if ``unvouched`` says that it is to be, and by which
    flavour.
    """

    name = "TensorRT"
    _new_sizes = False  # since kernels were last kept

    def __init__(
        self, engine: Path, *, unvouched: Flavor | None = None, device: str = "cuda:0"
    ) -> None:
        again = None
        if unvouched is None:
            manifest = vouched(engine)
            flavor = check_here(engine, manifest, number_of(device))
            again = rebuild(manifest)
        else:
            flavor = unvouched
        trt = load(flavor, f"{engine} cannot be loaded")
        memory = TorchMemory(device)
        logger, log = logger_of(trt)
        log.clear()
        runtime = trt.Runtime(logger)
        content = read_bytes(engine)
        loaded = runtime.deserialize_cuda_engine(content)
        if loaded is None:
            raise ResgenError(
                f"{flavor.name} does not load {engine}: {log.why()}", hint=again
            )
        self.name = flavor.name
        self._runtime: Any = runtime  # has to outlive the engine
        self._log = log
        self._compiled = Compiled(trt, loaded, kernels_of(content, memory.name))
        self._start(trt, loaded, memory)

    def _start(self, trt: TensorRT, engine: ICudaEngine, memory: TorchMemory) -> None:
        self._trt = trt
        self._engine: ICudaEngine | None = engine
        self._work: _Work | None = self._new_work(engine)
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
            name: _dtype(name, engine.get_tensor_dtype(name).name) for name in names
        }
        #: Types of the elements of inputs and outputs, as NumPy or ml_dtypes name them.
        self.dtypes = {name: dtype.name for name, dtype in self._dtypes.items()}
        self._profiles = [
            {n: engine.get_tensor_profile_shape(n, index) for n in self.inputs}
            for index in range(engine.num_optimization_profiles)
        ]

    @property
    def least_batch(self) -> int:
        """The smallest batch that the engine takes."""
        spans = (span for profile in self._profiles for span in profile.values())
        return min((least[0] for least, _, _ in spans), default=1)

    def _new_work(self, engine: ICudaEngine) -> _Work:
        config = self._compiled.config
        context = (
            engine.create_execution_context()
            if config is None
            else engine.create_execution_context(runtime_config=config)
        )
        if context is None:
            raise ResgenError(
                f"{self.name} has no memory to run the engine in: {self._log.why()}"
            )
        return _Work(context)

    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        work, memory = self._own(), self._memory
        with memory.current():
            bound = self._bound(work, feeds)
            for name in bound.inputs:
                memory.upload(bound.blocks[name])
            self._queue(work)
            for name in bound.outputs:
                memory.download(bound.blocks[name])
            memory.wait()
        return {
            name: bound.blocks[name].host.view(self._dtypes[name]).reshape(shape).copy()
            for name, shape in bound.outputs.items()
        }

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        found = super().run(feeds)
        if self._new_sizes:
            self._compiled.keep()
            self._new_sizes = False
        return found

    def resident(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        self.run(feeds)
        work = self._own()
        bound = self._bound(work, feeds)
        asked = getattr(work.context, "is_stream_capturable", None)
        self.capturable = asked is None or asked(self._memory.stream)

        def queue() -> object:
            self._tell(work, bound)
            self._queue(work)
            return bound  # whose blocks have to live as long as the call

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
        work = self._new_work(self._engine)
        bound = self._bound(work, feeds)
        for name in bound.inputs:
            self._memory.upload(bound.blocks[name])

        def wait() -> None:
            self._queue(work)
            self._memory.wait()

        wait()  # the first run of a context is slower
        profiler = work.context.profiler = profiler_of(self._trt)
        for _ in range(runs):
            profiler.next()
            wait()
        described = inspected(self._trt, self._engine, work.context)
        return seconds_of(profiler.passes), described

    def _own(self) -> _Work:
        if self._work is None:
            raise ResgenError("the engine was closed")
        return self._work

    def _queue(self, work: _Work) -> None:
        if not work.context.execute_async_v3(self._memory.stream):
            raise self._failure()

    def _failure(self) -> ResgenError:
        """Why it does not run, in TensorRT's words, which then begin anew."""
        why = self._log.why()
        self._log.clear()
        return ResgenError(f"{self.name} does not run the engine: {why}")

    def _bound(self, work: _Work, feeds: Mapping[str, Array]) -> _Bound:
        """The context with the feeds on the host's side, told of what has changed."""
        inputs = {name: feed.shape for name, feed in feeds.items()}
        bound = work.bound
        if bound is None or bound.inputs != inputs:
            bound = self._tell(work, _Bound(self._profile(inputs), inputs, {}, {}))
        for name, feed in feeds.items():
            plain = np.ascontiguousarray(feed, self._dtypes[name])
            bound.blocks[name].host[:] = plain.reshape(-1).view(np.uint8)
        return bound

    def _tell(self, work: _Work, wanted: _Bound) -> _Bound:
        """Profile, sizes and addresses; what has no memory yet gets it."""
        if work.bound is wanted:
            return wanted
        context, memory = work.context, self._memory
        work.bound = None  # until all of it is told
        done = True
        if work.profile != wanted.profile:
            done = context.set_optimization_profile_async(wanted.profile, memory.stream)
            work.profile = wanted.profile if done else None
        for name, shape in wanted.inputs.items():
            done = done and context.set_input_shape(name, shape)
        if not done:
            raise self._failure()
        bound = wanted if wanted.blocks else self._with_memory(context, wanted)
        for name, block in bound.blocks.items():
            if not context.set_tensor_address(name, block.address):
                raise self._failure()
        work.bound = bound
        return bound

    def _with_memory(self, context: IExecutionContext, wanted: _Bound) -> _Bound:
        outputs = {name: tuple(context.get_tensor_shape(name)) for name in self.outputs}
        for name, shape in outputs.items():
            if min(shape, default=0) < 0:
                raise ResgenError(
                    f'the sizes of the output "{name}" depend on numbers in the '
                    "network, and such engines are not run here"
                )
        sizes = {
            name: prod(shape) * self._dtypes[name].itemsize
            for name, shape in {**wanted.inputs, **outputs}.items()
        }
        blocks = {name: self._memory.make(size) for name, size in sizes.items()}
        self._new_sizes = True
        return replace(wanted, outputs=outputs, blocks=blocks)

    def _profile(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """The first profile that takes the shapes."""
        for index, profile in enumerate(self._profiles):
            if all(
                _within(shapes[n], least, most)
                for n, (least, _, most) in profile.items()
            ):
                return index
        taken = "; ".join(
            f"{said(tuple(least))} to {said(tuple(most))}"
            for profile in self._profiles
            for least, _, most in profile.values()
        )
        given = ", ".join(said(shape) for shape in shapes.values())
        raise ResgenError(
            f"the engine takes {taken}, but was given {given}",
            hint="run smaller batches, or export it with another profile",
        )

    def close(self) -> None:
        self._work = self._engine = self._runtime = None


def _dtype(name: str, kind: str) -> np.dtype[Any]:
    if kind not in _TYPES:
        raise ResgenError(f'"{name}" of the engine is {kind}, which is not run here')
    return np_dtype(_TYPES[kind])


def _within(shape: Sequence[int], least: Sequence[int], most: Sequence[int]) -> bool:
    return all(a <= n <= b for n, a, b in zip(shape, least, most, strict=True))


def _open(opening: Opening) -> Session:
    return TensorRtSession(opening.file, device=opening.device)


ENGINE: Final = Engine(
    "TensorRT", "engine", ("cuda",), ("tensorrt", "tensorrt_rtx"), "tensorrt", _open
)
