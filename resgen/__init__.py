"""Neural architectures from a few lines of JSON, proven equal wherever they run.

>>> import resgen
>>> spec = resgen.load("resnet50")       # a file or a name of the zoo; checked
>>> graph = resgen.expand(spec)          # operators, shapes, parameters; validated
>>> len(graph.nodes)
175

``resgen.to_torch(graph)`` makes a module to train, and ``resgen.build(spec, folder,
state_dict=...)`` an ONNX file that is proven to compute the same.
"""

from __future__ import annotations

from functools import wraps
from importlib import import_module
from inspect import isfunction
from typing import TYPE_CHECKING, Any

from resgen._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resgen.api.build import build
    from resgen.api.check import check
    from resgen.api.choose import choose
    from resgen.api.compare import compare
    from resgen.api.diagnose import diagnose
    from resgen.api.diff import diff
    from resgen.api.doctor import doctor
    from resgen.api.export import export
    from resgen.api.features import features
    from resgen.api.import_ import from_onnx, from_torch, import_
    from resgen.api.inspect import inspect
    from resgen.api.list import list  # noqa: A004 (the command's name)
    from resgen.api.measure import measure
    from resgen.api.predict import predict
    from resgen.api.profile import profile
    from resgen.api.report import report
    from resgen.api.search import search
    from resgen.api.verify import verify
    from resgen.calibrate.lowered import calibrated
    from resgen.diagnosis.seen.watch import watch
    from resgen.errors import ResgenError, SpecError
    from resgen.expansion.builder import Limits
    from resgen.expansion.network import examine, expand, load
    from resgen.graph.cost import analyse
    from resgen.graph.ir import Graph
    from resgen.lower.keras.model import from_keras, to_keras
    from resgen.lower.source.write import to_python
    from resgen.lower.torch import to_torch
    from resgen.spec.model import Spec
    from resgen.weights.checkpoint import renamed

#: Public names and where they live; each is imported when it is first used, since
#: torch alone takes longer than checking a hundred specs.
_HOMES = {
    "Graph": "resgen.graph.ir",
    "Limits": "resgen.expansion.builder",
    "ResgenError": "resgen.errors",
    "Spec": "resgen.spec.model",
    "SpecError": "resgen.errors",
    "analyse": "resgen.graph.cost",
    "build": "resgen.api.build",
    "calibrated": "resgen.calibrate.lowered",
    "check": "resgen.api.check",
    "choose": "resgen.api.choose",
    "compare": "resgen.api.compare",
    "diagnose": "resgen.api.diagnose",
    "diff": "resgen.api.diff",
    "doctor": "resgen.api.doctor",
    "examine": "resgen.expansion.network",
    "expand": "resgen.expansion.network",
    "export": "resgen.api.export",
    "features": "resgen.api.features",
    "from_keras": "resgen.lower.keras.model",
    "from_onnx": "resgen.api.import_",
    "from_torch": "resgen.api.import_",
    "import_": "resgen.api.import_",
    "inspect": "resgen.api.inspect",
    "list": "resgen.api.list",
    "load": "resgen.expansion.network",
    "measure": "resgen.api.measure",
    "predict": "resgen.api.predict",
    "profile": "resgen.api.profile",
    "renamed": "resgen.weights.checkpoint",
    "report": "resgen.api.report",
    "search": "resgen.api.search",
    "shrink": "resgen.api.shrink",
    "to_keras": "resgen.lower.keras.model",
    "to_python": "resgen.lower.source.write",
    "to_torch": "resgen.lower.torch",
    "verify": "resgen.api.verify",
    "watch": "resgen.diagnosis.seen.watch",
}

__all__ = [
    "Graph",
    "Limits",
    "ResgenError",
    "Spec",
    "SpecError",
    "__version__",
    "analyse",
    "build",
    "calibrated",
    "check",
    "choose",
    "compare",
    "diagnose",
    "diff",
    "doctor",
    "examine",
    "expand",
    "export",
    "features",
    "from_keras",
    "from_onnx",
    "from_torch",
    "import_",
    "inspect",
    "list",
    "load",
    "measure",
    "predict",
    "profile",
    "renamed",
    "report",
    "search",
    "shrink",
    "to_keras",
    "to_python",
    "to_torch",
    "verify",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = _told(lambda: getattr(import_module(_HOMES[name]), name))
    if isfunction(found):
        found = _telling(found)
    globals()[name] = found
    return found


def _telling(function: Callable[..., Any]) -> Callable[..., Any]:
    """A public function, which names what is not installed as its command does."""

    @wraps(function)
    def telling(*given: Any, **named: Any) -> Any:
        return _told(lambda: function(*given, **named))

    telling.__module__ = __name__  # by which it is pickled
    return telling


def _told(call: Callable[[], Any]) -> Any:
    """What a call gives; what an import misses in it is a MissingComponent."""
    try:
        return call()
    except ModuleNotFoundError as error:
        from resgen.machine.components import absent

        missing = absent(error)
        if missing is None:
            raise
        raise missing from error


def __dir__() -> Sequence[str]:
    return __all__
