"""Where the nodes and weights of an ONNX file lie in a network, by their names.

Files name them after modules, each exporter in a way of its own: torch.onnx
(``/layer1/layer1.0/conv1/Conv``), Keras (``conv2_block1_1_conv``), MXNet
(``stage1_unit1_conv1``) and Caffe (``res2a_branch1``).
"""

from __future__ import annotations

import re
from ast import literal_eval
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from onnx import GraphProto

#: Stages and blocks within one word, as Keras (``conv2_block1_1_conv``), MXNet
#: (``stage1_unit1_conv1``) and Caffe2 (``res2_0_branch2a``) write them.
_WORD: Final = re.compile(r"(^|/)(?:[a-z]+_)?([a-z]+\d+)_((?:block|unit)?\d+)[_/](?=.)")
#: The same of Caffe, which counts blocks by letters: ``res2a_branch1``, ``bn4b22``,
#: ``inception_4a/1x1``; and of Keras' EfficientNet: ``block2a_expand_conv``.
_LETTER: Final = re.compile(
    r"(^|/)(?:(block|inception_)|res|bn|scale)(\d+)([a-z])(\d*)(?:[_/]|$)"
)
#: Blocks of no stage, of Keras' MobileNet: ``block_3_project``, ``expanded_conv_3``.
_ALONE: Final = re.compile(r"(^|/)(block|expanded_conv)_(\d+)[_/](?=.)")
#: What follows the name of a module in that of its weight, where no dot does.
_WEIGHT: Final = re.compile(
    r"/\w+:0$|(_bn)?_(w|b|s|rm|riv|scale|mean|var|weight|bias|gamma|beta|moving_\w+)(_0)?$",
    re.IGNORECASE,
)
#: Where torch.onnx notes the modules that a node came from, as a list of paths.
SCOPES: Final = "pkg.torch.onnx.name_scopes"


def node_names(graph: GraphProto) -> list[str]:
    """A name of its own for every node: its own, or else that of its output."""
    taken: set[str] = set()
    found = []
    for at, node in enumerate(graph.node):
        name = node.name or next(filter(None, node.output), "")
        found.append(name if name not in taken else f"{name}.{at}")
        taken.add(found[-1])
    return found


def module_path(name: str) -> str:
    """The module in a node's name, whose parts may repeat what is above them.

    >>> module_path("/features/features.1/conv/conv.0/conv.0.2/Clip")
    'features.1.conv.0.2'

    Others name blocks within one word.

    >>> module_path("resnet50/conv2_block1_1_conv/Conv2D")
    'resnet50.conv2.block1.1_conv'
    >>> module_path("res3b_branch2a/Conv")
    'res3.1.branch2a'
    """
    found: list[str] = []
    for part in _split(name.strip("/").rpartition("/")[0]).split("/"):
        if found and part.startswith(f"{found[-1]}."):
            found.pop()
        found.append(part)
    return ".".join(found)


def _split(path: str) -> str:
    """A path with a part of its own for every stage and block."""
    for pattern, apart in _APART:
        path = pattern.sub(apart, path)
    return path.strip("/")


def _by_letter(found: re.Match[str]) -> str:
    number = found[5] or ord(found[4]) - ord("a")
    return f"{found[1]}{found[2] or 'res'}{found[3]}/{number}/"


_APART: Final = (
    (_WORD, r"\1\2/\3/"),
    (_LETTER, _by_letter),
    (_ALONE, r"\1\2/\3/"),
)


def path_of_weight(name: str) -> str | None:
    """The module that a weight is of; None where its name is no path.

    >>> path_of_weight("features.1.conv.0.0.weight"), path_of_weight("onnx::Conv_239")
    ('features.1.conv.0.0', None)
    >>> path_of_weight("gpu_0/res2_0_branch2a_w_0"), path_of_weight("res4b22_branch1_W")
    ('res2.0.branch2a', 'res4.22.branch1')
    """
    path, dot, last = name.rpartition(".")
    if dot:
        named = path and last.isidentifier()
        return _split(path).replace("/", ".") if named else None
    found = _WEIGHT.search(name)
    if found is None:
        return None
    # Caffe2 begins with the device that it was trained on.
    module = re.sub(r"^gpu_\d+/", "", name[: found.start()])
    return _split(module).replace("/", ".") or None


def deepest(scopes: str) -> str | None:
    """The last module in a list of paths, whose last entry is the operation itself."""
    try:
        found = literal_eval(scopes)
        return str(found[-2]) if len(found) > 1 else ""
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError):
        return None
