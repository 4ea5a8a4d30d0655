"""What attributes come to: as PyTorch is told it, which says each thing in one way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from resgen.ops import OPERATORS
from resgen.ops.base import Op, ShapeError, signature
from resgen.ops.types import TensorType
from resgen.spec.params import Param

#: Other values of an attribute, by its kind.
OTHERS: dict[str, list[Any]] = {
    "axes": [1, 2, 3, (1, 1), (2, 2), (1, 2)],
    "boolean": [False, True],
    "channels": [4, 8],
    "integer": [0, 1, 2, 3, 4],
    "number": [0, 0.25, 1, 1.0],
}
#: What PyTorch is told even where it has no use for it: tests/graph/test_identity.py.
IDLE = {
    ("conv", "dilation"),
    ("max_pool", "dilation"),
    ("max_pool", "ceil"),
    ("avg_pool", "count_padding"),
}


def others(op: Op, param: Param, name: str) -> Iterator[Op]:
    """The operator with other values of one attribute."""
    values = [*param.choices, *OTHERS.get(param.kind, [])]
    for value in [*values, *([None] if param.default is None else [])]:
        if type(value) is int and value < (param.minimum or 0):
            continue
        changed = replace(op, **{name: value})
        if not changed.vanishes:
            yield changed


@pytest.mark.parametrize("name", [n for n, op in OPERATORS.items() if not op.placed])
def test_operators_are_effectively_one_where_pytorch_is_told_the_same(
    name: str,
) -> None:
    operator = OPERATORS[name]
    for case in operator.samples():
        types = [TensorType(shape) for shape in case.inputs]
        x = types[0]
        for attribute, param in signature(operator).items():  # type: ignore[arg-type]
            if (name, attribute) in IDLE:
                continue
            for other in others(case.op, param, attribute):
                try:
                    other.result(*types)
                except ShapeError:
                    continue
                same = other.torch(x) == case.op.torch(x)
                shape = other.result(*types) == case.op.result(*types)
                owned = other.parameters(x) == case.op.parameters(x)
                alike = other.effective(x) == case.op.effective(x)
                if name == "act" and other.effective(x).get("type") == "prelu":
                    owned = True  # the slope is where training starts
                assert alike == (same and shape and owned), (case.op, other)


@pytest.mark.parametrize("name", [n for n, op in OPERATORS.items() if not op.placed])
def test_what_attributes_come_to_can_be_a_key(name: str) -> None:
    """`diff` looks changes up by them."""
    for case in OPERATORS[name].samples():
        hash(tuple(case.op.effective(TensorType(case.inputs[0])).values()))
