"""Let a network take what a camera gives: a picture of one stated size, in bytes.

What :func:`resgen.pictures.preprocess.prepare` does to a picture with Pillow becomes
operators of the graph, in the same order and with the same rounding. The network's
input is then uint8, (batch, height, width, channels) in red, green and blue, whatever
colours the network itself takes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from resgen.errors import Place, UsageError
from resgen.graph.ir import INPUT, Graph, Input, Node, Origin
from resgen.ops.base import Op
from resgen.ops.cast import Cast
from resgen.ops.luma import Luma
from resgen.ops.normalize import Normalize
from resgen.ops.pad import Pad
from resgen.ops.resample import Resample
from resgen.ops.reverse_channels import ReverseChannels
from resgen.ops.slice import Slice
from resgen.ops.transpose import Transpose
from resgen.ops.truncate import Truncate
from resgen.ops.types import TensorType
from resgen.spec.model import Preprocess

#: Channels that a network takes in each order of colours, and those of a camera.
CHANNELS: Final = {"rgb": 3, "bgr": 3, "gray": 1}
COLOURS: Final = 3
#: The longest side of a picture; a matrix for it has a few million numbers.
LONGEST: Final = 1 << 14

#: The operator that yields what a network takes, in float32 at every precision.
READY: Final = f"{INPUT}.normalize"

Size = tuple[int, int]  # height and width


def camera(graph: Graph, preprocess: Preprocess, size: Size) -> Graph:
    """The graph with uint8 pictures of this height and width as its input.

    The new operators stand before all others and compute in float32 at any precision.
    Raises :class:`~resgen.errors.UsageError` where the network takes no picture, or
    none of this size can become its input.
    """
    (given,) = graph.inputs
    shape = given.type.shape
    if len(shape) != 3 or shape[0] != CHANNELS[preprocess.color]:
        raise UsageError(
            f"{graph.name} takes {given.type}, which is no {preprocess.color} picture",
            hint='"color" of the spec\'s "preprocess" has to fit its "input"',
        )
    if not 1 <= min(size) <= max(size) <= LONGEST:
        raise UsageError(
            f"a picture of {size[0]} x {size[1]} cannot be taken: both sides are from "
            f"1 to {LONGEST} pixels"
        )
    steps = _Steps(graph, preprocess, size)
    steps.run((shape[1], shape[2]))
    for name in sorted({n.name for n in steps.nodes} & graph.types.keys()):
        raise UsageError(
            f"{graph.name} has a {name} of its own, so it can take no camera",
            hint=f'name that part of the spec otherwise than "{given.name}"',
        )
    ready = steps.value
    nodes = (
        replace(
            node, inputs=tuple(ready if v == given.name else v for v in node.inputs)
        )
        for node in graph.nodes
    )
    outputs = tuple(
        (name, ready if value == given.name else value) for name, value in graph.outputs
    )
    return replace(
        graph,
        inputs=(steps.input,),
        outputs=outputs,
        nodes=(*steps.nodes, *nodes),
        passes=(*graph.passes, "camera"),
    )


class _Steps:
    """The operators from the camera to the network, each behind the one before."""

    def __init__(self, graph: Graph, preprocess: Preprocess, size: Size) -> None:
        (given,) = graph.inputs
        self.name = given.name
        self.wanted = given.type
        self.preprocess = preprocess
        self.input = Input(given.name, TensorType((*size, COLOURS), "uint8"))
        nowhere = Place("", 1, 1, graph.sections[0].pointer)
        place = graph.nodes[0].origin.place if graph.nodes else nowhere
        self.origin = Origin(0, None, "", place)
        self.nodes: list[Node] = []
        self.value = given.name
        self.type = self.input.type

    @property
    def size(self) -> Size:
        """Height and width of the picture so far."""
        height, width = self.type.spatial
        return height, width

    def run(self, size: Size) -> None:
        """All steps to an input of this height and width."""
        how = self.preprocess
        self.add("cast", Cast(to="float32"))
        self.add("transpose", Transpose(axes=(2, 0, 1)))
        if how.color == "gray":
            self.add("luma", Luma())
        crop = None if how.crop is None else (how.crop, how.crop)
        if how.resize is not None:
            self.frame("", _shorter(self.size, how.resize), crop or size)
        elif crop is not None:
            self.frame("", self.size, crop)
        self.frame("fit.", size, size)
        if how.color == "bgr":
            self.add("reverse", ReverseChannels())
        numbers = Normalize(scale=how.scale, mean=how.mean, std=how.std)
        self.add("normalize", numbers)
        if self.type != self.wanted:  # its input is of a lower precision
            self.add(f"to_{self.wanted.dtype}", Cast(to=self.wanted.dtype))

    def add(self, name: str, op: Op) -> None:
        """One more operator, of which no pass makes anything but float32."""
        y = op.result(self.type)
        path = f"{self.name}.{name}"
        at = self.origin
        node = Node(path, op, (self.value,), y, 0, at, precision="fp32")
        self.nodes.append(node)
        self.value, self.type = path, y

    def frame(self, prefix: str, to: Size, crop: Size) -> None:
        """Resize to one size, and then take the middle at another, on black."""
        if max(to) > LONGEST:
            height, width = self.size
            raise UsageError(
                f"a picture of {height} x {width} would be resized to {to[0]} x "
                f"{to[1]}, and no side may be above {LONGEST} pixels"
            )
        offsets = tuple(_middle(n, w) for n, w in zip(to, crop, strict=True))
        starts = tuple(max(n, 0) for n in offsets)
        counts = tuple(min(n, w) for n, w in zip(to, crop, strict=True))
        if to != self.size:
            how = self.preprocess
            resampled = Resample(
                to=to,
                part=(*starts, *counts),  # what is cropped away is not computed
                interpolation=how.interpolation,
                antialias=how.antialias,
            )
            self.add(f"{prefix}resample", resampled)
            if not (how.antialias or how.interpolation == "nearest"):
                self.add(f"{prefix}truncate", Truncate())
        else:
            rows = zip(("rows", "columns"), to, starts, counts, strict=True)
            for axis, (name, there, start, count) in enumerate(rows, start=1):
                if count != there:
                    kept = Slice(start=start, size=count, axis=axis)
                    self.add(prefix + name, kept)
        if counts != crop:
            begin = tuple(max(-n, 0) for n in offsets)
            rest = zip(crop, counts, begin, strict=True)
            end = tuple(w - n - b for w, n, b in rest)
            self.add(f"{prefix}pad", Pad(begin=begin, end=end))


def _shorter(size: Size, side: int) -> Size:
    """The size at which the shorter side has this length; the longer rounds down."""
    height, width = size
    if width <= height:
        return int(side * height / width), side
    return side, int(side * width / height)


def _middle(have: int, want: int) -> int:
    """Where the middle starts; halves go to the even number, as in torchvision."""
    return round((have - want) / 2) if have >= want else -((want - have) // 2)
