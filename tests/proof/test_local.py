"""Does the proof of a low-precision file see a fault? Single random ones, by a table.

A fault counts when the faulty file is refused by ONNX Runtime, or yields outputs other
than the healthy file's by more than rounding explains, on probe parameters or on the
weights that ship. Every fault that counts has to be caught by the proof as `export`
calls it, and none may be seen in a healthy file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_faults import (
    attribute,
    change_numbers,
    drop_bias,
    move_pad,
    nodes,
    pick,
)

from resgen.artifact.judged import probe_weights
from resgen.calibrate.lowered import Calibrator
from resgen.calibrate.samples import Samples
from resgen.errors import ResgenError
from resgen.expansion.expand import expand
from resgen.graph.passes.camera import camera
from resgen.graph.precision import Precision
from resgen.lower.onnx import write
from resgen.onnxfile.stored import read_stored
from resgen.ops import VOCABULARY
from resgen.proof.compare import Departure
from resgen.proof.initializers import prove_initializers
from resgen.proof.local import prove_locally
from resgen.spec.load import load
from resgen.spec.source import Problems
from resgen.weights.evaluate import evaluate
from resgen.weights.initialize import initialize

CONV = {"op": "conv", "out": 20, "kernel": 3, "bias": True}
#: Without norms, and with what residual blocks have not.
PLAIN = [
    {**CONV, "as": "conv1"}, {"op": "act", "type": "leaky_relu"},
    {"op": "max_pool", "kernel": 3, "stride": 2, "padding": 1},
    {**CONV, "as": "conv2", "out": 24, "groups": 4, "standardize": True},
    {"op": "act", "type": "gelu"},
    {"concat": [{**CONV, "as": "a"}, {**CONV, "as": "b", "kernel": 1}]},
    {"op": "slice", "axis": 0, "start": 3, "size": 30},
    {"op": "act", "type": "relu6"},
    {"op": "avg_pool", "kernel": 3, "stride": 2, "padding": 1},
    {"multiply": [[], [{"op": "softmax", "axis": 0}]]},
    {**CONV, "as": "conv3"}, "act", {"op": "reduce_mean", "axis": 2},
]  # fmt: skip
NETWORKS = {
    "squeezed": {"block": "basic", "shortcut": "projection", "attention": "se"},
    "bent": {
        "block": "bottleneck",
        "shortcut": "avg-projection",
        "act": "silu",
        "ratio": 1,
    },
    "dense": {"block": "basic", "shortcut": "concat"},
    "preact": {"block": "preact_basic", "shortcut": "preact"},
    "plain": None,
}
PRECISIONS = {
    "fp16": Precision("fp16"),
    "fp16 ends": Precision("fp16", low_ends=True),
    "bf16": Precision("bf16", "tensorrt"),
    "int8": Precision("int8"),
    "int8 tensorrt": Precision("int8", "tensorrt"),
    "fp8": Precision("fp8"),
    "fp8 tensorrt": Precision("fp8", "tensorrt"),
}
#: The order of colours that networks take; the others take red, green and blue.
COLOURS = {"dense": "gray", "squeezed": "bgr"}
#: Precision, network, and whether the file takes what a camera gives.
SUBJECTS = [
    ("fp16", "squeezed", False), ("fp16", "plain", True), ("fp16 ends", "bent", False),
    ("fp16", "dense", True), ("bf16", "squeezed", True), ("bf16", "plain", False),
    ("bf16", "preact", False), ("int8", "squeezed", False), ("int8", "plain", False),
    ("int8", "bent", True), ("int8", "dense", False), ("int8", "preact", False),
    ("int8 tensorrt", "squeezed", True), ("int8 tensorrt", "plain", False),
    ("int8 tensorrt", "bent", False), ("fp8", "squeezed", False),
    ("fp8", "plain", True),
    ("fp8 tensorrt", "bent", False), ("fp8 tensorrt", "dense", False),
]  # fmt: skip
#: What rounding alone makes of outputs, as a share of the largest.
ROUNDING = 1e-4
LOW = (TensorProto.FLOAT16, TensorProto.BFLOAT16)


def spec_of(name):
    defaults = NETWORKS[name]
    stages = [{"body": PLAIN}]
    if defaults is not None:
        stages = [{"width": width, "depth": 1} for width in (20, 24)]
    colour = COLOURS.get(name, "rgb")
    numbers = {"mean": [0.5], "std": [0.3]} if colour == "gray" else {}
    return {
        "resgen": 1, "name": name, "input": [1 if numbers else 3, 12, 12],
        "stem": [] if defaults is None else "cifar", "defaults": defaults or {},
        "stages": stages, "head": {"classes": 5},
        "preprocess": {
            "resize": 14, "crop": 12, "antialias": name != "plain", "color": colour,
            **numbers,
        },
    }  # fmt: skip


class Subject:
    """A network at a precision, its healthy file, and what that yields."""

    def __init__(self, folder, precision, network, by_camera, seed=0):
        problems = Problems()
        spec = load(spec_of(network), VOCABULARY, problems)
        assert spec is not None, [str(p) for p in problems.items]
        self.precision, wanted = precision, PRECISIONS[precision]
        graph = expand(spec)
        rng = np.random.default_rng(seed)
        inputs = rng.standard_normal((4, *spec.input)).astype(np.float32)
        samples = Samples(len(inputs), "noise", False, lambda i: inputs[i])
        calibrator = Calibrator(graph, initialize(graph.parameters, seed), samples)
        lowered = calibrator.at(wanted)
        self.graph = lowered.graph
        self.batch = inputs[:2]
        if by_camera:
            self.graph = camera(self.graph, spec.preprocess, (18, 16))
            self.batch = rng.integers(0, 256, (2, 18, 16, 3), np.uint8)
        elif wanted.low_ends:
            self.batch = self.batch.astype(np.float16)
        self.weights, self.probes = lowered.weights, probe_weights(lowered, seed)
        self.file = folder / f"{precision}-{network}-{by_camera}-{seed}.onnx"
        self.operands = write(self.graph, self.weights, self.file).initializers
        self.model = onnx.load(self.file)
        self.probed = {n: evaluate(at, self.probes) for n, at in self.operands}

    @property
    def healthy(self):
        if not hasattr(self, "_healthy"):
            self._healthy = [run(self.model, p, self.batch) for p in (self.probed, {})]
        return self._healthy

    def prove(self, file: Path) -> int:
        stored = read_stored(file)
        prove_initializers(stored, self.operands, self.weights)
        return prove_locally(self.graph, stored, self.operands, self.probes, self.batch)

    def counts(self, faulty) -> bool:
        """Whether the faulty file computes something else, beyond rounding."""
        for parameters, healthy in zip((self.probed, {}), self.healthy, strict=True):
            try:
                found = run(faulty, parameters, self.batch)
            except Exception:
                return True
            if found.keys() != healthy.keys():
                return True
            for name, wanted in healthy.items():
                other = found[name]
                if (other.shape, other.dtype) != (wanted.shape, wanted.dtype):
                    return True
                apart = np.abs(other.astype(float) - wanted.astype(float)).max()
                if not apart <= ROUNDING * np.abs(wanted.astype(float)).max():
                    return True
        return False


def run(model, parameters, x):
    """The outputs with these parameters, of a valid model; 16 bits run as float32."""
    onnx.checker.check_model(model, full_check=True)
    model = copied(model)
    del model.graph.value_info[:]
    for tensor in model.graph.initializer:
        array = parameters.get(tensor.name, numpy_helper.to_array(tensor))
        array = array.astype(np.float32) if tensor.data_type in LOW else array
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    for node in nodes(model, "Cast"):
        (to,) = node.attribute
        to.i = TensorProto.FLOAT if to.i in LOW else to.i
    for value in (*model.graph.input, *model.graph.output):
        kind = value.type.tensor_type
        kind.elem_type = TensorProto.FLOAT if kind.elem_type in LOW else kind.elem_type
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = (
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    wide = x if x.dtype == np.uint8 else x.astype(np.float32)
    return dict(zip(names, session.run(names, {"input": wide}), strict=True))


def copied(model):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


# --- faults: each changes the model and says whether it could -------------------------


def put(tensor, array):
    tensor.CopyFrom(numpy_helper.from_array(np.array(array, order="C"), tensor.name))


def held(model, node, at):
    """The initialiser that a node reads as this input; None if there is none."""
    if len(node.input) <= at:
        return None
    return next((t for t in model.graph.initializer if t.name == node.input[at]), None)


def read_by(model, kinds, at, able=lambda tensor: True):
    """Every initialiser that such nodes read as this input, each once."""
    found = (held(model, node, at) for node in nodes(model, *kinds))
    return list({t.name: t for t in found if t is not None and able(t)}.values())


BYTES = (TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32)


def change_one(kinds, at, change, able=lambda tensor: True):
    """Change one element of an initialiser that such nodes read."""

    def fault(model, draw):
        tensor = pick(draw, read_by(model, kinds, at, able))
        if tensor is None:
            return False
        array = numpy_helper.to_array(tensor).copy()
        flat = array.reshape(-1)
        place = int(draw.integers(flat.size))
        if tensor.data_type in BYTES:
            info = np.iinfo(flat.dtype)
            flat[place] += 1 if flat[place] < info.max else -1
        else:
            flat[place] = change(float(flat[place]))
            if flat.tobytes() == numpy_helper.to_array(tensor).tobytes():
                return False
        put(tensor, array)
        return True

    return fault


def swap_scales(model, draw):
    """Of two quantisers, with all that reads them."""
    scales = read_by(model, QUANTIZERS, 1)
    first = pick(draw, scales)
    same = [
        t for t in scales
        if t.name != first.name
        and (list(t.dims), t.data_type) == (list(first.dims), first.data_type)
    ]  # fmt: skip
    second = pick(draw, same)
    if second is None:
        return False
    first.name, second.name = second.name, first.name
    return True


def read_another_parameter(model, draw):
    """A node reads the right kind of initialiser from elsewhere."""
    node = pick(draw, [n for n in model.graph.node if len(n.input) > 1])
    at = int(draw.integers(1, len(node.input)))
    old = held(model, node, at)
    new = pick(draw, [
        t for t in model.graph.initializer
        if old is not None and t.name != old.name
        and (list(t.dims), t.data_type) == (list(old.dims), old.data_type)
    ])  # fmt: skip
    if new is None:
        return False
    node.input[at] = new.name
    return True


def add_attribute(kinds, name, values):
    def fault(model, draw):
        node = pick(draw, [n for n in nodes(model, *kinds) if not attribute(n, name)])
        if node is None:
            return False
        node.attribute.append(helper.make_attribute(name, pick(draw, values)))
        return True

    return fault


def another_order(order, draw):
    return [int(n) for n in draw.permutation(order)]


def swap_operands(model, draw):
    node = pick(draw, nodes(model, "Sub", "Div", "Concat", "MatMul"))
    if node is None:
        return False
    node.input[0], node.input[1] = node.input[1], node.input[0]
    return True


def becomes(kinds, others):
    """Another operator, of as many inputs and without attributes."""

    def fault(model, draw):
        node = pick(draw, nodes(model, *kinds))
        if node is None:
            return False
        node.op_type = pick(draw, [o for o in others if o != node.op_type])
        del node.attribute[:]
        if node.op_type == "Identity":
            del node.input[1:]
        return True

    return fault


def read_another(model, draw):
    """A node reads another value of the same shape and type, made before it."""
    kinds = {v.name: v.type.SerializeToString() for v in model.graph.value_info}
    index = int(draw.integers(1, len(model.graph.node)))
    node = model.graph.node[index]
    at = int(draw.integers(len(node.input)))
    before = [n.output[0] for n in list(model.graph.node)[:index]]
    old = node.input[at]
    new = pick(draw, [v for v in before if v != old and kinds.get(v) == kinds.get(old)])
    if new is None or old not in kinds:
        return False
    node.input[at] = new
    return True


def past_its_maker(model, draw):
    """A node reads what its input was made of: one operator is left out."""
    made = {n.output[0]: n for n in model.graph.node}
    node = pick(draw, [n for n in model.graph.node if n.input[0] in made])
    node.input[0] = made[node.input[0]].input[0]
    return True


def another_output(model, draw):
    """What the network gives out is another value, or not its value alone."""
    (output,) = model.graph.output
    node = model.graph.node[-1]
    kept = node.output[0]
    node.output[0] = f"{kept}/own"
    model.graph.node.append(helper.make_node(
        pick(draw, ["Relu", "Neg", "Softmax"]), [f"{kept}/own"], [output.name]
    ))  # fmt: skip
    return True


def another_name(model, draw):
    model.graph.output[0].name = pick(draw, list(model.graph.value_info)).name
    return True


def another_cast(model, draw):
    node = pick(draw, nodes(model, "Cast"))
    if node is None:
        return False
    old = attribute(node, "to")
    kinds = {1, 10, 16} - {old.i}
    old.i = int(pick(draw, sorted(kinds)))
    return True


def other_axes(model, draw):
    """An attribute or an input, as the operator sets of ONNX have it."""
    node = pick(draw, nodes(model, "ReduceMean", "ReduceSum"))
    if node is None:
        return False
    kept = attribute(node, "axes")
    old = kept.ints if kept else numpy_helper.to_array(held(model, node, 1))
    new = [(int(old[0]) + int(draw.integers(1, 3))) % 3]
    if kept:
        kept.ints[:] = new
    else:
        name = "axes/other"
        model.graph.initializer.append(numpy_helper.from_array(np.array(new), name))
        node.input[1] = name
    return True


def no_zero_point(model, draw):
    node = pick(draw, [n for n in nodes(model, *QUANTIZERS) if len(n.input) > 2])
    if node is None:
        return False
    del node.input[2]
    return True


def is_matrix(tensor):
    return len(tensor.dims) > 1


def is_vector(tensor):
    return len(tensor.dims) == 1


def is_number(tensor):
    return tensor.data_type in (1, 10, 16) and tensor.name.startswith("constant/")


QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")
WEIGHTED = ("Conv", "Gemm", "MatMul")
CLIPS = ("Relu", "LeakyRelu", "Sigmoid", "Erf", "HardSigmoid")
WINDOWS = ("Conv", "MaxPool", "AveragePool")
STEPS = ("Add", "Mul", "Sub", "Div")
#: What is done, and how many faults of the kind are drawn.
KINDS: dict[str, tuple[int, Callable]] = {
    "one code": (14, change_one(("DequantizeLinear",), 0, lambda x: x + 0.25)),
    "one weight": (8, change_one(WEIGHTED, 1, lambda x: x * 1.02)),
    "one bias": (10, change_one(WEIGHTED, 2, lambda x: x + 0.01)),
    "one scale": (14, change_one(QUANTIZERS, 1, lambda x: x * 1.02)),
    "one zero point": (14, change_one(QUANTIZERS, 2, lambda x: x + 1)),
    "one constant": (14, change_one(
        (*STEPS, "Clip", "MatMul"), 1, lambda x: 1.05 * x or 0.05, is_number)),
    "upper bound": (6, change_one(("Clip",), 2, lambda x: x - 0.2, is_number)),
    "scales swapped": (10, swap_scales),
    "another parameter": (20, read_another_parameter),
    "zero point left out": (8, no_zero_point),
    "bias left out": (8, drop_bias),
    "pad moved": (8, change_numbers(WINDOWS, "pads", move_pad)),
    "pad left out": (6, change_numbers(WINDOWS, "pads", lambda p, _: [0] * len(p))),
    "stride": (6, change_numbers(WINDOWS, "strides", lambda s, _: [3 - s[0]] * 2)),
    "dilation": (6, change_numbers(
        ("Conv",), "dilations", lambda d, _: [d[0] + 1] * 2)),
    "group": (6, change_numbers(("Conv",), "group", lambda g, _: 5 - g)),
    "kernel of a pool": (6, change_numbers(
        ("MaxPool", "AveragePool"), "kernel_shape", lambda k, _: [k[0] + 1] * 2)),
    "padding counted": (5, change_numbers(
        ("AveragePool",), "count_include_pad", lambda c, _: 1 - c)),
    "axis": (14, change_numbers(
        ("Concat", "Softmax", "Flatten", "DequantizeLinear", "Gather"), "axis",
        lambda a, _: a + 1)),
    "axis of a number": (6, add_attribute(("QuantizeLinear",), "axis", [0, 2])),
    "unsaturated": (6, add_attribute(("QuantizeLinear",), "saturate", [0])),
    "order of axes": (8, change_numbers(("Transpose",), "perm", another_order)),
    "slope": (8, change_numbers(("LeakyRelu", "HardSigmoid"), "alpha",
                                lambda a, _: a * 1.5)),
    "transposed": (6, change_numbers(("Gemm",), "transB", lambda t, _: 1 - t)),
    "axes kept": (6, change_numbers(
        ("ReduceMean", "ReduceSum"), "keepdims", lambda k, _: 1 - k)),
    "mean over another axis": (8, other_axes),
    "operands swapped": (12, swap_operands),
    "activation left out": (14, becomes(CLIPS, ["Identity"])),
    "another activation": (12, becomes(CLIPS, ["Relu", "Sigmoid", "Tanh", "Elu"])),
    "another step": (14, becomes(STEPS, STEPS)),
    "shortcut left out": (10, becomes(("Add",), ["Identity"])),
    "another pool": (6, becomes(
        ("GlobalAveragePool",), ["GlobalMaxPool", "Identity"])),
    "rounding left out": (6, becomes(("Floor",), ["Identity", "Ceil", "Round"])),
    "another value read": (20, read_another),
    "operator left out": (20, past_its_maker),
    "another cast": (14, another_cast),
    "output changed": (4, another_output),
    "output named otherwise": (4, another_name),
}  # fmt: skip


@pytest.fixture(scope="module")
def subjects(tmp_path_factory):
    folder = tmp_path_factory.mktemp("healthy")

    @cache
    def subject(*which):
        return Subject(folder, *which)

    return subject


def drawn_faults(subjects, factor=1, seed=0):
    draw = np.random.default_rng(seed)
    for kind, (number, change) in KINDS.items():
        made = tries = 0
        while made < number * factor:
            tries += 1
            assert tries < 100 * number * factor, f"no file can have {kind}"
            subject = subjects(*pick(draw, SUBJECTS))
            faulty = copied(subject.model)
            if change(faulty, draw):
                made += 1
                yield kind, subject, faulty


def judge(subjects, folder, **more):
    """How many faults of each kind counted; those missed, and those not named."""
    drawn, counted, caught = Counter(), Counter(), Counter()
    missed, unnamed = [], []
    file = folder / "faulty.onnx"
    for kind, subject, faulty in drawn_faults(subjects, **more):
        drawn[kind] += 1
        onnx.save(faulty, file)
        said = None
        try:
            subject.prove(file)
        except ResgenError as refused:
            said = refused
        caught[kind] += said is not None
        counts = subject.counts(faulty)
        counted[kind] += counts
        if counts and said is None:
            missed.append((kind, subject.file.stem))
        if said is not None and not names_a_part(said, subject):
            unnamed.append((kind, subject.file.stem, said.message))
    for kind in KINDS:
        print(f"{kind:32} {drawn[kind]:4} {counted[kind]:4} {caught[kind]:4}")
    print(f"{'sum':32} {drawn.total():4} {counted.total():4} {caught.total():4}")
    return counted, missed, unnamed


def names_a_part(said, subject):
    named = {node.name for node in subject.graph.nodes}
    named |= {node.name for node in subject.model.graph.node}
    named |= {tensor.name for tensor in subject.model.graph.initializer}
    return any(name in said.message for name in named)


@pytest.mark.parametrize(
    ("precision", "network", "by_camera"),
    [
        pytest.param(*case, marks=pytest.mark.slow if "8" in case[0] else ())
        for case in SUBJECTS
    ],
)
def test_a_healthy_file_passes(precision, network, by_camera, subjects):
    subject = subjects(precision, network, by_camera)
    nodes = [node for node in subject.graph.nodes if not node.op.training_only]
    assert [subject.prove(subject.file) for _ in range(3)] == [len(nodes)] * 3


@pytest.mark.slow
@pytest.mark.drawn(2)
@pytest.mark.parametrize("network", NETWORKS)
def test_no_seed_raises_a_false_alarm(network, subjects):
    for seed, precision in enumerate(PRECISIONS, start=1):
        for by_camera in (False, True):
            subject = subjects(precision, network, by_camera, seed)
            assert subject.prove(subject.file)


@pytest.mark.slow
def test_every_fault_that_counts_is_caught_and_named(subjects, tmp_path):
    """Some of every kind; the whole table and more are a soak."""
    counted, missed, unnamed = judge(subjects, tmp_path, factor=0.25, seed=2)
    assert (missed, unnamed) == ([], [])
    assert counted.total() >= 70


@pytest.mark.soak
def test_every_one_of_many_more_faults_is_caught_and_named(subjects, tmp_path):
    counted, missed, unnamed = judge(subjects, tmp_path, factor=8, seed=1)
    assert (missed, unnamed) == ([], [])
    assert counted.total() >= 2300


# --- what a person reads --------------------------------------------------------------


def faulty_file(subject, folder, change):
    """The healthy file after one change to the node that ``change`` names."""
    name, mutate = change
    model = copied(subject.model)
    (node,) = (node for node in model.graph.node if node.name == name)
    mutate(model, node)
    onnx.save(model, folder / "faulty.onnx")
    return folder / "faulty.onnx"


def to_product(model, node):
    node.op_type = "Mul"


def to_bfloat16(model, node):
    attribute(node, "to").i = TensorProto.BFLOAT16


def negated(model, node):
    tensor = held(model, node, 1)
    put(tensor, -numpy_helper.to_array(tensor))


def unread(model, node):
    node.name = node.name + "_other"


@pytest.mark.parametrize(
    ("precision", "change", "said"),
    [
        ("int8", ("layer2.0.add", to_product),
         r"departs from PyTorch at layer2\.0\.add \(add, stage layer2, block 0"),
        ("int8", ("layer1.0.act_1.quantize", negated),
         r"layer1\.0\.act_1\.quantize\.scale in the ONNX file is not what the graph"),
        ("fp16", ("input.to_float16", to_bfloat16), r"input\.to_float16"),
        ("fp16", ("layer1.0.act_1", unread), r"computes no layer1\.0\.act_1"),
    ],
)  # fmt: skip
def test_a_departure_names_the_operator_and_its_part(
    precision, change, said, subjects, tmp_path
):
    subject = subjects(precision, "squeezed", False)
    file = faulty_file(subject, tmp_path, change)
    with pytest.raises(Departure, match=said) as caught:
        subject.prove(file)
    assert "must not be used" in caught.value.hint
