"""TFLite Metadata: how mobile tools prepare a picture, and what classes are called.

It is a flatbuffer of its own within the file, and a zip archive behind it that holds
the labels (https://ai.google.dev/edge/litert/conversion/tensorflow/metadata). No light
package carries its schema, so the few tables of it that are needed are written here, by
the numbers of their fields in ``metadata_schema.fbs``.
"""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import Any, Final, TypeAlias

import numpy as np

from resgen.graph.ir import Graph
from resgen.spec.model import Spec

#: The buffer's name in the file, and what its content begins with.
NAME: Final = "TFLITE_METADATA"
_IDENTIFIER: Final = b"M001"
LABELS: Final = "labels.txt"
#: The oldest reader of what is used here.
_READER: Final = "1.0.0"
#: Members of enumerations and unions.
_COLOURS: Final = {"rgb": 1, "gray": 2}
_FEATURE, _IMAGE, _NORMALIZATION, _AXIS_LABELS = map(np.uint8, (1, 2, 1, 2))
#: When files of an archive were made that is the same whenever it is.
_DATE: Final = (1980, 1, 1, 0, 0, 0)

#: A table's values by the numbers of its fields; NumPy's integers have their width.
_Table: TypeAlias = dict[int, Any]


def mobile(spec: Spec, graph: Graph) -> bytes:
    """The flatbuffer: the input's normalisation, and which outputs have the labels.

    Mobile tools subtract the mean of values from 0 to 255 and divide by the deviation.
    They know RGB and grey pictures, so another is not told how to be prepared.
    """
    how = spec.preprocess
    colour = _COLOURS.get(how.color, 0)
    inputs: list[_Table] = []
    for given in graph.inputs:
        table: _Table = {0: given.name}
        if given.type.dtype == "uint8":  # a camera's picture, which the file prepares
            height, width, _ = map(np.uint32, given.type.shape)
            size = {0: width, 1: height}
            table[3] = {0: _IMAGE, 1: {0: np.uint8(_COLOURS["rgb"]), 1: size}}
        elif colour and len(given.type.shape) == 3:
            _, height, width = map(np.uint32, given.type.shape)
            size = {0: width, 1: height}
            table[3] = {0: _IMAGE, 1: {0: np.uint8(colour), 1: size}}
            mean, std = (
                (np.asarray(each) / how.scale).astype(np.float32)
                for each in (how.mean, how.std)
            )
            table[4] = [{0: _NORMALIZATION, 1: {0: mean, 1: std}}]
        inputs.append(table)
    outputs: list[_Table] = []
    for name, value in graph.outputs:
        table = {0: name, 3: {0: _FEATURE, 1: {}}}
        if spec.labels is not None and graph.types[value].shape[0] == len(spec.labels):
            table[6] = [{0: LABELS, 2: _AXIS_LABELS}]
        outputs.append(table)
    return _packed({0: spec.name, 3: [{2: inputs, 3: outputs}], 7: _READER})


def archive(labels: tuple[str, ...], at: int) -> bytes:
    """The labels, one a line, as a zip archive that begins at this byte of its file."""
    held = _Behind(at)
    with zipfile.ZipFile(held, "w") as files:  # readers want it uncompressed
        text = "\n".join(" ".join(label.split()) for label in labels)
        files.writestr(zipfile.ZipInfo(LABELS, _DATE), text)
    return held.getvalue()


# --- parts ----------------------------------------------------------------------------


class _Behind(BytesIO):
    """What is written behind other content, by whose places an archive counts."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._at = at

    def tell(self) -> int:
        return super().tell() + self._at

    def seek(self, place: int, whence: int = 0, /) -> int:
        return super().seek(place - self._at if whence == 0 else place, whence)


def _packed(table: _Table) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(_write(builder, table), _IDENTIFIER)
    return bytes(builder.Output())


def _write(builder: Any, value: Any) -> int:
    """Write a value that is kept apart from its table; where it lies."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, np.ndarray):
        return int(builder.CreateNumpyVector(value))
    if isinstance(value, list):
        places = [_write(builder, each) for each in value]
        builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            builder.PrependUOffsetTRelative(place)
        return int(builder.EndVector())
    fields = {
        number: each if isinstance(each, np.generic) else _write(builder, each)
        for number, each in value.items()
    }
    builder.StartObject(max(fields, default=-1) + 1)
    for number, each in fields.items():
        if isinstance(each, np.uint8):
            builder.PrependUint8Slot(number, int(each), 0)
        elif isinstance(each, np.uint32):
            builder.PrependUint32Slot(number, int(each), 0)
        else:
            builder.PrependUOffsetTRelativeSlot(number, each, 0)
    return int(builder.EndObject())
