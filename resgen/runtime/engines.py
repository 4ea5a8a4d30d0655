"""The engines that can run a network, found by their files.

A module that holds ``ENGINE`` is an engine. Those in this folder go by the names of
their files; one that lies elsewhere goes by the dotted name of its module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from resgen.errors import MissingComponent, UsageError, did_you_mean
from resgen.machine.device import number_of, required
from resgen.runtime.base import Session

if TYPE_CHECKING:
    import torch

    from resgen.graph.ir import Graph

_FOLDER: Final = Path(__file__).parent
#: Files of this folder that are no engine.
_SHARED: Final = {"__init__", "base", "engines", "foreign"}

#: What can be done about an engine where no GPU is.
_CARRY: Final = (
    "`resgen export SOURCE --to tensorrt --target GPU` makes an engine or a kit to "
    "carry to one"
)


@dataclass(frozen=True, slots=True)
class Opening:
    """What an engine is to open, and how.

    ``file`` is of the form that the engine takes; ``network`` makes the graph and its
    module, of a form ``module``. ``device`` is ``cpu`` or ``cuda:N``; ``threads`` is
    how many one operator uses on a processor.
    """

    file: Path
    network: Callable[[], tuple[Graph, torch.nn.Module]]
    device: str = "cpu"
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Engine:
    """How an engine is found and opened.

    It ``takes`` an ONNX file (``onnx``), PyTorch's ``module``, TensorRT's ``engine``,
    or what a form makes for it, by the name that the form gives that.
    ``packages`` are import names of which one is needed, ``extra`` what of resgen
    installs one. ``settings`` are what it is told, for the report.
    """

    title: str
    takes: str
    devices: tuple[str, ...]
    packages: tuple[str, ...]
    extra: str
    open: Callable[[Opening], Session]
    settings: Mapping[str, Any] = field(default_factory=dict)
    hidden: bool = False

    @property
    def installed(self) -> bool:
        """Whether its package is here, without importing it."""
        return not self.packages or any(map(find_spec, self.packages))

    @property
    def version(self) -> str | None:
        """The version of its package, as far as the package's metadata says."""
        from importlib.metadata import packages_distributions, version

        here = packages_distributions()
        found = (here[name][0] for name in self.packages if name in here)
        return next(map(version, found), None)

    def require(self, device: str, why: str) -> None:
        """Refuse what is not there (exit code 3) or does not go together (2).

        ``why`` ends the sentence "NAME is not installed, so ...".
        """
        if not self.installed:
            install = f'pip install "resgen[{self.extra}]"'
            if self.devices == ("cuda",):
                install += "      an NVIDIA GPU with a driver is needed as well"
            doctor = "`resgen doctor` shows what this machine has."
            raise MissingComponent(self.title, why, f"{install}\n{doctor}")
        kind = device.partition(":")[0]
        if kind not in self.devices:
            raise UsageError(
                f"{self.title} does not run on {kind} here; it runs on "
                f"{' and '.join(self.devices)}"
            )
        if kind == "cuda":
            instead = _CARRY if self.takes == "engine" else ""
            number = number_of(device)
            why = f"{self.title} cannot run on {device}"
            required(why, number=number, instead=instead)


def names(*, hidden: bool = False) -> list[str]:
    """Names of the engines, as ``--runtime`` takes them."""
    stems = sorted(p.stem for p in _FOLDER.glob("*.py") if p.stem not in _SHARED)
    found = [stem.replace("_", "-") for stem in stems]
    return [name for name in found if hidden or not find(name).hidden]


def find(name: str) -> Engine:
    """The engine of this name; an unknown one is a :class:`UsageError`."""
    stem = name.replace("-", "_")
    if "." in name and all(part.isidentifier() for part in name.split(".")):
        module = name
    elif stem not in _SHARED and (_FOLDER / f"{stem}.py").is_file():
        module = f"resgen.runtime.{stem}"
    else:
        raise UsageError(
            f'there is no runtime "{name}"{did_you_mean(name, names())}',
            hint=f"choose among {', '.join(names())}",
        )
    try:
        found = import_module(module).ENGINE
    except (ModuleNotFoundError, AttributeError) as error:
        raise UsageError(f'"{name}" is no module with an ENGINE: {error}') from error
    if not isinstance(found, Engine):
        raise UsageError(f'ENGINE of "{name}" is not a resgen.runtime.engines.Engine')
    return found


def require(name: str, device: str, why: str) -> None:
    """As :meth:`Engine.require`, of the engine of this name."""
    find(name).require(device, why)


def present(device: str) -> tuple[str, ...]:
    """Names of the engines that are installed and run on a device."""
    kind = device.partition(":")[0]
    found = ((name, find(name)) for name in names())
    return tuple(n for n, e in found if e.installed and kind in e.devices)
