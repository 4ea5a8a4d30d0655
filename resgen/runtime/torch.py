"""PyTorch as an engine: a graph's module, in evaluation and without gradients."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resgen.errors import MissingComponent
from resgen.graph.ir import Graph
from resgen.ops.types import TensorType
from resgen.runtime.base import Array, Session, Shape

if TYPE_CHECKING:
    from types import ModuleType

    import torch


def load_torch(why: str) -> ModuleType:
    """The torch package, or :class:`~resgen.errors.MissingComponent`.

    ``why`` ends the sentence "PyTorch is not installed, so ...".
    """
    try:
        with _collector_paused():
            import torch
    except ModuleNotFoundError as missing:
        if missing.name != "torch":
            raise
        install = 'pip install "resgen[torch]"'
        raise MissingComponent("PyTorch", why, install) from missing
    return torch


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
    takes inputs of any spatial size.
    """

    name = "PyTorch"

    def __init__(
        self, graph: Graph, module: torch.nn.Module, *, dynamic: bool = False
    ) -> None:
        self._torch = load_torch("the network cannot be run by it")
        self._names = [name for name, _ in graph.outputs]
        self._module = module
        self._training = module.training

        def declared(type_: TensorType) -> Shape:
            sizes = (None,) * len(type_.spatial) if dynamic else type_.spatial
            return (None, type_.channels, *sizes)

        self.inputs = {i.name: declared(i.type) for i in graph.inputs}
        self.outputs = {
            name: declared(graph.types[value]) for name, value in graph.outputs
        }
        module.eval()

    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        torch = self._torch
        with torch.no_grad():
            results = self._module(*(torch.from_numpy(feeds[n]) for n in self.inputs))
        if not isinstance(results, dict):
            results = {self._names[0]: results}
        return {name: self._array(results[name]) for name in self._names}

    def _array(self, tensor: torch.Tensor) -> Array:
        """The tensor as an array; of what NumPy lacks, exactly, as float32."""
        lacks = tensor.dtype == self._torch.bfloat16
        found: Array = (tensor.float() if lacks else tensor).numpy()
        return found

    def close(self) -> None:
        self._module.train(self._training)
