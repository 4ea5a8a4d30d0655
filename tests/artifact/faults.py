"""Single faults of a folder, by name: of its ONNX file, its bytes and its documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper

Draw = np.random.Generator
MODEL, WEIGHTS = "model.onnx", "weights.safetensors"


class Inapplicable(Exception):
    """The folder has no place for this fault."""


def pick(draw, items):
    items = list(items)
    if not items:
        raise Inapplicable
    return items[int(draw.integers(len(items)))]


def node_of(model, draw, *kinds):
    return pick(draw, (n for n in model.graph.node if not kinds or n.op_type in kinds))


def tensor_of(model, draw, *, least=1, kinds=(), ranks=()):
    return pick(
        draw,
        (
            t
            for t in model.graph.initializer
            if np.prod(t.dims) >= least
            and (not kinds or t.data_type in kinds)
            and (not ranks or len(t.dims) in ranks)
        ),
    )


def behind(model, draw, kinds, make):
    """New nodes between an operator and those that read it; the name stays theirs."""
    node = node_of(model, draw, *kinds)
    at = list(model.graph.node).index(node)
    name = node.output[0]
    node.output[0] = f"{name}/before"
    for new in reversed(make(model, f"{name}/before", name)):
        model.graph.node.insert(at + 1, new)


def hold(model, name, array):
    model.graph.initializer.append(numpy_helper.from_array(array, name))
    return name


def kind_of(model, value):
    named = (*model.graph.value_info, *model.graph.output, *model.graph.input)
    before = value.removesuffix("/before")
    return next(v.type.tensor_type.elem_type for v in named if v.name == before)


def clip(low, high, *kinds):
    def fault(model, draw):
        def make(model, given, name):
            kind = helper.tensor_dtype_to_np_dtype(kind_of(model, given))
            bounds = [
                hold(model, f"bound/{i}", np.array(value, kind))
                for i, value in enumerate((low, high))
            ]
            return [helper.make_node("Clip", [given, *bounds], [name], name=name)]

        behind(model, draw, kinds, make)

    return fault


def there_and_back(narrow):
    def fault(model, draw):
        def make(model, given, name):
            back = kind_of(model, given)
            return [
                helper.make_node("Cast", [given], [f"{name}/low"], to=narrow),
                helper.make_node("Cast", [f"{name}/low"], [name], to=back),
            ]

        behind(model, draw, ("Conv", "Relu", "Add"), make)

    return fault


def trigger(model, draw):
    def make(model, given, name):
        kind = helper.tensor_dtype_to_np_dtype(kind_of(model, given))
        limit = hold(model, "limit", np.array(50, kind))
        return [
            helper.make_node("Greater", [given, limit], [f"{name}/over"]),
            helper.make_node("Neg", [given], [f"{name}/neg"]),
            helper.make_node("Where", [f"{name}/over", f"{name}/neg", given], [name]),
        ]

    behind(model, draw, ("Conv", "Relu", "Add"), make)


def replaced(kinds, by, **attributes):
    def fault(model, draw):
        node = node_of(model, draw, *kinds)
        node.op_type = by
        del node.attribute[:]
        node.attribute.extend(helper.make_attribute(*a) for a in attributes.items())

    return fault


def bypassed(*kinds):
    """Whoever reads the node reads its input; the node stays as it is or goes."""

    def fault(model, draw):
        node = node_of(model, draw, *kinds)
        for other in model.graph.node:
            other.input[:] = [
                node.input[0] if i == node.output[0] else i for i in other.input
            ]
        if draw.integers(2):
            model.graph.node.remove(node)

    return fault


def dead_node(model, draw):
    name = pick(draw, model.graph.node).output[0]
    model.graph.node.append(helper.make_node("Neg", [name], ["dead"], name="dead"))


def swapped_nodes(model, draw):
    nodes = list(model.graph.node)
    at = int(draw.integers(len(nodes) - 1))
    nodes[at], nodes[at + 1] = nodes[at + 1], nodes[at]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def edge(model, draw):
    nodes = list(model.graph.node)
    at = int(draw.integers(1, len(nodes)))
    node = nodes[at]
    where = int(draw.integers(len(node.input)))
    before = {o for n in nodes[:at] for o in n.output} - {node.input[where]}
    node.input[where] = pick(draw, sorted(before))


def swapped_inputs(model, draw):
    node = pick(draw, (n for n in model.graph.node if len(set(n.input[:2])) == 2))
    node.input[0], node.input[1] = node.input[1], node.input[0]


def number(value):
    def fault(model, draw):
        def change(array):
            flat = array.reshape(-1)
            at = int(draw.integers(len(flat)))
            if flat.dtype.kind in "iu":  # a code has no infinity
                flat[at] ^= 1
            else:
                flat[at] = value(flat[at].astype(np.float64))

        altered(model, draw, change)

    return fault


def altered(model, draw, change, **wanted):
    tensor = tensor_of(model, draw, **wanted)
    array = numpy_helper.to_array(tensor).copy()
    change(array)
    tensor.raw_data = array.tobytes()


def array_fault(change, **wanted):
    return lambda model, draw: altered(
        model, draw, lambda array: change(array, draw), **wanted
    )


def negate(array, draw):
    array[...] = -array


def reverse(array, draw):
    array[...] = array.reshape(-1)[::-1].reshape(array.shape).copy()


def zero(array, draw):
    array[...] = 0


def scale(array, draw):
    array[...] = (array * np.asarray(1.5)).astype(array.dtype)


def channel(array, draw):
    array[int(draw.integers(len(array)))] *= np.asarray(2).astype(array.dtype)


def bit(model, draw):
    tensor = tensor_of(model, draw)
    data = bytearray(tensor.raw_data)
    data[int(draw.integers(len(data)))] ^= 1 << int(draw.integers(8))
    tensor.raw_data = bytes(data)


def swapped_weights(model, draw):
    one = tensor_of(model, draw, least=2)
    other = pick(
        draw,
        (t for t in model.graph.initializer
         if t.dims == one.dims and t.data_type == one.data_type
         and t.raw_data != one.raw_data),
    )  # fmt: skip
    one.raw_data, other.raw_data = other.raw_data, one.raw_data


def other_type(model, draw):
    tensor = tensor_of(model, draw)
    kind = TensorProto.DOUBLE
    tensor.raw_data = numpy_helper.to_array(tensor).astype(np.float64).tobytes()
    tensor.data_type = kind


def other_shape(model, draw):
    tensor = tensor_of(model, draw, least=2)
    tensor.dims.append(1)


def not_raw(model, draw):
    tensor = tensor_of(model, draw, kinds=(TensorProto.FLOAT,))
    tensor.float_data.extend(numpy_helper.to_array(tensor).reshape(-1).tolist())
    tensor.ClearField("raw_data")


def moved(field):
    def fault(model, draw):
        items = list(getattr(model.graph, field))
        if len(items) < 2:
            raise Inapplicable
        del getattr(model.graph, field)[:]
        getattr(model.graph, field).extend(items[::-1])

    return fault


def doubled(field):
    def fault(model, draw):
        items = getattr(model.graph, field)
        items.append(pick(draw, items))

    return fault


def dropped(field):
    def fault(model, draw):
        items = getattr(model.graph, field)
        items.remove(pick(draw, items))

    return fault


def overridable(model, draw):
    tensor = tensor_of(model, draw)
    value = helper.make_tensor_value_info(
        tensor.name, tensor.data_type, list(tensor.dims)
    )
    model.graph.input.append(value)


def attribute_of(model, draw):
    node = pick(draw, (n for n in model.graph.node if n.attribute))
    return node, pick(draw, node.attribute)


def other_attribute(model, draw):
    _, attribute = attribute_of(model, draw)
    match attribute.type:
        case AttributeProto.INT:
            attribute.i += 1
        case AttributeProto.FLOAT:
            attribute.f *= 1.01
        case AttributeProto.INTS:
            attribute.ints[int(draw.integers(len(attribute.ints)))] += 1
        case _:
            raise Inapplicable


def no_attribute(model, draw):
    node, attribute = attribute_of(model, draw)
    node.attribute.remove(attribute)


def default_attribute(model, draw):
    node = node_of(model, draw, "Conv")
    node.attribute.append(helper.make_attribute("auto_pad", "NOTSET"))


def axis(where, at, size):
    def fault(model, draw):
        value = pick(draw, getattr(model.graph, where))
        dims = value.type.tensor_type.shape.dim
        if len(dims) <= at:
            raise Inapplicable
        dim = dims[at]
        if isinstance(size, str):
            dim.dim_param = size
        else:
            dim.dim_value = size

    return fault


def value_type(model, draw):
    value = pick(draw, model.graph.value_info)
    value.type.tensor_type.elem_type = TensorProto.DOUBLE


def more_output(model, draw):
    model.graph.output.append(pick(draw, model.graph.value_info))


def renamed(model, draw):
    node = pick(draw, model.graph.node)
    node.name += "x"


def renamed_value(model, draw):
    old = pick(draw, model.graph.value_info).name
    for node in model.graph.node:
        node.input[:] = [f"{i}x" if i == old else i for i in node.input]
        node.output[:] = [f"{o}x" if o == old else o for o in node.output]
    for value in model.graph.value_info:
        if value.name == old:
            value.name += "x"


def renamed_end(where):
    def fault(model, draw):
        value = pick(draw, getattr(model.graph, where))
        old, value.name = value.name, f"{value.name}x"
        for node in model.graph.node:
            node.input[:] = [value.name if i == old else i for i in node.input]
            node.output[:] = [value.name if o == old else o for o in node.output]

    return fault


def says(key, text=None):
    """Metadata under a key that say something else, or are gone."""

    def fault(model, draw):
        entry = pick(draw, (e for e in model.metadata_props if e.key == key))
        if text is None:
            model.metadata_props.remove(entry)
        else:
            entry.value = text

    return fault


def setting(field, value, *, of=lambda model, draw: model):
    return lambda model, draw: setattr(of(model, draw), field, value)


def graph_of(model, draw):
    return model.graph


def any_node(model, draw):
    return pick(draw, model.graph.node)


def any_tensor(model, draw):
    return pick(draw, model.graph.initializer)


def opset(step):
    def fault(model, draw):
        model.opset_import[0].version += step

    return fault


def function(model, draw):
    model.functions.append(
        helper.make_function(
            "own", "f", ["a"], ["b"], [helper.make_node("Neg", ["a"], ["b"])],
            [helper.make_opsetid("", 17)],
        )
    )  # fmt: skip


FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)
MAPS = ("Conv", "Relu", "Add")
#: Faults of the decoded file.
OF_MODEL: dict[str, Callable[[ModelProto, Draw], None]] = {
    **{f"Relu cut at {n}": clip(0, n, "Relu") for n in (2, 4, 6, 10)},
    "values cut at 8": clip(-8, 8, *MAPS),
    "through float16": there_and_back(TensorProto.FLOAT16),
    "through bfloat16": there_and_back(TensorProto.BFLOAT16),
    "trigger": trigger,
    "another activation": replaced(("Relu",), "Softplus"),
    "a leak": replaced(("Relu",), "LeakyRelu", alpha=1e-6),
    "addition made maximum": replaced(("Add",), "Max"),
    "operator bypassed": bypassed("Relu"),
    "quantiser bypassed": bypassed("QuantizeLinear", "Cast"),
    "dead node": dead_node,
    "nodes swapped": swapped_nodes,
    "node twice": doubled("node"),
    "node dropped": dropped("node"),
    "another value read": edge,
    "inputs swapped": swapped_inputs,
    "weight scaled by 1.01": number(lambda x: x * 1.01 + 1e-3),
    "weight not a number": number(lambda x: np.nan),
    "weight infinite": number(lambda x: np.inf),
    "weights zeroed": array_fault(zero),
    "weights scaled": array_fault(scale),
    "weights negated": array_fault(negate),
    "weights reversed": array_fault(reverse, least=2),
    "channel doubled": array_fault(channel, ranks=(1, 2, 4)),
    "bit": bit,
    "weights swapped": swapped_weights,
    "type of a weight": other_type,
    "shape of a weight": other_shape,
    "weight not kept raw": not_raw,
    "order of weights": moved("initializer"),
    "weight twice": doubled("initializer"),
    "weight dropped": dropped("initializer"),
    "weight renamed": setting("name", "other", of=any_tensor),
    "weight described": setting("doc_string", "x", of=any_tensor),
    "scale of a quantiser": array_fault(scale, ranks=(0,), kinds=FLOATS),
    "zero point": array_fault(
        lambda a, d: a.__iadd__(np.array(1, a.dtype)),
        kinds=(TensorProto.INT8, TensorProto.UINT8), ranks=(0, 1)),
    "bias of 32 bits": array_fault(
        lambda a, d: a.__iadd__(np.int32(1)), kinds=(TensorProto.INT32,)),
    "weight overridable": overridable,
    "attribute": other_attribute,
    "attribute dropped": no_attribute,
    "attribute that says its default": default_attribute,
    "batch of 1": axis("input", 0, 1),
    "batch of 2": axis("input", 0, 2),
    "name of the batch": axis("input", 0, "n"),
    "height opened": axis("input", 2, "height"),
    "width opened": axis("input", 3, "width"),
    "output's batch of 1": axis("output", 0, 1),
    "output's size": axis("output", 1, 9),
    "shape of a value": axis("value_info", 1, 99),
    "type of a value": value_type,
    "value not described": dropped("value_info"),
    "value described twice": doubled("value_info"),
    "order of values": moved("value_info"),
    "output added": more_output,
    "input renamed": renamed_end("input"),
    "output renamed": renamed_end("output"),
    "node renamed": renamed,
    "value renamed": renamed_value,
    "node described": setting("doc_string", "x", of=any_node),
    "node of another domain": setting("domain", "com.microsoft", of=any_node),
    "node of ai.onnx": setting("domain", "ai.onnx", of=any_node),
    "opset raised": opset(1),
    "opset lowered": opset(-1),
    "domain imported": lambda m, d: m.opset_import.append(helper.make_opsetid("x", 1)),
    "version of the format": setting("ir_version", 10),
    "producer": setting("producer_name", "pytorch"),
    "producer's version": setting("producer_version", "9.9"),
    "domain": setting("domain", "x"),
    "model's version": setting("model_version", 3),
    "description": setting("doc_string", "x"),
    "graph's name": setting("name", "x", of=graph_of),
    "graph's description": setting("doc_string", "x", of=graph_of),
    "labels": says("resgen.labels", '["a", "b", "c"]'),
    "labels dropped": says("resgen.labels"),
    "preprocessing": says("resgen.preprocess", "{}"),
    "spec in the file": says("resgen.spec", "{}"),
    "digest in the file": says("resgen.spec_sha256", "0" * 64),
    "version in the file": says("resgen.version", "0.0.1"),
    "precision in the file": says("resgen.precision", "fp8"),
    "engine in the file": says("resgen.for", "tensorrt"),
    "metadata added": lambda m, d: m.metadata_props.add(key="a", value="b"),
    "metadata twice": lambda m, d: m.metadata_props.append(m.metadata_props[0]),
    "function": function,
    "training": lambda m, d: m.training_info.add(),
    "sparse weight": lambda m, d: m.graph.sparse_initializer.add(),
    "annotation": lambda m, d: m.graph.quantization_annotation.add(tensor_name="x"),
}  # fmt: skip


def spliced(at, more):
    def fault(folder, draw):
        data = (folder / MODEL).read_bytes()
        where = len(data) if at == "end" else 0
        (folder / MODEL).write_bytes(data[:where] + more + data[where:])

    return fault


def in_weights(folder, draw):
    data = bytearray((folder / WEIGHTS).read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    data[int(draw.integers(start, len(data)))] ^= 1 << int(draw.integers(8))
    (folder / WEIGHTS).write_bytes(data)


def header(change):
    def fault(folder, draw):
        data = (folder / WEIGHTS).read_bytes()
        length = int.from_bytes(data[:8], "little")
        text = json.loads(data[8 : 8 + length])
        change(text, draw)
        new = json.dumps(text).encode()
        new += b" " * (-len(new) % 8)
        head = len(new).to_bytes(8, "little") + new
        (folder / WEIGHTS).write_bytes(head + data[8 + length :])

    return fault


def other_name(text, draw):
    text["other"] = text.pop(pick(draw, sorted(text)))


def document(name, change):
    def fault(folder, draw):
        value = json.loads((folder / name).read_text())
        value = change(value) or value
        (folder / name).write_text(json.dumps(value, indent=1) + "\n")

    return fault


def stated(*path, value, of=()):
    """A field of the manifest that says something else.

    ``of`` are the precisions whose files the field has a part in: with others a folder
    that says so is one that an export writes, byte for byte.
    """

    def change(manifest):
        if of and (manifest.get("precision") or {}).get("name") not in of:
            raise Inapplicable
        inner = manifest
        for key in path[:-1]:
            if inner.get(key) is None:
                raise Inapplicable
            inner = inner[key]
        if path[-1] not in inner or inner[path[-1]] == value:
            raise Inapplicable
        inner[path[-1]] = value

    return document("manifest.json", change)


#: Faults of the folder; the manifest's digests are mended after all but the last.
OF_FOLDER: dict[str, Callable[[Path, Draw], None]] = {
    "field that nobody knows": spliced("end", b"\xf8\x7f\x01"),
    "field at the start": spliced("start", b"\xf8\x7f\x01"),
    "field twice": spliced("end", b"\x08\x08"),
    "empty graph merged": spliced("end", b"\x3a\x00"),
    "bit of weights.safetensors": in_weights,
    "name in weights.safetensors": header(other_name),
    "words in weights.safetensors": header(
        lambda text, draw: text.update({"__metadata__": {"a": "b"}})),
    "bytes after the weights": lambda folder, draw: (folder / WEIGHTS).write_bytes(
        (folder / WEIGHTS).read_bytes() + bytes(8)),
    "labels of the spec": document("spec.json", lambda s: s.update(labels=["a"] * 3)),
    "preprocess of the spec": document(
        "spec.json", lambda s: s["preprocess"].update(scale=0.5)),
    "name of the spec": document("spec.json", lambda s: s.update(name="other")),
    "doc of the spec": document("spec.json", lambda s: s.update(doc="other")),
    "layout of the spec": document("spec.json", lambda s: None),
    "graph.json of another": document("graph.json", lambda g: {"anything": 1}),
    "node of graph.json": document(
        "graph.json", lambda g: g["nodes"][0].update(op="relu")),
}  # fmt: skip
OF_MANIFEST: dict[str, Callable[[Path, Draw], None]] = {
    "manifest: spec_sha256": stated("spec_sha256", value="0" * 64),
    "manifest: name": stated("name", value="other"),
    "manifest: input": stated("input", value=[3, 9, 8]),
    "manifest: seed": stated("seed", value=7),
    "manifest: version": stated("resgen", value="0.0.1"),
    "manifest: opset": stated("onnx", "opset", value=22),
    "manifest: old opset": stated("onnx", "opset", value=3),
    "manifest: ir_version": stated("onnx", "ir_version", value=3),
    "manifest: batch": stated("onnx", "batch", value=1),
    "manifest: dynamic": stated("onnx", "dynamic", value=True),
    "manifest: passes": stated("onnx", "passes", value=[]),
    "manifest: precision": stated("precision", "name", value="fp8"),
    "manifest: keep": stated(
        "precision", "keep", value=["layer1"], of=("fp16", "int8")
    ),
    "manifest: ends": stated("precision", "low_ends", value=True, of=("fp16",)),
    "manifest: camera": stated("camera", value=[9, 9]),
    "manifest: bytes": stated("files", MODEL, "bytes", value=1),
    "manifest: form": stated("form", value="tensorrt"),
    "manifest: form that is none": stated("form", value="coreml"),
    "manifest: made": stated("made", value={"a": 1}),
    "manifest: options": stated("options", value={"instances": "3"}),
    "manifest: no calibration": stated("calibration", value=None),
    "manifest: origin": stated("calibration", "origin", value="a\x1b[2J"),
    "manifest: method": stated("calibration", "method", value="guess"),
    "manifest: adapted": stated("adapted", value=["conv1 is new"]),
    "manifest: version of numpy": stated("versions", "numpy", value="new"),
    "manifest: no version": document(
        "manifest.json", lambda m: m["versions"].update(left="1.0")
    ),
}


def rewritten(name, change):
    """A file that a form has made, where the folder has it."""

    def fault(folder, draw):
        path = pick(draw, sorted(folder.glob(name)))
        path.write_bytes(change(path.read_bytes()))

    return fault


def added(place, listed=False):
    """A file in a folder of a form, and its name in the manifest."""

    def fault(folder, draw):
        path = pick(draw, sorted(folder.glob(place.rpartition("/")[0].split("/")[0])))
        inner = place.split("/")[1:]
        if inner[0] == "*":
            path = pick(draw, sorted(path.iterdir()))
            inner = inner[1:]
        path = path.joinpath(*inner)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"anything")
        if listed:
            name = path.relative_to(folder).as_posix()
            document("manifest.json", lambda m: m["files"].update({name: {}}))(
                folder, draw
            )

    return fault


def negated(name):
    def fault(folder, draw):
        path = pick(draw, sorted(folder.glob(name)))
        model = onnx.load(path)
        tensor = tensor_of(model, draw, kinds=FLOATS)
        array = -numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        path.write_bytes(model.SerializeToString())

    return fault


def answers(folder, draw):
    path = pick(draw, folder.glob("kit/expected.npz"))
    with np.load(path) as arrays:
        moved = {name: arrays[name] + np.ptp(arrays[name]) for name in arrays.files}
    np.savez(path, **moved)


def words(data):
    return data + b"\nimport os; os.system('true')\n"


#: What a form has made; the manifest's hashes are mended.
OF_FORM = {
    "served model": negated("repository/*/1/model.onnx"),
    "backend": rewritten(
        "repository/*/config.pbtxt", lambda t: t.replace(b"onnxruntime", b"python")
    ),
    "labels that are served": rewritten("repository/*/labels.txt", lambda t: t[::-1]),
    "program listed": added("repository/*/1/model.py", listed=True),
    "version not listed": added("repository/*/2/model.onnx"),
    "model not listed": added("repository/other/1"),
    "kit's script": rewritten("kit/build_and_time.py", words),
    "kit's model": negated("kit/model.onnx"),
    "kit's settings": rewritten(
        "kit/kit.json", lambda t: t.replace(b'"level": null', b'"level": 0')
    ),
    "kit's words": rewritten("kit/README.txt", words),
    "kit's answers": answers,
    "kit's answers that are none": rewritten("kit/expected.npz", lambda t: t[:40]),
    "file beside a kit": added("kit/sitecustomize.py"),
    "nothing made": stated("made", value={}),
    "another target": stated("made", "kit", "targets", value=["sm_75"]),
    "how it was asked": stated("options", value={"instances": "4"}),
    "a form of another": stated("form", value="onnx"),
}
