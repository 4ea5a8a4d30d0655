"""TensorRT for RTX's parser and builder, and nothing else.

python engine.py FILE.onnx OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import tensorrt_rtx as trt
from clock import report

model, out = sys.argv[1:]
logger = trt.Logger(trt.Logger.ERROR)
Path(out).unlink(missing_ok=True)


def build() -> None:
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(model):
        raise SystemExit(parser.get_error(0).desc())
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM89, 0)
    profile = builder.create_optimization_profile()
    profile.set_shape("input", *((n, 3, 224, 224) for n in (1, 8, 32)))
    config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise SystemExit("no engine was built")
    Path(out).write_bytes(engine)


report(build)
