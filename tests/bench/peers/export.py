"""torch.onnx.export alone, of a model at hand.

python export.py NAME dynamo|legacy OUT
"""

from __future__ import annotations

import sys

import torch
from clock import report
from peers import timm

name, exporter, out = sys.argv[1:]
torch.manual_seed(0)
model = timm.create_model(name).eval()
image = torch.randn(1, 3, 224, 224)
report(lambda: torch.onnx.export(model, (image,), out, dynamo=exporter == "dynamo"))
