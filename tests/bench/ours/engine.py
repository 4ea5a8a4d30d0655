"""resgen's engine of an ONNX file: built with an empty cache, or taken from it.

python engine.py FILE.onnx FOLDER built|cached

The cache and the engine go to FOLDER. What the command has loaded by the time that it
comes to the engine is loaded here too, and TensorRT as it is for the peer; and the file
has been hashed, as the export of a spec does while it writes it.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import onnx  # noqa: F401
import tensorrt_rtx  # noqa: F401
from clock import report

from resgen.onnxfile.fingerprint import fingerprint
from resgen.tensorrt.export import EngineExported, export_engine
from resgen.tensorrt.flavor import FLAVORS
from resgen.tensorrt.request import EngineRequest

model, folder, how = sys.argv[1:]
os.environ["RESGEN_CACHE"] = str(Path(folder, "cache"))
if how == "built":
    shutil.rmtree(folder, ignore_errors=True)
identity = fingerprint(Path(model))


def export() -> EngineExported:
    made = export_engine(
        Path(model),
        Path(folder, "engine"),
        EngineRequest(FLAVORS["rtx"], ("sm_89",), "fp16"),
        identity=identity,
    )
    if made.cached != (how == "cached"):
        raise SystemExit(f"the engine was not {how}")
    return made


report(export)
