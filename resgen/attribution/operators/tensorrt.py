"""TensorRT's times of layers, as ``trtexec`` and the kit write them.

A layer is named after all that it computes. With detailed verbosity the layer's
description holds the names of the ONNX nodes as well, joined by control characters;
without it they are read from the layer's name: ``weight + Conv_121 + Add_123``,
``PWN(Relu_4)``, ``{ForeignNode[A...B]}``, ``Reformatting CopyNode for Input Tensor 0 to
Conv_9``, and of TensorRT for RTX ``Conv_9 [profile 1]_U5_myl1_3``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from resgen.attribution.attribute import CONVERSION
from resgen.errors import ResgenError
from resgen.records.profile import OperatorTime

_NODE: Final = re.compile(r"\[ONNX Layer: ([^\x1e\x1f\]]+)")
_REFORMAT: Final = re.compile(
    r"Reformatting CopyNode for (?:Input|Output) Tensor \d+ (?:to|of) (?P<what>.+)",
    re.S,
)
_FOREIGN: Final = re.compile(r"\{ForeignNode\[(?P<what>.*)\]\}", re.S)
_WRAPPED: Final = re.compile(
    r"(?:PWN|PointWiseNode|CONVOLUTION|__myl_\w+)\((?P<what>.*)\)$", re.S
)
#: What the number of a profile, and a kernel's, add to a name.
_NUMBERED: Final = re.compile(r"(?: \[profile \d+\])?(?:(?:_U\d+)?_myl\d+_\d+)?$")
#: What TensorRT calls layers that it puts before or behind a node's.
_BESIDE: Final = re.compile(r"^[a-z]+(?:_node)?_(?:after|before)_(?=\S)")
_JOINS: Final = re.compile(r"\x1e|\x1f| \+ |\|\|")
_COMMA: Final = re.compile(", ")


def from_trtexec(profile: Any, layers: Any = None) -> tuple[OperatorTime, ...]:
    """The layers of ``--exportProfile``, as they are in its JSON.

    ``layers`` is the JSON of ``--exportLayerInfo``, which knows more names. Anything
    else is a :class:`~resgen.errors.ResgenError`.
    """
    try:
        times = {
            str(entry["name"]): float(entry["averageMs"]) / 1000
            for entry in profile
            if "name" in entry
        }
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise ResgenError(
            "this is no profile that trtexec has written: it has no layers with "
            '"name" and "averageMs"',
            hint="trtexec --loadEngine=FILE --exportProfile=profile.json",
        ) from error
    if not times:
        raise ResgenError(
            "the profile has no layers",
            hint="trtexec --loadEngine=FILE --exportProfile=profile.json",
        )
    return from_layers(times, layers)


def from_layers(
    times: Mapping[str, float], layers: Any = None
) -> tuple[OperatorTime, ...]:
    """Layers and their seconds, as TensorRT's profiler reports them.

    ``layers`` is what the engine inspector says, as JSON: ``{"Layers": [...]}``.
    """
    described = {str(layer["Name"]): layer for layer in _described(layers)}
    return tuple(
        _operator(name, seconds, described.get(name, {}))
        for name, seconds in times.items()
    )


def _described(layers: Any) -> Sequence[Mapping[str, Any]]:
    """Descriptions of layers; without detailed verbosity they are names alone."""
    if layers is None:
        return ()
    try:
        listed = layers["Layers"]
        return [
            layer for layer in listed if isinstance(layer, dict) and "Name" in layer
        ]
    except (TypeError, KeyError) as error:
        raise ResgenError(
            'this is no description of layers: it has no "Layers"',
            hint="trtexec --loadEngine=FILE --exportLayerInfo=layers.json",
        ) from error


def _operator(name: str, seconds: float, layer: Mapping[str, Any]) -> OperatorTime:
    kind = str(layer.get("LayerType", ""))
    reformats = _REFORMAT.match(name)
    conversion = bool(reformats) or kind.lower() in ("reformat", "noop")
    nodes = _NODE.findall(str(layer.get("Metadata", "")))
    if not nodes:
        what = reformats["what"] if reformats else name
        nodes = list(_names(_NUMBERED.sub("", what)))
    return OperatorTime(
        name=name,
        kind=kind or ("Reformat" if reformats else ""),
        seconds=seconds,
        nodes=tuple(dict.fromkeys(nodes)),
        role=CONVERSION if conversion else None,
    )


def _names(text: str) -> Iterator[str]:
    """The names that were joined into one.

    >>> list(_names("features.3.conv.2.weight + Conv_121 + PWN(Clip_13)"))
    ['features.3.conv.2.weight', 'Conv_121', 'Clip_13']
    >>> list(_names("{ForeignNode[layer1.0.conv1...layer1.0.act_2]}"))
    ['layer1.0.conv1...layer1.0.act_2']
    >>> list(_names("PWN(PWN(/Sub), PWN(/Div)) + unsqueeze_node_after_fc.bias"))
    ['/Sub', '/Div', 'fc.bias']
    """
    for part in _split(_JOINS, text.strip()):
        wrapped = _WRAPPED.match(part)
        if wrapped:
            for inner in _split(_COMMA, wrapped["what"]):
                yield from _names(inner)
        elif foreign := _FOREIGN.search(part):
            yield from _names(foreign["what"])
        elif part:
            yield _BESIDE.sub("", part)


def _split(at: re.Pattern[str], text: str) -> Iterator[str]:
    """The parts of a text between the matches that stand in no brackets."""
    begin = 0
    for found in at.finditer(text):
        part = text[begin : found.start()]
        if all(part.count(a) == part.count(b) for a, b in ("()", "[]", "{}")):
            yield part.strip()
            begin = found.end()
    yield text[begin:].strip()
