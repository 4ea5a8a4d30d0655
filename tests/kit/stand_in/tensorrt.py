"""A stand-in for TensorRT that runs without it: the part that kits use, no more.

Its engine averages each channel of its one input, which is what the networks of these
tests do; memory and streams are those of ``cudart.c``. ``STAND_IN`` in the environment
is a JSON object that makes it misbehave. That every name here exists in the real
bindings, with the same parameters, is what ``test_surface.py`` is about.
"""

from __future__ import annotations

import ctypes
import enum
import json
import os

import numpy as np

ORDERS = json.loads(os.environ.get("STAND_IN", "{}"))
__version__ = ORDERS.get("version", "11.4.0.106")


class DataType(enum.Enum):
    FLOAT = 0
    HALF = 1
    BF16 = 7


class TensorIOMode(enum.Enum):
    INPUT = 1
    OUTPUT = 2


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 0


class BuilderFlag(enum.Enum):
    TF32 = 6


class MemoryPoolType(enum.Enum):
    WORKSPACE = 0


class ProfilingVerbosity(enum.Enum):
    DETAILED = 2


class LayerInformationFormat(enum.Enum):
    JSON = 1


class ILogger:
    class Severity(enum.Enum):
        INTERNAL_ERROR = 0
        ERROR = 1

    def log(self, severity, msg):
        raise NotImplementedError


class IProfiler:
    def report_layer_time(self, layer_name, ms):
        raise NotImplementedError


class INetworkDefinition:
    pass


class ParserError:
    def node_name(self):
        return "layer3.conv"

    def node_operator(self):
        return "Resize"

    def desc(self):
        return "antialias is not supported"


class OnnxParser:
    num_errors = property(lambda self: 1)

    def __init__(self, network, logger):
        self._network = network

    def parse_from_file(self, model):
        self._network.model = model
        return ORDERS.get("refuse") != "parse"

    def get_error(self, index):
        return ParserError()


class IOptimizationProfile:
    def __init__(self):
        self._sizes = {}

    def set_shape(self, input, min, opt, max):  # noqa: A002  # the real names
        self._sizes[input] = (min, opt, max)


class IBuilderConfig:
    profiling_verbosity = property(lambda self: None, lambda self, to: None)
    builder_optimization_level = property(
        lambda self: self._level,
        lambda self, to: setattr(self, "_level", to),
    )

    def __init__(self):
        self._profiles = []
        self._cleared = []
        self._level = None
        self._pools = {}

    def set_memory_pool_limit(self, pool, pool_size):
        self._pools[pool.name] = pool_size

    def clear_flag(self, flag):
        self._cleared.append(flag.name)

    def add_optimization_profile(self, profile):
        if ORDERS.get("refuse") == "profile":
            return -1
        self._profiles.append(profile._sizes)
        return len(self._profiles) - 1


class Builder:
    def __init__(self, logger):
        self._logger = logger

    def create_network(self, flags):
        if flags != 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED:
            raise ValueError("TensorRT 10 needs to be told")
        return INetworkDefinition()

    def create_builder_config(self):
        return IBuilderConfig()

    def create_optimization_profile(self):
        return IOptimizationProfile()

    def build_serialized_network(self, network, config):
        if ORDERS.get("refuse") == "build":
            self._logger.log(ILogger.Severity.ERROR, "no tactic for layer3")
            return None
        kept = {
            "profiles": config._profiles, "cleared": config._cleared,
            "level": config._level, "pools": config._pools,
        }  # fmt: skip
        return json.dumps(kept).encode()


class Runtime:
    def __init__(self, logger):
        self._logger = logger

    def deserialize_cuda_engine(self, serialized_engine):
        if ORDERS.get("refuse") == "load":
            self._logger.log(ILogger.Severity.ERROR, "wrong compute capability")
            return None
        return ICudaEngine(json.loads(bytes(serialized_engine)), self._logger)


class EngineInspector:
    execution_context = property(lambda self: None, lambda self, to: None)

    def get_engine_information(self, format):  # noqa: A002
        return json.dumps({"Layers": [{"Name": "mean"}], "I/O Tensors": []})


class ICudaEngine:
    num_io_tensors = property(lambda self: 2)

    def __init__(self, kept, logger=None):
        self._profiles = kept["profiles"]
        self._logger = logger

    def get_tensor_name(self, index):
        return ["output", "input"][index]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name == "input" else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name):
        return DataType[ORDERS.get("dtype", "FLOAT")]

    def create_execution_context(self):
        return IExecutionContext(self._profiles, self._logger)

    def create_engine_inspector(self):
        return EngineInspector()


class IExecutionContext:
    profiler = property(
        lambda self: self._profiler,
        lambda self, to: setattr(self, "_profiler", to),
    )

    def __init__(self, profiles, logger):
        self._profiles = profiles
        self._logger = logger
        self._profiler = None
        self._addresses = {}

    def set_optimization_profile_async(self, profile_index, stream_handle):
        self._index = profile_index
        return profile_index < max(1, len(self._profiles))

    def set_input_shape(self, name, shape):
        self._shape = tuple(shape)
        if not self._profiles:
            return True
        least, _, largest = self._profiles[self._index][name]
        return all(a <= n <= b for n, a, b in zip(shape, least, largest, strict=True))

    def get_tensor_shape(self, name):
        return self._shape if name == "input" else self._shape[:2]

    def set_tensor_address(self, name, memory):
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle):
        if ORDERS.get("refuse") == "run":
            self._logger.log(ILogger.Severity.ERROR, "a kernel was not found")
            return False
        low = ORDERS.get("dtype", "FLOAT") == "BF16"
        kind = np.dtype("uint16" if low else "float32")

        def array(name):
            shape = self.get_tensor_shape(name)
            size = int(np.prod(shape)) * kind.itemsize
            memory = (ctypes.c_uint8 * size).from_address(self._addresses[name])
            return np.frombuffer(memory, kind).reshape(shape)

        x = array("input")
        if low:
            x = (x.astype(np.uint32) << 16).view(np.float32)
        y = x.mean((2, 3)) * ORDERS.get("scale", 1.0)
        if low:
            y = (y.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        array("output")[...] = y
        if self._profiler is not None:
            self._profiler.report_layer_time("mean", 0.25)
            self._profiler.report_layer_time("mean", 0.25)
            self._profiler.report_layer_time("(Unnamed Layer* 1) [Shuffle]", 0.0)
        return True
