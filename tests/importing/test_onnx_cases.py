"""ONNX's own cases of every operator: read, they yield what ONNX says, or are refused.

A case gives inputs and outputs; all inputs but the first that a network can have become
initialisers of the file.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.case.test_case import TestCase as Given

from resgen.errors import ResgenError
from resgen.graph.ir import INPUT
from resgen.importing.onnx.read import read
from resgen.lower.torch import to_torch

pytestmark = pytest.mark.filterwarnings("ignore")


@cache
def cases() -> dict[str, Given]:
    return {case.name: case for case in collect_testcases(None)}


def outcome(case: Given, path: Path) -> str | None:
    """``equal``, ``refused`` or ``wrong``; None of what no network can be made of."""
    if case.model is None or not case.data_sets:
        return None
    arrays, wanted = case.data_sets[0]
    kinds = [value.type.WhichOneof("value") for value in case.model.graph.input]
    if set(kinds) != {"tensor_type"}:
        return None
    held = {
        value.name: np.asarray(a)
        for value, a in zip(case.model.graph.input, arrays, strict=False)
    }
    fit = [n for n, a in held.items() if a.dtype in ("f4", "f2") and a.ndim > 1]
    if not fit or any(a.dtype == object for a in held.values()):
        return None
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    (given,) = (value for value in case.model.graph.input if value.name == fit[0])
    del model.graph.input[:]
    model.graph.input.append(given)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    del dims[:]
    for size in held[given.name].shape:
        dims.add().dim_value = size
    model.graph.initializer.extend(
        numpy_helper.from_array(a, n) for n, a in held.items() if n != given.name
    )
    path.write_bytes(model.SerializeToString())
    try:
        flat = read(path)
    except ResgenError:
        return "refused"
    axes = flat.tensors[INPUT].axes
    x = held[given.name].astype("f4")
    x = x.transpose(0, *(1 + axes.index(at) for at in range(len(axes))))
    with torch.no_grad():
        made: Any = to_torch(flat.graph, flat.weights).eval()(torch.tensor(x))
    found = list(made.values()) if isinstance(made, dict) else [made]
    found = [y for each in found for y in (each if isinstance(each, list) else [each])]
    same = len(found) == len(wanted) and all(
        y.shape == w.shape and np.allclose(y, w, rtol=1e-3, atol=1e-3, equal_nan=True)
        for y, w in zip(found, map(np.asarray, wanted), strict=True)
    )
    return "equal" if same else "wrong"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("matmul_1d_3d", "equal"),
        ("matmul_4d_1d", "equal"),
        ("spacetodepth_example", "equal"),
        ("spacetodepth_crd_mode_example", "equal"),
        ("depthtospace_crd_mode_example", "equal"),
        ("attention_23_boolmask_fullymasked_row_nan_robustness", "refused"),
        ("attention_bidirectional_window", "refused"),
        ("averagepool_2d_dilations", "refused"),
        ("slice_start_out_of_bounds", "refused"),
        ("ai_onnx_ml_binarizer", "refused"),
    ],
)
def test_a_case_is_equal_or_refused(name: str, told: str, tmp_path: Path) -> None:
    assert outcome(cases()[f"test_{name}"], tmp_path / "net.onnx") == told


@pytest.mark.soak
def test_every_case_is_equal_or_refused(tmp_path: Path) -> None:
    found = {n: outcome(case, tmp_path / "net.onnx") for n, case in cases().items()}
    print(Counter(found.values()))
    assert not [name for name, told in found.items() if told == "wrong"]
    assert list(found.values()).count("equal") >= 230
