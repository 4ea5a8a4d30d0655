"""ONNX Runtime as an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from resgen.errors import MissingComponent, ResgenError
from resgen.runtime.base import Array, Session, Shape, release_memory

CPU: Final = "CPUExecutionProvider"
#: Only what ends a session is logged; its message is in the exception anyway.
FATAL: Final = 4


def load_onnxruntime(why: str) -> ModuleType:
    """The onnxruntime package, or :class:`~resgen.errors.MissingComponent`.

    ``why`` ends the sentence "ONNX Runtime is not installed, so ...".
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as missing:
        if missing.name != "onnxruntime":
            raise
        install = 'pip install "resgen[onnxruntime]"'
        raise MissingComponent("ONNX Runtime", why, install) from missing
    found: ModuleType = onnxruntime
    return found


class OnnxRuntimeSession(Session):
    """Runs an ONNX model, from a file or as bytes, on one execution provider.

    With ``optimize`` off the nodes run as they stand in the model, so that any of them
    may be an output. A model that does not load or run is a :class:`ResgenError`, and
    so is a provider that would hand its work to another.
    """

    name = "ONNX Runtime"

    def __init__(
        self,
        model: Path | bytes,
        *,
        optimize: bool = True,
        provider: str = CPU,
    ) -> None:
        self._runtime = load_onnxruntime("the ONNX file cannot be run")
        self._label = str(model) if isinstance(model, Path) else "the ONNX model"
        available = self._runtime.get_available_providers()
        if provider not in available:
            raise ResgenError(
                f"this ONNX Runtime has no {provider}; it has {', '.join(available)}"
            )
        self._session = self._open(model, self._options(optimize), provider)
        used = self._session.get_providers()
        if used[0] != provider:
            raise ResgenError(
                f"ONNX Runtime could not start {provider} and took {used[0]} instead"
            )
        self.inputs = {i.name: _shape(i.shape) for i in self._session.get_inputs()}
        self.outputs = {o.name: _shape(o.shape) for o in self._session.get_outputs()}

    def _options(self, optimize: bool) -> Any:
        levels = self._runtime.GraphOptimizationLevel
        options = self._runtime.SessionOptions()
        options.log_severity_level = FATAL
        # The arena keeps what a first run took; here sessions are run a few times.
        options.enable_cpu_mem_arena = False
        # Idle threads that spin would take the cores from an engine that runs next.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.graph_optimization_level = (
            levels.ORT_ENABLE_ALL if optimize else levels.ORT_DISABLE_ALL
        )
        return options

    def _open(self, model: Path | bytes, options: Any, provider: str) -> Any:
        given = str(model) if isinstance(model, Path) else model
        try:
            return self._runtime.InferenceSession(given, options, providers=[provider])
        except Exception as error:  # the runtime's exceptions have no common base
            raise ResgenError(
                f"ONNX Runtime does not load {self._label}: {_reason(error)}"
            ) from error

    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        names = list(self.outputs)
        try:
            results: Sequence[Array] = self._session.run(names, dict(feeds))
        except Exception as error:  # see above
            raise ResgenError(
                f"ONNX Runtime does not run {self._label}: {_reason(error)}"
            ) from error
        return dict(zip(names, results, strict=True))

    def close(self) -> None:
        self._session = None
        release_memory()


def _shape(shape: Sequence[Any]) -> Shape:
    """Named and unknown axes are open."""
    return tuple(n if isinstance(n, int) else None for n in shape)


def _reason(error: Exception) -> str:
    """The runtime's message on one line."""
    return " ".join(str(error).split())
