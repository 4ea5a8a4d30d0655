"""What every engine that runs a network looks like from outside."""

from __future__ import annotations

import ctypes
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Any, ClassVar, Final, TypeAlias, TypeVar

from numpy.typing import NDArray

from resgen.errors import MissingComponent, ResgenError
from resgen.words.numbers import shape as said

Array: TypeAlias = NDArray[Any]
Self = TypeVar("Self", bound="Session")  # typing has it from Python 3.11 on
#: Sizes of all axes, the batch first; None is an axis whose size is open.
Shape: TypeAlias = tuple[int | None, ...]
#: The key that holds for every input, where sizes are given by input.
ANY: Final = ""


class Session(ABC):
    """A network that is loaded and can be run; a context manager that unloads it.

    ``name`` is the engine's, as a person knows it. ``inputs`` and ``outputs`` are
    shapes by name; ``dtypes`` are the types of the inputs' elements where they are not
    float32.
    """

    name: str
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    #: Whether several threads may run it at once.
    concurrent: ClassVar[bool] = False
    #: Whether what :meth:`resident` queues may be recorded as a CUDA graph.
    #: A session may know only after that call.
    capturable: bool = True
    dtypes: Mapping[str, str] = MappingProxyType({})

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Every output by name; feeds that do not fit raise :class:`ResgenError`."""
        if feeds.keys() != self.inputs.keys():
            raise ResgenError(
                f"{self.name} was given {', '.join(feeds) or 'nothing'}, but the "
                f"network takes {', '.join(self.inputs)}"
            )
        for name, shape in self.inputs.items():
            if not fits(feeds[name].shape, shape):
                raise ResgenError(
                    f'the input "{name}" has the shape {said(feeds[name].shape)}, '
                    f"but the network takes {said(shape)}"
                )
        return self._run(feeds)

    def repeated(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        """A call that runs on these feeds, checked once and from host to host."""
        self.run(feeds)
        return lambda: self._run(feeds)

    def resident(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        """A call that queues one run on the device, where inputs and outputs stay.

        The queue is the current stream of PyTorch's CUDA.
        """
        raise ResgenError(
            f"{self.name} cannot keep its inputs on a device here",
            hint="the mode latency measures it from the host",
        )

    @abstractmethod
    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Run on feeds that fit."""

    def close(self) -> None:  # noqa: B027  # not every engine holds something
        """Give back what the engine holds; the session cannot be run afterwards."""

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def load(module: str, title: str, why: str, extra: str) -> ModuleType:
    """An engine's package, or :class:`~resgen.errors.MissingComponent`.

    ``why`` ends the sentence "TITLE is not installed, so ..."; ``extra`` is what of
    resgen installs it. A package that is here and lacks another is an ImportError, and
    a folder of its name where Python looks is none.
    """
    absent = MissingComponent(title, why, f'pip install "resgen[{extra}]"')
    try:
        found = import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name != module:
            raise
        raise absent from missing
    spec = getattr(found, "__spec__", None)
    if spec is not None and spec.origin is None and spec.submodule_search_locations:
        raise absent
    return found


def reason(error: Exception) -> str:
    """What an engine says, on one line."""
    return " ".join(str(error).split())


def release_memory() -> None:
    """Give freed memory back to the system, where the C library can (glibc).

    Engines and tensors come and go by the hundred megabytes, and an allocator that
    keeps what they freed makes the peak the sum of them instead of the largest.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def fits(shape: tuple[int, ...], declared: Shape) -> bool:
    """Whether an array of this shape can be given where ``declared`` is taken."""
    return len(shape) == len(declared) and all(
        size is None or size == given
        for given, size in zip(shape, declared, strict=True)
    )
