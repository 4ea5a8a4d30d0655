"""The proof that an ONNX file computes what the graph's PyTorch module computes.

Two proofs, since weights as they ship may hide a fault (see
:mod:`resgen.proof.probe`). The first keeps the file's structure and puts probe
parameters in place of its weights: every tensor has to be right up to rounding, and
the outputs as the file is deployed. The second runs the file as it is. Between them,
every initialiser in the file has to be what the graph's expression for it comes to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from resgen.errors import ResgenError
from resgen.files.aside import temporary_folder
from resgen.graph.ir import Graph
from resgen.onnxfile.stored import StoredModel, read_stored
from resgen.ops.act import Act
from resgen.pictures.find import photographs
from resgen.pictures.inputs import Inputs, gather
from resgen.proof.choices import Choices
from resgen.proof.compare import (
    Agreement,
    Recorded,
    compare_outputs,
    where,
)
from resgen.proof.initializers import Operands, prove_initializers
from resgen.proof.local import Opened, prove_unfolded, unfolded_tensors
from resgen.proof.probe import calibrate, draw
from resgen.proof.walk import Leaves, walk
from resgen.runtime.base import Array, release_memory
from resgen.runtime.onnxruntime import OnnxRuntimeSession, load_onnxruntime
from resgen.runtime.torch import TorchSession, load_torch
from resgen.spec.model import Preprocess
from resgen.weights.evaluate import Weights, evaluate

if TYPE_CHECKING:
    import torch
    from onnx import ModelProto

Say = Callable[[str], None]
#: One input, and more than one: files have been wrong for either.
BATCHES: Final = (1, 3)


@dataclass(frozen=True, slots=True)
class Verification:
    """What was proven, and how closely.

    ``tensors`` were compared one by one; the one furthest off used ``tensor_share`` of
    what rounding explains. ``initializers`` were found to be what the graph says.
    ``probe`` and ``shipped`` are the outputs' agreement on either parameters.
    """

    verdict: str
    pictures: int
    random: int
    batches: tuple[int, ...]
    tensors: int
    tensor_share: float
    initializers: int
    probe: Agreement
    shipped: Agreement

    def to_json(self) -> dict[str, Any]:
        """Plain data; what is not known (of a network that is not finite) is null."""
        return {key: _plain(value) for key, value in asdict(self).items()}


def prove(
    graph: Graph,
    folded: Graph,
    file: Path,
    weights: Weights,
    preprocess: Preprocess,
    operands: Operands,
    *,
    batches: Sequence[int] | None = None,
    images: Sequence[Path] | None = None,
    seed: int = 0,
    say: Say | None = None,
) -> Verification:
    """Prove that ``file`` computes ``graph`` under ``weights``, or raise.

    ``folded`` is the graph that the file was written from, and ``operands`` what
    ``write`` returned as ``initializers``. ``batches`` are 1 and 3 unless said (twice
    the file's own if that is fixed), ``images`` the photographs that scikit-image
    ships. ``seed`` draws noise and probe parameters. ``say`` is told of each step.

    A file that computes something else is a
    :class:`~resgen.proof.compare.Departure`, which names the first tensor at which
    it does. Without torch or ONNX Runtime: ``MissingComponent``.
    """
    load_torch("there is nothing to verify against")
    load_onnxruntime("the ONNX file cannot be run and verified")
    from resgen.lower.torch import to_torch

    graph = graph.inference
    tell = say or (lambda _: None)
    tell("comparing the file's weights with the graph's")
    stored = read_stored(file)
    prove_initializers(stored, operands, weights)
    sizes = tuple(batches or _batches(stored.model))
    paths = photographs() if images is None else images
    inputs = gather(graph, preprocess, sizes, paths, seed, resized=_open(stored.model))
    tell("comparing every operator on probe parameters")

    choices = Choices(graph, unfolded_tensors(folded, stored.model))
    sigmoids = sigmoids_of(choices.before)

    def probing() -> torch.nn.Module:
        return probed(graph, draw(graph, seed), inputs.ends)

    with temporary_folder() as folder:
        module, reference, copy, shares, drawn = _prove_tensors(
            choices, folded, stored, operands, inputs, seed, folder
        )
        _load(graph, module, weights)
        with _running(choices, module) as session:
            shipped_reference = Recorded.of(session, inputs.feeds[:1])
        _unload(module)
        release_memory()
        tell("comparing outputs on probe parameters")
        with OnnxRuntimeSession(copy, packed=False) as deployed:
            probe = compare_outputs(
                reference,
                deployed,
                exactly(choices.before, probing),
                sigmoids,
                partial(choices.prove, weights=drawn),
            )
        tell("comparing outputs on the weights that ship")
        if choices.shown:
            file = stored.copy(folder, {}, choices.shown)
        with OnnxRuntimeSession(file, packed=False) as deployed:
            shipped = compare_outputs(
                shipped_reference,
                deployed,
                exactly(choices.before, lambda: to_torch(graph, weights)),
                sigmoids,
                partial(choices.prove, weights=weights),
            )
    return Verification(
        verdict="equal",
        pictures=inputs.pictures,
        random=inputs.random,
        batches=sizes,
        tensors=len(shares),
        tensor_share=max(shares, default=0.0),
        initializers=len(operands),
        probe=probe,
        shipped=shipped,
    )


def _batches(structure: ModelProto) -> tuple[int, ...]:
    """The batch sizes to verify, from what the file takes."""
    axes = structure.graph.input[0].type.tensor_type.shape.dim
    fixed = axes[0].dim_value if axes else 0
    return (fixed, fixed) if fixed else BATCHES


def _open(structure: ModelProto) -> bool:
    """Whether the file takes any height and width."""
    axes = structure.graph.input[0].type.tensor_type.shape.dim
    return any(axis.dim_param for axis in axes[2:])


def _running(
    choices: Choices, module: torch.nn.Module, *, dynamic: bool = False
) -> TorchSession:
    """PyTorch with the network up to its choices, which shares the module's numbers."""
    from resgen.lower.torch import to_torch

    graph = choices.before
    if graph is not choices.graph:
        module = to_torch(graph, module.state_dict())
    return TorchSession(graph, module, dynamic=dynamic)


def _prove_tensors(
    choices: Choices,
    folded: Graph,
    stored: StoredModel,
    operands: Operands,
    inputs: Inputs,
    seed: int,
    folder: Path,
) -> tuple[torch.nn.Module, Recorded, Path, list[float], Weights]:
    """Compare every operator on probe parameters, with the file's nodes as they stand.

    Returns the module and its outputs under these parameters, a copy of the file that
    holds them, what each operator used of what rounding explains, and the parameters
    of those that follow a choice.
    """
    import torch

    graph = choices.graph
    drawn = draw(graph, seed)
    module = probed(graph, drawn, inputs.ends)
    resized = inputs.resized is not None
    with _running(choices, module, dynamic=resized) as session:
        reference = Recorded.of(session, inputs.feeds)
    # The module's numbers are those of `drawn`, whose memory it shares.
    held = {name: evaluate(operand, drawn) for name, operand in operands}
    with torch.no_grad():
        opened = Opened.of(stored, held)
        shares = prove_unfolded(graph, folded, opened, module, drawn, inputs.batches[0])
    copy = stored.copy(folder, held, choices.shown)
    late = {name: drawn[name] for node in choices.after for name in node.references()}
    return module, reference, copy, shares, late


def probed(graph: Graph, drawn: Mapping[str, Array], inputs: Array) -> torch.nn.Module:
    """The network with probe parameters, settled in place on these inputs."""
    import torch

    from resgen.lower.torch import to_torch

    module = to_torch(graph, drawn).eval()
    with torch.no_grad():
        settle(graph, module, {graph.inputs[0].name: torch.from_numpy(inputs)})
    return module


def exactly(
    graph: Graph, made: Callable[[], torch.nn.Module]
) -> Callable[[Mapping[str, Array]], dict[str, Array]]:
    """The outputs in PyTorch's float64, by a module that is made when it is asked."""
    import torch

    def run(feeds: Mapping[str, Array]) -> dict[str, Array]:
        leaves = Leaves(graph, made().eval())
        given = {name: torch.from_numpy(x).double() for name, x in feeds.items()}
        names = {value: name for name, value in graph.outputs}
        with torch.no_grad():
            return {
                names[node.name]: value.numpy()
                for node, value in walk(graph, given, leaves.exact)
                if node.name in names
            }

    return run


def sigmoids_of(graph: Graph) -> set[str]:
    """The outputs that are a sigmoid, which engines compute around 1/2."""
    curves = {
        node.name
        for node in graph.nodes
        if isinstance(node.op, Act) and node.op.type == "sigmoid"
    }
    return {name for name, value in graph.outputs if value in curves}


def settle(
    graph: Graph, module: torch.nn.Module, feed: Mapping[str, torch.Tensor]
) -> None:
    """Calibrate probe parameters, which have to keep every value finite."""
    for node, value in calibrate(graph, module, feed):
        if not value.sum().isfinite():  # nor is any sum with one of them
            raise ResgenError(
                f"{graph.name} yields numbers that are not finite at {node.name} "
                f"({where(graph, node)}), whatever its parameters"
            )


def _load(graph: Graph, module: torch.nn.Module, weights: Weights) -> None:
    """Let a module's parameters be these arrays, which are shared where they can be.

    A second module would keep the first one's memory until it is collected.
    """
    import torch

    for name, tensor in module.state_dict(keep_vars=True).items():
        kind = graph.parameter[name].dtype
        tensor.data = torch.empty(0)  # what it held goes before what it gets is read
        tensor.data = torch.from_numpy(np.require(weights[name], kind, ["C", "W"]))


def _unload(module: torch.nn.Module) -> None:
    """Drop a module's numbers now: its parts refer to one another, so it lingers."""
    import torch

    for tensor in module.state_dict(keep_vars=True).values():
        tensor.data = torch.empty(0)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value
