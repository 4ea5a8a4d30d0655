"""The stand-in for TensorRT has nothing that the real bindings do not have.

Together with `test_script.py`, in which the script runs on the stand-in alone, this
says that the script calls nothing that TensorRT lacks. The bindings of the full
TensorRT need only nine symbols of its libraries to be imported, and the wheel that
holds them is a small one: here those symbols are in libraries that do nothing. Nothing
can be built with them, which is why they are imported in a process of their own.
"""

from __future__ import annotations

import enum
import importlib.util
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

STAND_IN = Path(__file__).parent / "stand_in" / "tensorrt.py"
SYMBOLS = (
    "createInferBuilder_INTERNAL", "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL", "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL", "getBuilderPluginRegistry",
    "getNvOnnxParserVersion", "getPluginRegistry", "initLibNvInferPlugins",
)  # fmt: skip

# Prints what the real module says of each class: members of an enumeration with their
# numbers, "property", or the signatures of a method as pybind writes them into its
# documentation, the receiver left out.
DESCRIBE = r"""
import importlib, json, re, sys
module = importlib.import_module(sys.argv[1])

def signatures(text):
    lines = re.findall(r"^(?:\d+\. )?\w+\((self: .*)\) -> ", text or "", re.M)
    return [re.findall(r"(\w+): ", line)[1:] for line in lines]

def describe(owner):
    found = {}
    for name in dir(owner):
        if name.startswith("_") and name != "__init__":
            continue
        value = getattr(owner, name)
        if isinstance(value, property):
            found[name] = "property" if value.fset is None else "writable property"
        elif isinstance(value, type):
            found[name] = describe(value)
        else:
            found[name] = signatures(getattr(value, "__doc__", None))
    members = getattr(owner, "__members__", None)
    if members is not None:
        found["__members__"] = {name: int(value) for name, value in members.items()}
    return found

classes = {n: v for n, v in vars(module).items() if isinstance(v, type)}
print(json.dumps({n: describe(v) for n, v in classes.items()}))
"""


def describe(module, **environment):
    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE, module],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def full(compiler, tmp_path_factory):
    """The bindings of TensorRT 11, on libraries that hold their symbols only."""
    if importlib.util.find_spec("tensorrt_bindings") is None:
        pytest.skip("the bindings of TensorRT are not installed")
    folder = tmp_path_factory.mktemp("nvinfer")
    source = folder / "symbols.c"
    source.write_text(
        "".join(f"void *{name}(void) {{ return 0; }}\n" for name in SYMBOLS)
    )
    for name in ("nvinfer", "nvinfer_plugin", "nvonnxparser"):
        file = f"lib{name}.so.11"
        build = [compiler, "-shared", "-fPIC", f"-Wl,-soname,{file}"]
        subprocess.run([*build, "-o", folder / file, source], check=True)
    return describe("tensorrt_bindings", LD_LIBRARY_PATH=str(folder))


@pytest.fixture(scope="module")
def rtx():
    """TensorRT for RTX, which is installed whole."""
    if importlib.util.find_spec("tensorrt_rtx") is None:
        pytest.skip("TensorRT for RTX is not installed")
    return describe("tensorrt_rtx")


def load_stand_in():
    spec = importlib.util.spec_from_file_location("stand_in_tensorrt", STAND_IN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lacks(ours, theirs, name):
    """What a class of the stand-in has and the described real one has not."""
    found = []
    if issubclass(ours, enum.Enum):
        members = {member.name: member.value for member in ours}
        real = theirs["__members__"]
        return [f"{name}.{m}" for m, value in members.items() if real.get(m) != value]
    for key, value in vars(ours).items():
        if key.startswith("_") and key != "__init__":
            continue
        real = theirs.get(key)
        where = f"{name}.{key}"
        if isinstance(value, type):
            found += [where] if real is None else lacks(value, real, where)
        elif isinstance(value, property):
            writable = value.fset is not None
            fits = real == "writable property" or (real == "property" and not writable)
            found += [] if fits else [where]
        elif key == "__init__" and not real:
            continue  # made by a factory, as in reality
        else:
            wanted = list(inspect.signature(value).parameters)[1:]
            # What follows has defaults.
            fits = any(signature[: len(wanted)] == wanted for signature in real or ())
            found += [] if fits else [f"{where}({', '.join(wanted)}) is {real}"]
    return found


@pytest.mark.parametrize("flavor", ["full", "rtx"])
def test_the_stand_in_claims_nothing_that_is_not_there(flavor, request):
    real = request.getfixturevalue(flavor)
    stand_in = load_stand_in()
    classes = {
        name: value
        for name, value in vars(stand_in).items()
        if isinstance(value, type) and value.__module__ == stand_in.__name__
    }
    assert len(classes) > 15
    assert classes.keys() - real.keys() == set()
    found = [
        lack for name, ours in classes.items() for lack in lacks(ours, real[name], name)
    ]
    assert found == []


def test_a_claim_that_is_not_true_is_seen(rtx):
    class Builder:
        num_profiles = property(lambda self: 1)

        def create_network(self, flags, mode):
            """One parameter too many."""

        def build_engine(self, network, config):
            """Gone since TensorRT 10."""

    class BuilderFlag(enum.Enum):
        FP16 = 0
        TF32 = 99

    assert len(lacks(Builder, rtx["Builder"], "Builder")) == 3
    assert len(lacks(BuilderFlag, rtx["BuilderFlag"], "BuilderFlag")) == 2
