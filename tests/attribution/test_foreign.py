"""Files that other tools have written, charged by their own hierarchy."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from small_subject import onnx_file

import resgen
from resgen.artifact.prepare import Wanted, prepared
from resgen.attribution.attribute import charge
from resgen.attribution.foreign import (
    names_of_layers,
    names_of_onnx,
    read_onnx,
)
from resgen.attribution.hierarchy import Hierarchy
from resgen.attribution.operators import from_layers, profile_onnxruntime
from resgen.attribution.parts import parts_of, parts_of_file
from resgen.errors import ResgenError
from resgen.graph.cost import analyse
from resgen.lower.onnx import write
from resgen.onnxfile.paths import path_of_weight
from resgen.weights.initialize import initialize

#: What every exporter calls the parts of a ResNet-18.
BLOCKS = {f"layer{s}.{b}" for s in (1, 2, 3, 4) for b in (0, 1)}


def charged(path, size=64):
    x = np.random.default_rng(0).random((1, 3, size, size), np.float32)
    (given,) = onnx.load(path, load_external_data=False).graph.input[:1]
    found = profile_onnxruntime(path, {given.name: x}, threads=1, runs=1)
    names = names_of_onnx(path, {given.name: (3, size, size)})
    return names, charge(found, names)


def exported(module, path, *, dynamo):
    torch.onnx.export(
        module.eval(), (torch.rand(1, 3, 64, 64),), str(path), dynamo=dynamo,
        verbose=False,
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def resnet18(peers, tmp_path_factory):
    """Torchvision's, as both exporters write it: the newer one's by ``True``."""
    folder = tmp_path_factory.mktemp("resnet18")
    model = peers.torchvision.models.resnet18()

    @cache
    def written(dynamo):
        return exported(model, folder / f"{dynamo}.onnx", dynamo=dynamo)

    return written


def numbered(path, out):
    """The file as old exporters wrote it: nodes are numbered, weights have paths."""
    loaded = onnx.load(path)
    for at, node in enumerate(loaded.graph.node):
        node.name = f"{node.op_type}_{at}"
        del node.metadata_props[:]
    onnx.save(loaded, out)
    return out


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.drawn(2)
@pytest.mark.parametrize("how", ["names", "notes", "weights"])
@pytest.mark.slow
def test_a_resnet_of_torchvision_is_charged_to_its_layers(resnet18, tmp_path, how):
    path = resnet18(how != "names")
    if how == "weights":
        path = numbered(path, tmp_path / "numbered.onnx")
    names, found = charged(path)
    assert found.coverage == pytest.approx(1)
    paths = [c.path for c in found.charges]
    assert {c.path for c in found.charges if c.kind == "block"} == BLOCKS
    assert [p for p in paths if "." not in p] == [
        "stem", "layer1", "layer2", "layer3", "layer4", "head",
    ]  # fmt: skip
    # Against resgen's count of the same network at another size of input.
    spec = resgen.load("resnet18", ["/input=[3, 64, 64]"])
    whole = analyse(resgen.expand(spec))
    assert sum(op.macs or 0 for op in found.operators) == whole.macs
    macs = {c.path: c.macs for c in found.charges}
    for section in whole.sections:
        assert macs[section.name] == section.macs
    roles = {op.role for op in found.operators if "downsample" in str(op.nodes)}
    assert roles <= {"shortcut"}
    assert all(part.block is None or part.path in BLOCKS for part in names.parts)
    # Its strip is that of resgen's own.
    parts = {part.path: part for part in parts_of_file(*read_onnx(path))}
    for own in parts_of(resgen.expand(spec)):
        part = parts[own.path]
        assert (part.kind, part.macs, part.output) == (own.kind, own.macs, own.output)
        # Norms, which resgen counts apart, are folded into what torch.onnx writes.
        assert part.bytes == pytest.approx(own.bytes, rel=0.02)


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.drawn(1)
@pytest.mark.parametrize("dynamo", [True, False])
@pytest.mark.slow
def test_timms_stages_of_stages_are_told_from_blocks(peers, tmp_path, dynamo):
    model = peers.timm.create_model("mobilenetv3_small_050")
    names, found = charged(exported(model, tmp_path / "m.onnx", dynamo=dynamo))
    assert found.coverage >= 0.98
    wanted = {
        f"blocks.{s}.{b}"
        for s, stage in enumerate(model.blocks)
        for b, block in enumerate(stage)
        if not hasattr(block, "conv") or hasattr(block, "conv_pw")
    }
    assert {part.path for part in names.parts if part.block is not None} <= wanted
    held = {w.path for w in names.works.values() if w.macs}
    assert {path for path in held if path.count(".") == 2} == wanted
    assert "blocks.5" in held  # a stage of one convolution


def test_a_file_of_resgen_is_read_without_its_spec(tmp_path):
    graph = resgen.expand(resgen.load("resnet18"))
    path = tmp_path / "m.onnx"
    write(graph, initialize(graph.parameters, 0), path)
    names = names_of_onnx(path)
    for node in graph.nodes:
        section = graph.sections[node.origin.section].name
        ((work, whole),) = names.find(node.name)
        assert whole
        assert (work.section, work.block) == (section, node.origin.block)


def test_costs_are_unknown_without_sizes_and_for_one_input_with_a_fixed_batch(
    tmp_path,
):
    graph = resgen.expand(resgen.load("resnet20_cifar"))
    weights = initialize(graph.parameters, 0)
    write(graph, weights, tmp_path / "open.onnx", dynamic=True)
    write(graph, weights, tmp_path / "fixed.onnx", batch=4)
    unknown = names_of_onnx(tmp_path / "open.onnx")
    assert unknown.works["conv1"].macs is None
    assert unknown.bytes_of([unknown.works["conv1"]], 1) is None
    fixed = names_of_onnx(tmp_path / "fixed.onnx")
    sized = names_of_onnx(tmp_path / "open.onnx", {"": (3, 32, 32)})
    for name in fixed.works:
        assert fixed.works[name].macs == sized.works[name].macs
    assert sum(w.macs for w in fixed.works.values()) == analyse(graph).macs


def test_parts_of_a_file_with_open_sizes_are_known_once_these_are_given(tmp_path):
    path = onnx_file(tmp_path / "open.onnx", open_sizes=True)
    (part,) = parts_of_file(*read_onnx(path))
    assert (part.macs, part.bytes, part.output) == (None, None, ())
    (part,) = parts_of_file(*read_onnx(path, {"": (3, 8, 8)}))
    assert (part.macs, part.output) == (3 * 3 * 9 * 64, (3, 8, 8))
    assert part.bytes == 4 * (2 * 3 * 64 + 3 * 3 * 9)
    with prepared(Wanted(str(path), shapes={"": (3, 8, 8)})) as subject:
        assert subject.subject.macs == part.macs
        assert subject.subject.input == (3, 8, 8)
        assert subject.subject.parts == (part,)
    with prepared(Wanted(str(path))) as subject:
        assert subject.subject.macs is None
        assert subject.subject.input is None


def test_layers_alone_tell_their_blocks_by_weights_and_by_names():
    times = {
        "features.0.0.weight + QuantizeLinear_7 + Conv_9 + PWN(Clip_11)": 1.0,
        "features.3.conv.0.0.weight + QuantizeLinear_119 + Conv_121 + Add_123": 2.0,
        "features.3.conv.1.weight + QuantizeLinear_124 + Conv_130": 4.0,
        "/layer1/layer1.0/conv1/Conv + /layer1/layer1.0/relu/Relu": 8.0,
        "/layer1/layer1.0/conv2/Conv || /layer1/layer1.0/downsample/downsample.0/Conv":
            16.0,
        "GlobalAveragePool_747": 32.0,
    }  # fmt: skip
    operators = from_layers(times)
    found = charge(operators, names_of_layers(operators))
    seconds = {c.path: c.seconds for c in found.charges}
    assert seconds["features.0"] == 1.0
    assert seconds["features.3"] == 6.0
    assert seconds["layer1.0"] == 24.0
    assert seconds["unknown"] == 32.0
    assert found.charges[0].attainable is None
    assert {op.macs for op in found.operators} == {None}


def places(*layers):
    """Section and block of each layer, from the names of all of them."""
    operators = from_layers(dict.fromkeys(layers, 1.0))
    found = charge(operators, names_of_layers(operators))
    return [(op.section, op.block, op.across) for op in found.operators]


BLOCK = "/layer1/layer1.0/conv1/Conv", "/layer1/layer1.0/conv2/Conv"


def test_layers_that_tensorrt_adds_lie_where_the_node_lies():
    found = places(
        *BLOCK,
        "fc.weight + QuantizeLinear_121 + transpose_before_fc.weight + /fc/Gemm + "
        "unsqueeze_node_after_fc.bias + /fc/Gemm_bias",
        "reshape_after_/fc/Gemm",
        "squeeze_after_fc.bias",
        "/layer1/layer1.0/conv1/Conv [profile 1]",
    )
    assert found[2:] == [("fc", None, ())] * 3 + [("layer1", 0, ())]


def test_pointwise_layers_are_read_to_their_innermost_names():
    found = places(
        *BLOCK,
        "PWN(PWN(/layer1/layer1.0/act/Sigmoid), PWN(/layer1/layer1.0/act/Mul))",
        "PWN(PWN(/layer1/layer1.0/act/Sigmoid), /layer1/layer1.0/act/Mul) + "
        "PWN(/layer1/layer1.0/Add)",
        "PWN(PWN(/Sub), PWN(/Div))",
    )
    assert found[2:] == [("layer1", 0, ())] * 2 + [("(top)", None, ())]


def test_names_of_keras_without_a_leading_slash_tell_their_blocks():
    names = [f"resnet50/conv{s}_block{b}_{m}_conv/Conv2D"
             for s in (2, 3) for b in (1, 2) for m in (1, 2)]  # fmt: skip
    found = places(
        *names,
        "resnet50/conv3_block2_1_conv/Conv2D + resnet50/conv3_block2_1_relu/Relu",
        "resnet50/conv3_block2_add/add + resnet50/conv3_block2_out/Relu",
        "resnet50/predictions/MatMul",
    )
    assert found[0] == ("resnet50.conv2", 1, ())
    assert found[-3:-1] == [("resnet50.conv3", 2, ())] * 2
    assert found[-1][2] == ()
    assert found[-1][0] is not None


@pytest.mark.parametrize(
    ("network", "blocks", "place"),
    [
        ("efficientnetb0", ("block3a", "block3b"), ("efficientnetb0.block3", 1)),
        (
            "mobilenetv2_1.00_224",
            ("block_0", "block_1"),
            ("mobilenetv2.block", 1),
        ),
    ],
)
def test_names_of_other_families_of_keras_tell_their_blocks(network, blocks, place):
    found = places(
        *(
            f"{network}/{block}_{word}/Conv2D"
            for block in blocks
            for word in ("expand", "project")
        ),
        f"{network}/Conv1/Conv2D + {network}/Conv1_relu/Relu6",
    )
    assert found[3] == (*place, ())
    assert found[-1][1:] == (None, ())


@pytest.mark.parametrize(
    ("weight", "blocks", "section"),
    [
        ("conv3_block{}_{}_conv/kernel:0", (1, 2, 3), "conv3"),  # Keras
        ("block3{}_{}_conv/kernel:0", {"a": 0, "b": 1}, "block3"),  # its EfficientNet
        ("block_{}_{}_conv/kernel:0", (1, 2, 12), "block"),  # its MobileNet
        ("conv_stage2_block{}_branch2{}/weights:0", (0, 1, 2), "stage2"),  # OpenNSFW
        ("stage2_unit{}_conv{}_weight", (1, 2, 3), "stage2"),  # MXNet
        ("gpu_0/res3_{}_branch{}_w_0", (0, 1, 2), "res3"),  # Caffe2
        ("gpu_0/res3_{}_branch{}_bn_s_0", (0, 1, 2), "res3"),
        ("res3{}_branch{}_W", {"a": 0, "b": 1, "c": 2}, "res3"),  # Caffe
        ("bn4{}_branch{}_b", {"a": 0, "b1": 1, "b22": 22}, "res4"),
        ("conv3_{}/x{}_w_0", (1, 2), "conv3"),  # DenseNet's authors
        ("layer2_{}_conv{}.weight", (0, 1), "layer2"),  # torch.fx
    ],
)
def test_blocks_within_a_word_are_told_by_weights(weight, blocks, section):
    numbers = blocks if isinstance(blocks, dict) else {block: block for block in blocks}
    paths = {
        path_of_weight(weight.format(block, convolution)): number
        for block, number in numbers.items()
        for convolution in (1, 2)
    }
    assert len(paths) == 2 * len(blocks)
    tree = Hierarchy(paths)
    assert {p: tree.place(p) for p in paths} == {p: (section, paths[p]) for p in paths}


@pytest.mark.parametrize("name", ["onnx::Conv_239", "239", "resnetv17_conv0_fwd", ""])
def test_names_that_are_no_paths_tell_nothing(name):
    assert path_of_weight(name) is None


def test_a_resnet_of_caffe2_is_told_from_its_weights():
    """The file in the wheel of onnx: nodes have no names, weights are made by nodes."""
    path = Path(onnx.__file__).parent / "backend/test/data/light/light_resnet50.onnx"
    names = names_of_onnx(path)
    depths = {"res2": 3, "res3": 4, "res4": 6, "res5": 3}
    blocks = {f"{s}.{b}" for s, depth in depths.items() for b in range(depth)}
    assert {part.path for part in names.parts if part.block is not None} == blocks
    sections = {part.path for part in names.parts if part.block is None}
    assert sections == {"stem", "head", *depths}
    assert {w.name for w in names.works.values() if w.section is None} == set()


def test_an_activation_outside_of_blocks_lies_where_its_convolution_does():
    found = places(
        *BLOCK, "/conv1/Conv + /relu/Relu", "/relu_2/Relu",
        "/layer1/layer1.0/conv2/Conv + /fc/Gemm",
    )  # fmt: skip
    assert found[2:4] == [("conv1", None, ()), ("relu_2", None, ())]
    # Two maps of two places remain of both.
    assert found[4] == (None, None, ("layer1.0", "fc"))


STAGED = [f"stages.{s}.blocks.{b}.{m}" for s in (0, 1) for b in (0, 1) for m in "ab"]


@pytest.mark.parametrize(
    ("maps", "path", "place"),
    [
        ([f"layer1.0.conv{i}" for i in (1, 2)], "layer1.0.downsample.0", ("layer1", 0)),
        (["conv1.0", "conv1.3", "conv1.6"], "conv1.3", ("conv1", None)),
        (STAGED, "stages.1.blocks.0.a", ("stages.1", 0)),
        (STAGED, "stages.1.downsample.1", ("stages.1", None)),
        ([f"features.{i}.conv.{j}" for i in (1, 2) for j in (0, 1)],
         "features.2.conv.1", ("features", 2)),
        ([f"features.{i}" for i in (0, 3, 6)], "features.3", ("features", None)),
        # A RegNet, whose first stage has one block.
        ([f"s{s}.b{b}.{m}" for s, b in ((1, 1), (2, 1), (2, 2)) for m in "xy"],
         "s1.b1.x", ("s1", 1)),
    ],
)  # fmt: skip
def test_numbered_parts_are_blocks_where_they_hold_several_maps(maps, path, place):
    assert Hierarchy(maps).place(path) == place


@pytest.mark.parametrize("scopes", ["{-2: 1}", "{'': 'layer1', 'a': 2}", "[", "7"])
def test_notes_and_names_that_are_no_paths_hide_no_others(tmp_path, scopes):
    graph = resgen.expand(resgen.load("resnet20_cifar"))
    plain, marked = tmp_path / "plain.onnx", tmp_path / "marked.onnx"
    write(graph, initialize(graph.parameters, 0), plain)
    model = onnx.load(plain)
    model.producer_name = "another"
    onnx.save(model, plain)
    first, last = model.graph.node[0], model.graph.node[-1]
    first.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=scopes)
    last.name = "/" + "a." * 30_000 + "b/Gemm"
    onnx.save(model, marked)
    before, after = (names_of_onnx(path).works for path in (plain, marked))
    blocks = {n: work.block for n, work in before.items() if work.block is not None}
    assert len(blocks) > 20
    assert {n: after[n].block for n in blocks} == blocks


def test_a_file_whose_first_node_makes_nothing_is_read(tmp_path):
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["": 17]>
        g (float[1, 3, 8, 8] x, float[4, 3, 1, 1] w) => (float[1, 4, 1, 1] y) {
            c = Conv(x, w)
            y = GlobalAveragePool(c)
        }""")
    del model.graph.node[0].output[:]
    model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.ones((4, 3, 1, 1), np.float32), "w")
    )
    del model.graph.input[1]
    onnx.save(model, tmp_path / "model.onnx")
    assert names_of_onnx(tmp_path / "model.onnx", {"x": (3, 8, 8)}) is not None


def test_what_is_no_file_is_named(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"\xffno model")
    with pytest.raises(ResgenError, match=r"broken\.onnx"):
        names_of_onnx(path)
