"""What each precision costs a network that really learned something.

Accuracies are those of the files, as ONNX Runtime runs them. What was written for
TensorRT runs operator by operator: ONNX Runtime's fusions are for files of its own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from digits import BLOCKS, sabotaged, samples

from resgen.calibrate.lowered import Calibrator, Lowered
from resgen.calibrate.ranges import observe
from resgen.calibrate.scales import quantized_values, scales
from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm
from resgen.graph.passes.integer_bias import integer_bias
from resgen.graph.precision import Precision
from resgen.lower.torch import to_torch
from resgen.ops.types import Apply
from resgen.proof.tolerance import Inaccurate, failing, judge
from resgen.runtime.onnxruntime import OnnxRuntimeSession

#: Half a point of 500 images is 2.5 of them; shares are compared with a little room.
ROOM = 1e-9


#: All of them need a network that has learned.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exact(digits, tmp_path_factory):
    """The scores of the float32 file."""
    folded = apply(digits.graph, fold_norm)
    folder = tmp_path_factory.mktemp("float32")
    return digits.run(folded, digits.weights, folder, True)


def lowered(digits, wanted: Precision, weights=None) -> Lowered:
    given = digits.weights if weights is None else weights
    return Calibrator(digits.graph, given, digits.known).at(wanted)


def scores(digits, made: Lowered, folder):
    own = made.wanted.consumer == "onnxruntime"
    graph = made.graph
    if own and made.wanted.name == "int8":
        graph = apply(graph, integer_bias)
    return digits.run(graph, made.weights, folder, own)


def measured(digits, made: Lowered):
    """Over the test images, which the network was not calibrated on."""
    over = Calibrator(digits.graph, made.calibrator.weights, samples(digits.test))
    return replace(made, calibrator=over).measured()


def test_it_really_learned_something(digits, exact):
    assert len(digits.test) >= 400
    assert digits.share(exact) > 0.98
    model = to_torch(digits.graph, digits.weights).eval()
    with torch.no_grad():
        found = model(torch.from_numpy(digits.test)).numpy()
    assert (found.argmax(1) == exact.argmax(1)).all()


@pytest.mark.parametrize(
    ("wanted", "points"),
    [
        (Precision("fp16", "onnxruntime"), 0.0),
        (Precision("fp16", "tensorrt"), 0.0),
        (Precision("int8", "onnxruntime"), 0.5),
        (Precision("int8", "onnxruntime", reduce_range=True), 0.5),
        (Precision("int8", "tensorrt"), 0.5),
        (Precision("fp8", "onnxruntime"), 1.0),
        (Precision("fp8", "tensorrt"), 1.0),
    ],
    ids=lambda value: (
        f"{value.name}-{value.consumer}" if isinstance(value, Precision) else None
    ),
)
def test_a_precision_costs_little(digits, exact, tmp_path, wanted, points):
    made = lowered(digits, wanted)
    found = digits.share(scores(digits, made, tmp_path))
    assert found >= digits.share(exact) - points / 100 - ROOM
    judge(measured(digits, made), wanted.name)


def test_bfloat16_is_judged_by_pytorch(digits, exact):
    made = lowered(digits, Precision("bf16", "onnxruntime"))
    model = to_torch(made.graph, made.weights).eval()
    with torch.no_grad():
        found = model(torch.from_numpy(digits.test)).numpy()
    assert digits.share(found) >= digits.share(exact) - 0.002 - ROOM
    accuracy = measured(digits, made)
    assert accuracy.judge == "PyTorch"
    assert accuracy.inputs == len(digits.test)
    judge(accuracy, "bf16")


def test_percentiles_cost_as_little(digits, exact, tmp_path):
    made = Calibrator(
        digits.graph, digits.weights, digits.known, method="percentile"
    ).at(Precision("int8", "onnxruntime"))
    found = digits.share(scores(digits, made, tmp_path))
    assert found >= digits.share(exact) - 0.005 - ROOM


def test_pytorch_is_a_judge_of_int8(digits, tmp_path):
    """The graph in PyTorch, which never saw the file, tells the same digits."""
    made = lowered(digits, Precision("int8", "onnxruntime"))
    model = to_torch(made.graph, made.weights).eval()
    with torch.no_grad():
        ours = model(torch.from_numpy(digits.test)).numpy()
    theirs = scores(digits, made, tmp_path)
    assert (ours.argmax(1) == theirs.argmax(1)).mean() >= 0.995
    # A sum taken in another order may round to the next of 255 steps.
    assert np.abs(ours - theirs).max() < 0.05 * np.ptp(theirs)


# --- adversaries ----------------------------------------------------------------------


@pytest.mark.parametrize("consumer", ["onnxruntime", "tensorrt"])
def test_channels_of_other_sizes_are_refused(digits, exact, tmp_path, consumer):
    weights = sabotaged(digits.weights, BLOCKS, 1000)
    folded = apply(digits.graph, fold_norm)
    whole = digits.run(folded, weights, tmp_path, True)
    assert digits.share(whole) == digits.share(exact)
    np.testing.assert_allclose(whole, exact, rtol=1e-3, atol=1e-3)

    made = lowered(digits, Precision("int8", consumer), weights)
    assert digits.share(scores(digits, made, tmp_path)) < 0.6
    with pytest.raises(Inaccurate) as refused:
        judge(measured(digits, made), "int8")
    named = {f"{b.section}.{b.block}" for b in refused.value.blocks}
    assert named >= set(BLOCKS)
    assert refused.value.exit_code == 1
    assert "a bisection finds" in refused.value.hint


@pytest.mark.parametrize("blocks", [("layer1.1",), ("layer2.0",)])
def test_the_first_block_named_is_the_culprit(digits, blocks):
    weights = sabotaged(digits.weights, blocks, 1000)
    made = lowered(digits, Precision("int8", "onnxruntime"), weights)
    accuracy = measured(digits, made)
    with pytest.raises(Inaccurate) as refused:
        judge(accuracy, "int8")
    # Noise travels on to the blocks behind, and to none before.
    named = [f"{b.section}.{b.block}" for b in refused.value.blocks]
    behind = BLOCKS[BLOCKS.index(blocks[0]) :]
    assert named == [*behind, "head.None"]


def coarser(operand):
    """Weights of four bits: their greatest number is 7."""
    if not isinstance(operand, Apply):
        return operand
    args = tuple(coarser(arg) for arg in operand.args)
    if operand.function == "scale_of":
        args = (args[0], 7)
    return Apply(operand.function, args)


def test_top1_is_a_blind_judge_and_noise_is_not(digits, exact, tmp_path):
    """Four bits keep most of the classes: more than the gate for classes asks."""
    made = lowered(digits, Precision("int8", "onnxruntime"))
    nodes = tuple(
        replace(n, operands=tuple((role, coarser(o)) for role, o in n.operands))
        for n in made.graph.nodes
    )
    graph = replace(made.graph, nodes=nodes)
    calibrator = made.calibrator
    ranges = observe(
        calibrator.folded, digits.weights, quantized_values(graph), digits.known
    )
    steps = 255 / 15
    wide = {value: (steps * a, steps * b) for value, (a, b) in ranges.items()}
    weights = {**digits.weights, **scales(graph, wide)}
    found = digits.run(graph, weights, tmp_path, True)
    assert digits.share(found) > digits.share(exact) - 0.08

    accuracy = measured(digits, replace(made, graph=graph, weights=weights))
    quiet = tuple(replace(block, snr=99.0) for block in accuracy.blocks)
    judge(
        replace(accuracy, blocks=quiet, snr=99.0), "int8"
    )  # by its classes it would pass
    assert failing(accuracy, "int8")
    with pytest.raises(Inaccurate):
        judge(accuracy, "int8")


def test_few_images_do_not_judge_classes(digits):
    made = lowered(digits, Precision("int8", "onnxruntime"))
    accuracy = measured(digits, made)
    wrong = replace(accuracy, top1=(200, 299), interval=(0.6, 0.72), inputs=299)
    judge(wrong, "int8")
    with pytest.raises(Inaccurate, match="200 of 300"):
        judge(replace(wrong, top1=(200, 300), inputs=300), "int8")


def test_what_the_file_yields_is_what_is_judged(digits, tmp_path):
    """A session that gives other outputs than the graph shows in the accuracy."""
    from resgen.lower.onnx import write

    made = lowered(digits, Precision("int8", "onnxruntime"))
    over = replace(
        made, calibrator=replace(made.calibrator, samples=samples(digits.test))
    )
    broken = {**made.weights, "fc.bias": made.weights["fc.bias"][::-1].copy()}
    broken["fc.bias"][0] += 100
    write(made.graph, broken, tmp_path / "broken.onnx")
    with OnnxRuntimeSession(tmp_path / "broken.onnx") as session:
        accuracy = over.measured(session)
    same, count = accuracy.top1
    assert (same < 0.3 * count, count) == (True, len(digits.test))
    with pytest.raises(Inaccurate, match="in the output as"):
        judge(accuracy, "int8")
