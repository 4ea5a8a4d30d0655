"""The flavours of TensorRT: which are installed, and how one is loaded.

Their versions are read from the packages' metadata, so that looking something up in the
cache of engines does not load hundreds of megabytes of libraries.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Final, cast

from resgen.errors import MissingComponent, UsageError, did_you_mean
from resgen.tensorrt.api import TensorRT


@dataclass(frozen=True, slots=True)
class Flavor:
    """A flavour: ``key`` is what ``--flavor`` calls it, ``name`` what a person does.

    ``ahead`` says whether it builds for GPUs that are not present. ``tag`` is what its
    engines begin with: TensorRT's as NVIDIA's ``trtexec`` looks for it
    (``printPlanVersion`` in samples/common/sampleEngines.cpp of its repository), that
    of TensorRT for RTX as 1.7 writes it.
    """

    key: str
    name: str
    module: str
    ahead: bool
    tag: bytes

    @property
    def install(self) -> str:
        """The command that brings it."""
        return f'pip install "resgen[{self.module.replace("_", "-")}]"'


#: By key; where several will do, the first is taken.
FLAVORS: Final[Mapping[str, Flavor]] = {
    flavor.key: flavor
    for flavor in (
        Flavor("tensorrt", "TensorRT", "tensorrt", ahead=False, tag=b"ftrt"),
        Flavor("rtx", "TensorRT for RTX", "tensorrt_rtx", ahead=True, tag=b"vtrt"),
    )
}


def flavor_of(key: str) -> Flavor:
    """The flavour that ``--flavor`` asks for."""
    if key not in FLAVORS:
        raise UsageError(
            f'"{key}" is not a flavour of TensorRT{did_you_mean(key, FLAVORS)}',
            hint=f"choose one of {', '.join(FLAVORS)}",
        )
    return FLAVORS[key]


def installed() -> tuple[Flavor, ...]:
    """The flavours that are here, without loading them."""
    found = ((flavor, find_spec(flavor.module)) for flavor in FLAVORS.values())
    # A folder of that name, as of NVIDIA's samples, has a spec too, but no origin.
    return tuple(flavor for flavor, spec in found if spec and spec.origin)


def version_of(flavor: Flavor) -> str:
    """The installed version, without loading it."""
    try:
        return version(flavor.module)
    except PackageNotFoundError:  # a system's package, without metadata of Python's
        return load(flavor, "its version is unknown").__version__


def load(flavor: Flavor, why: str) -> TensorRT:
    """The flavour's module, or :class:`~resgen.errors.MissingComponent`.

    ``why`` ends the sentence "TensorRT is not installed, so ...".
    """
    try:
        module = importlib.import_module(flavor.module)
    except ModuleNotFoundError as missing:
        raise MissingComponent(flavor.name, why, flavor.install) from missing
    except (ImportError, OSError) as broken:  # bindings without their libraries
        raise MissingComponent(
            f"a whole {flavor.name}", f"{why} ({broken})", flavor.install
        ) from broken
    if not hasattr(module, "__version__"):  # a folder of that name, taken for a package
        raise MissingComponent(flavor.name, why, flavor.install)
    return cast(TensorRT, module)
