"""What Triton is told of a model: its ``config.pbtxt``.

The fields are those of Triton's published schema (model_config.proto), and what its
server refuses when it loads a model (model_config_utils.cc and the two backends) is
refused here already, where it can be mended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from resgen._version import __version__
from resgen.errors import ResgenError, UsageError
from resgen.runtime.base import Shape
from resgen.serve.textproto import Message, Value, Word, text_of
from resgen.words.numbers import shape as said

Kind = Literal["onnx", "tensorrt"]
#: What Triton's onnxruntime backend can hand an ONNX file to on a GPU.
Accelerator = Literal["tensorrt"]

#: Triton's names of element types.
TYPES: Final[Mapping[str, str]] = {
    "bool": "TYPE_BOOL",
    "uint8": "TYPE_UINT8",
    "uint16": "TYPE_UINT16",
    "uint32": "TYPE_UINT32",
    "uint64": "TYPE_UINT64",
    "int8": "TYPE_INT8",
    "int16": "TYPE_INT16",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "float16": "TYPE_FP16",
    "float32": "TYPE_FP32",
    "float64": "TYPE_FP64",
    "bfloat16": "TYPE_BF16",
}
_TENSORRT: Final = "bool uint8 int8 int32 int64 float16 float32 bfloat16"
#: What each backend takes as an input or an output (its "Datatypes" in the manual).
TAKEN: Final[Mapping[Kind, frozenset[str]]] = {
    "onnx": frozenset(TYPES) - {"bfloat16"},
    "tensorrt": frozenset(_TENSORRT.split()),
}
BACKENDS: Final[Mapping[Kind, tuple[str, str]]] = {
    "onnx": ("onnxruntime", "onnxruntime_onnx"),
    "tensorrt": ("tensorrt", "tensorrt_plan"),
}
#: How long a request may wait for others, in microseconds, as Triton's guide begins.
DELAY: Final = 100


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or an output; ``dtype`` is NumPy's name, ``shape`` has the batch first.

    An axis of ``shape`` that is None is open.
    """

    name: str
    dtype: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Serving:
    """How a model is to be served.

    ``max_batch`` is the largest batch of a model whose batch is open: requests are
    gathered up to it. ``instances`` is how many copies run at once, on each GPU, or on
    the processor where there is none. ``profiles`` is how many an engine has: Triton
    uses the first alone unless it is told of the others. ``threads`` are those of one
    operator on the processor. ``accelerator`` compiles an ONNX file on GPUs when it is
    loaded, which takes minutes, instead of running it operator by operator.
    ``versions`` is how many of the newest versions in the repository are served at
    once, 0 for all. Before the first request is taken, zeros are run in the batches of
    ``warm_up``; ``shapes`` gives the sizes without the batch of inputs whose axes are
    open.
    """

    max_batch: int | None = None
    instances: int = 1
    profiles: int = 0
    threads: int | None = None
    accelerator: Accelerator | None = None
    versions: int = 1
    warm_up: tuple[int, ...] = ()
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def check_batches(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> bool:
    """Whether the batch is open; it has to be of all tensors or of none.

    Triton adds and removes the axis of the batch everywhere at once.
    """
    tensors = (*inputs, *outputs)
    if all(tensor.shape and tensor.shape[0] is None for tensor in tensors):
        return True
    free = next((t for t in inputs if t.shape and t.shape[0] is None), None)
    if free is None:
        return False
    fixed = next(t for t in tensors if not t.shape or t.shape[0] is not None)
    output = fixed in outputs
    mend = (
        f'declare the first axis of "{fixed.name}" open (onnx.tools.update_model_dims)'
        if output
        else f'give "{fixed.name}" a batch'
    )
    raise ResgenError(
        f'the batch of "{free.name}" is open, but "{fixed.name}" '
        f"({'an output' if output else 'an input'}) is always "
        f"{said(fixed.shape)}: Triton batches all inputs and outputs or none",
        hint=f'{mend}, or fix the batch of "{free.name}" '
        "(python -m onnxruntime.tools.make_dynamic_shape_fixed)",
    )


def config_text(
    name: str,
    kind: Kind,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    serving: Serving,
    *,
    label_files: Mapping[str, str],
) -> str:
    """The text of ``config.pbtxt``; ``label_files`` are file names by output.

    What does not fit the model is a :class:`~resgen.errors.UsageError`, types that
    Triton does not take are a :class:`~resgen.errors.ResgenError`.
    """
    for tensor in (*inputs, *outputs):
        _check_tensor(tensor, kind)
    # 0 says that the batch is an axis like any other.
    largest = serving.max_batch or 0
    backend, platform = BACKENDS[kind]
    fields: list[tuple[str, Value]] = [
        ("name", name),
        ("backend", backend),
        ("platform", platform),
        ("max_batch_size", largest),
    ]
    fields += [("input", _tensor(tensor, largest)) for tensor in inputs]
    for tensor in outputs:
        labels = label_files.get(tensor.name)
        fields.append(("output", _tensor(tensor, largest, labels)))
    fields.append(("instance_group", _instances(serving, kind)))
    if serving.versions != 1:
        fields.append(("version_policy", _versions(serving.versions)))
    fields += _engine(serving, kind)
    if largest:
        waits = Message((("max_queue_delay_microseconds", DELAY),))
        fields.append(("dynamic_batching", waits))
    for size in serving.warm_up:
        sample = _sample(serving, size, inputs, largest)
        fields.append(("model_warmup", sample))
    return f"# Written by resgen {__version__}.\n" + text_of(Message(tuple(fields)))


# --- parts ----------------------------------------------------------------------------


def _check_tensor(tensor: Tensor, kind: Kind) -> None:
    if tensor.dtype not in TAKEN[kind]:
        raise ResgenError(
            f"Triton's {BACKENDS[kind][0]} backend takes no {tensor.dtype}, which "
            f'"{tensor.name}" is of',
            hint="write the network with inputs and outputs in float32",
        )
    if not tensor.shape:
        raise ResgenError(f'"{tensor.name}" is a scalar, which Triton does not serve')


def _dims(tensor: Tensor, largest: int) -> tuple[int, ...]:
    shape = tensor.shape[1:] if largest else tensor.shape
    return tuple(-1 if size is None else size for size in shape)


def _tensor(tensor: Tensor, largest: int, labels: str | None = None) -> Message:
    fields: list[tuple[str, Value]] = [
        ("name", tensor.name),
        ("data_type", Word(TYPES[tensor.dtype])),
    ]
    dims = _dims(tensor, largest)
    if dims:
        fields.append(("dims", dims))
    else:  # of nothing but the batch; Triton wants an axis to talk about
        fields += [("dims", (1,)), ("reshape", Message((("shape", ()),)))]
    if labels is not None:
        fields.append(("label_filename", labels))
    return Message(tuple(fields))


def _instances(serving: Serving, kind: Kind) -> Message:
    fields: list[tuple[str, Value]] = [
        ("count", serving.instances),
        ("kind", Word("KIND_GPU" if kind == "tensorrt" else "KIND_AUTO")),
    ]
    if serving.profiles > 1:
        fields += [("profile", str(index)) for index in range(serving.profiles)]
    return Message(tuple(fields))


def _versions(count: int) -> Message:
    if not count:
        return Message((("all", Message(())),))
    return Message((("latest", Message((("num_versions", count),))),))


def _engine(serving: Serving, kind: Kind) -> list[tuple[str, Value]]:
    """What the onnxruntime backend is told; an engine is what it is already.

    Names are those of the backend's README
    (https://github.com/triton-inference-server/onnxruntime_backend).
    """
    found: list[tuple[str, Value]] = []
    for name, given in (
        ("accelerator", serving.accelerator),
        ("threads", serving.threads),
    ):
        if given is not None and kind != "onnx":
            raise UsageError(f"{name} are for an ONNX file, and this is an engine")
    if serving.accelerator is not None:
        compiled = Message((("name", serving.accelerator),))
        groups = Message((("gpu_execution_accelerator", compiled),))
        found.append(("optimization", Message((("execution_accelerators", groups),))))
    if serving.threads is not None:
        value = Message((("string_value", str(serving.threads)),))
        entry = (("key", "intra_op_thread_count"), ("value", value))
        found.append(("parameters", Message(entry)))
    return found


def _sample(
    serving: Serving, batch: int, inputs: Sequence[Tensor], largest: int
) -> Message:
    fields: list[tuple[str, Value]] = [
        ("name", f"batch of {batch}"),
        ("batch_size", batch),
    ]
    for tensor in inputs:
        dims = serving.shapes.get(tensor.name, _dims(tensor, largest)) or (1,)
        content: tuple[tuple[str, Value], ...] = (
            ("data_type", Word(TYPES[tensor.dtype])),
            ("dims", dims),
            # Random data would be random bits, and many of those are no numbers.
            ("zero_data", True),
        )
        entry = (("key", tensor.name), ("value", Message(content)))
        fields.append(("inputs", Message(entry)))
    return Message(tuple(fields))
