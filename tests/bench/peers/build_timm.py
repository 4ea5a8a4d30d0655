"""A timm model, exported, checked, and compared with itself under ONNX Runtime.

python build_timm.py NAME OUT
"""

from __future__ import annotations

import sys

import numpy as np
import onnx
import onnxruntime
import torch
from peers import timm

name, out = sys.argv[1:]
torch.manual_seed(0)
model = timm.create_model(name).eval()
image = torch.randn(1, 3, 224, 224)
torch.onnx.export(model, (image,), out)
onnx.checker.check_model(out, full_check=True)
session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
(found,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
with torch.no_grad():
    wanted = model(image).numpy()
error = np.abs(found - wanted).max() / np.ptp(wanted)
print(f"largest difference {error:.1e} of the output's range")
