"""Where kernels are charged, on small networks whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

import resgen
from resgen.attribution.attribute import CONVERSION, charge
from resgen.attribution.graph_names import names_of_graph
from resgen.attribution.roofline import attainable
from resgen.graph.cost import analyse
from resgen.graph.precision import Precision, at_precision
from resgen.records.profile import Ceilings, OperatorTime

CEILINGS = Ceilings(1e9, 1e9, 1e9, 1e9, 0.0)


@pytest.fixture(scope="module")
def graph():
    return at_precision(resgen.expand(resgen.load("resnet20_cifar")), Precision())


@pytest.fixture(scope="module")
def names(graph):
    return names_of_graph(graph)


def kernel(*nodes, seconds=1.0, name="k", **more):
    return OperatorTime(name, "Kernel", seconds, nodes=nodes, **more)


def one(op, names, **options):
    (found,) = charge([op], names, **options).operators
    return found


def test_one_kernel_an_operator_adds_up_to_the_network(graph, names):
    operators = [kernel(node.name, name=node.name) for node in graph.nodes]
    found = charge(operators, names, batch=3, ceilings=CEILINGS)
    assert found.coverage == 1
    whole = analyse(graph)
    sections = {c.path: c for c in found.charges if c.kind == "section"}
    for section in whole.sections:
        assert sections[section.name].macs == 3 * section.macs
    blocks = [c for c in found.charges if c.path.startswith("layer1.")]
    assert [c.path for c in blocks] == ["layer1.0", "layer1.1", "layer1.2"]
    assert sum(c.seconds for c in blocks) == sections["layer1"].seconds
    assert sum(c.seconds for c in sections.values()) == found.operator_sum
    assert sections["layer1"].pointer == "/stages/0"
    assert sections["layer1"].attainable == pytest.approx(
        sum(
            attainable(op.macs, op.bytes, CEILINGS)
            for op in found.operators
            if op.section == "layer1"
        )
    )


def test_a_fused_kernel_moves_only_what_crosses_its_border(graph, names):
    conv, act = "layer1.0.conv1", "layer1.0.act"
    apart = [one(kernel(n), names, batch=2).bytes for n in (conv, act)]
    fused = one(kernel(conv, act), names, batch=2).bytes
    between = 2 * 4 * graph.types[conv].size
    assert fused == sum(apart) - 2 * between  # neither written nor read again


def test_several_blocks_in_one_kernel_are_a_bucket_that_names_them(names):
    op = kernel("layer2.0.act_1", "layer1.2.add", "layer1.2.conv2")
    found = charge([op, kernel("conv1")], names)
    assert found.operators[0].across == ("layer1.2", "layer2.0")
    assert found.coverage == 0.5
    assert {c.path: c.seconds for c in found.charges if c.seconds} == {
        "stem": 1.0, "across": 1.0,
    }  # fmt: skip


def test_a_name_that_leads_nowhere_is_unknown(names):
    found = charge([kernel("nothing.of.it"), kernel(name="Conv_9")], names)
    assert found.coverage == 0
    assert [c.path for c in found.charges if c.seconds] == ["unknown"]
    assert all(op.macs is None for op in found.operators)


def test_no_time_at_all_is_no_coverage(names):
    assert charge([], names).coverage == 0


@pytest.mark.parametrize(
    "name",
    [
        "layer1.0.conv1",  # itself
        "layer1_0_conv1",  # as torch.fx has it
        "layer1.0.conv1/Transpose",  # a part of it
        "layer1.0.conv1.weight",  # what it alone consumes
        "layer1.0.bn1",  # what was folded into it
    ],
)
def test_an_operator_is_found_by_all_its_names(names, name):
    found = one(kernel(name=name), names)
    assert (found.section, found.block, found.nodes) == (
        "layer1", 0, ("layer1.0.conv1",),
    )  # fmt: skip


def test_a_part_of_an_operator_does_not_count_its_work(names):
    whole, part = charge(
        [kernel("layer1.0.conv1"), kernel("layer1.0.conv1/Transpose")], names
    ).operators
    assert whole.macs > 0
    assert part.macs == 0


def test_work_that_two_kernels_share_counts_once(names):
    first, second = charge([kernel("conv1"), kernel("conv1")], names).operators
    assert (first.macs > 0, second.macs) == (True, 0)


def test_the_output_goes_by_its_own_name(names):
    found = one(kernel(name="output"), names)
    assert found.section == "head"


def test_a_conversion_is_charged_to_what_it_converts_and_computes_nothing(names):
    op = kernel("layer1.1.add", role=CONVERSION, bytes=7)
    found = one(op, names)
    assert (found.section, found.block, found.nodes) == ("layer1", 1, ())
    assert (found.macs, found.bytes, found.role) == (0, 7, CONVERSION)
    found = one(replace(op, nodes=("layer1.1.add", "layer1.2.add")), names)
    assert found.across == ("layer1.1", "layer1.2")


def test_quantisers_of_the_block_before_do_not_make_a_kernel_one_of_both():
    graph = at_precision(
        resgen.expand(resgen.load("resnet20_cifar")), Precision("int8")
    )
    names = names_of_graph(graph)
    nodes = ("layer1.0.act_1.dequantize", "layer1.1.conv1", "layer1.1.act",
             "layer1.1.act.quantize")  # fmt: skip
    found = one(kernel(*nodes), names)
    assert (found.section, found.block) == ("layer1", 1)
    maps, weights = 16 * 32 * 32, 16 * 16 * 9
    # Bytes in and out, one a number; scales and biases are few.
    assert 2 * maps + weights <= found.bytes <= 2 * maps + weights + 300
    alone = one(kernel("layer1.0.act_1.dequantize"), names)
    assert (alone.section, alone.block) == ("layer1", 0)


def test_a_range_is_everything_on_the_ways_between_its_ends(names):
    found = one(kernel("layer2.0.conv1...layer2.0.add"), names)
    assert found.nodes == tuple(
        f"layer2.0.{part}" for part in ("conv1", "act", "conv2", "add")
    )
