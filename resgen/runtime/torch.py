"""PyTorch as an engine: a graph's module, in evaluation and without gradients."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING, Final

import numpy as np

from resgen.errors import MissingComponent, MissingDevice
from resgen.graph.ir import Graph
from resgen.machine.device import number_of
from resgen.ops.types import TensorType
from resgen.runtime.base import Array, Session, Shape, load
from resgen.runtime.engines import Engine, Opening

if TYPE_CHECKING:
    from types import ModuleType

    import torch


def load_torch(why: str) -> ModuleType:
    """The torch package, or :class:`~resgen.errors.MissingComponent`.

    ``why`` ends the sentence "PyTorch is not installed, so ...".
    """
    with _collector_paused():
        return load("torch", "PyTorch", why, "torch")


def load_cuda(
    device: str, why: str, torch: ModuleType | None = None
) -> tuple[ModuleType, int]:
    """The torch package and the number of its GPU ``device`` (``cuda:N``).

    A build of PyTorch without CUDA and a GPU that is not there are a
    :class:`~resgen.errors.MissingDevice`; ``why`` ends "..., so ...".
    """
    torch = torch or load_torch(why)
    if not torch.cuda.is_available():
        raise MissingDevice(
            f"PyTorch sees no GPU, so {why}",
            hint="a build of PyTorch for CUDA, an NVIDIA GPU and its driver are "
            "needed; `resgen doctor` shows what this machine has",
        )
    count, number = torch.cuda.device_count(), number_of(device)
    if number >= count:
        raise MissingDevice(f"there is no {device}: this machine has {count} GPUs")
    return torch, number


@contextmanager
def torch_ahead(wanted: bool = True) -> Iterator[None]:
    """Import torch beside what is done meanwhile, where it will be ``wanted``.

    The import takes longer than anything else that a proof waits for, and what comes
    before it hashes and writes, which leaves the interpreter free. Whether torch is
    installed is said by :func:`load_torch`, which waits for this.
    """
    if not wanted or "torch" in sys.modules:
        yield
        return
    # Not a daemon: an interpreter that ends amid the import of a library aborts.
    thread = Thread(target=_imported, name="import torch")
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _imported() -> None:
    with suppress(MissingComponent):
        load_torch("it is not imported ahead")


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Import without garbage collection, and spare it what was imported.

    torch makes a million objects that all stay. The collector would visit them many
    times while they come (a tenth of the import) and with every full run after it.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


class TorchSession(Session):
    """Runs the module that :func:`resgen.lower.torch.to_torch` made of ``graph``.

    The module is in evaluation mode until the session is closed. With ``dynamic`` it
    takes inputs of any spatial size. ``threads`` holds for the whole process.
    ``compiled`` has ``torch.compile`` make code of it when it is first run.
    """

    name = "PyTorch"
    concurrent = True

    def __init__(
        self,
        graph: Graph,
        module: torch.nn.Module,
        *,
        dynamic: bool = False,
        device: str = "cpu",
        threads: int | None = None,
        compiled: bool = False,
    ) -> None:
        self._torch = load_torch("the network cannot be run by it")
        self._device = device
        if threads is not None:
            self._torch.set_num_threads(threads)
        if device != "cpu":
            module.to(device)
        self._names = [name for name, _ in graph.outputs]
        self._module = module
        self._call = self._torch.compile(module) if compiled else module
        self._training = module.training

        def declared(type_: TensorType) -> Shape:
            sizes = (None,) * len(type_.spatial) if dynamic else type_.spatial
            return (None, type_.channels, *sizes)

        self.inputs = {i.name: declared(i.type) for i in graph.inputs}
        self.outputs = {
            name: declared(graph.types[value]) for name, value in graph.outputs
        }
        self.dtypes = {i.name: i.type.dtype for i in graph.inputs}
        module.eval()

    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        with self._torch.no_grad():
            results = self._call(*self._tensors(feeds))
        if not isinstance(results, dict):
            results = {self._names[0]: results}
        return {name: self._array(results[name]) for name in self._names}

    def resident(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        if self._device == "cpu":
            return super().resident(feeds)
        self.run(feeds)
        tensors, call, no_grad = self._tensors(feeds), self._call, self._torch.no_grad

        def queue() -> object:
            with no_grad():
                return call(*tensors)

        return queue

    def _tensors(self, feeds: Mapping[str, Array]) -> list[torch.Tensor]:
        """The inputs in the order that the module takes them, on its device."""
        taken = (self._tensor(feeds[name]) for name in self.inputs)
        return [tensor.to(self._device) for tensor in taken]

    def _tensor(self, array: Array) -> torch.Tensor:
        """The array as a tensor; what NumPy lacks goes over by its bits."""
        lacks = array.dtype.name == "bfloat16"
        found: torch.Tensor = self._torch.from_numpy(
            array.view(np.int16) if lacks else array
        )
        return found.view(self._torch.bfloat16) if lacks else found

    def _array(self, tensor: torch.Tensor) -> Array:
        """The tensor as an array; of what NumPy lacks, exactly, as float32."""
        lacks = tensor.dtype == self._torch.bfloat16
        found: Array = (tensor.float() if lacks else tensor).cpu().numpy()
        return found

    def close(self) -> None:
        self._module.train(self._training)


def _open(opening: Opening) -> Session:
    graph, module = opening.network()
    return TorchSession(graph, module, device=opening.device, threads=opening.threads)


ENGINE: Final = Engine(
    "PyTorch", "module", ("cpu", "cuda"), ("torch",), "torch", _open, {"mode": "eager"}
)
