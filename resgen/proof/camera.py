"""The proof that a file makes of a camera's picture what the Python pipeline makes.

The file is cut where its network begins. What it hands over there is compared with
:func:`resgen.pictures.preprocess.prepare`, pixel by pixel, and the outputs of the whole
file with what its own network makes of prepared pictures. Both start from the same
bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np

from resgen.errors import ResgenError
from resgen.files.aside import temporary_folder
from resgen.graph.ir import INPUT
from resgen.graph.passes.camera import READY
from resgen.onnxfile.stored import StoredModel, read_stored
from resgen.ops.cast import CODES
from resgen.ops.types import DType
from resgen.pictures.find import photographs
from resgen.pictures.preprocess import prepare, read
from resgen.proof.classes import SameClass
from resgen.proof.compare import Departure
from resgen.proof.reach import apart
from resgen.runtime.base import Array, release_memory
from resgen.runtime.onnxruntime import OnnxRuntimeSession
from resgen.spec.model import Preprocess

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

#: How far a pixel may be off, in steps of 8 bits, with room for float32's rounding.
STEPS: Final = 1.01
#: The share of pixels that may be off. What smooths, or takes the nearest, is Pillow's
#: arithmetic to the bit. Where it only samples, Pillow adds up in float64 and drops
#: what is behind the point: below 0.1 % of a photograph's pixels differ, and up to 2 %
#: where sizes stand in a simple ratio.
EXACT_SHARE: Final = 1e-3
SAMPLED_SHARE: Final = 0.05
#: Outputs agree within this share of their range: a pixel may be one step off, and a
#: network of low precision may round it the other way.
OUTPUTS: Final = 0.05
#: ONNX operators that choose among numbers.
CHOOSING: Final = ("NonMaxSuppression", "TopK")


@dataclass(frozen=True, slots=True)
class CameraAgreement:
    """How closely the two pipelines agree on so many pictures.

    ``steps`` is the largest difference of a pixel in steps of 8 bits, before it is
    normalised, ``share`` that of the pixels that differ by half a step or more.
    ``outputs`` is the largest difference of an output in units of its range, and
    ``top1`` counts the pictures of the same class, and all, in the scores that agree
    least, ``top1_output`` where there are several outputs. They are None where ONNX
    Runtime's CPU has no kernels for the network (bfloat16).
    """

    pictures: int
    size: tuple[int, int]
    steps: float
    share: float
    outputs: float | None
    top1: tuple[int, int] | None
    top1_output: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def verify_camera(
    file: Path,
    preprocess: Preprocess,
    images: Sequence[Path] | None = None,
    *,
    seed: int = 0,
) -> CameraAgreement:
    """Prove a file that :func:`resgen.graph.passes.camera.camera` is in, or raise.

    ``images`` are the photographs that scikit-image ships unless said; Pillow brings
    them to the file's size first, and one picture of noise drawn from ``seed`` is
    added. Where the pipelines part by more than is explained above, that is a
    :class:`~resgen.proof.compare.Departure`. Without ONNX Runtime or Pillow:
    ``MissingComponent``.
    """
    stored = read_stored(file)
    ready = _ready(stored)
    size, shape = _sizes(stored, ready)
    pictures = list(_pictures(images, size, seed))
    prepared = [prepare(picture, preprocess, shape) for picture in pictures]
    with temporary_folder() as folder:
        front, network = _cut(stored, ready, folder)
        handed = _run(front, pictures)
        steps, share = _compare_pixels(
            [values[ready] for values in handed], prepared, preprocess
        )
        outputs, same = None, SameClass()
        if network is not None:
            wanted = _run(network, prepared)
            chosen = _chosen(stored.model)
            wanted = [{k: v for k, v in x.items() if k not in chosen} for x in wanted]
            if wanted[0]:
                outputs, same = _compare_outputs(_run(file, pictures), wanted)
    return CameraAgreement(
        len(pictures), size, steps, share, outputs, same.top1, same.named
    )


def _chosen(model: ModelProto) -> set[str]:
    """What follows from a choice, which a pixel that is off by a step may turn over.

    It is proven by itself (:mod:`resgen.proof.choices`), as the pixels are.
    """
    found: set[str] = set()
    for node in model.graph.node:
        if node.op_type in CHOOSING or not found.isdisjoint(node.input):
            found.update(node.output)
    return found


def _ready(stored: StoredModel) -> str:
    """The tensor that stands where the network begins."""
    for node in stored.model.graph.node:
        if node.name == READY:
            found: str = node.output[0]
            return found
    raise ResgenError(
        f"{stored.path} takes no pictures from a camera",
        hint="it was exported without preprocessing inside",
    )


def _sizes(stored: StoredModel, ready: str) -> tuple[tuple[int, int], tuple[int, ...]]:
    """Height and width of the pictures, and the shape of what is made of them."""
    (_, height, width, _), (_, *shape) = (
        [dim.dim_value for dim in _known(stored)[name].type.tensor_type.shape.dim]
        for name in (INPUT, ready)
    )
    return (height, width), tuple(shape)


def _known(stored: StoredModel) -> dict[str, ValueInfoProto]:
    """The types of all tensors by name."""
    graph = stored.model.graph
    return {v.name: v for v in (*graph.input, *graph.value_info, *graph.output)}


def _pictures(
    images: Sequence[Path] | None, size: tuple[int, int], seed: int
) -> Iterator[Array]:
    """Pictures of this height and width, uint8 (height, width, 3); noise comes last."""
    height, width = size
    for path in photographs() if images is None else images:
        yield np.asarray(read(path).convert("RGB").resize((width, height)))
    generator = np.random.default_rng(seed)
    yield generator.integers(0, 256, (height, width, 3), np.uint8)


# --- the file in two parts ------------------------------------------------------------


def _cut(stored: StoredModel, ready: str, folder: Path) -> tuple[Path, Path | None]:
    """What makes pictures ready, and the network behind it, as files of their own.

    The network is None where there is none, or ONNX Runtime's CPU cannot run it.
    """
    from onnx import TensorProto

    nodes = list(stored.model.graph.node)
    end = next(i for i, node in enumerate(nodes, start=1) if node.name == READY)
    front, network = folder / "front.onnx", folder / "network.onnx"
    _write_part(stored, range(end), INPUT, (ready,), front)
    outputs = tuple(o.name for o in stored.model.graph.output if o.name != ready)
    bfloat16 = any(t.head.data_type == TensorProto.BFLOAT16 for t in stored.tensors)
    if bfloat16 or not outputs:
        return front, None
    _write_part(stored, range(end, len(nodes)), ready, outputs, network)
    return front, network


def _write_part(
    stored: StoredModel,
    nodes: range,
    start: str,
    results: Sequence[str],
    path: Path,
) -> None:
    """These nodes as a model from one tensor to others, with the weights they read."""
    from onnx import ModelProto

    from resgen.onnxfile.write import Initializer, write_model

    whole = stored.model.graph
    part: ModelProto = ModelProto()
    part.CopyFrom(stored.model)
    for field in ("node", "input", "output", "value_info"):
        part.graph.ClearField(field)
    part.graph.node.extend(whole.node[i] for i in nodes)
    known = _known(stored)
    part.graph.input.append(known[start])
    part.graph.output.extend(known[name] for name in results)
    reads = {name for node in part.graph.node for name in node.input}
    held = [tensor for tensor in stored.tensors if tensor.name in reads]
    kinds: dict[int, DType] = {CODES[name]: name for name in get_args(DType)}
    heads = [Initializer(t.name, t.shape, kinds[t.head.data_type]) for t in held]
    write_model(part, heads, (t.read() for t in held), path)


def _run(file: Path, inputs: Sequence[Array]) -> list[dict[str, Array]]:
    """What a file makes of each input."""
    with OnnxRuntimeSession(file, any_placement=True) as session:
        ((name, shape),) = session.inputs.items()
        batch = shape[0] or 1
        found = []
        for value in inputs:
            results = session.run({name: np.repeat(value[None], batch, axis=0)})
            found.append({key: result[0] for key, result in results.items()})
    release_memory()
    return found


# --- comparing ------------------------------------------------------------------------


def _compare_pixels(
    found: Sequence[Array], wanted: Sequence[Array], preprocess: Preprocess
) -> tuple[float, float]:
    """The largest difference in steps, and how many pixels differ."""
    std = np.array(preprocess.std, np.float32).reshape(-1, 1, 1)
    step = np.abs(np.float32(preprocess.scale) / std)
    step = np.maximum(step, np.finfo(np.float32).tiny)  # a scale of 0 has no steps
    largest, off, total = 0.0, 0, 0
    for one, other in zip(found, wanted, strict=True):
        steps = np.abs(one - other) / step
        largest = max(largest, float(steps.max()))
        off += int((steps >= 0.5).sum())
        total += steps.size
    share = off / total
    exact = preprocess.antialias or preprocess.interpolation == "nearest"
    allowed = EXACT_SHARE if exact else SAMPLED_SHARE
    if not (largest <= STEPS and share <= allowed):
        raise Departure(
            READY,
            f"the file makes other pixels than the Python pipeline: {share:.2%} of "
            f"them differ (allowed {allowed:.1%}), by up to {largest:.1f} of 255 "
            "steps (allowed 1)",
        )
    return largest, share


def _compare_outputs(
    found: Sequence[Mapping[str, Array]], wanted: Sequence[Mapping[str, Array]]
) -> tuple[float, SameClass]:
    """The largest difference as a share of the range, and how often the best agree."""
    largest, same = 0.0, SameClass()
    for results, expected in zip(found, wanted, strict=True):
        for name, other in expected.items():
            exact = other.astype(np.float64)
            if not np.isfinite(exact).all():
                continue  # there is nothing to compare with
            _, share = apart(results[name], exact)
            if not share <= OUTPUTS:
                raise Departure(
                    name,
                    f'the output "{name}" of a picture is {share:.1e} of its range '
                    "away from that of the same picture prepared in Python (allowed "
                    f"{OUTPUTS})",
                )
            largest = max(largest, share)
            same.add(name, exact[None], results[name][None])
    return largest, same
