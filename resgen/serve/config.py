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
from resgen.runtime.base import Shape, fits
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
PROCESSORS: Final = {"auto": "KIND_AUTO", "cpu": "KIND_CPU", "gpu": "KIND_GPU"}
#: Counts are 32-bit numbers in the schema.
LARGEST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or an output; ``dtype`` is NumPy's name, ``shape`` has the batch first.

    An axis of ``shape`` that is None is open.
    """

    name: str
    dtype: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Batching:
    """How Triton gathers requests into batches.

    ``delay`` is how many microseconds a request may wait for others. ``preferred``
    sizes are for engines that have a profile for each; otherwise none are best.
    """

    preferred: tuple[int, ...] = ()
    delay: int = 0


@dataclass(frozen=True, slots=True)
class Instances:
    """How many copies of the model run at once, on each GPU or on the processor.

    ``auto`` is the GPUs where there are any. ``profiles`` is how many an engine has:
    Triton uses the first alone unless it is told of the others.
    """

    count: int = 1
    processor: Literal["auto", "cpu", "gpu"] = "auto"
    profiles: int = 1


@dataclass(frozen=True, slots=True)
class WarmUp:
    """What is run before the first request is taken: noise (or zeros) of these batches.

    ``shapes`` gives the sizes without the batch of inputs whose axes are open.
    """

    batches: tuple[int, ...] = (1,)
    zeros: bool = False
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Serving:
    """How a model is to be served.

    ``max_batch`` is the largest batch of a model whose batch is open. Without
    ``batching`` requests are not gathered. ``threads`` are those of one operator on the
    processor. ``accelerator`` compiles an ONNX file on GPUs when it is loaded, which
    takes minutes, instead of running it operator by operator. ``versions`` is how many
    of the newest versions in the repository are served at once, 0 for all.
    """

    max_batch: int | None = None
    batching: Batching | None = None
    instances: Instances = field(default_factory=Instances)
    warm_up: WarmUp | None = None
    threads: int | None = None
    accelerator: Accelerator | None = None
    versions: int = 1


def batched(tensors: Sequence[Tensor]) -> bool:
    """Whether every input and output has an open batch, as Triton's batching needs."""
    return all(tensor.shape and tensor.shape[0] is None for tensor in tensors)


def check_batches(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> bool:
    """Whether the batch is open; it has to be of all tensors or of none.

    Triton adds and removes the axis of the batch everywhere at once.
    """
    tensors = (*inputs, *outputs)
    if batched(tensors):
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

    Settings that do not fit the model are a :class:`~resgen.errors.UsageError`, types
    that Triton does not take a :class:`~resgen.errors.ResgenError`.
    """
    tensors = (*inputs, *outputs)
    for tensor in tensors:
        _check_tensor(tensor, kind)
    largest = _max_batch(tensors, serving)
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
    fields.append(("instance_group", _instances(serving.instances, kind)))
    if serving.versions != 1:
        fields.append(("version_policy", _versions(serving.versions)))
    fields += _engine(serving, kind)
    if serving.batching is not None:
        fields.append(("dynamic_batching", _batching(serving.batching, largest)))
    if serving.warm_up is not None:
        _check_shapes(serving.warm_up.shapes, inputs, largest)
        for size in _sizes(serving.warm_up.batches, largest or 1, "warm-up batches"):
            sample = _sample(serving.warm_up, size, inputs, largest)
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


def _check_count(count: int, refusal: str, *, least: int = 1) -> None:
    if not least <= count <= LARGEST:
        raise UsageError(f"{refusal}; give {least} to {LARGEST:,}")


def _max_batch(tensors: Sequence[Tensor], serving: Serving) -> int:
    """``max_batch_size``: 0 says that the batch is an axis like any other."""
    asked = serving.max_batch
    if not batched(tensors):
        if asked is None and serving.batching is None:
            return 0
        fixed = next(t for t in tensors if not t.shape or t.shape[0] is not None)
        raise UsageError(
            f'the model cannot be batched: "{fixed.name}" is always '
            f"{said(fixed.shape)}",
            hint="write the network with an open batch",
        )
    if asked is None:
        raise UsageError(
            "the model takes batches of any size: say how large they may become"
        )
    _check_count(asked, f"the largest batch is to be {asked}")
    return asked


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


def _instances(wanted: Instances, kind: Kind) -> Message:
    _check_count(wanted.count, f"{wanted.count} instances cannot run")
    processor = wanted.processor
    if kind == "tensorrt":
        if processor == "cpu":
            raise UsageError("a TensorRT engine does not run on the processor")
        processor = "gpu"
    elif wanted.profiles != 1:
        raise UsageError("an ONNX file has no optimisation profiles")
    fields: list[tuple[str, Value]] = [
        ("count", wanted.count),
        ("kind", Word(PROCESSORS[processor])),
    ]
    if wanted.profiles > 1:
        fields += [("profile", str(index)) for index in range(wanted.profiles)]
    return Message(tuple(fields))


def _versions(count: int) -> Message:
    _check_count(count, f"{count} versions cannot be served", least=0)
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
        _check_count(serving.threads, f"{serving.threads} threads cannot run")
        value = Message((("string_value", str(serving.threads)),))
        entry = (("key", "intra_op_thread_count"), ("value", value))
        found.append(("parameters", Message(entry)))
    return found


def _batching(wanted: Batching, largest: int) -> Message:
    fields: list[tuple[str, Value]] = []
    preferred = _sizes(wanted.preferred, largest, "preferred batches")
    if preferred:
        fields.append(("preferred_batch_size", preferred))
    _check_count(
        wanted.delay, f"a request cannot wait {wanted.delay} microseconds", least=0
    )
    if wanted.delay:
        fields.append(("max_queue_delay_microseconds", wanted.delay))
    return Message(tuple(fields))


def _sizes(sizes: Sequence[int], largest: int, what: str) -> tuple[int, ...]:
    """Sizes of batches in order, each once."""
    for size in sizes:
        if not 1 <= size <= largest:
            raise UsageError(f"{what} are of 1 to {largest}, but {size} is asked for")
    return tuple(sorted(set(sizes)))


def _check_shapes(
    shapes: Mapping[str, tuple[int, ...]], inputs: Sequence[Tensor], largest: int
) -> None:
    """Whether the shapes to warm up with are ones that the model takes."""
    taken = {tensor.name: tensor.shape[bool(largest) :] for tensor in inputs}
    for name, shape in shapes.items():
        if name not in taken:
            raise UsageError(f'the model has no input "{name}" to warm up')
        if not fits(shape, taken[name]) or min(shape, default=1) < 1:
            raise UsageError(
                f'"{name}" is warmed up with {said(shape)}, but the model takes '
                f"{said(taken[name])}"
            )


def _sample(
    wanted: WarmUp, batch: int, inputs: Sequence[Tensor], largest: int
) -> Message:
    fields: list[tuple[str, Value]] = [
        ("name", f"batch of {batch}"),
        ("batch_size", batch),
    ]
    for tensor in inputs:
        dims = wanted.shapes.get(tensor.name, _dims(tensor, largest)) or (1,)
        if -1 in dims:
            raise UsageError(
                f'warming up needs the sizes of "{tensor.name}", which are open: '
                f"{said(tensor.shape)}"
            )
        content: tuple[tuple[str, Value], ...] = (
            ("data_type", Word(TYPES[tensor.dtype])),
            ("dims", dims),
            ("zero_data" if wanted.zeros else "random_data", True),
        )
        entry = (("key", tensor.name), ("value", Message(content)))
        fields.append(("inputs", Message(entry)))
    return Message(tuple(fields))
