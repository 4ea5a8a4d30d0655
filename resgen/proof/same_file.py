"""An ONNX file of anybody's and the spec that was read of it compute the same.

Operator by operator, as a file of ours is proven (:mod:`resgen.proof.local`): given the
very numbers that the file yields before it, does each operator that was read yield what
the file yields after it? A file's own numbers may be a blind judge (constant weights, a
softmax that is saturated), so it is run with others, and read again. Then the
outputs of both are compared as engines run them, on the file's own.

A file of low precision is read as the numbers that it stands for. Each operator is held
to what the file stores of it, within the step of that; how far rounding at all of them
takes the outputs is the file's own doing, and is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from resgen.errors import ResgenError
from resgen.graph.identity import identity
from resgen.graph.ir import INPUT, OUTPUT, Node
from resgen.importing.flat import Flat, Scale, Tensor
from resgen.importing.onnx.read import of_traced
from resgen.importing.onnx.trace import Traced, trace, up_to
from resgen.onnxfile.stored import StoredModel, read_stored
from resgen.proof.bounds import TINY, Asked, bound, moves
from resgen.proof.compare import Departure, Recorded, compare_outputs
from resgen.proof.gate import exactly, sigmoids_of
from resgen.proof.imports import Imports
from resgen.proof.reach import apart
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
#: What rounds more than float32 does, by how much: by the bits behind the first one,
#: which are 23, 10 and 7. Quantised files compute in float32 or exactly.
_ROUNDING: Final = {"fp16": 2.0**13, "bf16": 2.0**16}
#: Of the values of an operator, what a range may cut off without a word: ranges that
#: leave out one of a thousand are usual (percentile calibration).
BEYOND: Final = 2e-3
#: How many ways are tried to give an operator what the file stores, or has before.
_WAYS: Final = 64
#: What a value may be off by: nothing where it is the file's own, and None where that
#: is not known.
_Off = Callable[[], "torch.Tensor"] | None
#: A value: as the file stores it and, where it differs, as it was before.
_Seen = tuple[Sequence["torch.Tensor"], _Off]


def prove_file(found: Imported, path: Path, *, cut: str = "") -> Imports:
    """Prove that the spec that was read of the file at ``path`` is what it computes.

    A network that computes something else is a
    :class:`~resgen.proof.compare.Departure`, which names the first operator at which it
    does.
    """
    from resgen.lower.torch import to_torch

    stored = read_stored(path)
    low = found.flat.precision != "fp32"
    shares, notes = _compared(found, path, stored, cut)
    batches = _batches(stored)
    module = to_torch(found.graph, found.weights)
    with (
        TorchSession(found.graph, module) as session,
        _File(path, found.flat, cut) as theirs,
    ):
        # What rounding comes to is measured on ours, so ours is what theirs is held to.
        ours = Recorded.of(session, _feeds(found.flat, batches))
        if low:
            own = _apart(ours, theirs)
        else:
            exact = exactly(found.graph, lambda: module)
            told = compare_outputs(ours, theirs, exact, sigmoids_of(found.graph))
            own = told.relative
            if not told.finite:
                for feeds, _ in ours.batches:
                    theirs.run(feeds)
                raise Departure(
                    OUTPUT,
                    f"what was read of {path.name} yields numbers that are not finite, "
                    "and the file's are",
                )
    return Imports(
        "equal",
        sum(batches),
        batches,
        own,
        found.flat.precision,
        operators=len(shares),
        operator_share=max(shares, default=0.0),
        notes=tuple(notes),
    )


def _compared(
    found: Imported, path: Path, stored: StoredModel, cut: str
) -> tuple[list[float], list[str]]:
    """What each operator used of what rounding explains, and what is to be said."""
    size = _order(found.flat.tensors[INPUT], found.spec.input)
    if found.flat.precision != "fp32":  # ranges and steps are those of its own numbers
        shares, beyond = _operators(found.flat, trace(path, size))
        return shares, _cut_off(beyond)
    traced = trace(path, size, _drawn(found.flat, stored, size))
    again = of_traced(traced, cut)
    if identity(again.graph) != identity(found.flat.graph):
        why = "the file is read as another network"
    elif not all(
        np.isfinite(traced.values[again.tensors[value].name]).all()
        for _, value in again.graph.outputs
    ):
        why = "the file's numbers overflow"
    else:
        return _operators(again, traced)[0], []
    note = f"with other weights {why}, so its operators were compared on its own"
    return _operators(found.flat, trace(path, size))[0], [note]


def _cut_off(beyond: Mapping[str, float]) -> list[str]:
    """That a file's ranges are too small, which a clip that was lost looks like."""
    most = {name: share for name, share in beyond.items() if share > BEYOND}
    if not most:
        return []
    worst = max(most, key=lambda name: most[name])
    return [
        f"the file's ranges cut off what the spec does not: up to {most[worst]:.1%} of "
        f"the values of {worst}, and some of {len(most)} in all"
    ]


def _apart(ours: Recorded, theirs: _File) -> float:
    """The largest difference of an output, of its range."""
    return max(
        apart(array, wanted[name])[1]
        for feeds, found in ours.batches
        for wanted in (theirs.run(feeds),)
        for name, array in found.items()
    )


def _operators(flat: Flat, traced: Traced) -> tuple[list[float], dict[str, float]]:
    """Compare every operator that was read with the file's tensors.

    What each used of what rounding explains, and the shares of values that lie beyond
    what their scale reaches.
    """
    import torch

    from resgen.lower.torch import to_torch

    graph = flat.graph
    seen = traced.values
    known = {
        name: numbers
        for name in flat.tensors
        if (numbers := _numbers(flat, name, seen))
    }
    unit = _ROUNDING.get(flat.precision, 1.0)
    leaves = Leaves(graph, to_torch(graph, flat.weights).eval())
    shares: list[float] = []
    beyond: dict[str, float] = {}

    def compute(node: Node, given: Sequence[_Seen]) -> _Seen:
        """By what the file stores, or else by what was there before it was stored."""
        first, *others = islice(product(*(values for values, _ in given)), _WAYS)
        offs = [off for _, off in given]
        try:
            return judged(node, first, offs)
        except Departure:
            for inputs in others:
                with suppress(Departure):
                    return judged(node, inputs, offs)
            raise

    def judged(
        node: Node, inputs: Sequence[torch.Tensor], given: Sequence[_Off]
    ) -> _Seen:
        reads = given if node.op.read != 0 else []
        before = [off for off in reads if off is not None]

        def operand(role: str) -> torch.Tensor | None:
            held = dict(node.operands).get(role)
            return None if held is None else torch.tensor(evaluate(held, flat.weights))

        def again(values: Sequence[torch.Tensor]) -> torch.Tensor:
            return leaves.exact(node, values)

        exact = again(inputs)
        asked = Asked(graph, node, inputs, exact, operand, again)
        own = all(off is _nothing for off in reads)
        told = len(before) == len(reads) and moves(node.op)

        def slack() -> torch.Tensor:
            """By its own rounding, or by what the numbers that it moves are off by."""
            if own:
                return unit * ROUNDINGS * bound(asked) + torch.zeros_like(exact)
            parts = [
                f() + torch.zeros_like(x) for f, x in zip(before, inputs, strict=True)
            ]
            return again(parts)

        if node.name not in known:
            if own and moves(node.op):  # the file's own numbers still
                return [exact], _nothing
            return [exact], slack if own or told else None
        numbers = [torch.tensor(array).double() for array in known[node.name]]
        allowed = unit * EXPLAINED * float(exact.abs().max()) * torch.ones(())
        if not own:
            allowed = allowed * SEVERAL
        if own or told:
            allowed = allowed + slack()
        if (scale := flat.scales.get(node.name)) is not None:
            least, most = (scale.scale * (b - scale.point) for b in scale.bounds)
            # A range from 0 on may stand for a ReLU, which is to be read as one.
            inside = exact.clamp(None if least == 0 else least, most)
            off = (inside - exact).abs() > scale.scale
            beyond[node.name] = float(off.double().mean())
            exact = inside
            allowed = allowed + _step(scale, exact)
        shares.append(_used(node, exact, numbers[0], allowed))
        return numbers, _nothing

    with torch.no_grad():
        start: dict[str, _Seen] = {
            INPUT: ([torch.tensor(a).double() for a in known[INPUT]], _nothing)
        }
        for _ in walk(graph, start, compute):
            pass
    return shares, beyond


def _nothing() -> torch.Tensor:
    """What the file's own numbers are off by."""
    import torch

    return torch.zeros(())


def _numbers(flat: Flat, value: str, seen: Mapping[str, Array]) -> list[Array]:
    """A value as the file stores it by a scale, and as it is, where it has these."""
    found = []
    tensor, scale = flat.tensors[value], flat.scales.get(value)
    alone = flat.graph.types[value].rank == 0
    if scale is not None and (scale.tensor.axes or alone):
        integers = seen[scale.tensor.name].astype(np.float64)
        found.append(_ours((integers - scale.point) * scale.scale, scale.tensor))
    if (tensor.axes or alone) and seen[tensor.name].dtype.kind not in "iu":
        numbers = seen[tensor.name].astype(np.float32, copy=False)
        found.append(_ours(numbers, tensor))
    return found


def _step(scale: Scale, exact: torch.Tensor) -> torch.Tensor:
    """How far what is stored may be from a number: engines round to either side."""
    if scale.kind == "float8_e4m3fn":  # 3 bits behind the first one
        return exact.abs() / 8 + scale.scale * 2.0**-9
    return exact.new_full((), scale.scale + scale.within)


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


def _drawn(flat: Flat, stored: StoredModel, size: Sequence[int]) -> dict[str, Array]:
    """Other numbers for what parameters were made of: initialisers, or nodes."""
    generator = np.random.default_rng(2)
    roles: dict[str, tuple[str, int]] = {}
    for node in flat.graph.nodes:
        for (role, _), name in zip(node.operands, node.references(), strict=False):
            shape = flat.weights[name].shape
            fan = int(np.prod(shape[1:])) if len(shape) > 1 else 0
            for source in flat.sources[name]:
                roles.setdefault(source, (role, fan))
    drawn = {}
    for name, array in _held(stored, size, roles.keys()):
        if array.dtype != np.float32 or array.size == 1:
            continue  # a single number may be a factor, or the end of a range
        role, fan = roles[name]
        if not fan and role in ("running_var", "weight"):
            new = generator.uniform(*SCALES, array.shape).astype(np.float32)
        else:  # most of the network: evenly, in a quarter of a normal draw's time
            new = generator.random(array.shape, np.float32)
            new -= 0.5
            new *= np.float32(12**0.5 * ((2 / fan) ** 0.5 if fan else SHIFT))
        drawn[name] = new
    return drawn


def _held(
    stored: StoredModel, size: Sequence[int], wanted: Set[str]
) -> Iterator[tuple[str, Array]]:
    """The numbers of these initialisers, and of constants that nodes make.

    Small ones that are no raw data are left out.
    """
    names = {tensor.name for tensor in stored.tensors}
    for tensor in stored.tensors:
        if tensor.name in wanted and tensor.nbytes:
            yield tensor.name, tensor.read()
    if not wanted <= names:
        made = trace(stored.path, size).constants
        yield from ((n, made[n]) for n in wanted if n in made and n not in names)


def _batches(stored: StoredModel) -> tuple[int, ...]:
    """The batch sizes to compare, from what the file takes."""
    first = stored.inputs[0].type.tensor_type.shape.dim[0].dim_value
    return (first,) if first > 0 else BATCHES


class _File(OnnxRuntimeSession):
    """The file by our names and in our order of axes.

    Outputs that are not finite are a ResgenError: nothing can be compared with them.
    """

    def __init__(self, path: Path, flat: Flat, cut: str) -> None:
        last = flat.tensors[flat.graph.outputs[0][1]].name
        super().__init__(up_to(path, last) if cut else path, any_placement=True)
        self.name = path.name
        self._flat = flat

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        tensors = self._flat.tensors
        given = tensors[INPUT]
        held = _theirs(feeds[INPUT], given).astype(self.dtypes[given.name])
        seen = super().run({given.name: held})
        if not all(np.isfinite(each).all() for each in seen.values()):
            raise ResgenError(
                f"{self.name} gives out numbers that are not finite for an input "
                "of a normal distribution, so nothing can be compared with it"
            )
        return {
            name: _ours(seen[tensors[value].name].astype(np.float32), tensors[value])
            for name, value in self._flat.graph.outputs
        }


def _feeds(flat: Flat, batches: Sequence[int]) -> list[dict[str, Array]]:
    generator = np.random.default_rng(3)
    shape = flat.graph.inputs[0].type.shape
    return [
        {INPUT: generator.standard_normal((size, *shape), np.float32)}
        for size in batches
    ]


def _order(given: Tensor, sizes: Sequence[int]) -> tuple[int, ...]:
    """Sizes of the network's input as the file has its axes."""
    return tuple(sizes[axis] for axis in given.axes)


def _theirs(x: Array, tensor: Tensor) -> Array:
    """A value of ours with the axes of the source's tensor, the batch first."""
    return np.ascontiguousarray(x.transpose(0, *(axis + 1 for axis in tensor.axes)))


def _ours(x: Array, tensor: Tensor) -> Array:
    """The source's tensor with the axes of our value."""
    if tensor.parts or x.ndim > len(tensor.axes) + 1:
        x = x.reshape(-1, *tensor.parts)
    order = np.argsort(tensor.axes) if tensor.axes else ()
    return x.transpose(0, *(int(at) + 1 for at in order))
