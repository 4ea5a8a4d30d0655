"""What the machine can do at all: a large matrix product and a large copy.

Williams et al. 2009, "Roofline: An Insightful Visual Performance Model". The ceilings
are measured in the same run as the network, in the runtime's own terms, so that they
share its threads, its kernels and the machine's mood.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from resgen.records.profile import Ceilings
from resgen.runtime.onnxruntime import load_onnxruntime
from resgen.runtime.torch import load_torch

if TYPE_CHECKING:
    import torch

#: One run of something, in seconds.
Timed = Callable[[], float]

#: The side of the matrices at first; it doubles until a product takes as long as this,
#: so that starting the threads (or the kernel) is a small part of it.
SIDE: Final = 1024
LARGEST_SIDE: Final = 8192
SHORTEST: Final = 0.005
#: Bytes of what is copied: more than caches hold.
COPIED: Final = 128 << 20
#: PyTorch's element types by precision.
_TORCH: Final = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


def ceilings(
    runtime: str, device: str, precision: str, threads: int, *, seconds: float = 0.5
) -> Ceilings:
    """What this machine reaches on this device, at this precision.

    ``seconds`` is how long the product and the copy are each repeated. PyTorch and
    everything on a GPU is measured by PyTorch, every other engine on the processor by
    ONNX Runtime, which must be there (:class:`~resgen.errors.MissingComponent`). A
    precision without a product of its own takes that of float32.
    """
    if runtime.startswith("torch") or device != "cpu":
        with _threads(threads):
            return _measured(_Torch(device, precision, runtime), seconds)
    return _measured(_OnnxRuntime(precision, threads), seconds)


def attainable(macs: int, nbytes: int, limits: Ceilings) -> float:
    """The least seconds that the best of the machine's rates allow for this work."""
    return max(macs / limits.compute_burst, nbytes / limits.bandwidth_burst)


def _measured(machine: _OnnxRuntime | _Torch, seconds: float) -> Ceilings:
    side = SIDE
    product = machine.product(side)
    while side < LARGEST_SIDE and min(product() for _ in range(3)) < SHORTEST:
        side *= 2
        product = machine.product(side)
    compute = [side**3 / s for s in _repeated(product, seconds)]
    moved = [2 * COPIED / s for s in _repeated(machine.copy(), seconds)]
    return Ceilings(
        compute_burst=max(compute),
        compute_sustained=median(compute),
        bandwidth_burst=max(moved),
        bandwidth_sustained=median(moved),
        launch=min(_repeated(machine.nothing(), seconds / 10)),
    )


def _repeated(run: Timed, seconds: float) -> list[float]:
    """Times of repeating for so long, at least five times, after one to warm up."""
    run()
    end = time.perf_counter() + seconds
    found: list[float] = []
    while len(found) < 5 or time.perf_counter() < end:
        found.append(run())
    return found


class _OnnxRuntime:
    """Models of one operator, on the processor."""

    def __init__(self, precision: str, threads: int) -> None:
        self._runtime = load_onnxruntime("the machine's ceilings cannot be measured")
        self._precision = precision
        self._threads = threads

    def product(self, side: int) -> Timed:
        """Of a square matrix with a constant one, which the engine may lay out anew."""
        try:
            return self._product(side, self._precision)
        except Exception:  # no such kernel here, so the network has none either
            return self._product(side, "fp32")

    def _product(self, side: int, precision: str) -> Timed:
        import numpy as np
        from onnx import TensorProto, helper, numpy_helper

        a, b = np.random.default_rng(0).integers(0, 127, (2, side, side))
        if precision == "int8":
            weight = numpy_helper.from_array(b.astype(np.int8), "b")
            kinds = TensorProto.UINT8, TensorProto.INT32
            return self._model("MatMulInteger", a.astype(np.uint8), kinds, weight)
        dtype = np.dtype("float16" if precision == "fp16" else "float32")
        kind = helper.np_dtype_to_tensor_dtype(dtype)
        weight = numpy_helper.from_array((b / 127).astype(dtype), "b")
        return self._model("MatMul", (a / 127).astype(dtype), (kind, kind), weight)

    def copy(self) -> Timed:
        """An operator that does nothing to positive numbers, on all its threads."""
        import numpy as np
        from onnx import TensorProto

        x = np.ones(COPIED // 4, np.float32)
        return self._model("Relu", x, (TensorProto.FLOAT,) * 2)

    def nothing(self) -> Timed:
        """A model that hands on what it is given."""
        import numpy as np
        from onnx import TensorProto

        return self._model("Identity", np.ones(1, np.float32), (TensorProto.FLOAT,) * 2)

    def _model(self, kind: str, x: Any, kinds: tuple[int, int], *weights: Any) -> Timed:
        """Runs of one operator into memory that is there already."""
        import numpy as np
        from onnx import helper

        shape = list(x.shape)
        node = helper.make_node(kind, ["x", *(w.name for w in weights)], ["y"])
        graph = helper.make_graph(
            [node],
            "ceiling",
            [helper.make_tensor_value_info("x", kinds[0], shape)],
            [helper.make_tensor_value_info("y", kinds[1], shape)],
            list(weights),
        )
        opset = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=8)
        options = self._runtime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = self._threads
        session = self._runtime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        binding = session.io_binding()
        dtype = helper.tensor_dtype_to_np_dtype(kinds[1])
        value = self._runtime.OrtValue.ortvalue_from_numpy
        given, made = value(x), value(np.zeros(shape, dtype))
        binding.bind_ortvalue_input("x", given)
        binding.bind_ortvalue_output("y", made)

        def run() -> float:
            start = time.perf_counter()
            session.run_with_iobinding(binding)
            return time.perf_counter() - start

        run()
        return run


class _Torch:
    """PyTorch's operators, on its device."""

    def __init__(self, device: str, precision: str, runtime: str) -> None:
        self._torch = load_torch("the machine's ceilings cannot be measured")
        self._device = device
        # PyTorch itself computes int8 in float32; an engine on the same GPU does not.
        engine = not runtime.startswith("torch")
        self._integers = precision == "int8" and engine
        self._eight = precision == "fp8" and engine
        self._dtype = getattr(self._torch, _TORCH.get(precision, "float32"))

    def product(self, side: int) -> Timed:
        torch = self._torch
        if self._integers:
            a = torch.ones(side, side, dtype=torch.int8, device=self._device)
            return self._timed(lambda: torch._int_mm(a, a))
        if self._eight:
            a = torch.ones(side, side, device=self._device).to(torch.float8_e4m3fn)
            one = torch.ones((), device=self._device)
            half = torch.float16
            # The right side has to lie column by column.
            return self._timed(
                lambda: torch._scaled_mm(a, a.t(), one, one, out_dtype=half)
            )
        x = torch.rand(side, side, device=self._device).to(self._dtype)
        out = torch.empty_like(x)
        return self._timed(lambda: torch.mm(x, x, out=out))

    def copy(self) -> Timed:
        x = self._torch.ones(COPIED // 4, device=self._device)
        out = self._torch.empty_like(x)
        return self._timed(lambda: out.copy_(x))

    def nothing(self) -> Timed:
        x = self._torch.ones(1, device=self._device)
        return self._timed(lambda: x.add_(0))

    def _timed(self, call: Callable[[], torch.Tensor]) -> Timed:
        torch, device = self._torch, self._device

        def on_host() -> float:
            start = time.perf_counter()
            call()
            return time.perf_counter() - start

        def on_device() -> float:
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            call()
            end.record()
            end.synchronize()
            return float(start.elapsed_time(end)) / 1000

        return on_host if device == "cpu" else on_device


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """PyTorch on so many threads of the processor, and then as before."""
    torch = load_torch("the machine's ceilings cannot be measured")
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
