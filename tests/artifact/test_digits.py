"""A network that learned something goes through the gate and is as good as before."""

from __future__ import annotations

from pathlib import Path

import digits as learned
import onnxruntime
import pytest
import torch

import resgen


@pytest.mark.slow
def test_trained_network_is_as_good_in_onnx(tmp_path: Path) -> None:
    digits = learned.digits()
    model = resgen.to_torch(digits.graph, digits.weights).eval()
    with torch.no_grad():
        accuracy = digits.share(model(torch.from_numpy(digits.test)).numpy())
    assert accuracy > 0.95
    built = resgen.build(
        resgen.load(learned.SPEC), tmp_path / "digits", state_dict=model.state_dict()
    )
    assert built.manifest.verified["shipped"]["finite"]
    session = onnxruntime.InferenceSession(built.folder / "model.onnx")
    (scores,) = session.run(None, {"input": digits.test})
    assert digits.share(scores) == accuracy
