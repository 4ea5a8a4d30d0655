"""Keras on TensorFlow and on JAX, each in a process of its own, where they are."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("keras")

SPEC = """
import json, sys
import numpy as np, torch
import keras, resgen
spec = {
    "resgen": 1, "name": "small", "input": [3, 16, 16],
    "stem": {"op": "conv", "out": 8, "kernel": 3, "stride": 2},
    "stages": [{"block": "basic", "width": 8, "depth": 1}],
    "head": {"outputs": {
        "output": {"use": "classifier", "with": {"classes": 3}},
        "map": {"op": "conv", "out": 2, "kernel": 1}}},
}
spec = {**spec, "head": spec["head"] if "two" in sys.argv else {"classes": 3}}
x = np.random.default_rng(0).standard_normal((4, 16, 16, 3), np.float32)
"""
STEP = """
wanted = np.random.default_rng(1).standard_normal((4, 3), np.float32)
graph = resgen.expand(resgen.load(spec))
model, module = resgen.to_keras(graph, seed=3), resgen.to_torch(graph, seed=3).train()
model.compile(keras.optimizers.SGD(0.1), "mean_squared_error")
model.fit(x, wanted, batch_size=4, epochs=1, verbose=0)
given = torch.from_numpy(x).permute(0, 3, 1, 2)
torch.nn.functional.mse_loss(module(given), torch.from_numpy(wanted)).backward()
torch.optim.SGD(module.parameters(), 0.1).step()
state = resgen.from_keras(model)
for name, held in module.state_dict().items():
    # Keras takes a variance over n, PyTorch over n - 1, and keeps no count of batches.
    if not name.endswith(("running_var", "num_batches_tracked")):
        np.testing.assert_allclose(state[name], held, 1e-4, 1e-5, err_msg=name)
"""
SERVED = """
import tensorflow as tf
made = resgen.export(spec, "out", to="keras")
served = tf.saved_model.load("out/saved_model").signatures["serving_default"]
found = served(input=tf.constant(x))
import onnxruntime
session = onnxruntime.InferenceSession("out/model.onnx")
names = [each.name for each in session.get_outputs()]
assert sorted(found) == sorted(names), (list(found), names)
for name, held in zip(names, session.run(None, {"input": x.transpose(0, 3, 1, 2)})):
    theirs = np.moveaxis(found[name].numpy(), -1, 1)
    np.testing.assert_allclose(theirs, held, rtol=1e-4, atol=1e-5)
assert resgen.verify("out").unproven == ()
"""


def run(backend: str, script: str, folder: Path, *arguments: str) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    env = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", SPEC + script, *arguments],
        cwd=folder, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_step_of_training_is_pytorchs(backend: str, tmp_path: Path) -> None:
    run(backend, STEP, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("heads", ["one", "two"])
def test_what_is_served_bears_the_names_of_the_spec(heads: str, tmp_path: Path) -> None:
    run("tensorflow", SERVED, tmp_path, heads)
