"""Does the gate see a fault? Single random faults of ONNX files, by a fixed table.

A fault counts when the faulty file, run in float64 by onnx's reference evaluator,
differs somewhere by ten times float32's noise: anywhere among the tensors that both
files compute, on probe parameters or on the weights that ship. The noise at a tensor is
how far float32 (torch's or ONNX Runtime's, whichever is worse) is from float64 there,
at least one unit in the last place of its largest value. Every fault that counts has
to be caught by the gate as `build` calls it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx_faults import (
    attribute,
    change_numbers,
    drop_bias,
    move_pad,
    nodes,
    pick,
    set_attribute,
)

from resgen.errors import ResgenError
from resgen.expansion.expand import expand
from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm
from resgen.lower.onnx import write
from resgen.ops import VOCABULARY
from resgen.pictures.inputs import gather
from resgen.proof import gate
from resgen.spec.load import load
from resgen.spec.source import Problems
from resgen.weights.evaluate import evaluate
from resgen.weights.initialize import initialize

#: How many faults of each kind are drawn, fixed before any was run.
FAULTS = {
    "weight element scaled by 1.01": 20,
    "weight element negated": 20,
    "weight channel scaled by 1.001": 20,
    "weight channel zeroed": 20,
    "weight transposed": 20,
    "weights swapped": 20,
    "bias element shifted by 0.001": 20,
    "bias dropped": 30,
    "bias negated": 20,
    "stride": 20,
    "pad moved": 30,
    "pad dropped": 20,
    "dilation": 15,
    "group": 15,
    "kernel of a pool": 20,
    "kind of a pool": 25,
    "padding counted": 15,
    "epsilon doubled": 15,
    "epsilon times 100": 15,
    "inputs swapped": 20,
    "shortcut dropped": 40,
    "addition made product": 20,
    "wrong activation": 50,
    "activation dropped": 40,
    "constant scaled": 20,
    "axis": 20,
    "order of a concat": 15,
    "start of a slice": 15,
    "another value read": 40,
}

NETWORKS = {
    "basic": ([3, 13, 13], {"block": "basic", "shortcut": "projection"}, [8, 12], {}),
    "bottleneck": ([3, 12, 12], {"block": "bottleneck"}, [16, 24],
                   {"groups": 2, "act": "silu"}),
    "option_a": ([3, 12, 12], {"block": "basic", "shortcut": "zero-pad"}, [16, 24], {}),
    "preact": ([3, 11, 11], {"block": "preact_basic", "shortcut": "preact"}, [8, 12],
               {}),
    "squeezed": ([3, 12, 12], {"block": "basic", "attention": "se"}, [16, 32], {}),
    "averaged": ([3, 11, 11], {"block": "basic", "shortcut": "avg-projection"},
                 [8, 12], {"act": "leaky_relu"}),
    "dense": ([3, 10, 10], {"block": "basic", "shortcut": "concat"}, [8, 12], {}),
}  # fmt: skip


def plain_spec():
    """VGG's manner: no norm, biases, max pools, and an average pool that pads."""
    conv = {"op": "conv", "out": 8, "kernel": 3, "bias": True}
    body = [
        {**conv, "as": "conv1"}, "act",
        {"op": "max_pool", "kernel": 3, "stride": 2, "padding": 1},
        {**conv, "as": "conv2", "out": 12}, {"op": "act", "type": "gelu"},
        {"op": "avg_pool", "kernel": 3, "stride": 2, "padding": 1},
        {"concat": [{**conv, "as": "a"}, {**conv, "as": "b", "kernel": 1}]},
        {"op": "slice", "axis": 0, "start": 3, "size": 10}, "act",
        {"multiply": [[], [{"op": "softmax", "axis": 0}]]},
    ]  # fmt: skip
    return {
        "resgen": 1, "name": "plain", "input": [3, 12, 12], "stem": [],
        "stages": [{"body": body}], "head": {"classes": 5},
    }  # fmt: skip


def residual_spec(name):
    size, defaults, widths, more = NETWORKS[name]
    stages = [{"width": width, "depth": 1} for width in widths]
    return {
        "resgen": 1, "name": name, "input": size, "stem": "cifar",
        "defaults": {**defaults, **more}, "stages": stages, "head": {"classes": 5},
    }  # fmt: skip


class Subject:
    """A network, its healthy file, and what float32's noise is at its tensors."""

    def __init__(self, name: str, folder: Path, *, folded: bool) -> None:
        problems = Problems()
        source = plain_spec() if name == "plain" else residual_spec(name)
        self.spec = load(source, VOCABULARY, problems)
        assert self.spec is not None, [str(p) for p in problems.items]
        self.graph = expand(self.spec)
        self.folded = apply(self.graph, fold_norm) if folded else self.graph
        self.weights = initialize(self.graph.parameters, 1)
        self.file = folder / f"{name}{folded}.onnx"
        written = write(self.folded, self.weights, self.file)
        self.operands = written.initializers
        self.model = onnx.load(self.file)
        self.inputs = gather(
            self.graph, self.spec.preprocess, (1, 3), (), 0, resized=False
        )
        self.probe = self._calibrated()
        self.other = np.random.default_rng(9).normal(size=self.inputs.batches[0].shape)
        self.cases = [
            (parameters, x)
            for parameters in (self.probe, None)
            for x in (self.inputs.batches[0], self.other)
        ]
        self.exact = [in_float64(self.model, *case) for case in self.cases]
        self.noise = [
            self._noise(case, exact)
            for case, exact in zip(self.cases, self.exact, strict=True)
        ]

    def _calibrated(self):
        drawn = gate.draw(self.graph, 0)
        module = gate_module(self.graph, drawn)
        with torch.no_grad():
            feed = {"input": torch.from_numpy(self.inputs.ends)}
            for _ in gate.calibrate(self.graph, module, feed):
                pass
        return {name: evaluate(operand, drawn) for name, operand in self.operands}

    def _noise(self, case, exact):
        parameters, x = case
        model = with_weights(self.model, parameters)
        rounded = run(show_all(model), x.astype(np.float32))
        return {
            name: max(
                float(np.abs(rounded[name] - value).max(initial=0)),
                float(np.spacing(np.float32(np.abs(value).max(initial=0)))),
            )
            for name, value in exact.items()
        }

    def prove(self, file: Path):
        return gate.prove(
            self.graph, self.folded, file, self.weights, self.spec.preprocess,
            self.operands, images=(),
        )  # fmt: skip

    def counts(self, faulty) -> bool:
        """Whether the faulty file computes something else, beyond rounding."""
        for case, exact, noise in zip(self.cases, self.exact, self.noise, strict=True):
            parameters, x = case
            try:
                found = in_float64(faulty, parameters, x)
            except Exception:
                return True
            for name, value in exact.items():
                other = found.get(name)
                if other is None or other.shape != value.shape:
                    return True
                if not np.abs(other - value).max(initial=0) <= 10 * noise[name]:
                    return True
        return False


def gate_module(graph, weights):
    from resgen.lower.torch import to_torch

    return to_torch(graph, weights).eval()


def with_weights(model, parameters):
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for tensor in changed.graph.initializer if parameters else ():
        if tensor.name in parameters:
            new = numpy_helper.from_array(parameters[tensor.name], tensor.name)
            tensor.CopyFrom(new)
    return changed


def show_all(model):
    shown = {output.name for output in model.graph.output}
    for node in model.graph.node:
        if node.output[0] not in shown:
            model.graph.output.add(name=node.output[0])
    return model


def run(model, x):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = (
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"input": x}), strict=True))


def in_float64(model, parameters, x):
    """Every tensor of the model, by onnx's reference evaluator on doubles."""
    wide = with_weights(model, parameters)
    del wide.graph.value_info[:]
    for tensor in wide.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32:
            tensor.CopyFrom(numpy_helper.from_array(array.astype(float), tensor.name))
    for value in (*wide.graph.input, *wide.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    names = [node.output[0] for node in wide.graph.node]
    evaluator = ReferenceEvaluator(show_all(wide))
    return dict(
        zip(names, evaluator.run(names, {"input": x.astype(float)}), strict=True)
    )


# --- faults: each changes the model and says whether it could -------------------------


def initializers(model, *, rank):
    """Weights (rank 2 and up) or vectors; not the constants of operators."""
    return [
        tensor
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
        and not tensor.name.startswith("constant/")
        and (len(tensor.dims) > 1 if rank > 1 else len(tensor.dims) == 1)
    ]


def change_array(rank, change) -> Callable:
    def fault(model, draw):
        tensor = pick(draw, initializers(model, rank=rank))
        if tensor is None:
            return False
        array = numpy_helper.to_array(tensor).copy()
        changed = change(array, draw)
        array = array if changed is None else np.ascontiguousarray(changed)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        return True

    return fault


def scale_element(factor):
    def change(array, draw):
        array.reshape(-1)[draw.integers(array.size)] *= np.float32(factor)

    return change


def scale_channel(factor):
    def change(array, draw):
        array[draw.integers(len(array))] *= np.float32(factor)

    return change


def shift_element(array, draw):
    array[draw.integers(array.size)] += np.float32(0.001)


def transpose_weight(array, draw):
    if array.ndim > 2:
        return array.swapaxes(-1, -2)
    return array.T.reshape(array.shape)


def swap_weights(model, draw):
    chosen = initializers(model, rank=2)
    first = pick(draw, chosen)
    twins = [t for t in chosen if t.dims == first.dims and t.name != first.name]
    second = pick(draw, twins)
    if second is None:
        return False
    first.name, second.name = second.name, first.name
    return True


def other_pool(model, draw):
    node = pick(draw, nodes(model, "MaxPool", "AveragePool", "GlobalAveragePool"))
    if node is None:
        return False
    swap = {"MaxPool": "AveragePool", "AveragePool": "MaxPool"}
    node.op_type = swap.get(node.op_type, "GlobalMaxPool")
    for name in ("count_include_pad", "dilations", "storage_order"):
        if (old := attribute(node, name)) is not None:
            node.attribute.remove(old)
    return True


def flip_counted(model, draw):
    node = pick(draw, nodes(model, "AveragePool"))
    if node is None:
        return False
    old = attribute(node, "count_include_pad")
    set_attribute(node, "count_include_pad", int(not (old and old.i)))
    return True


def swap_inputs(model, draw):
    """Of an operator that reads two values, or of two that read one each."""
    first, second = (pick(draw, nodes(model, "Conv", "Relu", "Gemm")) for _ in "ab")
    if first is None or first.input[0] == second.input[0]:
        return False
    first.input[0], second.input[0] = second.input[0], first.input[0]
    return True


def becomes_identity(kinds) -> Callable:
    def fault(model, draw):
        node = pick(draw, nodes(model, *kinds))
        if node is None:
            return False
        kept = node.input[draw.integers(len(node.input))] if kinds == ("Add",) else (
            node.input[0]
        )  # fmt: skip
        node.op_type = "Identity"
        del node.input[:], node.attribute[:]
        node.input.append(kept)
        return True

    return fault


ACTIVATIONS = ("Relu", "LeakyRelu", "Sigmoid", "HardSigmoid", "Erf")


def wrong_activation(model, draw):
    node = pick(draw, nodes(model, *ACTIVATIONS))
    if node is None:
        return False
    others = {"Relu", "LeakyRelu", "Sigmoid", "Tanh", "Elu", "Softplus"}
    node.op_type = pick(draw, sorted(others - {node.op_type}))
    del node.attribute[:]
    return True


def product(model, draw):
    node = pick(draw, nodes(model, "Add"))
    if node is None:
        return False
    node.op_type = "Mul"
    return True


def scale_constant(model, draw):
    constants = [
        tensor
        for tensor in model.graph.initializer
        if tensor.name.startswith("constant/")
        and tensor.data_type == onnx.TensorProto.FLOAT
        and np.any(numpy_helper.to_array(tensor))
    ]
    tensor = pick(draw, constants)
    if tensor is None:
        return False
    array = numpy_helper.to_array(tensor) * np.float32(1.01)
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return True


def reverse_concat(model, draw):
    node = pick(draw, nodes(model, "Concat"))
    if node is None:
        return False
    inputs = list(node.input)[::-1]
    del node.input[:]
    node.input.extend(inputs)
    return inputs != inputs[::-1]


def move_slice(model, draw):
    node = pick(draw, nodes(model, "Slice"))
    if node is None:
        return False
    by_name = {tensor.name: tensor for tensor in model.graph.initializer}
    starts, ends = (numpy_helper.to_array(by_name[n]) - 1 for n in node.input[1:3])
    if starts.min() < 0:
        return False
    for at, array in ((1, starts), (2, ends)):
        name = f"moved/{at}"
        model.graph.initializer.append(numpy_helper.from_array(array, name))
        node.input[at] = name
    return True


def read_another(model, draw):
    """One operator reads another value of the same shape, made before it."""
    shapes = {
        v.name: tuple(d.dim_value or d.dim_param for d in v.type.tensor_type.shape.dim)
        for v in model.graph.value_info
    }
    index = int(draw.integers(1, len(model.graph.node)))
    node = model.graph.node[index]
    before = [n.output[0] for n in list(model.graph.node)[:index]]
    old = node.input[0]
    same = [v for v in before if v != old and shapes.get(v, 0) == shapes.get(old, 1)]
    new = pick(draw, same)
    if new is None:
        return False
    node.input[0] = new
    return True


CONVS = ("Conv",)
POOLS = ("MaxPool", "AveragePool")
NORMS = ("BatchNormalization",)
KINDS: dict[str, Callable] = {
    "weight element scaled by 1.01": change_array(2, scale_element(1.01)),
    "weight element negated": change_array(2, scale_element(-1)),
    "weight channel scaled by 1.001": change_array(2, scale_channel(1.001)),
    "weight channel zeroed": change_array(2, scale_channel(0)),
    "weight transposed": change_array(2, transpose_weight),
    "weights swapped": swap_weights,
    "bias element shifted by 0.001": change_array(1, shift_element),
    "bias dropped": drop_bias,
    "bias negated": change_array(1, lambda array, draw: -array),
    "stride": change_numbers((*CONVS, *POOLS), "strides", lambda s, _: [3 - s[0]] * 2),
    "pad moved": change_numbers((*CONVS, *POOLS), "pads", move_pad),
    "pad dropped": change_numbers((*CONVS, *POOLS), "pads", lambda p, _: [0] * len(p)),
    "dilation": change_numbers(CONVS, "dilations", lambda d, _: [d[0] + 1] * len(d)),
    "group": change_numbers(CONVS, "group", lambda g, _: 3 - g if g < 3 else 1),
    "kernel of a pool": change_numbers(
        POOLS, "kernel_shape", lambda k, _: [k[0] + 1] * 2
    ),
    "kind of a pool": other_pool,
    "padding counted": flip_counted,
    "epsilon doubled": change_numbers(NORMS, "epsilon", lambda e, _: e * 2),
    "epsilon times 100": change_numbers(NORMS, "epsilon", lambda e, _: e * 100),
    "inputs swapped": swap_inputs,
    "shortcut dropped": becomes_identity(("Add",)),
    "addition made product": product,
    "wrong activation": wrong_activation,
    "activation dropped": becomes_identity(ACTIVATIONS),
    "constant scaled": scale_constant,
    "axis": change_numbers(
        ("Softmax", "Concat", "Flatten"), "axis", lambda a, _: a + 1
    ),
    "order of a concat": reverse_concat,
    "start of a slice": move_slice,
    "another value read": read_another,
}  # fmt: skip


@pytest.fixture(scope="module")
def subjects(tmp_path_factory):
    folder = tmp_path_factory.mktemp("healthy")

    @cache
    def subject(name: str, *, folded: bool = True) -> Subject:
        return Subject(name, folder, folded=folded)

    return subject


SUBJECTS = [(n, True) for n in (*NETWORKS, "plain")] + [("bottleneck", False),
                                                        ("preact", False)]  # fmt: skip


@pytest.mark.parametrize(("name", "folded"), SUBJECTS)
def test_the_healthy_file_passes(name, folded, subjects):
    subject = subjects(name, folded=folded)
    proven = subject.prove(subject.file)
    assert proven.verdict == "equal"
    assert proven.initializers == len(subject.operands)


def drawn_faults(subjects, factor=1, seed=0):
    draw = np.random.default_rng(seed)
    for kind, number in FAULTS.items():
        made = tries = 0
        while made < number * factor:
            tries += 1
            assert tries < 100 * number * factor, f"no network can have {kind}"
            subject = subjects(
                *(pick(draw, SUBJECTS)[:1]), folded=bool(draw.integers(4))
            )
            faulty = onnx.ModelProto()
            faulty.CopyFrom(subject.model)
            if KINDS[kind](faulty, draw):
                made += 1
                yield kind, subject, faulty


def judge(subjects, folder, **more):
    """How many faults of each kind were drawn, counted and caught; those missed."""
    drawn, counted, caught = Counter(), Counter(), Counter()
    missed = []
    file = folder / "faulty.onnx"
    for kind, subject, faulty in drawn_faults(subjects, **more):
        drawn[kind] += 1
        onnx.save(faulty, file)
        try:
            subject.prove(file)
        except ResgenError:
            seen = True
        else:
            seen = False
        caught[kind] += seen
        counts = subject.counts(faulty)
        counted[kind] += counts
        if counts and not seen:
            missed.append((kind, subject.spec.name))
    for kind in FAULTS:
        print(f"{kind:32} {drawn[kind]:4} {counted[kind]:4} {caught[kind]:4}")
    print(f"{'sum':32} {drawn.total():4} {counted.total():4} {caught.total():4}")
    return counted, missed


@pytest.mark.slow
def test_every_fault_that_counts_is_caught(subjects, tmp_path):
    """Some of every kind; the whole table and more are a soak."""
    counted, missed = judge(subjects, tmp_path, factor=0.15, seed=2)
    assert missed == []
    assert counted.total() >= 90


@pytest.mark.soak
def test_every_one_of_many_more_faults_is_caught(subjects, tmp_path):
    counted, missed = judge(subjects, tmp_path, factor=6, seed=1)
    assert missed == []
    assert counted.total() >= 3000
