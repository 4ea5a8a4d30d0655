"""LiteRT as an engine: the processor's kernels, by XNNPACK or by the reference."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import Any, Final

import numpy as np

from resgen.errors import ResgenError
from resgen.lower.litert.write import ENDS, schema_of
from resgen.ops.types import RANGES
from resgen.runtime.base import Array, Session, Shape, load, reason
from resgen.runtime.engines import Engine, Opening


class LiteRtSession(Session):
    """Runs a .tflite file that resgen wrote.

    Inputs and outputs have PyTorch's order of axes, as every session's; the file's own
    has channels last. What the file takes or gives out in 8 bits is float32 here. With
    ``reference`` the plain kernels of LiteRT run, which are written to be read, and not
    XNNPACK's; with ``kept`` :meth:`value` and :meth:`numbers` can be asked of any
    tensor.
    """

    name = "LiteRT"

    def __init__(
        self,
        model: Path,
        *,
        threads: int | None = None,
        reference: bool = False,
        kept: bool = False,
    ) -> None:
        load("ai_edge_litert", "LiteRT", "the file cannot be run", "litert")
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        kinds = OpResolverType
        if reference:
            self.name = "LiteRT (reference kernels)"
        try:
            self._runs: Any = Interpreter(
                model_path=str(model),
                num_threads=threads,
                experimental_op_resolver_type=(
                    kinds.BUILTIN_REF if reference else kinds.AUTO
                ),
                experimental_preserve_all_tensors=kept,
            )
        except ValueError as error:
            raise ResgenError(
                f"LiteRT does not load {model}: {reason(error)}"
            ) from error
        inputs, outputs = _ends(model)
        self._inputs, self._outputs = inputs, outputs
        details = {d["index"]: d for d in self._runs.get_tensor_details()}

        def shapes(ends: Mapping[str, _End]) -> dict[str, Shape]:
            return {
                name: _shape(details[index], order)
                for name, (index, order) in ends.items()
            }

        self.inputs, self.outputs = shapes(inputs), shapes(outputs)
        self._codes = {
            index: (np.float32(scale), point)
            for index, detail in details.items()
            for scale, point in (detail["quantization"],)
            if scale
        }
        self._kinds = {i: np.dtype(detail["dtype"]) for i, detail in details.items()}
        self.dtypes = {
            name: "float32" if index in self._codes else self._kinds[index].name
            for name, (index, _) in inputs.items()
        }

    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self.repeated(feeds)()
        return {
            name: self.numbers(index).transpose(np.argsort(order))
            for name, (index, order) in self._outputs.items()
        }

    def repeated(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        """A call that runs on these feeds, which are the file's own order already."""
        try:
            for name, (index, order) in self._inputs.items():
                self._runs.resize_tensor_input(
                    index, [feeds[name].shape[axis] for axis in order]
                )
            with _ungreeted():
                self._runs.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ResgenError(f"{self.name} does not run: {reason(error)}") from error
        given = self.stored(feeds)
        for (index, _), array in zip(self._inputs.values(), given, strict=True):
            self._runs.set_tensor(index, array)
        invoke: Callable[[], object] = self._runs.invoke
        return invoke

    def stored(self, feeds: Mapping[str, Array]) -> list[Array]:
        """The feeds in the order of the file's inputs, as they lie there."""
        return [
            np.ascontiguousarray(self._coded(index, feeds[name]).transpose(order))
            for name, (index, order) in self._inputs.items()
        ]

    def value(self, index: int) -> Array:
        """What a tensor of the last run holds, as it is stored."""
        found: Array = self._runs.get_tensor(index)
        return found

    def numbers(self, index: int) -> Array:
        """What these stand for, where they are whole numbers with a scale."""
        found = self.value(index)
        if index not in self._codes:
            return found
        scale, point = self._codes[index]
        numbers: Array = (found.astype(np.float32) - point) * scale
        return numbers

    def close(self) -> None:
        self._runs = None

    def _coded(self, index: int, array: Array) -> Array:
        """An input in the type that its tensor has."""
        kind = self._kinds[index]
        if index not in self._codes:
            return array.astype(kind, copy=False)
        scale, point = self._codes[index]
        least, greatest = RANGES[kind.name]
        numbers = np.rint(array.astype(np.float32, copy=False) / scale) + point
        codes: Array = numbers.clip(least, greatest).astype(kind)
        return codes


#: What the first network that is made ready writes on standard error, whatever is set.
_GREETING: Final = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
_GREETS = Lock()


@contextmanager
def _ungreeted() -> Iterator[None]:
    """Standard error without LiteRT's greeting; what else is written comes after."""
    with _GREETS, ExitStack() as held:
        try:
            kept = os.dup(2)
            held.callback(os.close, kept)
            taken = held.enter_context(TemporaryFile())
        except OSError:  # it is closed, or there is no room: the greeting stays
            yield
            return
        os.dup2(taken.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            taken.seek(0)
            with suppress(OSError):  # nobody reads it
                os.write(2, taken.read().replace(_GREETING, b""))


#: The tensor of an end, and the order of its axes.
_End = tuple[int, tuple[int, ...]]


def _ends(model: Path) -> tuple[dict[str, _End], dict[str, _End]]:
    """The ends by their names, of a file that says how its axes are stored."""
    held = schema_of().Model.GetRootAs(np.memmap(model, np.uint8, "r"))
    told: Mapping[str, Any] = {}
    for i in range(held.MetadataLength()):
        entry = held.Metadata(i)
        if entry.Name() == ENDS.encode():
            told = json.loads(held.Buffers(entry.Buffer()).DataAsNumpy().tobytes())
    if not held.SignatureDefsLength() or not told:
        raise ResgenError(f"{model} is not a LiteRT file that resgen wrote")
    signature = held.SignatureDefs(0)

    def ends(kind: str, count: int, at: Callable[[int], Any]) -> dict[str, _End]:
        entries = [at(i) for i in range(count)]
        return {
            name: (entry.TensorIndex(), tuple(told[kind][name]))
            for entry in entries
            for name in (entry.Name().decode(),)
        }

    return (
        ends("inputs", signature.InputsLength(), signature.Inputs),
        ends("outputs", signature.OutputsLength(), signature.Outputs),
    )


def _shape(detail: Mapping[str, Any], order: tuple[int, ...]) -> Shape:
    sizes = [None if n < 0 else int(n) for n in detail["shape_signature"]]
    return tuple(sizes[at] for at in np.argsort(order))


def _open(opening: Opening) -> Session:
    return LiteRtSession(opening.file, threads=opening.threads)


ENGINE: Final = Engine(
    "LiteRT", "litert", ("cpu",), ("ai_edge_litert",), "litert", _open,
    {"delegate": "XNNPACK"},
)  # fmt: skip
