"""An ONNX file of anybody's and the spec that was read of it compute the same.

Operator by operator, as a file of ours is proven (:mod:`resgen.proof.local`): given the
very numbers that the file yields before it, does each operator that was read yield what
the file yields after it? A file's own numbers may be a blind judge (constant weights, a
softmax that is saturated), so it is copied with others, and read again. Then the
outputs of both are compared as engines run them, on the file's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from resgen.files.aside import temporary_folder
from resgen.graph.identity import identity
from resgen.graph.ir import INPUT, Node
from resgen.importing.flat import Flat, Tensor
from resgen.importing.onnx.read import of_traced
from resgen.importing.onnx.trace import Traced, trace
from resgen.onnxfile.stored import StoredModel, read_stored
from resgen.proof.bounds import TINY, Asked, bound
from resgen.proof.compare import Departure, Recorded, compare_outputs
from resgen.proof.gate import exactly
from resgen.proof.imports import Imports
from resgen.proof.walk import Leaves, walk
from resgen.recovery.imported import Imported
from resgen.runtime.base import Array
from resgen.runtime.onnxruntime import OnnxRuntimeSession
from resgen.runtime.torch import TorchSession
from resgen.weights.evaluate import evaluate

if TYPE_CHECKING:
    import torch

#: Sizes of the batches that outputs are compared on, where the file leaves it open.
BATCHES: Final = (1, 2)
#: Bounds of the sizes of drawn scales and variances.
SCALES: Final = (0.5, 1.5)
#: The deviation of drawn shifts.
SHIFT: Final = 0.2
#: One of our operators may be several nodes of the file, each of which rounds:
#: so many times the rounding of one, and this share of the largest value.
ROUNDINGS: Final = 4.0
EXPLAINED: Final = 1e-6
#: How many times that share where the file has no tensor between several operators.
SEVERAL: Final = 100.0
#: A value, and whether it is the file's own.
_Seen = tuple["torch.Tensor", bool]


def prove_file(found: Imported, path: Path, *, cut: str = "") -> Imports:
    """Prove that the spec that was read of the file at ``path`` is what it computes.

    A network that computes something else is a
    :class:`~resgen.proof.compare.Departure`, which names the first operator at which it
    does.
    """
    from resgen.lower.torch import to_torch

    stored = read_stored(path)
    notes = []
    with temporary_folder() as folder:
        copy = stored.copy(Path(folder), _drawn(found.flat, stored))
        size = _order(found.flat.tensors[INPUT], found.spec.input)
        traced = trace(copy, size)
        again = of_traced(traced, cut)
        if identity(again.graph) == identity(found.flat.graph):
            shares = _operators(again, traced)
        else:
            notes.append(
                "with other weights the file is read as another network, so its "
                "operators were compared on its own"
            )
            shares = _operators(found.flat, trace(path, size))
    batches = _batches(stored)
    reference = _recorded(found.flat, path, batches)
    module = to_torch(found.graph, found.weights)
    with TorchSession(found.graph, module) as ours:
        agreed = compare_outputs(reference, ours, exactly(found.graph, lambda: module))
    return Imports(
        "equal",
        sum(batches),
        batches,
        agreed.relative,
        operators=len(shares),
        operator_share=max(shares, default=0.0),
        notes=tuple(notes),
    )


def _operators(flat: Flat, traced: Traced) -> list[float]:
    """Compare every operator that was read with the file's tensors.

    What each used of what rounding explains.
    """
    import torch

    from resgen.lower.torch import to_torch

    graph = flat.graph
    given = flat.tensors[INPUT]
    seen = traced.values
    x = _ours(seen[given.name], given)
    known = {
        name: _ours(seen[tensor.name], tensor)
        for name, tensor in flat.tensors.items()
        if tensor.axes or graph.types[name].rank == 0
    }
    leaves = Leaves(graph, to_torch(graph, flat.weights).eval())
    shares: list[float] = []

    def compute(node: Node, given: Sequence[_Seen]) -> _Seen:
        inputs = [value for value, _ in given]

        def operand(role: str) -> torch.Tensor | None:
            held = dict(node.operands).get(role)
            return None if held is None else torch.tensor(evaluate(held, flat.weights))

        def again(values: Sequence[torch.Tensor]) -> torch.Tensor:
            return leaves.exact(node, values)

        exact = again(inputs)
        if node.name not in known:
            return exact, False
        found = torch.tensor(known[node.name]).double()
        asked = Asked(graph, node, inputs, exact, operand, again)
        allowed = EXPLAINED * float(exact.abs().max()) * torch.ones(())
        if all(own for _, own in given):
            allowed = allowed + ROUNDINGS * bound(asked)
        else:
            allowed = allowed * SEVERAL
        shares.append(_used(node, exact, found, allowed))
        return found, True

    with torch.no_grad():
        start = {INPUT: (torch.tensor(x).double(), True)}
        for _ in walk(graph, start, compute):
            pass
    return shares


def _used(
    node: Node, exact: torch.Tensor, found: torch.Tensor, allowed: torch.Tensor
) -> float:
    """What an operator uses of what rounding explains; more is a departure."""
    if found.shape != exact.shape:
        raise Departure(
            node.name,
            f"{node.name} ({node.op.name}) was read as one that yields "
            f"{tuple(exact.shape)}, and the file yields {tuple(found.shape)}",
        )
    if not exact.numel():
        return 0.0
    apart = (found - exact).abs()
    share = apart / allowed.clamp(min=TINY)
    worst = float(share.max())
    if not worst <= 1:  # also where it is no number
        raise Departure(
            node.name,
            f"what was read departs from the file at {node.name} ({node.op.name}): it "
            f"is {float(apart.max()):.1e} off where values reach "
            f"{float(exact.abs().max()):.1e}",
        )
    return worst


def _drawn(flat: Flat, stored: StoredModel) -> dict[str, Array]:
    """Other numbers for the initialisers that parameters were made of."""
    generator = np.random.default_rng(2)
    roles: dict[str, tuple[str, int]] = {}
    for node in flat.graph.nodes:
        for (role, _), name in zip(node.operands, node.references(), strict=False):
            shape = flat.weights[name].shape
            fan = int(np.prod(shape[1:])) if len(shape) > 1 else 0
            for source in flat.sources[name]:
                roles.setdefault(source, (role, fan))
    drawn = {}
    for tensor in stored.tensors:
        if tensor.name not in roles or not tensor.nbytes:
            continue  # small ones that are no raw data stay as they are
        array = tensor.read()
        if array.dtype != np.float32 or array.size == 1:
            continue  # a single number may be a factor, or the end of a range
        role, fan = roles[tensor.name]
        if not fan and role in ("running_var", "weight"):
            new = generator.uniform(*SCALES, array.shape).astype(np.float32)
        else:  # most of the network: drawn as float32, in half the time
            new = generator.standard_normal(array.shape, np.float32)
            new *= (2 / fan) ** 0.5 if fan else SHIFT
        drawn[tensor.name] = new
    return drawn


def _batches(stored: StoredModel) -> tuple[int, ...]:
    """The batch sizes to compare, from what the file takes."""
    first = stored.inputs[0].type.tensor_type.shape.dim[0].dim_value
    return (first,) if first > 0 else BATCHES


def _recorded(flat: Flat, path: Path, batches: Sequence[int]) -> Recorded:
    """What the file gives out, by our names and in our order of axes."""
    graph = flat.graph
    generator = np.random.default_rng(3)
    given = flat.tensors[INPUT]
    found = []
    with OnnxRuntimeSession(path, any_placement=True) as session:
        for size in batches:
            x = generator.standard_normal(
                (size, *graph.inputs[0].type.shape), np.float32
            )
            seen = session.run({given.name: _theirs(x, given)})
            found.append(
                (
                    {INPUT: x},
                    {
                        name: _ours(seen[tensor.name], tensor)
                        for name, value in graph.outputs
                        for tensor in (flat.tensors[value],)
                    },
                )
            )
    return Recorded(path.name, tuple(found))


def _order(given: Tensor, sizes: Sequence[int]) -> tuple[int, ...]:
    """Sizes of the network's input as the file has its axes."""
    return tuple(sizes[axis] for axis in given.axes)


def _theirs(x: Array, tensor: Tensor) -> Array:
    """A value of ours with the axes of the source's tensor, the batch first."""
    return np.ascontiguousarray(x.transpose(0, *(axis + 1 for axis in tensor.axes)))


def _ours(x: Array, tensor: Tensor) -> Array:
    """The source's tensor with the axes of our value."""
    order = np.argsort(tensor.axes) if tensor.axes else ()
    return x.transpose(0, *(int(at) + 1 for at in order))
