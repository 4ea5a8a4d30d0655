"""onnxruntime's MinMax calibrater, asked as its quantize_static asks it.

python calibrate.py SPEC FLOAT.onnx FOLDER OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

from clock import report
from images import Images
from onnxruntime.quantization.calibrate import TensorsData, create_calibrator
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

spec, model, folder, out = sys.argv[1:]


def calibrate() -> TensorsData:
    calibrater = create_calibrator(
        Path(model),
        list({*QLinearOpsRegistry, *QDQRegistry}),
        augmented_model_path=out,
        providers=["CPUExecutionProvider"],
    )
    calibrater.collect_data(Images(spec, folder))
    return calibrater.compute_data()


report(calibrate)
