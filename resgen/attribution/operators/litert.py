"""LiteRT's times of the operators of a file, by the profiler in its own library.

The Python package has no word for that profiler, but its library does
(``litert/c/litert_profiler.h``), in an interface that changes from version to version.
What it reports are operators of the file, by their numbers, and the kernels of XNNPACK,
by their kinds and in the order in which they run: see :func:`matched`.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib import metadata, resources
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from resgen.attribution.operators.typical import typical
from resgen.errors import ResgenError
from resgen.lower.litert.write import schema_of
from resgen.records.profile import OperatorTime
from resgen.runtime.base import Array
from resgen.runtime.litert import LiteRtSession

#: The versions whose library is called here as it wants to be.
VERSION: Final = "2.3."
#: What XNNPACK calls the kernel of an operator. Those that are heavy run one by one,
#: neither fused with each other nor split; a convolution of one pixel is a product.
_HEAVY: Final[Mapping[str, str]] = {
    "CONV_2D": "Convolution", "DEPTHWISE_CONV_2D": "Convolution",
    "FULLY_CONNECTED": "Convolution", "TRANSPOSE_CONV": "Deconvolution",
    "BATCH_MATMUL": "Batch Matrix Multiply",
}  # fmt: skip
_KINDS: Final[Mapping[str, str]] = {
    **_HEAVY,
    "ADD": "Add", "SUB": "Subtract", "MUL": "Multiply", "DIV": "Divide",
    "MAXIMUM": "Maximum", "MINIMUM": "Minimum", "MEAN": "Mean", "SUM": "Sum",
    "MAX_POOL_2D": "Max Pooling", "AVERAGE_POOL_2D": "Average Pooling",
    "PAD": "Constant Pad", "PADV2": "Constant Pad", "SOFTMAX": "Softmax",
    "RESIZE_BILINEAR": "Resize Bilinear", "TRANSPOSE": "Transpose",
    "QUANTIZE": "Convert", "DEQUANTIZE": "Convert",
    "RSQRT": "Reciprocal Square Root", "SQRT": "Square Root",
    "HARD_SWISH": "HardSwish", "LOGISTIC": "Sigmoid", "TANH": "Tanh", "GELU": "GELU",
    "RELU": "Clamp", "RELU6": "Clamp", "LEAKY_RELU": "LeakyReLU", "ELU": "ELU",
    "STRIDED_SLICE": "Slice", "RESHAPE": "Static Reshape",
    "DEPTH_TO_SPACE": "Depth To Space", "SPACE_TO_DEPTH": "Space To Depth",
}  # fmt: skip


class Operator(NamedTuple):
    """One of a file: its code, and the tensor that it yields."""

    code: str
    name: str

    @property
    def nodes(self) -> tuple[str, ...]:
        """What of the graph it computes: an activation it has taken in stands last."""
        return tuple(self.name.split(";"))


class Event(NamedTuple):
    """What ran: a kernel of XNNPACK, or the operator of the file with this number."""

    kind: str
    seconds: float
    number: int | None = None


def profile_litert(
    model: Path, feeds: Mapping[str, Array], *, threads: int = 1, runs: int = 10
) -> tuple[OperatorTime, ...]:
    """Every kernel that runs, in that order, with its typical time of ``runs`` runs.

    ``nodes`` are the operators of the graph that it computes. The profiler's clock
    ticks in microseconds. Another version of LiteRT, or kernels that are not the file's
    operators one by one, are a :class:`~resgen.errors.ResgenError`.
    """
    found = metadata.version("ai-edge-litert")
    if not found.startswith(VERSION):
        raise ResgenError(
            f"the profiler of LiteRT {found} is not read here, that of {VERSION}x is"
        )
    with LiteRtSession(model) as session:
        given = session.stored(feeds)
    with _compiled(model, given, threads) as run:
        run()  # the first one allocates
        each = [run() for _ in range(runs)]
    events = [
        same[0]._replace(seconds=typical([event.seconds for event in same], runs))
        for same in zip(*each, strict=True)
    ]
    return matched(operators_of(model), events, model.name)


def operators_of(model: Path) -> list[Operator]:
    """The operators of a file, in its order."""
    schema = schema_of()
    held = schema.Model.GetRootAs(np.memmap(model, np.uint8, "r"))
    names = {n: name for name, n in vars(schema.BuiltinOperator).items()}
    graph = held.Subgraphs(0)
    return [
        Operator(
            names[held.OperatorCodes(made.OpcodeIndex()).BuiltinCode()],
            graph.Tensors(made.Outputs(0)).Name().decode(),
        )
        for made in map(graph.Operators, range(graph.OperatorsLength()))
    ]


def matched(
    operators: Sequence[Operator], events: Sequence[Event], file: str
) -> tuple[OperatorTime, ...]:
    """The times with the operators that they are of.

    XNNPACK runs kernels in the order of the file. Those of convolutions and products
    have to be the file's operators one by one, or nothing is told. Between two of them
    a kernel is an operator's if there are as many of its kind; one that is left
    completes what ran before it (a sum's activation, a mean's shape).
    """
    firm = [i for i, each in enumerate(operators) if each.code in _HEAVY]
    heavy = [i for i, each in enumerate(events) if _heavy(each, operators)]
    if [_KINDS[operators[i].code] for i in firm] != [
        _kind(events[i], operators) for i in heavy
    ]:
        raise ResgenError(
            f"LiteRT's kernels are not one by one the operators of {file}"
        )
    owner: dict[int, int] = dict(zip(heavy, firm, strict=True))
    ends = zip(
        [-1, *heavy], [*heavy, len(events)], [-1, *firm], [*firm, len(operators)],
        strict=True,
    )  # fmt: skip
    for start, end, first, last in ends:
        owner |= _between(
            {i: _kind(events[i], operators) for i in range(start + 1, end)},
            {
                i: _KINDS.get(operators[i].code, operators[i].code)
                for i in range(first + 1, last)
            },
        )
    times = []
    before: int | None = None
    for i, event in enumerate(events):
        at = owner.get(i) if event.number is None else event.number
        own = at is not None
        before = before if at is None else at
        made = None if before is None else operators[before]
        rest = "" if own else f"/{_kind(event, operators).lower()}"
        name = event.kind if made is None else f"{made.nodes[0]}{rest}"
        nodes = () if made is None else made.nodes
        times.append(OperatorTime(name, event.kind, event.seconds, nodes))
    return tuple(times)


# --- the library ----------------------------------------------------------------------

#: Kinds of events: an operator of the file, and a kernel of what took it over.
_OPERATOR, _KERNEL = 2, 8
_CPU, _WRITE, _MOST_AXES = 1, 1, 8


class _Layout(ctypes.Structure):
    """LiteRtLayout; the low bits of ``rank`` are the number of axes."""

    _fields_ = (
        ("rank", ctypes.c_uint32),
        ("sizes", ctypes.c_int32 * _MOST_AXES),
        ("strides", ctypes.c_uint32 * _MOST_AXES),
    )


class _Type(ctypes.Structure):
    """LiteRtRankedTensorType."""

    _fields_ = (("element", ctypes.c_int32), ("layout", _Layout))


class _Event(ctypes.Structure):
    """ProfiledEventData."""

    _fields_ = (
        ("tag", ctypes.c_char_p), ("kind", ctypes.c_int), ("start", ctypes.c_uint64),
        ("microseconds", ctypes.c_uint64), ("memory", ctypes.c_int64 * 6),
        ("number", ctypes.c_uint64), ("graph", ctypes.c_uint64),
        ("source", ctypes.c_int),
    )  # fmt: skip


_NAMES: Final = ("libLiteRt.so", "libLiteRt.dylib", "libLiteRt.dll")
_SIZE = ctypes.c_size_t


class _Library:
    """Calls of ``libLiteRt``, whose errors are a ResgenError."""

    def __init__(self, stack: ExitStack) -> None:
        folder = resources.files("ai_edge_litert")
        (file,) = (each for each in folder.iterdir() if each.name in _NAMES)
        self._library = ctypes.CDLL(str(file))
        self._stack = stack

    def __call__(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, f"LiteRt{name}")(*arguments)
        if status:
            raise ResgenError(f"LiteRT's {name} failed with {status}")

    def got(self, name: str, *arguments: Any) -> ctypes.c_void_p:
        """What a call gives through its last argument."""
        found = ctypes.c_void_p()
        self(name, *arguments, ctypes.byref(found))
        return found

    def made(self, kind: str, name: str, *arguments: Any) -> ctypes.c_void_p:
        """An object of this kind, which is given back when the stack is left."""
        found = self.got(name, *arguments)
        # The library says nothing of how that went.
        self._stack.callback(getattr(self._library, f"LiteRtDestroy{kind}"), found)
        return found


@contextmanager
def _compiled(
    model: Path, given: Sequence[Array], threads: int
) -> Iterator[Callable[[], list[Event]]]:
    """A call that runs the file on these inputs once, and tells what ran."""
    with ExitStack() as stack:
        compiled = _Compiled(_Library(stack), model, threads, len(given[0]))
        yield compiled.on(given)


class _Compiled:
    """A file that the library has compiled, for a batch of this size."""

    def __init__(self, call: _Library, model: Path, threads: int, batch: int) -> None:
        self._call = call
        self._batch = batch
        # It owns the options that are added to it, but nothing of what they say.
        self._kept = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)
        self._environment = call.made("Environment", "CreateEnvironment", 0, None)
        path = str(model).encode()
        file = call.made("Model", "CreateModelFromFile", self._environment, path)
        self._model = call.made(
            "CompiledModel", "CreateCompiledModel", self._environment, file,
            self._options(threads),
        )  # fmt: skip
        self._signature = call.got("GetModelSignature", file, _SIZE(0))

    def on(self, given: Sequence[Array]) -> Callable[[], list[Event]]:
        """A call that runs it on these inputs, in the order of its signature."""
        for i, array in enumerate(given):
            sizes = (ctypes.c_int * array.ndim)(*array.shape)
            self._call(
                "CompiledModelResizeInputTensor", self._model, _SIZE(0), _SIZE(i),
                sizes, _SIZE(array.ndim),
            )  # fmt: skip
        inputs, outputs = self._buffers("Input"), self._buffers("Output")
        for array, buffer in zip(given, inputs, strict=True):
            place = ctypes.c_void_p()
            self._call("LockTensorBuffer", buffer, ctypes.byref(place), _WRITE)
            ctypes.memmove(place, array.tobytes(), array.nbytes)
            self._call("UnlockTensorBuffer", buffer)
        ends = [
            argument
            for each in (inputs, outputs)
            for argument in (_SIZE(len(each)), (ctypes.c_void_p * len(each))(*each))
        ]
        profiler = self._call.got("CompiledModelGetProfiler", self._model)
        return lambda: self._run(profiler, ends)

    def _options(self, threads: int) -> ctypes.c_void_p:
        options = self._call.made("Options", "CreateOptions")
        self._call("SetOptionsHardwareAccelerators", options, _CPU)
        told = {
            b"runtime_options_string": b"enable_profiling = true\n",
            b"cpu_options_string": f"num_threads = {threads}\n".encode(),
        }
        for kind, text in told.items():
            opaque = self._call.got("CreateOpaqueOptions", kind, text, self._kept)
            self._call("AddOpaqueOptions", options, opaque)
        return options

    def _buffers(self, end: str) -> list[ctypes.c_void_p]:
        """Memory for all inputs, or for all outputs."""
        call, count = self._call, _SIZE()
        call(f"GetNumSignature{end}s", self._signature, ctypes.byref(count))
        if end == "Output":  # their sizes follow from the inputs'
            layouts = (_Layout * count.value)()
            call("GetCompiledModelOutputTensorLayouts", self._model, _SIZE(0), count,
                 layouts, ctypes.c_bool(True))  # fmt: skip
        found = []
        for i in map(_SIZE, range(count.value)):
            tensor = call.got(f"GetSignature{end}TensorByIndex", self._signature, i)
            kind = _Type()
            call("GetRankedTensorType", tensor, ctypes.byref(kind))
            if kind.layout.sizes[0] < 0:
                kind.layout.sizes[0] = self._batch
            needs = call.got(
                f"GetCompiledModel{end}BufferRequirements", self._model, _SIZE(0), i
            )
            found.append(
                call.made("TensorBuffer", "CreateManagedTensorBufferFromRequirements",
                          self._environment, ctypes.byref(kind), needs)
            )  # fmt: skip
        return found

    def _run(self, profiler: ctypes.c_void_p, ends: Sequence[Any]) -> list[Event]:
        call, count = self._call, ctypes.c_int()
        call("ResetProfiler", profiler)
        call("StartProfiler", profiler)
        call("RunCompiledModel", self._model, _SIZE(0), *ends)
        call("StopProfiler", profiler)
        call("GetNumProfilerEvents", profiler, ctypes.byref(count))
        events = (_Event * count.value)()
        call("GetProfilerEvents", profiler, count, events)
        return [
            Event(
                event.tag.decode(),
                event.microseconds / 1e6,
                event.number if event.kind == _OPERATOR else None,
            )
            for event in events
            if event.kind in (_OPERATOR, _KERNEL)
        ]


# --- parts ----------------------------------------------------------------------------


def _kind(event: Event, operators: Sequence[Operator]) -> str:
    """The kind of a kernel without types and sizes: "Convolution"."""
    if event.number is not None:
        code = operators[event.number].code
        return _KINDS.get(code, code)
    kind = event.kind.partition(" (")[0].removeprefix("Dynamic ")
    return "Convolution" if kind == "Fully Connected" else kind


def _heavy(event: Event, operators: Sequence[Operator]) -> bool:
    return _kind(event, operators) in _HEAVY.values()


def _between(events: Mapping[int, str], operators: Mapping[int, str]) -> dict[int, int]:
    """Kernels and their operators, of the kinds of which there are as many of each."""
    ran, there = Counter(events.values()), Counter(operators.values())
    found: dict[int, int] = {}
    for kind in ran:
        if ran[kind] == there[kind]:
            found |= zip(
                (i for i, each in events.items() if each == kind),
                (i for i, each in operators.items() if each == kind),
                strict=True,
            )
    return found
