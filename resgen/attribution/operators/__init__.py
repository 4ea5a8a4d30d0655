"""Each engine's own profiler, read: one file an engine.

What a reader gives are kernels by the engine's names, with the time of one inference.
``nodes`` are the names (of ONNX nodes or of modules) of what a kernel computes, and a
kernel that only changes a layout or a type has the role ``conversion``;
:func:`resgen.attribution.attribute.charge` finds where they lie.
"""

from __future__ import annotations

from resgen.attribution.operators.litert import profile_litert
from resgen.attribution.operators.onnxruntime import profile_onnxruntime
from resgen.attribution.operators.openvino import profile_openvino
from resgen.attribution.operators.tensorrt import from_layers, from_trtexec
from resgen.attribution.operators.torch import profile_torch

__all__ = [
    "from_layers",
    "from_trtexec",
    "profile_litert",
    "profile_onnxruntime",
    "profile_openvino",
    "profile_torch",
]
