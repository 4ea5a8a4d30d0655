"""Where two ONNX models differ beside their weights, each place in words.

What a file should hold is ``wanted``, what it does hold is ``found``. Fields are gone
through by their descriptors, so that none is forgotten, in a later ONNX neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from google.protobuf.message import Message  # type: ignore[import-untyped]
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

#: The number that a small initialiser holds; None where it is none.
Number = Callable[[str], float | None]
#: Fields of a model and of its graph as a person calls them.
_LABELS: Final = {
    "ir_version": "the version of the format",
    "opset_import": "the operator set",
    "producer_name": "the producer's name",
    "producer_version": "the producer's version",
    "domain": "the domain",
    "model_version": "the model's version",
    "doc_string": "the description",
    "functions": "the list of functions",
    "training_info": "the training part",
    "name": "the graph's name",
    "sparse_initializer": "the list of sparse weights",
    "quantization_annotation": "the list of quantised tensors",
}
#: How much of a text is shown.
_SHOWN: Final = 60


Explained: TypeAlias = Literal["", "resgen", "onnx"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One place; ``where`` is the tensor, node or field.

    ``explained`` names the package of which another version may write it so: resgen,
    where it is how a network is spelled, onnx, where it is what its inference of types
    and shapes says. What no version explains (what the file takes, gives and tells of
    itself, and its numbers) has none.
    """

    where: str
    message: str
    explained: Explained = ""


def structure(
    wanted: ModelProto, found: ModelProto, number: Number
) -> Iterator[Difference]:
    """Every difference but those of initialisers, which are compared as they lie."""
    yield from _spelled(_rest(wanted, found, ("graph", "metadata_props")))
    yield from _metadata(wanted, found)
    yield from _spelled(_nodes(wanted.graph, found.graph, number))
    for kind in ("input", "output", "value_info"):
        yield from _values(
            kind, list(getattr(wanted.graph, kind)), list(getattr(found.graph, kind))
        )
    compared = ("node", "input", "output", "value_info", "initializer")
    yield from _spelled(_rest(wanted.graph, found.graph, compared))


def _spelled(found: Iterator[Difference]) -> Iterator[Difference]:
    return (replace(one, explained="resgen") for one in found)


def _rest(
    wanted: Message, found: Message, skipped: Sequence[str], owner: str = ""
) -> Iterator[Difference]:
    """Fields that are not ``skipped``, of any message."""
    for field in wanted.DESCRIPTOR.fields:
        name = field.name
        if name in skipped or _state(wanted, name) == _state(found, name):
            continue
        label = f"{name} of {owner}" if owner else _LABELS.get(name, name)
        has, had = (_shown(_state(m, name)) for m in (found, wanted))
        yield Difference(owner or name, f"{label} is {has}; it should be {had}")


def _state(message: Message, name: str) -> Any:
    """A field's value; None where it is not set."""
    return {f.name: v for f, v in message.ListFields()}.get(name)


def _metadata(wanted: ModelProto, found: ModelProto) -> Iterator[Difference]:
    ours, theirs = (
        [(entry.key, entry.value) for entry in model.metadata_props]
        for model in (wanted, found)
    )
    if ours == theirs:
        if list(wanted.metadata_props) != list(found.metadata_props):
            yield Difference("metadata", "the metadata hold more than keys and values")
        return
    have = dict(theirs)
    told = False
    for key, text in ours:
        if have.get(key) != text:
            told = True
            says = f"says {_shown(have[key])}" if key in have else "is missing"
            yield Difference(
                key, f"metadata {key} {says}; it should say {_shown(text)}"
            )
    for key in have.keys() - dict(ours).keys():
        told = True
        yield Difference(key, f"metadata {key} is not the network's")
    if not told:
        yield Difference("metadata", "the metadata are repeated or in another order")


# --- nodes ----------------------------------------------------------------------------


def _nodes(
    wanted: GraphProto, found: GraphProto, number: Number
) -> Iterator[Difference]:
    ours = {_yields(node): node for node in wanted.node}
    theirs: dict[str, NodeProto] = {}
    for node in found.node:
        if theirs.setdefault(_yields(node), node) is not node:
            where = _yields(node)
            yield Difference(where, f"two nodes of the file yield {where or 'nothing'}")
    for where, node in ours.items():
        if where not in theirs:
            message = f"the file has no {node.op_type} of {where}"
            yield Difference(where, message)
        else:
            yield from _node(where, node, theirs[where], number)
    for where, node in theirs.items():
        if where not in ours:
            message = (
                f"the file has a node that the network does not have: {where or 'one'} "
                f"({_called(node, number)})"
            )
            yield Difference(where, message)
    if list(ours) != list(theirs) and ours.keys() == theirs.keys():
        where = next(a for a, b in zip(theirs, ours, strict=True) if a != b)
        yield Difference(where, f"the nodes are in another order, from {where} on")


def _yields(node: NodeProto) -> str:
    return str(node.output[0]) if node.output else ""


def _node(
    where: str, wanted: NodeProto, found: NodeProto, number: Number
) -> Iterator[Difference]:
    if wanted.op_type != found.op_type:
        called = _called(found, number)
        yield Difference(where, f"{wanted.op_type} of {where} is a {called}")
        return
    if list(wanted.input) != list(found.input):
        has, had = (", ".join(node.input) or "nothing" for node in (found, wanted))
        message = f"{wanted.op_type} of {where} reads {has}; it should read {had}"
        yield Difference(where, message)
    if list(wanted.attribute) != list(found.attribute):
        yield from _attributes(where, wanted, found)
    yield from _rest(wanted, found, ("op_type", "input", "attribute"), where)


def _attributes(
    where: str, wanted: NodeProto, found: NodeProto
) -> Iterator[Difference]:
    from onnx import helper

    def values(node: NodeProto) -> dict[str, str]:
        return {
            a.name: _shown(helper.get_attribute_value(a) if a.type else None)
            for a in node.attribute
        }

    ours, theirs = values(wanted), values(found)
    names = [n for n in {**ours, **theirs} if ours.get(n) != theirs.get(n)]
    for name in names:
        has, had = (side.get(name, "not given") for side in (theirs, ours))
        message = f"{name} of {where} ({wanted.op_type}) is {has}; it should be {had}"
        yield Difference(where, message)
    if not names:
        message = f"the attributes of {where} are in another order or of another form"
        yield Difference(where, message)


def _called(node: NodeProto, number: Number) -> str:
    """The operator, with its bounds where it is one that cuts."""
    if node.op_type != "Clip":
        return str(node.op_type)
    bounds = [number(name) for name in node.input[1:3]]
    bounds += [None] * (2 - len(bounds))
    for attribute in node.attribute:
        if attribute.name in ("min", "max"):
            bounds[attribute.name == "max"] = attribute.f
    low, high = bounds
    begin = "" if low is None or (low == 0 and high is not None) else f" from {low:g}"
    return f"Clip{begin}" + ("" if high is None else f" to {high:g}")


# --- tensors --------------------------------------------------------------------------


def _values(
    kind: str, wanted: Sequence[ValueInfoProto], found: Sequence[ValueInfoProto]
) -> Iterator[Difference]:
    if wanted == found:
        return
    word = "tensor" if kind == "value_info" else kind
    told_by: Explained = "onnx" if kind == "value_info" else ""
    ours = {value.name: value for value in wanted}
    theirs = {value.name: value for value in found}
    told = False
    for name, value in ours.items():
        if value == theirs.get(name):
            continue
        told = True
        has = f"is {_typed(theirs[name])}" if name in theirs else "is missing"
        should = _typed(value)
        if name in theirs and should == _typed(theirs[name]):
            has, should = "says more than its type", "only that"
        message = f'the {word} "{name}" {has}; it should be {should}'
        yield Difference(name, message, told_by)
    for name in theirs.keys() - ours.keys():
        told = True
        message = f'the {word} "{name}" is not the network\'s'
        yield Difference(name, message, told_by)
    if not told:
        message = f"the {word}s are repeated or in another order"
        yield Difference(kind, message, told_by)


def _typed(value: ValueInfoProto) -> str:
    """``float32 (batch, 3, 224, 224)``"""
    from onnx import TensorProto

    tensor = value.type.tensor_type
    code = tensor.elem_type
    kinds = TensorProto.DataType
    kind = kinds.Name(code).lower() if code in kinds.values() else f"type {code}"
    sizes = (
        d.dim_param or (str(d.dim_value) if d.HasField("dim_value") else "open")
        for d in tensor.shape.dim
    )
    return f"{kind} ({', '.join(sizes)})"


def _shown(value: Any) -> str:
    """A field's value on one line, cut where it is long."""
    if value is None:
        return "not set"
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str):
        text = f'"{value}"'
    elif isinstance(value, int | float):
        text = f"{value:.9g}" if isinstance(value, float) else str(value)
    elif hasattr(value, "__len__") and not hasattr(value, "DESCRIPTOR"):
        text = f"[{', '.join(_shown(item) for item in value)}]"
    else:
        text = f"{{{' '.join(str(value).split())}}}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
