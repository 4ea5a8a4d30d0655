"""ONNX Runtime as an engine, on its CPU provider or its CUDA provider."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from resgen.errors import MissingComponent, MissingDevice, ResgenError, UsageError
from resgen.machine import telemetry
from resgen.onnxfile.placed import check_placed
from resgen.runtime.base import (
    Array,
    Session,
    Shape,
    load,
    reason,
    release_memory,
)
from resgen.runtime.engines import Engine, Opening
from resgen.runtime.foreign import CODES, run_with_values
from resgen.runtime.torch import load_torch

CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"
#: Short names of the providers that are meant to be used.
PROVIDERS: Final[Mapping[str, str]] = {"cpu": CPU, "cuda": CUDA}
#: Only what ends a session is logged; its message is in the exception anyway.
FATAL: Final = 4
#: ONNX Runtime's names of element types where NumPy and ml_dtypes have others.
KINDS: Final[Mapping[str, str]] = {
    "float": "float32",
    "double": "float64",
    "float8e4m3fn": "float8_e4m3fn",
    "float8e5m2": "float8_e5m2",
}
#: What it says of a file whose format or opset came after it.
TOO_NEW: Final = re.compile(r"max supported IR version|official support for domain")
NEWER: Final = "write the file in an older opset, or have a newer ONNX Runtime read it"
#: What it says of operators that a processor has no code for in their type.
NO_KERNEL: Final = re.compile(r"NOT_IMPLEMENTED.*implementation for")
ELSEWHERE: Final = (
    "on this processor it has no such operator of that type: a file in bfloat16 is for "
    "TensorRT, and float16 runs in both"
)
#: What it says of 8-bit floats that it has fused itself.
FUSED_FLOAT8: Final = re.compile(r"Type 'tensor\(float8\w+\)' .* \(QLinear\w+\)")
#: Elements that NumPy has under several types.
TEXT: Final = "string"


def load_onnxruntime(why: str) -> ModuleType:
    """The onnxruntime package, or :class:`~resgen.errors.MissingComponent`.

    ``why`` ends the sentence "ONNX Runtime is not installed, so ...". Its telemetry is
    switched off.
    """
    telemetry.switch_off()
    return load("onnxruntime", "ONNX Runtime", why, "onnxruntime")


class OnnxRuntimeSession(Session):
    """Runs an ONNX model, from a file or as bytes, on one execution provider.

    With ``optimize`` off the nodes run as they stand in the model, so that any of them
    may be an output. ``provider`` is ``cpu``, ``cuda`` or a provider's full name;
    ``threads`` is how many one operator uses (None: every core). A file
    that was written for another engine is refused unless ``any_placement``, which
    verification sets. ``lean`` gives memory and cores back between runs, which suits a
    few runs; what is timed has ONNX Runtime's own defaults instead (an arena, and
    threads that spin for work). ``in_order`` runs nodes as the file has them, so far as
    their inputs allow. ``packed`` keeps weights a second time as kernels like
    them, which suits many runs. ``blocked`` lets convolutions compute in blocks of
    channels, which suits networks of which nothing is read in between. ``cuda`` are
    options of the CUDA provider.

    A model that does not load or run is a :class:`ResgenError`, and so is a provider
    that would hand its work to another.
    """

    name = "ONNX Runtime"
    concurrent = True
    capturable = False  # it allocates and waits within a run

    def __init__(
        self,
        model: Path | bytes,
        *,
        optimize: bool = True,
        provider: str = CPU,
        threads: int | None = None,
        any_placement: bool = False,
        lean: bool = True,
        packed: bool = True,
        blocked: bool = True,
        in_order: bool = False,
        cuda: Mapping[str, str] | None = None,
    ) -> None:
        if threads is not None and threads < 1:
            raise UsageError(f"{threads} threads cannot run a network; give 1 or more")
        self._runtime = load_onnxruntime("the ONNX file cannot be run")
        self._label = str(model) if isinstance(model, Path) else "the ONNX model"
        self._provider = PROVIDERS.get(provider, provider)
        self._threads = threads
        self._lean = lean
        self._packed = packed
        self._blocked = blocked
        self._in_order = in_order
        self._cuda = dict(cuda or {})
        self._check_offered()
        if not any_placement:
            check_placed(model, "onnxruntime")
        self._session: Any = self._open(model, self._options(optimize))
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        self.inputs = {i.name: _shape(i.shape) for i in inputs}
        self.outputs = {o.name: _shape(o.shape) for o in outputs}
        #: Types of the elements of inputs and outputs, as NumPy or ml_dtypes name them.
        self.dtypes = {value.name: _kind(value.type) for value in (*inputs, *outputs)}

    def _check_offered(self) -> None:
        """Whether this build of ONNX Runtime has the provider at all."""
        available = self._runtime.get_available_providers()
        if self._provider in available:
            return
        if self._provider == CUDA:
            raise MissingComponent(
                "ONNX Runtime's CUDA provider",
                f"{self._label} cannot be run on the GPU",
                "pip uninstall onnxruntime; pip install onnxruntime-gpu",
            )
        raise ResgenError(
            f"this ONNX Runtime has no {self._provider}; it has {', '.join(available)}"
        )

    def _options(self, optimize: bool) -> Any:
        levels = self._runtime.GraphOptimizationLevel
        options = self._runtime.SessionOptions()
        options.log_severity_level = FATAL
        if self._lean:
            # The arena keeps what a first run took, and a plan all of it at once.
            options.enable_cpu_mem_arena = False
            options.enable_mem_pattern = False
            # Idle threads that spin take the cores from an engine that runs next.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if self._in_order:
            options.execution_order = self._runtime.ExecutionOrder.PRIORITY_BASED
        if not self._packed:
            options.add_session_config_entry("session.disable_prepacking", "1")
        if self._provider != CPU:
            # Nodes that another provider lacks would quietly run on the processor.
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        full = levels.ORT_ENABLE_ALL if self._blocked else levels.ORT_ENABLE_EXTENDED
        options.graph_optimization_level = full if optimize else levels.ORT_DISABLE_ALL
        if self._threads is not None:
            options.intra_op_num_threads = self._threads
        return options

    def _open(self, model: Path | bytes, options: Any) -> Any:
        try:
            session = self._create(model, options)
        except Exception as error:  # the runtime's exceptions have no common base
            self._explain(model)
            why = reason(error)
            mends = ((TOO_NEW, NEWER), (NO_KERNEL, ELSEWHERE))
            raise ResgenError(
                f"ONNX Runtime does not load {self._label}: {why}",
                hint=next((mend for said, mend in mends if said.search(why)), None),
            ) from error
        self._check_started(session)
        return session

    def _create(self, model: Path | bytes, options: Any) -> Any:
        given = str(model) if isinstance(model, Path) else model
        own = (self._provider, self._cuda) if self._cuda else self._provider

        def create() -> Any:
            # With its fallback a failure is printed and retried on the processor.
            return self._runtime.InferenceSession(
                given, options, providers=[own], enable_fallback=0
            )

        try:
            return create()
        except Exception as error:  # the runtime's exceptions have no common base
            if not FUSED_FLOAT8.search(reason(error)):
                raise
        # ONNX Runtime 1.30 fuses 8-bit floats into an operator of integers, which it
        # then refuses; 1.32 leaves them alone, as here.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        return create()

    def _explain(self, model: Path | bytes) -> None:
        """Raise what is wrong with the provider, where the model itself loads."""
        if self._provider == CPU:
            return
        options = self._runtime.SessionOptions()
        options.log_severity_level = FATAL
        try:
            session = self._create(model, options)
        except Exception:  # the first attempt's message is the one to give
            return
        self._check_started(session)
        raise ResgenError(
            f"{self._provider} does not run all of {self._label}: some of its nodes "
            "would run on the processor",
            hint="choose the provider cpu, or write the file in another precision",
        )

    def _check_started(self, session: Any) -> None:
        """Whether the provider is the one that the session uses first."""
        used = session.get_providers()[0]
        if used == self._provider:
            return
        if self._provider == CUDA:
            raise MissingDevice(
                f"ONNX Runtime could not start {CUDA} for {self._label}: it needs an "
                "NVIDIA GPU with its driver, CUDA and cuDNN",
                hint='pip install "onnxruntime-gpu[cuda,cudnn]" brings the last two',
            )
        raise ResgenError(
            f"ONNX Runtime could not start {self._provider} and took {used} instead"
        )

    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self._check_kinds(feeds)
        names = list(self.outputs)
        try:
            if CODES.keys() & set(self.dtypes.values()):
                return run_with_values(self._runtime, self._session, feeds, self.dtypes)
            results: Sequence[Array] = self._session.run(names, dict(feeds))
        except ResgenError:
            raise
        except Exception as error:  # see above
            raise ResgenError(
                f"ONNX Runtime does not run {self._label}: {reason(error)}"
            ) from error
        return dict(zip(names, results, strict=True))

    def repeated(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        if CODES.keys() & set(self.dtypes.values()):
            return super().repeated(feeds)
        self.run(feeds)
        names, given, run = list(self.outputs), dict(feeds), self._session.run
        return lambda: run(names, given)

    def resident(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        """On CUDA; queued on the stream that the provider's options name."""
        if self._provider != CUDA:
            return super().resident(feeds)
        binding, number = self._session.io_binding(), int(self._cuda["device_id"])
        for name, array in feeds.items():
            value = self._runtime.OrtValue.ortvalue_from_numpy(array, "cuda", number)
            binding.bind_ortvalue_input(name, value)
        for name in self.outputs:
            binding.bind_output(name, "cuda", number)
        options = self._runtime.RunOptions()
        # Events say when it ends, so the host need not wait in between.
        options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        run = self._session.run_with_iobinding
        return lambda: run(binding, options)

    def _check_kinds(self, feeds: Mapping[str, Array]) -> None:
        for name, array in feeds.items():
            given, taken = array.dtype.name, self.dtypes[name]
            if given != taken and taken != TEXT:
                raise ResgenError(
                    f'the input "{name}" is of {given}, but the network takes {taken}'
                )

    def close(self) -> None:
        self._session = None
        release_memory()


def _shape(shape: Sequence[Any]) -> Shape:
    """Named and unknown axes are open."""
    return tuple(n if isinstance(n, int) else None for n in shape)


def _kind(type_: str) -> str:
    """The name of the elements' type, from ``tensor(float)``.

    >>> _kind("tensor(float16)"), _kind("tensor(double)")
    ('float16', 'float64')
    """
    name = type_.removeprefix("tensor(").removesuffix(")")
    return KINDS.get(name, name)


def _open(opening: Opening) -> Session:
    provider, _, number = opening.device.partition(":")
    cuda = None
    if provider == "cuda":
        torch = load_torch("the CUDA stream cannot be shared with what times it")
        stream = torch.cuda.current_stream().cuda_stream
        cuda = {"device_id": number or "0", "user_compute_stream": str(stream)}
    return OnnxRuntimeSession(
        opening.file,
        provider=provider,
        threads=opening.threads,
        lean=False,
        cuda=cuda,
    )


ENGINE: Final = Engine(
    "ONNX Runtime",
    "onnx",
    ("cpu", "cuda"),
    ("onnxruntime",),
    "onnxruntime",
    _open,
    {"graph_optimization": "all", "arena": True, "spinning": True},
)
