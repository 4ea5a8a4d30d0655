"""An int8 file by onnxruntime's quantize_static, as it advises for x86 with VNNI.

python quantize.py SPEC FLOAT.onnx FOLDER OUT
"""

from __future__ import annotations

import sys

from images import Images
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

spec, model, folder, out = sys.argv[1:]
quantize_static(
    model,
    out,
    Images(spec, folder),
    quant_format=QuantFormat.QDQ,
    per_channel=True,
    activation_type=QuantType.QUInt8,
    weight_type=QuantType.QInt8,
)
