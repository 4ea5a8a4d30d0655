"""The GPU of this machine, asked of the driver: neither torch nor CUDA is needed.

The calls are those of the CUDA driver API
(https://docs.nvidia.com/cuda/cuda-driver-api), whose library comes with the driver.
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from functools import cache
from typing import Final

from resgen.errors import MissingDevice

_LIBRARY: Final = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU: its name, compute capability (``sm_89``) and the driver's CUDA version."""

    name: str
    capability: str
    cuda: str


@cache
def present() -> Device | None:
    """The first GPU, or None where there is none or no driver for it."""
    try:
        driver = ctypes.CDLL(_LIBRARY)
    except OSError:
        return None
    handle, number = ctypes.c_int(), ctypes.c_int()
    name = ctypes.create_string_buffer(256)

    def attribute(which: int) -> int:
        driver.cuDeviceGetAttribute(ctypes.byref(number), which, handle)
        return number.value

    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(handle), 0):
        return None
    driver.cuDeviceGetName(name, len(name), handle)
    capability = f"sm_{attribute(_MAJOR)}{attribute(_MINOR)}"
    driver.cuDriverGetVersion(ctypes.byref(number))
    cuda = f"{number.value // 1000}.{number.value % 1000 // 10}"
    return Device(name.value.decode(errors="replace"), capability, cuda)


def required(why: str, *, instead: str = "") -> Device:
    """The GPU, or :class:`~resgen.errors.MissingDevice`.

    ``why`` ends the sentence "no NVIDIA GPU or driver is here, so ..."; ``instead`` is
    what can be done without one.
    """
    device = present()
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
