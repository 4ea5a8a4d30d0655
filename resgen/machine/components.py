"""What can be installed beside resgen, what each is good for, and whether it is here.

Almost all is told from metadata and the names of files; only ONNX Runtime is imported
(a tenth of a second), since nothing else knows its providers.
"""

from __future__ import annotations

import re
import shutil
import sys
from ctypes.util import find_library
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from resgen.errors import MissingComponent
from resgen.machine import packages, telemetry

State = Literal["ok", "missing", "broken"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something to install: ``module`` is its name in Python, "" for a program.

    ``purpose`` ends the sentence "it is for ...". ``gpu``: of no use without a GPU.
    """

    name: str
    module: str
    group: Literal["runtimes", "tools"]
    purpose: str
    install: str
    gpu: bool = False


@dataclass(frozen=True, slots=True)
class Component:
    """What was found of it. ``detail`` says what it can here, or why it is broken."""

    name: str
    group: str
    state: State
    version: str | None
    detail: str | None
    purpose: str
    install: str
    needs_gpu: bool


TORCH: Final = "PyTorch"
ONNXRUNTIME: Final = "ONNX Runtime"
_COMPILERS: Final = ("g++", "clang++", "c++", "cl")
_COMPILER: Final = {
    "linux": "sudo apt install g++",
    "darwin": "xcode-select --install",
}.get(sys.platform, "install the Build Tools for Visual Studio")

WANTED: Final = (
    Wanted(TORCH, "torch", "runtimes", "building, verifying and timing",
           'pip install "resgen[torch]"'),
    Wanted(ONNXRUNTIME, "onnxruntime", "runtimes", "verifying, predicting and timing",
           'pip install "resgen[onnxruntime]"'),
    Wanted("TensorRT", "tensorrt", "runtimes", "engines of the GPU that is here",
           'pip install "resgen[tensorrt]"', gpu=True),
    Wanted("TensorRT for RTX", "tensorrt_rtx", "runtimes",
           "engines of RTX GPUs, built anywhere",
           'pip install "resgen[tensorrt-rtx]"'),
    Wanted("OpenVINO", "openvino", "runtimes", "timing on Intel's runtime",
           'pip install "resgen[openvino]"'),
    Wanted("LiteRT", "ai_edge_litert", "runtimes", "files for phones, and running them",
           'pip install "resgen[litert]"'),
    Wanted("Keras", "keras", "tools", "models to train in Keras",
           'pip install "resgen[keras]"'),
    Wanted("OpenCV", "cv2", "runtimes", "timing on cv2.dnn",
           'pip install "resgen[opencv]"'),
    Wanted("Triton client", "tritonclient", "runtimes", "requests to a Triton server",
           'pip install "tritonclient[http]"'),
    Wanted("SciPy", "scipy", "tools", "intervals and verdicts of times",
           'pip install "resgen[profile]"'),
    Wanted("nvidia-ml-py", "pynvml", "tools",
           "clocks, power and temperature of the GPU",
           'pip install "resgen[profile]"', gpu=True),
    Wanted("Pillow", "PIL", "tools", "reading pictures",
           'pip install "resgen[images]"'),
    Wanted("C++ compiler", "", "tools", "torch.compile on the CPU",
           _COMPILER),
)  # fmt: skip


def components() -> tuple[Component, ...]:
    """All of them, as they are on this machine."""
    return tuple(_find(wanted) for wanted in WANTED)


def absent(error: ModuleNotFoundError) -> MissingComponent | None:
    """What an import has shown to be missing; None where it is none of these."""
    module = (error.name or "").partition(".")[0]
    for wanted in WANTED:
        if module and wanted.module == module:
            return MissingComponent(wanted.name, "this cannot be done", wanted.install)
    return None


def _find(wanted: Wanted) -> Component:
    state: State = "ok"
    detail = None
    if not wanted.module:
        version = next(filter(shutil.which, _COMPILERS), None)
    else:
        version = packages.version_of(wanted.module)
    if version is None:
        state = "missing"
    elif wanted.name == ONNXRUNTIME:
        state, detail = _providers()
    elif wanted.name == TORCH:
        detail = _torch_devices()
    elif wanted.module.startswith("tensorrt"):
        state, detail = _libraries(wanted.module)
    return Component(
        wanted.name,
        wanted.group,
        state,
        version,
        detail,
        wanted.purpose,
        wanted.install,
        wanted.gpu,
    )


def _providers() -> tuple[State, str]:
    """What ONNX Runtime runs on, in its order of preference."""
    telemetry.switch_off()
    try:
        import onnxruntime

        offered: list[str] = onnxruntime.get_available_providers()
    except Exception as error:  # libraries that do not fit end in any of several
        return "broken", " ".join(str(error).split()) or type(error).__name__
    names = [name.removesuffix("ExecutionProvider") for name in offered]
    # Azure sends the work to a service, and every build has it.
    return "ok", ", ".join(name for name in names if name != "Azure")


def _torch_devices() -> str | None:
    """What this build of PyTorch runs on, from the file that its version is in."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    try:
        text = Path(spec.origin).with_name("version.py").read_text("utf-8")
    except OSError:
        return None
    for name in ("cuda", "hip", "xpu"):
        built = re.search(rf"^{name}\b.*= '([\d.]+)", text, re.MULTILINE)
        if built:
            return f"{name.upper()} {built[1]}, CPU"
    return "CPU"


def _libraries(module: str) -> tuple[State, str | None]:
    """Whether TensorRT's libraries are there; its bindings install without them."""
    library = "nvinfer" if module == "tensorrt" else "tensorrt_rtx"
    if packages.is_here(f"{module}_libs") or find_library(library) is not None:
        return "ok", None
    return "broken", "its libraries are missing"
