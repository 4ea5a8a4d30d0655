"""The GPU of this machine, asked of the driver: neither torch nor CUDA is needed.

The calls are those of the CUDA driver API
(https://docs.nvidia.com/cuda/cuda-driver-api), whose library comes with the driver.
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from resgen.errors import MissingDevice

_LIBRARY: Final = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU: its name, compute capability (``sm_89``) and the driver's CUDA version."""

    name: str
    capability: str
    cuda: str


def number_of(device: str) -> int:
    """CUDA's number of a device: N of ``cuda:N``, and 0 of ``cuda``.

    >>> number_of("cuda:1"), number_of("cuda")
    (1, 0)
    """
    return int(device.partition(":")[2] or 0)


@cache
def present(number: int = 0) -> Device | None:
    """The GPU that CUDA numbers so; None where there is none or no driver for it."""
    opened = _opened(number)
    if opened is None:
        return None
    driver, handle = opened
    answer = ctypes.c_int()
    name = ctypes.create_string_buffer(256)

    def attribute(which: int) -> int:
        driver.cuDeviceGetAttribute(ctypes.byref(answer), which, handle)
        return answer.value

    driver.cuDeviceGetName(name, len(name), handle)
    capability = f"sm_{attribute(_MAJOR)}{attribute(_MINOR)}"
    driver.cuDriverGetVersion(ctypes.byref(answer))
    cuda = f"{answer.value // 1000}.{answer.value % 1000 // 10}"
    return Device(name.value.decode(errors="replace"), capability, cuda)


def bus(number: int) -> bytes | None:
    """The PCI address of the GPU that CUDA numbers so.

    NVML numbers GPUs by their addresses and CUDA by their speed, so that only the
    address says which is which.
    """
    opened = _opened(number)
    if opened is None:
        return None
    driver, handle = opened
    text = ctypes.create_string_buffer(64)
    return None if driver.cuDeviceGetPCIBusId(text, 64, handle) else text.value


def _opened(number: int) -> tuple[Any, Any] | None:
    """The driver and its handle of a GPU."""
    try:
        driver = ctypes.CDLL(_LIBRARY)
    except OSError:
        return None
    handle = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(handle), number):
        return None
    return driver, handle


def required(why: str, *, number: int = 0, instead: str = "") -> Device:
    """The GPU that CUDA numbers so, or :class:`~resgen.errors.MissingDevice`.

    ``why`` ends the sentence "no NVIDIA GPU or driver is here, so ..."; ``instead`` is
    what can be done without one.
    """
    device = present(number)
    if device is None and number and present() is not None:
        raise MissingDevice(f"there is no cuda:{number} here, so {why}")
    if device is None:
        raise MissingDevice(
            f"no NVIDIA GPU or driver is here, so {why}",
            hint="\n".join(
                filter(
                    None, (instead, "`nvidia-smi` lists the GPUs that the driver sees")
                )
            ),
        )
    return device
