"""Every name of TensorRT's that is used exists in its flavours.

The classes of :mod:`resgen.tensorrt.api` say what is used, and the type checker that
nothing else is. TensorRT for RTX is here whole. Of the full TensorRT only the bindings
can be installed without its libraries; they need nine symbols to be imported, which
libraries that do nothing give them in a process of their own.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import shutil
import subprocess
import sys
from typing import Protocol

import pytest

from resgen.tensorrt import api

SYMBOLS = (
    "createInferBuilder_INTERNAL", "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL", "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL", "getBuilderPluginRegistry",
    "getNvOnnxParserVersion", "getPluginRegistry", "initLibNvInferPlugins",
)  # fmt: skip
# What is used beside attributes of the classes: members of enumerations, methods that
# are overridden, names of types.
MEMBERS = {
    "BuilderFlag": ["TF32"],
    "DataType": [
        "FLOAT",
        "HALF",
        "BF16",
        "FP8",
        "INT8",
        "UINT8",
        "INT32",
        "INT64",
        "BOOL",
    ],
    "ILogger": ["log"],
    "ILogger.Severity": ["INTERNAL_ERROR", "ERROR"],
    "IProfiler": ["report_layer_time"],
    "IProgressMonitor": ["phase_start", "phase_finish", "step_complete"],
    "ITimingCache": ["serialize"],
    "LayerInformationFormat": ["JSON", "ONELINE"],
    "MemoryPoolType": ["WORKSPACE"],
    "ProfilingVerbosity": ["DETAILED"],
    "TensorIOMode": ["INPUT"],
}
#: What only TensorRT for RTX has, and is looked for before it is used: our name for a
#: class that it has more members of, and its own.
ONLY_RTX = {
    "AheadOfTime": "IBuilderConfig",
    "Capturable": "IExecutionContext",
    "CompilesWhereItRuns": "ICudaEngine",
    "IRuntimeCache": "IRuntimeCache",
    "IRuntimeConfig": "IRuntimeConfig",
}
ONLY_RTX_MEMBERS = {
    "BuilderFlag.REQUIRE_USER_ALLOCATION",
    "ComputeCapability",
    "DynamicShapesKernelSpecializationStrategy",
    "DynamicShapesKernelSpecializationStrategy.EAGER",
}

# Prints which of the names, given as JSON, a module lacks.
LACKING = """
import functools, importlib, json, sys
module = importlib.import_module(sys.argv[1])
names = json.loads(sys.argv[2])
def has(name):
    try:
        functools.reduce(getattr, name.split("."), module)
    except AttributeError:
        return False
    return True
print(json.dumps([name for name in names if not has(name)]))
"""


def used(*, ahead):
    """Dotted names of all that is used."""
    names = []
    for name, made in inspect.getmembers(api, inspect.isclass):
        if made is Protocol or made.__module__ != api.__name__:
            continue
        if name in ONLY_RTX:
            owner = f"{ONLY_RTX[name]}."
            if not ahead:
                continue
        else:
            owner = "" if name == "TensorRT" else f"{name}."
        members = {*vars(made), *made.__annotations__}
        names += [owner + m for m in members if m[0] != "_" and m != "Any"]
    names += [f"{owner}.{m}" for owner, members in MEMBERS.items() for m in members]
    names += ONLY_RTX_MEMBERS
    return sorted({n for n in names if ahead or n not in ONLY_RTX_MEMBERS})


def lacking(module, names, **environment):
    done = subprocess.run(
        [sys.executable, "-c", LACKING, module, json.dumps(names)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """A folder of libraries that have the symbols of TensorRT and do nothing."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler to make stand-in libraries with")
    folder = tmp_path_factory.mktemp("nvinfer")
    source = folder / "symbols.c"
    source.write_text("".join(f"void *{s}(void) {{ return 0; }}\n" for s in SYMBOLS))
    for name in ("nvinfer", "nvinfer_plugin", "nvonnxparser"):
        file = f"lib{name}.so.11"
        build = [compiler, "-shared", "-fPIC", f"-Wl,-soname,{file}"]
        subprocess.run([*build, "-o", folder / file, source], check=True)
    return folder


def test_the_list_is_not_empty():
    names = used(ahead=True)
    assert "Builder.build_serialized_network" in names
    assert "IBuilderConfig.set_compute_capability" in names
    assert "TensorIOMode" in names
    assert len(names) > 60
    assert set(used(ahead=False)) < set(names)


def test_tensorrt_for_rtx_has_every_name(rtx):
    assert lacking(rtx.module, [*used(ahead=True), "no_such_name"]) == ["no_such_name"]


def test_the_full_tensorrt_has_every_name(libraries):
    if importlib.util.find_spec("tensorrt_bindings") is None:
        pytest.skip("the bindings of TensorRT are not installed")
    names = [*used(ahead=False), "IBuilderConfig.set_compute_capability"]
    found = lacking("tensorrt_bindings", names, LD_LIBRARY_PATH=str(libraries))
    assert found == ["IBuilderConfig.set_compute_capability"]
