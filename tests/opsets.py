"""The newest opset that this machine's packages both write and run."""

from __future__ import annotations

from functools import cache

import onnx
import onnxruntime
from onnx import TensorProto, helper

from resgen.lower.onnx import NEWEST_OPSET, OLDEST_OPSET


@cache
def newest_run_here() -> int:
    """ONNX Runtime lags behind onnx: 1.30 reads no file of opset 28 (IR version 14)."""
    written = min(NEWEST_OPSET, onnx.defs.onnx_opset_version())
    return next(o for o in range(written, OLDEST_OPSET - 1, -1) if _runs(o))


def _runs(opset: int) -> bool:
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])], "relu", ends[:1], ends[1:]
    )
    stamp = helper.make_opsetid("", opset)
    model = helper.make_model(
        graph,
        opset_imports=[stamp],
        ir_version=helper.find_min_ir_version_for([stamp]),
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception:  # the runtime's exceptions have no common base
        return False
    return True
