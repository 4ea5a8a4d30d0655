"""Suppression of boxes that cover surer ones, by ONNX Runtime's own operator."""

from __future__ import annotations

import numpy as np
import onnxruntime
from onnx import helper


def suppressed(
    boxes: np.ndarray, scores: np.ndarray, overlap: float, threshold: float = -1.0
) -> list[tuple[int, int]]:
    """Class and row of each box that is left: of each class the surest first.

    ``boxes`` are (n, 4) and ``scores`` (n, classes), both taken as float32.
    """
    node = helper.make_node("NonMaxSuppression", ["b", "s", "n", "o", "t"], ["kept"])
    feeds = {
        "b": boxes.astype("f4")[None],
        "s": scores.astype("f4").T[None],
        "n": np.array([len(boxes)]),
        "o": np.array([overlap], "f4"),
        "t": np.array([threshold], "f4"),
    }
    graph = helper.make_graph(
        [node],
        "suppression",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
            )
            for name, array in feeds.items()
        ],
        [helper.make_tensor_value_info("kept", 7, [None, 3])],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (kept,) = session.run(None, feeds)
    return [(int(c), int(row)) for _, c, row in kept]
