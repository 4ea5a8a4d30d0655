"""The CUDA runtime through ctypes, and NVML where it is there."""

from __future__ import annotations

import ctypes
import ctypes.util
import glob
import sys
from collections.abc import Sequence
from typing import Any

from resgen.kit.script.files import Stop

#: A key of ``clocks``, and the NVML function and argument that read it.
CLOCKS = (
    ("sm_mhz", "nvmlDeviceGetClockInfo", 1),
    ("memory_mhz", "nvmlDeviceGetClockInfo", 2),
    ("temperature_c", "nvmlDeviceGetTemperature", 0),
)


class Cuda:
    """The few functions of the CUDA runtime that are needed, through ctypes.

    Addresses, streams and events are plain integers, as TensorRT takes them.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        library.cudaGetErrorString.restype = ctypes.c_char_p

    def call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            text = (self._library.cudaGetErrorString(code) or b"?").decode()
            raise Stop(1, f"{name} failed: {text} ({code})")

    def integer(self, name: str, *arguments: Any) -> int:
        value = ctypes.c_int()
        self.call(name, ctypes.byref(value), *arguments)
        return value.value

    def handle(self, name: str, *arguments: Any) -> int:
        value = ctypes.c_void_p()
        self.call(name, ctypes.byref(value), *arguments)
        return value.value or 0

    def malloc(self, size: int) -> int:
        return self.handle("cudaMalloc", ctypes.c_size_t(size))

    def pinned(self, size: int) -> int:
        """Memory of the host that the GPU can copy from without a detour."""
        return self.handle("cudaHostAlloc", ctypes.c_size_t(size), ctypes.c_uint(0))

    def copy(self, to: int, origin: int, size: int, stream: int) -> None:
        kind = ctypes.c_int(4)  # cudaMemcpyDefault: the addresses say where they are
        self.call("cudaMemcpyAsync", ctypes.c_void_p(to), ctypes.c_void_p(origin),
                  ctypes.c_size_t(size), kind, ctypes.c_void_p(stream))  # fmt: skip

    def on(self, name: str, *handles: int) -> None:
        """A function whose arguments are all addresses, streams or events."""
        self.call(name, *(ctypes.c_void_p(handle) for handle in handles))

    def elapsed(self, begin: int, end: int) -> float:
        """Milliseconds between two events that have happened."""
        value = ctypes.c_float()
        self.call("cudaEventElapsedTime", ctypes.byref(value),
                  ctypes.c_void_p(begin), ctypes.c_void_p(end))  # fmt: skip
        return float(value.value)

    def describe(self) -> dict[str, Any]:
        """The device, as ``machine`` holds it."""
        # Newer runtimes append to this structure; the name has always come first.
        properties = ctypes.create_string_buffer(1 << 14)
        self.call("cudaGetDeviceProperties", properties, ctypes.c_int(0))
        major, minor = (self.integer("cudaDeviceGetAttribute", ctypes.c_int(what),
                                     ctypes.c_int(0)) for what in (75, 76))  # fmt: skip
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.call("cudaMemGetInfo", ctypes.byref(free), ctypes.byref(total))
        return {
            "gpu": properties.value.decode(errors="replace"),
            "compute_capability": f"{major}.{minor}",
            "memory_bytes": total.value,
            "cuda_driver": self.integer("cudaDriverGetVersion"),
            "cuda_runtime": self.integer("cudaRuntimeGetVersion"),
        }

    def bus(self) -> bytes:
        """The PCI address, by which NVML knows the same device."""
        text = ctypes.create_string_buffer(64)
        self.call("cudaDeviceGetPCIBusId", text, ctypes.c_int(64), ctypes.c_int(0))
        return text.value


def cudart_files() -> list[str]:
    """Where a CUDA runtime may lie, the newest first."""
    if sys.platform == "win32":
        names = ["cudart64_13.dll", "cudart64_12.dll", "cudart64_110.dll"]
        inside = "nvidia/*/bin/**/cudart64_*.dll"
    else:
        names = [f"libcudart.so{end}" for end in (".13", ".12", ".11.0", "")]
        names.append("/usr/local/cuda/lib64/libcudart.so")
        inside = "nvidia/*/lib/libcudart.so.*"
    found = ctypes.util.find_library("cudart")
    packaged = [
        path
        for entry in sys.path
        for path in glob.glob(f"{entry}/{inside}", recursive=True)  # noqa: PTH207
    ]
    return names + ([found] if found else []) + sorted(packaged, reverse=True)


def find_cuda(files: Sequence[str]) -> tuple[Cuda | None, str]:
    """The first runtime that sees a GPU, or None and why."""
    reason = "the CUDA runtime is not there: pip install nvidia-cuda-runtime"
    for file in files:
        try:
            cuda = Cuda(ctypes.CDLL(file))
            if cuda.integer("cudaGetDeviceCount"):
                return cuda, ""
            reason = "there is no NVIDIA GPU"
        except OSError:  # noqa: PERF203  # the next one may load
            continue
        except Stop as stop:
            reason = f"there is no NVIDIA GPU, or its driver is too old: {stop}"
    return None, reason


def read_nvml(bus: bytes) -> dict[str, Any]:
    """The driver's version and the clocks now; nothing where NVML is not there."""
    file = "nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1"
    found: dict[str, Any] = {"driver": None, "clocks": None}
    try:
        nvml = ctypes.CDLL(file)
        if nvml.nvmlInit_v2():
            return found
        text, device = ctypes.create_string_buffer(96), ctypes.c_void_p()
        if not nvml.nvmlSystemGetDriverVersion(text, ctypes.c_uint(96)):
            found["driver"] = text.value.decode()
        if not nvml.nvmlDeviceGetHandleByPciBusId_v2(bus, ctypes.byref(device)):
            value = ctypes.c_uint()
            found["clocks"] = {}
            for key, name, what in CLOCKS:
                failed = getattr(nvml, name)(device, what, ctypes.byref(value))
                found["clocks"][key] = None if failed else value.value
        nvml.nvmlShutdown()
    except (OSError, AttributeError):
        pass
    return found
