"""What a Python caller gives is looked at as the command line's words are."""

import pytest
import torch

import resgen
from resgen.errors import ResgenError, UsageError

SPEC = {
    "resgen": 1,
    "name": "small",
    "input": [3, 8, 8],
    "stem": {"op": "conv", "out": 8, "kernel": 3},
    "stages": [{"block": "basic", "width": 8, "depth": 1}],
    "head": {"classes": 3},
}
WRONG = [
    {"batch": 0}, {"batch": -1}, {"batch": "x"}, {"batch": 2**31}, {"batch": 1.5},
    {"batch": True}, {"seed": "a"}, {"seed": -1}, {"opset": 0}, {"opset": "17"},
    {"weights": 3}, {"weights": ""}, {"dynamic": "yes"}, {"force": 1},
    {"nonsense": 1}, {"set": "depth"}, {"ema": True}, {"out": 5},
]  # fmt: skip


@pytest.mark.parametrize("given", WRONG, ids=str)
@pytest.mark.parametrize("make", [resgen.build, resgen.export])
def test_what_is_wrong_is_refused_by_its_name(tmp_path, make, given):
    out = {"out": tmp_path / "out"}
    with pytest.raises(UsageError) as refused:
        make(SPEC, **{**out, "verify": False, **given})
    assert next(iter(given)) in refused.value.message
    assert "--" not in refused.value.message
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "given",
    [
        {"precision": "x"}, {"precision": 8}, {"consumer": "nobody"}, {"camera": 3},
        {"camera": (0, 8)}, {"method": "best"}, {"tolerate": 3}, {"keep": 5},
        {"calibration": 7}, {"ends": "high"},
    ],
    ids=str,
)  # fmt: skip
def test_so_is_what_only_exports_take(tmp_path, given):
    with pytest.raises(UsageError) as refused:
        resgen.export(SPEC, tmp_path / "out", **given)
    assert next(iter(given)) in refused.value.message


def test_paths_may_be_texts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = resgen.build(SPEC, "first", verify=False)
    again = resgen.build(
        SPEC, "again", weights="first/weights.safetensors", verify=False
    )
    names = ("weights.safetensors", "model.onnx")
    for name in names:
        assert (again.folder / name).read_bytes() == (first.folder / name).read_bytes()
    with pytest.raises(ResgenError, match="nowhere"):
        resgen.build(SPEC, "third", images="nowhere")


def test_tensors_and_parameters_are_a_state_dict(tmp_path):
    spec = resgen.load(SPEC)
    model = resgen.to_torch(resgen.expand(spec))
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    for number, given in enumerate((model.state_dict(), named)):
        made = resgen.build(
            spec, tmp_path / str(number), state_dict=given, verify=False
        )
        assert made.manifest.weights == "state_dict"
    # What it was built from can be given to torch again, as tensors.
    again = resgen.to_torch(resgen.expand(spec), model.state_dict())
    x = torch.zeros(1, 3, 8, 8)
    assert torch.equal(again.eval()(x), model.eval()(x))
