"""Every operator, on every sample: what is written as ONNX is read back as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import pytest
from in_memory import to_model
from one_node import one_node, random_inputs, random_weights, run_onnx
from opsets import newest_run_here

from resgen.errors import ResgenError
from resgen.graph.identity import identity
from resgen.graph.ir import Graph
from resgen.importing.onnx.read import read
from resgen.lower.onnx import OLDEST_OPSET
from resgen.ops import OPERATORS
from resgen.ops.act import Act
from resgen.ops.adaptive import AdaptivePool
from resgen.ops.base import Case, Op
from resgen.ops.conv import Conv
from resgen.ops.global_pool import GlobalPool
from resgen.ops.linear import Linear
from resgen.ops.max_pool import MaxPool
from resgen.ops.norm import Norm
from resgen.ops.pad import Pad
from resgen.ops.pad_same import PadSame
from resgen.ops.reshape import Reshape
from resgen.ops.stack import Stack
from resgen.ops.types import TensorType

#: Written with operators of ONNX that nothing is read from yet.
UNREAD: Final = {
    "decode_boxes", "suppress_boxes", "pick_boxes", "windows", "relative_position",
    "relative_lookup",
}  # fmt: skip
#: A value that is the same for every input is no network's output.
ALONE: Final = {"parameter"}


def even(case: Case) -> bool:
    """Whether an adaptive pool has windows of one size: others are not read yet."""
    if not isinstance(case.op, AdaptivePool) or case.op.size == 1:
        return True
    sizes = TensorType(case.inputs[0]).spatial
    wanted = case.op.infer(TensorType(case.inputs[0])).spatial
    return not any(n % s for n, s in zip(sizes, wanted, strict=True))


CASES = [
    pytest.param(case, id=f"{name}-{index}")
    for name, op in OPERATORS.items()
    if not op.placed and name not in UNREAD | ALONE
    for index, case in enumerate(op.samples())
    if len(case.inputs) == 1 and even(case)
]
NEWEST = newest_run_here()


def named(case: Case) -> Graph:
    """A network of one operator, named as torch names modules."""
    graph = one_node(case.op, case.inputs)
    specs = case.op.parameters(graph.inputs[0].type)
    own = {s.role: f"net.one.{s.role}" if s.role else "net.one" for s in specs}
    operands = tuple(case.op.operands(own).items())
    (node,) = graph.nodes
    node = replace(node, name="net.one", owner="net.one", operands=operands)
    parameters = tuple(
        replace(p, name=p.name.replace("node", "net.one", 1)) for p in graph.parameters
    )
    outputs = (("output", "net.one"),)
    return replace(graph, nodes=(node,), outputs=outputs, parameters=parameters)


def plain(case: Case) -> Op:
    """What the same comes to, where an operator of more than one name computes it."""
    op, x = case.op, TensorType(case.inputs[0])
    if op == Act(type="celu"):
        return Act(type="elu")  # which it is at alpha 1
    if isinstance(op, Linear):
        return op.bare
    if isinstance(op, Stack):
        return Reshape(to=(1, *x.shape))
    if isinstance(op, AdaptivePool):
        kind = "avg" if op.name == "adaptive_avg_pool" else "max"
        if op.size == 1:
            return GlobalPool(type=kind)
        kernel = tuple(n // s for n, s in zip(x.spatial, op.size, strict=True))
        pool = OPERATORS[f"{kind}_pool"]
        return pool(kernel=kernel)
    if isinstance(op, MaxPool) and op.same and op.stride == 2:
        # Of one size a file cannot tell it from a last window that overhangs.
        return replace(op, same=False, padding=(1, 0), ceil=True)
    if isinstance(op, Conv):
        return op.bare  # a file has the standardised weight
    if isinstance(op, Norm):
        return replace(op, momentum=0.1)  # a file is not trained
    if isinstance(op, PadSame):  # its window comes after it
        sides = [n - m for n, m in zip(op.infer(x).spatial, x.spatial, strict=True)]
        begin = tuple(n // 2 for n in sides)
        end = tuple(n - n // 2 for n in sides)
        return Pad(begin=begin, end=end)
    return op


@pytest.mark.parametrize("case", CASES)
def test_what_is_written_is_read_back(case: Case, tmp_path: Path) -> None:
    graph = named(case)
    weights, arrays = random_weights(graph), random_inputs(case.inputs)
    wanted = run_onnx(graph, weights, arrays)
    # What begins with channels last is a network of channels first.
    first = arrays[0].transpose(0, 3, 1, 2) if arrays[0].ndim == 4 else arrays[0]
    nothing = any(np.array_equal(wanted, each) for each in (arrays[0], first))
    for opset in (OLDEST_OPSET, NEWEST):
        path = tmp_path / f"{opset}.onnx"
        onnx.save(to_model(graph, weights, opset=opset), path)
        if nothing:
            with pytest.raises(ResgenError, match="is the input as it is"):
                read(path)
            continue
        flat = read(path)
        given = flat.graph.types[flat.graph.inputs[0].name]
        x = first if given.shape != case.inputs[0] else arrays[0]
        np.testing.assert_allclose(
            run_onnx(flat.graph, flat.weights, [x]), wanted, rtol=1e-5, atol=1e-5
        )
        same = one_node(plain(case), case.inputs)
        assert identity(flat.graph) == identity(same)
