"""OpenVINO as an engine, on its processor plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

from resgen.errors import ResgenError
from resgen.runtime.base import Array, Session, Shape, load, reason
from resgen.runtime.engines import Engine, Opening

#: OpenVINO's names of element types where NumPy and ml_dtypes have others.
KINDS: Final[Mapping[str, str]] = {
    "f32": "float32", "f16": "float16", "bf16": "bfloat16", "f64": "float64",
    "u8": "uint8", "i8": "int8", "i32": "int32", "i64": "int64", "boolean": "bool",
}  # fmt: skip


def load_openvino(why: str) -> ModuleType:
    """The openvino package, or :class:`~resgen.errors.MissingComponent`.

    ``why`` ends the sentence "OpenVINO is not installed, so ...".
    """
    return load("openvino", "OpenVINO", why, "openvino")


def compiled(model: Path, *, threads: int | None, profiled: bool = False) -> Any:
    """The file compiled for the processor; one that does not load is a ResgenError.

    ``profiled`` has its requests take the time of every node.
    """
    openvino = load_openvino("the ONNX file cannot be run by it")
    options: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "PERF_COUNT": profiled,
    }
    if threads is not None:
        options["INFERENCE_NUM_THREADS"] = threads
    try:
        return openvino.Core().compile_model(str(model), "CPU", options)
    except Exception as error:  # the runtime's exceptions have no common base
        raise ResgenError(
            f"OpenVINO {openvino.__version__} does not load {model}: {reason(error)}",
            hint="another runtime runs it, or another precision suits OpenVINO",
        ) from error


class OpenVinoSession(Session):
    """Runs an ONNX file on OpenVINO's processor plugin, tuned for latency.

    The arithmetic is float32 unless the file says otherwise: by itself the plugin
    takes bfloat16 where the processor has it, which would be another network.
    """

    name = "OpenVINO"

    def __init__(self, model: Path, *, threads: int | None = None) -> None:
        self._label = str(model)
        network = compiled(model, threads=threads)
        self.inputs = {port.any_name: _shape(port) for port in network.inputs}
        self.outputs = {port.any_name: _shape(port) for port in network.outputs}
        self.dtypes = {
            port.any_name: KINDS.get(found, found)
            for port in network.inputs
            for found in (port.element_type.get_type_name(),)
        }
        self._request: Any = network.create_infer_request()

    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        try:
            results = self._request.infer(dict(feeds))
        except Exception as error:  # see above
            raise ResgenError(
                f"OpenVINO does not run {self._label}: {reason(error)}"
            ) from error
        return {name: np.array(results[name]) for name in self.outputs}

    def repeated(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        self.run(feeds)
        given, infer = dict(feeds), self._request.infer
        return lambda: infer(given)

    def close(self) -> None:
        self._request = None


def _shape(port: Any) -> Shape:
    return tuple(
        None if size.is_dynamic else size.get_length() for size in port.partial_shape
    )


def _open(opening: Opening) -> Session:
    return OpenVinoSession(opening.file, threads=opening.threads)


ENGINE: Final = Engine(
    "OpenVINO", "onnx", ("cpu",), ("openvino",), "openvino", _open,
    {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"},
)  # fmt: skip
