"""The words of the language: where each stands, what it means, and an example.

The meanings are those of ``resgen.spec.keys``. An example is a fragment of a spec: a
member of the spec itself, of a stage, or of an element of a body, as ``where`` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from resgen.spec.keys import KEY_DOCS

Where = Literal["spec", "stage", "element"]


@dataclass(frozen=True, slots=True)
class Word:
    """A key of the language."""

    name: str
    where: Where
    doc: str
    example: str


_STAGE: Final = '"block": "basic", "width": 16, "depth": 1'
_CONV: Final = '{"op": "conv", "out": 16, "kernel": 3}'
_AROUND: Final = (
    '{"params": {"inside": {"type": "body"}}, '
    '"body": {"concat": [[], {"use": "$inside"}]}}'
)
_BLOCK: Final = f'{{"params": {{}}, "body": [{_CONV}, "norm", "act"]}}'
_EXAMPLES: Final[dict[Where, dict[str, str]]] = {
    "spec": {
        "resgen": '{"resgen": 1}',
        "name": '{"name": "mine"}',
        "input": '{"input": [3, 32, 32]}',
        "stem": '{"stem": "cifar"}',
        "stages": f'{{"stages": [{{{_STAGE}}}]}}',
        "head": '{"head": {"classes": 10}}',
        "outputs": '{"head": {"outputs": {"maps": {"from": "stages"}, "last": []}}}',
        "train_only": '{"head": {"outputs": {"last": [], "pooled": '
        '{"op": "global_pool", "train_only": true}}}}',
        "let": '{"let": {"w": 16}}',
        "defaults": '{"defaults": {"act": "silu"}}',
        "names": '{"names": {"stage": "stage{stage + 1}"}}',
        "blocks": f'{{"blocks": {{"own": {_BLOCK}}}}}',
        "shortcuts": '{"shortcuts": {"mine": {"merge": "if-same"}}}',
        "preprocess": '{"preprocess": {"resize": 40, "crop": 32}}',
        "labels": '{"labels": ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]}',
        "extends": '{"extends": "resnet20_cifar"}',
        "width": '{"extends": "resnet50", "scale": {"width": 1.25, "depth": 1.5}}',
        "resolution": '{"extends": "resnet50", "scale": {"resolution": 256}}',
        "rounding": '{"extends": "resnet50", '
        '"scale": {"width": 0.9, "rounding": "nearest"}}',
        "widths": '{"extends": "resnet20_cifar", "widths": {"layer1.0.conv1": 12}}',
        "set": '{"set": {"/stages/0/depth": 2}}',
        "doc": '{"doc": "What this network is for."}',
    },
    "stage": {
        "block": f"{{{_STAGE}}}",
        "depth": f"{{{_STAGE}}}",
        "stride": f'{{{_STAGE}, "stride": 2}}',
        "entry": f'{{{_STAGE}, "entry": {_CONV}}}',
        "exit": f'{{{_STAGE}, "exit": ["norm", "act"]}}',
        "wrap": f'{{"blocks": {{"around": {_AROUND}}}, "stages": [{{{_STAGE}, '
        '"wrap": "around"}]}',
        "norm": f'{{{_STAGE}, "norm": {{"type": "group", "groups": 4}}}}',
        "act": f'{{{_STAGE}, "act": "silu"}}',
        "dilate": f'{{{_STAGE}, "stride": 2, "dilate": true}}',
        "body": f'{{"body": [{_CONV}, "norm", "act"]}}',
    },
    "element": {
        "op": _CONV,
        "use": '{"use": "se", "with": {"reduction": "1/4"}}',
        "with": '{"use": "se", "with": {"reduction": "1/4"}}',
        "seq": f'{{"seq": [{_CONV}, "norm"], "as": "first"}}',
        "as": f'{{"seq": [{_CONV}, "norm"], "as": "first"}}',
        "residual": f'{{"residual": [{_CONV}, "norm"], "post": "act"}}',
        "pre": f'{{"residual": {_CONV}, "pre": ["norm", "act"]}}',
        "post": f'{{"residual": [{_CONV}, "norm"], "post": "act"}}',
        "drop_path": f'{{"residual": {_CONV}, "drop_path": 0.1}}',
        "shortcut": f'{{"residual": {_CONV}, "shortcut": "identity"}}',
        "project": f'{{"residual": {_CONV}, "shortcut": {{"project": [{_CONV}]}}}}',
        "merge": f'{{"residual": {_CONV}, "shortcut": {{"merge": "concat"}}}}',
        "tap": f'{{"residual": {_CONV}, "pre": "norm", "shortcut": {{"tap": "pre"}}}}',
        "scale": f'{{"residual": {_CONV}, "shortcut": {{"scale": 0.5}}}}',
        "add": f'{{"add": [[], {_CONV}]}}',
        "concat": f'{{"concat": [[], {_CONV}]}}',
        "axis": f'{{"concat": [[], {_CONV}], "axis": 1}}',
        "multiply": f'{{"multiply": [[], {_CONV}]}}',
        "maximum": '{"maximum": [[], ["act"]]}',
        "minimum": '{"minimum": [[], ["act"]]}',
        "stack": f'{{"stack": [[], {_CONV}]}}',
        "list": f'[{{"list": [[], {_CONV}]}}, {{"concat": [[]]}}]',
        "item": f'[{{"list": [[], {_CONV}]}}, {{"item": 1}}]',
        "for": f'{{"for": "i", "in": 3, "body": [{_CONV}, "act"]}}',
        "in": f'{{"for": "i", "in": 3, "body": [{_CONV}, "act"]}}',
        "share": '{"for": "i", "in": 3, "share": true, "as": "again", '
        '"body": {"op": "conv", "as": "conv", "out": 16, "kernel": 3}}',
        "when": '{"op": "act", "when": "channels > 8"}',
        "from": f'[{{"name": "kept"}}, {{"add": [{{"from": "kept"}}, {_CONV}]}}]',
        "precision": '{"op": "conv", "out": 16, "kernel": 3, "precision": "fp16"}',
    },
}
#: Where each word stands: a fragment of a spec, or of a body, that has it.
EXAMPLES: Final = {
    name: f'{{"stages": [{example}]}}' if where == "stage" else example
    for where, examples in _EXAMPLES.items()
    for name, example in examples.items()
}


def words() -> Iterator[Word]:
    """All of them, from the whole to its parts."""
    for where, examples in _EXAMPLES.items():
        for name, example in examples.items():
            yield Word(name, where, KEY_DOCS[name], example)
