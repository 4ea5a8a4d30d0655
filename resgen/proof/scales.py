"""Can every scale in a file be divided by, in the type that it is stored in?"""

from __future__ import annotations

from typing import Final

import numpy as np

from resgen.onnxfile.stored import StoredModel
from resgen.ops.types import LEAST_SCALES
from resgen.proof.compare import Departure

#: ONNX operators whose second input is a scale.
SCALED: Final = ("QuantizeLinear", "DequantizeLinear")


def check_scales(stored: StoredModel) -> None:
    """Raise :class:`Departure` for a scale that is not a positive normal number.

    Zero divides by nothing, processors may take a subnormal number for 0, and TensorRT
    refuses either where the engine is built.
    """
    readers = {
        node.input[1]: node.name
        for node in stored.model.graph.node
        if node.op_type in SCALED
    }
    for tensor in stored.tensors:
        if tensor.name not in readers:
            continue
        array = tensor.read()
        wide = array.astype(np.float64)
        least = LEAST_SCALES[array.dtype.name]
        wrong = ~((wide >= least) & np.isfinite(wide))
        if wrong.any():
            first = float(wide[wrong].flat[0])
            raise Departure(
                tensor.name,
                f"{int(wrong.sum())} of {wide.size} scales in {tensor.name} of "
                f"{stored.path} cannot be divided by: {first:g} as {array.dtype}, "
                f"where {least:.3g} is the least normal number (read by "
                f"{readers[tensor.name]})",
            )
