"""A network that learned something goes through the gate and is as good as before."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

import resgen

SPEC = {
    "resgen": 1,
    "name": "digits",
    "input": [1, 8, 8],
    "stem": {"use": "cifar", "with": {"width": 16}},
    "defaults": {"block": "basic"},
    "stages": [{"width": 16, "depth": 1}, {"width": 32, "depth": 1}],
    "head": {"classes": 10},
    "preprocess": {"resize": None, "color": "gray"},
    "labels": [str(digit) for digit in range(10)],
}


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images = (data.images[order, None] / 16).astype(np.float32)
    return images, data.target[order]


@pytest.mark.slow
def test_trained_network_is_as_good_in_onnx(digits, tmp_path):
    images, targets = digits
    train, test = slice(0, 1400), slice(1400, None)
    torch.manual_seed(0)
    spec = resgen.load(SPEC)
    model = resgen.to_torch(resgen.expand(spec), seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    inputs, wanted = torch.from_numpy(images[train]), torch.from_numpy(targets[train])
    for _ in range(6):
        for batch in torch.randperm(len(inputs)).split(64):
            loss = torch.nn.functional.cross_entropy(
                model(inputs[batch]), wanted[batch]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        ours = model(torch.from_numpy(images[test])).argmax(1).numpy()
    accuracy = (ours == targets[test]).mean()
    assert accuracy > 0.95

    built = resgen.build(spec, tmp_path / "digits", state_dict=model.state_dict())
    assert built.manifest.verified["shipped"]["finite"]
    session = onnxruntime.InferenceSession(built.folder / "model.onnx")
    (scores,) = session.run(None, {"input": images[test]})
    assert (scores.argmax(1) == targets[test]).mean() == accuracy
