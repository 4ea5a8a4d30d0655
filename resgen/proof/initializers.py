"""Is every number of a file what the graph says, bit for bit?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from resgen.onnxfile.stored import StoredModel
from resgen.ops.types import Operand
from resgen.proof.compare import Departure
from resgen.runtime.base import Array
from resgen.weights.evaluate import Weights, evaluate

#: Pairs of an initialiser's name and what the graph computes it from.
Operands = Sequence[tuple[str, Operand]]


def prove_initializers(
    stored: StoredModel, operands: Operands, weights: Weights
) -> None:
    """Compare every initialiser with the graph's expression for it.

    Those that no expression names are constants of some operator, and judged with it.
    """
    tensors = {tensor.name: tensor for tensor in stored.tensors}
    for name, operand in operands:
        if name not in tensors:
            raise Departure(name, f"{stored.path} lacks the weight {name}")
        _compare_initializer(name, tensors[name].read(), evaluate(operand, weights))


def _compare_initializer(name: str, found: Array, wanted: Array) -> None:
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        raise Departure(
            name,
            f"{name} in the ONNX file is {found.dtype} {found.shape}, but the graph "
            f"says {wanted.dtype} {wanted.shape}",
        )
    # As bits, for a weight may be no number.
    if not np.array_equal(_bits(found), _bits(wanted)):
        wrong = int((_bits(found) != _bits(wanted)).sum())
        raise Departure(
            name,
            f"{name} in the ONNX file is not what the graph says: {wrong} of "
            f"{found.size} numbers differ",
        )


def _bits(array: Array) -> Array:
    return np.ascontiguousarray(array).view(f"u{array.itemsize}")
