"""A network, a kit of it, and a stand-in for TensorRT and CUDA to run it with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hand_graph import Builder

from resgen.kit.write import Trial, write_kit
from resgen.lower.onnx import write
from resgen.ops.global_pool import GlobalPool

HERE = Path(__file__).parent
PROFILE = {"input": ((1, 3, 4, 4), (4, 3, 4, 4), (8, 3, 4, 4))}


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """An ONNX file that averages each of three channels; its batch is open."""
    net = Builder((3, 4, 4))
    net.add("mean", GlobalPool())
    path = tmp_path_factory.mktemp("model") / "mean.onnx"
    write(net.graph(), {}, path)
    return path


@pytest.fixture
def make_kit(model, tmp_path):
    """Writes a kit of that network; what is given replaces an argument."""

    def make(out="kit", onnx=model, **changes) -> Path:
        x = np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32)
        trial = Trial(
            name="mean",
            precision="fp16",
            inputs={"input": x},
            expected={"output": x.mean((2, 3))},
            tolerance=1e-5,
            metadata={"spec": "abc"},
        )
        its = {field.name for field in fields(Trial)} & changes.keys()
        trial = replace(trial, **{name: changes.pop(name) for name in its})
        others = {"target": "sm_87", "profiles": [PROFILE], **changes}
        write_kit(onnx, tmp_path / out, trial, **others)
        return tmp_path / out

    return make


@pytest.fixture(scope="session")
def compiler() -> str:
    """The C compiler, which makes libraries that stand in for NVIDIA's."""
    found = shutil.which("cc") or shutil.which("gcc")
    if found is None:
        pytest.skip("no C compiler to make stand-in libraries with")
    return found


@pytest.fixture(scope="session")
def cudart(compiler, tmp_path_factory) -> Path:
    """The folder of the CUDA runtime's stand-in."""
    folder = tmp_path_factory.mktemp("cudart")
    target = folder / "libcudart.so.13"
    build = [compiler, "-shared", "-fPIC", "-O1", "-o", target]
    subprocess.run([*build, HERE / "stand_in" / "cudart.c"], check=True)
    return folder


@pytest.fixture
def run_script(cudart):
    """Runs a kit's script as a device would, TensorRT and CUDA being the stand-ins."""

    def run(kit: Path, *arguments: str, devices: int = 1, **orders):
        environment = {
            **os.environ,
            "PYTHONPATH": str(HERE / "stand_in"),
            "LD_LIBRARY_PATH": str(cudart),
            "DEVICES": str(devices),
            "STAND_IN": json.dumps(orders),
        }
        quick = ("--runs", "5", "--warm-up", "0")
        return subprocess.run(
            [sys.executable, kit / "build_and_time.py", *quick, *arguments],
            cwd=kit.parent,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run
