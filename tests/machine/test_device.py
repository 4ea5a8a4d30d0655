"""The GPU of this machine, as a driver tells of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

# The driver's functions that are called; 75 and 76 are the compute capability.
DRIVER = """
#include <string.h>
static int initialised;
int cuInit(unsigned flags) { initialised = flags == 0; return %(init)d; }
int cuDeviceGet(int *device, int ordinal) {
  *device = 42 + ordinal;
  return !initialised || ordinal > 1;
}
int cuDeviceGetName(char *name, int length, int device) {
  strncpy(name, device == 42 ? "NVIDIA L4" : "NVIDIA L40", length);
  return 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  *value = attribute == 75 ? 8 : attribute == 76 ? 9 : -1;
  return device < 42;
}
int cuDeviceGetPCIBusId(char *text, int length, int device) {
  strncpy(text, device == 42 ? "0000:A1:00.0" : "0000:01:00.0", length);
  return 0;
}
int cuDriverGetVersion(int *version) { *version = 13010; return 0; }
"""
ASK = """
from resgen.machine.device import bus, present, required
print(present())
print(present(1) and present(1).name, present(2), bus(0), bus(1), bus(2))
try:
    required("nothing is measured", number=2)
except Exception as error:
    print(error)
"""
NO_GPU = ["None", "None None None None None"]
TWO = [
    "Device(name='NVIDIA L4', capability='sm_89', cuda='13.1')",
    "NVIDIA L40 None b'0000:A1:00.0' b'0000:01:00.0' None",
    "there is no cuda:2 here, so nothing is measured",
]


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        (0, TWO),
        (100, NO_GPU),  # CUDA_ERROR_NO_DEVICE
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="libraries are Linux's")
def test_the_driver_is_asked(init, expected, tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler to make a stand-in for the driver with")
    source = tmp_path / "driver.c"
    source.write_text(DRIVER % {"init": init})
    library = tmp_path / "libcuda.so.1"
    build = [compiler, "-shared", "-fPIC", "-o", library, source]
    subprocess.run(build, check=True)
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[: len(expected)] == expected
