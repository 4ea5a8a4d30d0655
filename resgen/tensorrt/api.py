"""What is used of TensorRT: the part that all its flavours and versions share.

``tensorrt`` (10 and 11) and ``tensorrt_rtx`` have nearly the same Python API, and
neither can be type-checked against. A class here is named like TensorRT's own, so a
test can hold every member against the real bindings. What only some of them have is in
the second half, and is looked for with ``hasattr``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class ITensor(Protocol):
    """An input of a network."""

    name: str
    shape: Sequence[int]
    dtype: Any


class ILayer(Protocol):
    """A layer of a parsed network."""

    name: str
    num_outputs: int

    def get_output(self, index: int) -> ITensor: ...


class INetworkDefinition(Protocol):
    """A parsed network."""

    num_inputs: int
    num_layers: int

    def get_input(self, index: int) -> ITensor: ...
    def get_layer(self, index: int) -> ILayer: ...


class ParserError(Protocol):
    """What the parser has against a node; its texts are empty where there is none."""

    def node_name(self) -> str: ...
    def node_operator(self) -> str: ...
    def desc(self) -> str: ...


class OnnxParser(Protocol):
    """Reads an ONNX file into a network, which it does not keep alive."""

    num_errors: int

    def parse_from_file(self, model: str) -> bool: ...
    def get_error(self, index: int) -> ParserError: ...


class IOptimizationProfile(Protocol):
    """The sizes that an engine is made for."""

    def set_shape(
        self, name: str, least: Sequence[int], best: Sequence[int], most: Sequence[int]
    ) -> None: ...


class IBuilderConfig(Protocol):
    """How an engine is to be built."""

    profiling_verbosity: Any
    progress_monitor: Any
    builder_optimization_level: int

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int: ...
    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None: ...
    def set_flag(self, flag: Any) -> None: ...
    def clear_flag(self, flag: Any) -> None: ...
    def create_timing_cache(self, serialized_timing_cache: bytes) -> Any: ...
    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool: ...
    def get_timing_cache(self) -> Any: ...


class Builder(Protocol):
    """Makes networks and engines."""

    def create_network(self, flags: int) -> INetworkDefinition: ...
    def create_builder_config(self) -> IBuilderConfig: ...
    def create_optimization_profile(self) -> IOptimizationProfile: ...
    def build_serialized_network(
        self, network: INetworkDefinition, config: IBuilderConfig
    ) -> Any: ...


class EngineInspector(Protocol):
    """Tells what an engine's layers became."""

    execution_context: IExecutionContext

    def get_engine_information(self, form: Any) -> str: ...


class IExecutionContext(Protocol):
    """Runs an engine."""

    profiler: Any

    def set_optimization_profile_async(
        self, profile_index: int, stream_handle: int
    ) -> bool: ...
    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool: ...
    def get_tensor_shape(self, name: str) -> Sequence[int]: ...
    def set_tensor_address(self, name: str, memory: int) -> bool: ...
    def execute_async_v3(self, stream_handle: int) -> bool: ...


class ICudaEngine(Protocol):
    """A loaded engine."""

    num_io_tensors: int
    num_optimization_profiles: int

    def create_engine_inspector(self) -> EngineInspector: ...
    def create_execution_context(
        self, *, runtime_config: Any = ...
    ) -> IExecutionContext | None: ...
    def get_tensor_name(self, index: int) -> str: ...
    def get_tensor_mode(self, name: str) -> Any: ...
    def get_tensor_shape(self, name: str) -> Sequence[int]: ...
    def get_tensor_dtype(self, name: str) -> Any: ...
    def get_tensor_profile_shape(
        self, name: str, profile_index: int
    ) -> Sequence[Sequence[int]]: ...


class Runtime(Protocol):
    """Loads engines."""

    def deserialize_cuda_engine(
        self, serialized_engine: bytes
    ) -> ICudaEngine | None: ...


class TensorRT(Protocol):
    """The module.  Classes to derive from and enumerations are ``Any``."""

    __name__: str
    __version__: str
    ComputeCapability: Any  # of TensorRT for RTX only
    DynamicShapesKernelSpecializationStrategy: Any  # of TensorRT for RTX only
    ILogger: Any
    IProfiler: Any
    IProgressMonitor: Any
    BuilderFlag: Any
    LayerInformationFormat: Any
    MemoryPoolType: Any
    NetworkDefinitionCreationFlag: Any
    ProfilingVerbosity: Any
    TensorIOMode: Any

    def Builder(self, logger: Any) -> Builder: ...
    def OnnxParser(self, network: INetworkDefinition, logger: Any) -> OnnxParser: ...
    def Runtime(self, logger: Any) -> Runtime: ...


# --- not everywhere -------------------------------------------------------------------


class AheadOfTime(IBuilderConfig, Protocol):
    """TensorRT for RTX's configuration: builds for GPUs that are not present."""

    num_compute_capabilities: int

    def set_compute_capability(self, compute_capability: Any, index: int) -> bool: ...


class CompilesWhereItRuns(ICudaEngine, Protocol):
    """TensorRT for RTX's engine: kernels are compiled for the sizes that are given."""

    def create_runtime_config(self) -> IRuntimeConfig: ...


class IRuntimeConfig(Protocol):
    """How an engine's contexts compile kernels."""

    dynamic_shapes_kernel_specialization_strategy: Any

    def create_runtime_cache(self) -> IRuntimeCache: ...
    def set_runtime_cache(self, cache: IRuntimeCache) -> bool: ...


class IRuntimeCache(Protocol):
    """Kernels that were compiled."""

    def deserialize(self, blob: bytes) -> bool: ...
    def serialize(self) -> Any: ...


class Capturable(IExecutionContext, Protocol):
    """TensorRT for RTX's context: it knows whether a CUDA graph can hold its runs."""

    def is_stream_capturable(self, stream: int) -> bool: ...
